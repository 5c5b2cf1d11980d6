"""The U-Net with SALA in NumPy and the fused kernels: `salanet.models.unet` at inference.

Same formulas, batch norms folded; nothing of size queries × neighbours × channels is ever made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import salanet._aggregation as kernels
from salanet.errors import ConfigError
from salanet.geometry import Level

Array = NDArray[np.float32]
EPSILON = 1e-5  # of the batch norms
ASSIGNMENTS = ("soft", "hard", "none")  # in the order of the kernels' enumeration
PERCEPTRON = ("lift", "hidden", "score")  # of an aggregation, in order


class Weights:
    """The tensors under a prefix, as contiguous float32 arrays."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix

    def under(self, name: str) -> Weights:
        return Weights(self._tensors, f"{self._prefix}{name}.")

    def __getitem__(self, name: str) -> Array:
        tensor = self._tensors[self._prefix + name]
        if tensor.dtype.kind != "f":
            raise ValueError(f"{self._prefix}{name} is of the type {tensor.dtype}")
        return np.ascontiguousarray(tensor, np.float32)

    def __contains__(self, name: str) -> bool:
        return self._prefix + name in self._tensors

    def shaped(self, name: str, *shape: int) -> Array:
        """The tensor, if it has this shape; kernels trust it, and NumPy would spread what is 1."""
        tensor = self[name]
        if tensor.shape != shape:
            raise ValueError(f"{self._prefix}{name} has the shape {tensor.shape}, not {shape}")
        return tensor

    def norm(self, channels: int) -> tuple[Array, Array]:
        """The batch norm here as a·x + b."""
        under = self.under("norm")
        names = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (under.shaped(name, channels) for name in names)
        scale = weight / np.sqrt(variance + np.float32(EPSILON))
        return scale, bias - mean * scale


class Dense:
    """Linear map and batch norm as one product and one sum; see `salanet.models.layers.Dense`."""

    def __init__(self, weights: Weights, *, relu: bool = True) -> None:
        weight = weights.under("linear")["weight"]
        scale, self.bias = weights.norm(len(weight))
        self.weight = np.ascontiguousarray((weight * scale[:, None]).T)
        self.relu = relu

    def __call__(self, x: Array) -> Array:
        return self.finish(x @ self.weight)

    def finish(self, product: Array) -> Array:
        """Bias and ReLU, in place."""
        product += self.bias
        return np.maximum(product, 0, out=product) if self.relu else product


