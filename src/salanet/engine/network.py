"""The U-Net in NumPy and the fused kernels: `salanet.models.unet` at inference, norms folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import salanet._aggregation as kernels
from salanet.engine.aggregations import AGGREGATIONS, Aggregation, neighbour_max
from salanet.engine.weights import Array, Weights
from salanet.geometry import Level
from salanet.model_config import ModelConfig


def obstacle(config: ModelConfig) -> str:
    """Why the native kernels do not run such a network; empty if they do."""
    if config.network != "salanet":
        return f"the network '{config.network}' has no native kernels"
    if config.operator not in AGGREGATIONS:
        return f"the operator '{config.operator}' has no native kernels"
    if max(config.neighbours) > kernels.max_slots:
        return f"the native kernels take at most {kernels.max_slots} neighbours"
    sizes = {"lift": min(kernels.max_lifted, kernels.max_hidden), "groups": kernels.max_groups}
    for name, most in sizes.items():
        asked = config.operator_options.get(name, 1)
        if config.operator == "sala" and isinstance(asked, int) and asked > most:
            return f"the native kernels take no perceptrons of this size ({name} {asked} > {most})"
    return ""


class Dense:
    """Linear map and batch norm as one product and one sum; see `salanet.models.layers.Dense`."""

    def __init__(
        self, weights: Weights, *, relu: bool = True, shape: tuple[int, int] | None = None
    ) -> None:
        linear = weights.under("linear")
        weight = linear.shaped("weight", *shape) if shape else linear["weight"]
        scale, self.bias = weights.norm(len(weight))
        self.weight = np.ascontiguousarray((weight * scale[:, None]).T)
        self.relu = relu

    def __call__(self, x: Array) -> Array:
        return self.finish(x @ self.weight)

    def finish(self, product: Array) -> Array:
        """Bias and ReLU, in place."""
        product += self.bias
        return np.maximum(product, 0, out=product) if self.relu else product


class Residual:
    """See `salanet.models.unet.Residual`."""

    def __init__(self, weights: Weights, aggregate: Aggregation) -> None:
        self.reduce = Dense(weights.under("reduce"))
        self.aggregate = aggregate
        self.expand = Dense(weights.under("expand"), relu=False)
        shortcut = weights.under("shortcut")
        self.shortcut = Dense(shortcut, relu=False) if "linear.weight" in shortcut else None

    def __call__(self, x: Array, level: Level, coarser: Level | None = None) -> Array:
        if coarser is None:
            queries, neighbours, shortcut = level.points, level.neighbours, x
        else:
            assert level.pool is not None
            queries, neighbours = coarser.points, level.pool
            shortcut = neighbour_max(x, neighbours)
        out = self.expand(self.aggregate(queries, level.points, neighbours, self.reduce(x)))
        out += self.shortcut(shortcut) if self.shortcut else shortcut
        return np.maximum(out, 0, out=out)


class SalaNetwork:
    """Features (N, in_channels) and the levels of their cloud -> logits (N, classes).

    Args:
        tensors: the weights by name, as `salanet.models.save` writes them; float16 is widened.
        config: the architecture, without an `obstacle`.

    Raises:
        KeyError, ValueError, TypeError: the tensors or options are not those of such a network.
    """

    def __init__(self, tensors: Mapping[str, NDArray[Any]], config: ModelConfig) -> None:
        weights = Weights(tensors)
        encoder, decoder = weights.under("encoder"), weights.under("decoder.up")
        stages = range(len(config.neighbours))
        options = {k: v for k, v in config.operator_options.items() if k != "bn_momentum"}

        def aggregation(under: Weights, stage: int) -> Aggregation:
            found: Aggregation = AGGREGATIONS[config.operator](
                under, config.radius * 2**stage, **options
            )
            return found

        def residual(name: str, stage: int) -> Residual:
            under = encoder.under(name)
            return Residual(under, aggregation(under.under("aggregate"), stage))

        shape = config.width // 2, config.in_channels
        self.input = Dense(encoder.under("input"), shape=shape)
        self.first = aggregation(encoder.under("first"), 0)
        self.residual = [residual(f"residual.{s}", s) for s in stages]
        self.strided = [residual(f"strided.{s}", s) for s in stages[:-1]]
        self.up = [Dense(decoder.under(str(s))) for s in stages[:-1]]
        head = weights.under("head")
        self.head = Dense(head.under("0"))
        classes = len(head["1.bias"])
        weight = head.shaped("1.weight", classes, self.head.weight.shape[1])
        self.classifier = weight.T.copy(), head.shaped("1.bias", classes)
        weights.require_all_used()

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