class Sala:
    """One aggregation; see `salanet.operators.SALA`."""

    def __init__(
        self, weights: Weights, options: dict[str, Any], radius: float, threads: int
    ) -> None:
        lifted, hidden, groups = (len(weights[f"{name}.weight"]) for name in PERCEPTRON)
        widths = {"lift": (lifted, 3), "hidden": (hidden, lifted), "score": (groups, hidden)}
        self.mlp: list[Array] = []
        for name, shape in widths.items():
            weight = weights.shaped(f"{name}.weight", *shape)
            if f"{name}.bias" in weights:
                bias = weights.shaped(f"{name}.bias", shape[0])
            else:
                scale, bias = weights.under(name).norm(shape[0])
                weight = np.ascontiguousarray(weight * scale[:, None])
            self.mlp += [weight, bias]
        if (
            lifted > kernels.max_lifted
            or hidden > kernels.max_hidden
            or groups > kernels.max_groups
        ):
            raise ConfigError(
                "the native kernels take no perceptrons of this size; "
                "write the model as ONNX with `salanet export` and open that"
            )
        both = weights["weight"]
        split = lifted if options.get("positional", True) else 0
        position, features = both[:, :split], both[:, split:]
        per_neighbour = options.get("norm", "point") == "neighbour"
        if len(both) % groups:
            raise ValueError(f"{len(both)} channels are no {groups} equal groups")
        self.scale, self.shift = weights.norm(len(both) if per_neighbour else len(both) // groups)
        self.bias = None
        if per_neighbour:
            position, features = position * self.scale[:, None], features * self.scale[:, None]
            self.bias = self.shift
        self.features = np.ascontiguousarray(features.T)
        self.position = np.ascontiguousarray(position) if split else None
        self.options = (
            radius,
            groups,
            self.bias is not None,
            options.get("reduction", "max") == "sum",
            ASSIGNMENTS.index(options.get("assignment", "soft")),
        )
        self.threads = threads

    def __call__(
        self, queries: Array, supports: Array, neighbours: NDArray[np.int32], x: Array
    ) -> Array:
        projected = x @ self.features
        out = np.empty((len(queries), projected.shape[1] // self.options[1]), np.float32)
        inputs = (queries, supports, neighbours, projected, *self.mlp, self.position, self.bias)
        kernels.sala_forward(inputs, self.options, out, None, self.threads)
        if self.bias is None:
            out *= self.scale
            out += self.shift
            np.maximum(out, 0, out=out)
        return out


class Residual:
    """See `salanet.models.unet.Residual`."""

    def __init__(
        self, weights: Weights, options: dict[str, Any], radius: float, threads: int
    ) -> None:
        self.reduce = Dense(weights.under("reduce"))
        self.aggregate = Sala(weights.under("aggregate"), options, radius, threads)
        self.expand = Dense(weights.under("expand"), relu=False)
        shortcut = weights.under("shortcut")
        self.shortcut = Dense(shortcut, relu=False) if "linear.weight" in shortcut else None
        self.threads = threads

    def __call__(self, x: Array, level: Level, coarser: Level | None = None) -> Array:
        if coarser is None:
            queries, neighbours, shortcut = level.points, level.neighbours, x
        else:
            assert level.pool is not None
            queries, neighbours = coarser.points, level.pool
            shortcut = np.empty((len(queries), x.shape[1]), np.float32)
            kernels.max_forward(x, neighbours, shortcut, None, self.threads)
        out = self.expand(self.aggregate(queries, level.points, neighbours, self.reduce(x)))
        out += self.shortcut(shortcut) if self.shortcut else shortcut
        return np.maximum(out, 0, out=out)


class SalaNetwork:
    """Features (N, in_channels) and the levels of their cloud -> logits (N, classes).

    Args:
        tensors: the weights by name, as `salanet.models.save` writes them; float16 is widened.
        config: the architecture, as `ModelConfig` dumps it.
        threads: of the kernels; those of the matrix products are NumPy's own.

    Raises:
        ConfigError: another network or operator, which the kernels do not run alone.
        KeyError: a tensor is missing.
    """

    def __init__(
        self, tensors: Mapping[str, NDArray[Any]], config: dict[str, Any], threads: int
    ) -> None:
        if config["network"] != "salanet" or config["operator"] != "sala":
            what = config["operator"] if config["network"] == "salanet" else config["network"]
            raise ConfigError(
                f"{what!r} runs without PyTorch as ONNX only: write it with `salanet export`, "
                "and open that file"
            )
        if max(config["neighbours"]) > kernels.max_slots:
            raise ConfigError(f"the native kernels take at most {kernels.max_slots} neighbours")
        weights = Weights(tensors)
        encoder, decoder = weights.under("encoder"), weights.under("decoder.up")
        options = config.get("operator_options", {})
        stages = range(len(config["neighbours"]))
        radii = [config["radius_cells"] * config["grid"] * 2**s for s in stages]

        def residual(name: str, radius: float) -> Residual:
            return Residual(encoder.under(name), options, radius, threads)

        self.input = Dense(encoder.under("input"))
        self.first = Sala(encoder.under("first"), options, radii[0], threads)
        self.residual = [residual(f"residual.{s}", radii[s]) for s in stages]
        self.strided = [residual(f"strided.{s}", radii[s]) for s in stages[:-1]]
        self.up = [Dense(decoder.under(str(s))) for s in stages[:-1]]
        head = weights.under("head")
        self.head = Dense(head.under("0"))
        classes = len(head["1.bias"])
        weight = head.shaped("1.weight", classes, self.head.weight.shape[1])
        self.classifier = weight.T.copy(), head.shaped("1.bias", classes)

    def __call__(self, features: Array, levels: list[Level]) -> Array:
        finest = levels[0]
        x = self.input(features)
        x = self.first(finest.points, finest.points, finest.neighbours, x)
        skips = [self.residual[0](x, finest)]
        for s, strided in enumerate(self.strided):
            x = strided(skips[-1], levels[s], levels[s + 1])
            skips.append(self.residual[s + 1](x, levels[s + 1]))
        x = skips.pop()
        for dense, level in zip(self.up, reversed(levels[:-1]), strict=True):
            # Equal rows have equal products: the coarse half is multiplied before it is spread.
            coarse = x @ dense.weight[: x.shape[1]]
            product = skips.pop() @ dense.weight[x.shape[1] :]
            product += coarse[level.upsample]
            x = dense.finish(product)
        weight, bias = self.classifier
        logits: Array = self.head(x) @ weight + bias
        return logits
