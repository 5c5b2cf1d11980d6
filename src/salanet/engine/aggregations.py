"""Local aggregations at inference: `salanet.operators` in NumPy and the fused kernels.

Same formulas, batch norms as one product and one sum; nothing of size queries × neighbours ×
channels is ever made.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

import salanet._aggregation as kernels
from salanet.engine.pairs import (
    Influence,
    Pairs,
    counts,
    depthwise,
    kernel_point_scores,
    neighbour_sum,
    offset_scores,
    spherical_scores,
)
from salanet.engine.weights import Array, Weights
from salanet.geometry import threads

Table = NDArray[np.int32]
ASSIGNMENTS = ("soft", "hard", "none")  # in the order of the kernels' enumeration


class Aggregation(Protocol):
    """From support points to query points; see `salanet.operators.Operator`."""

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        """queries (M, 3), supports (N, 3), neighbours (M, K), x (N, C) -> (M, C)."""


class SalaShare(NamedTuple):
    """Channels that share a reduction: parts of W_g for positions and features, all groups'."""

    position: Array | None
    features: Array
    bias: Array | None
    reduction: str


class Sala:
    """See `salanet.operators.SALA`."""

    def __init__(
        self,
        weights: Weights,
        radius: float,
        *,
        assignment: str = "soft",
        reduction: Literal["max", "sum", "mean", "half"] = "max",
        centre: bool = False,
        temperature: float | None = None,
        positional: bool = True,
        norm: Literal["point", "neighbour"] = "point",
        groups: int = 2,
        lift: int = 8,
        perceptrons: str = "dense",
    ) -> None:
        del perceptrons  # the tensors tell
        lifted = hidden = lift
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
        if temperature is not None:
            sharpness = np.exp(weights.shaped("sharpness", 1))
            self.mlp[-2:] = [part * sharpness for part in self.mlp[-2:]]
        both = weights["weight"]
        split = lifted if positional else 0
        if len(both) % groups:
            raise ValueError(f"{len(both)} channels are no {groups} equal groups")
        per_neighbour = norm == "neighbour"
        channels = len(both) // groups
        self.scale, self.shift = weights.norm(len(both) if per_neighbour else channels)
        self.activated = per_neighbour
        per_pair = self.shift if per_neighbour else None
        if per_neighbour:
            both = both * self.scale[:, None]
        shares = np.split(np.arange(len(both)).reshape(groups, channels), [channels // 2], axis=1)
        if reduction != "half":
            shares = [np.hstack(shares)]
        reductions = ("max", "mean") if reduction == "half" else (reduction,)
        self.shares = [
            SalaShare(
                position=np.ascontiguousarray(both[rows, :split]) if split else None,
                features=np.ascontiguousarray(both[rows, split:].T),
                bias=None if per_pair is None else per_pair[rows],
                reduction=how,
            )
            for rows, how in zip((share.ravel() for share in shares), reductions, strict=True)
        ]
        self.centre: Array | None = None
        if centre:
            self.centre = weights.shaped("centre.weight", channels, both.shape[1] - split).T.copy()
        self.options = radius, groups, per_neighbour, ASSIGNMENTS.index(assignment)

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        parts = [self._reduced(s, queries, supports, neighbours, x) for s in self.shares]
        out = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
        if self.centre is not None:
            padded = np.vstack([x @ self.centre, np.zeros((1, out.shape[1]), np.float32)])
            out += padded[neighbours[:, 0]]
        return out if self.activated else _activated(out, self.scale, self.shift)

    def _reduced(
        self, share: SalaShare, queries: Array, supports: Array, neighbours: Table, x: Array
    ) -> Array:
        radius, groups, activated, assignment = self.options
        projected = x @ share.features
        out = np.empty((len(queries), projected.shape[1] // groups), np.float32)
        inputs = (queries, supports, neighbours, projected, *self.mlp, share.position, share.bias)
        options = (radius, groups, activated, share.reduction != "max", assignment)
        kernels.sala_forward(inputs, options, out, None, threads())
        if share.reduction == "mean":
            out /= counts(neighbours, len(supports))
        return out


class PointwiseMLP:
    """See `salanet.operators.PointwiseMLP`."""

    def __init__(self, weights: Weights, radius: float) -> None:
        weight = weights.under("linear")["weight"]
        scale, self.shift = weights.norm(len(weight))
        width = (weight.shape[1] - 3) // 2
        if weight.shape != (len(weight), 3 + 2 * width):
            raise ValueError(f"linear.weight has the shape {weight.shape}")
        position, centre, change = np.split(weight * scale[:, None], [3, 3 + width], axis=1)
        self.position = np.ascontiguousarray(position.T / np.float32(radius))
        self.support, self.query = change.T.copy(), (centre - change).T.copy()

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        # A Δ_ij = A p_j / radius - A p_i / radius; coordinates around the cloud's middle keep the
        # two small.
        middle = supports.mean(axis=0, dtype=np.float64).astype(np.float32)
        nearest = np.minimum(neighbours[:, 0], len(supports) - 1)
        of_support = x @ self.support
        of_support += (supports - middle) @ self.position
        out = neighbour_max(of_support, neighbours)
        out += x[nearest] @ self.query
        out -= (queries - middle) @ self.position
        out += self.shift
        np.maximum(out, 0, out=out)
        out[neighbours[:, 0] == len(supports)] = 0
        return out


class PseudoGrid:
    """See `salanet.operators.PseudoGrid`."""

    def __init__(
        self,
        weights: Weights,
        radius: float,
        *,
        points: int = 15,
        extent: float = 0.4,
        influence: Influence = "linear",
    ) -> None:
        self.points = weights.shaped("kernel_points", points, 3)
        self.weight = weights["weight"]
        self.scale, self.shift = weights.norm(self.weight.shape[1])
        self.radius, self.extent, self.influence = radius, extent, influence

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        out = np.empty((len(queries), x.shape[1]), np.float32)
        for part in Pairs.parts(queries, supports, neighbours, self.radius):
            scores = kernel_point_scores(part.offsets, self.points, self.extent, self.influence)
            depthwise(scores, part.neighbours, x, self.weight, out[part.rows])
        return _activated(out, self.scale, self.shift)


class AdaptiveWeight:
    """See `salanet.operators.AdaptiveWeight`."""

    def __init__(self, weights: Weights, radius: float) -> None:
        under = weights.under("weight")
        weight = under["weight"]
        weight = under.shaped("weight", len(weight), 3)
        bias = under.shaped("bias", len(weight))
        self.weight = np.ascontiguousarray(np.concatenate([weight.T, bias[None]]))
        self.scale, self.shift = weights.norm(len(weight))
        self.radius = radius

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        out = np.empty((len(queries), x.shape[1]), np.float32)
        for part in Pairs.parts(queries, supports, neighbours, self.radius):
            scores = offset_scores(part.offsets, constant=True)
            depthwise(scores, part.neighbours, x, self.weight, out[part.rows])
        out /= counts(neighbours, len(supports))
        return _activated(out, self.scale, self.shift)


class PosPool:
    """See `salanet.operators.PosPool`."""

    def __init__(self, weights: Weights, radius: float) -> None:
        self.scale, self.shift = weights.norm(len(weights.under("norm")["weight"]))
        self.axis = _axes(len(self.scale))
        self.radius = radius

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        out = np.empty((len(queries), x.shape[1]), np.float32)
        for part in Pairs.parts(queries, supports, neighbours, self.radius):
            depthwise(offset_scores(part.offsets), part.neighbours, x, self.axis, out[part.rows])
        out /= counts(neighbours, len(supports))
        return _activated(out, self.scale, self.shift)


class PosPoolSinCos:
    """See `salanet.operators.PosPoolSinCos`."""

    def __init__(self, weights: Weights, radius: float) -> None:
        self.scale, self.shift = weights.norm(len(weights.under("norm")["weight"]))
        count = len(self.scale) // 6
        ladder = 100.0 / 1000.0 ** (np.arange(count) / max(count, 1))
        # One column per embedded channel: which axis, how fast. Its phase: cos = sin(· + π/2).
        self.frequency = np.kron(np.eye(3), np.tile(ladder, 2)[None])
        self.phase = np.tile(np.repeat([0.0, np.pi / 2], count), 3)
        self.embedded = 6 * count
        self.axis = _axes(len(self.scale) - self.embedded)
        self.radius = radius

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        out = np.empty((len(queries), x.shape[1]), np.float32)
        embedded, rest = x[:, : self.embedded], np.ascontiguousarray(x[:, self.embedded :])
        if self.embedded:
            (sin, cos), (far_sin, far_cos) = self._angles(queries), self._angles(supports, True)
            both = np.concatenate([far_sin * embedded, far_cos * embedded], axis=1)
            with_sin, with_cos = np.split(neighbour_sum(both, neighbours), 2, axis=1)
            out[:, : self.embedded] = cos * with_sin - sin * with_cos
        if rest.shape[1]:
            for part in Pairs.parts(queries, supports, neighbours, self.radius):
                found = np.empty((len(part.neighbours), rest.shape[1]), np.float32)
                depthwise(offset_scores(part.offsets), part.neighbours, rest, self.axis, found)
                out[part.rows, self.embedded :] = found
        out /= counts(neighbours, len(supports))
        return _activated(out, self.scale, self.shift)

    def _angles(self, points: Array, shifted: bool = False) -> tuple[Array, Array]:
        """Sine and cosine of ω p (N, 6F); the angles are large, so they are reduced in float64."""
        angle = (points.astype(np.float64) / self.radius) @ self.frequency
        if shifted:
            angle += self.phase
        angle -= 2 * np.pi * np.rint(angle / (2 * np.pi))
        reduced = angle.astype(np.float32)
        return np.sin(reduced), np.cos(reduced)


class KPConv:
    """See `salanet.operators.KPConv`."""

    def __init__(
        self,
        weights: Weights,
        radius: float,
        *,
        points: int = 15,
        extent: float = 0.4,
        influence: Influence = "linear",
        closest: bool = False,
        slope: float = 0.0,
    ) -> None:
        under = weights.under("convolution")
        self.points = under.shaped("kernel_points", points, 3)
        weight = under["weight"]
        weight = under.shaped("weight", points, *weight.shape[1:])
        self.scale, self.shift = weights.norm(weight.shape[2])
        self.weight = (weight * self.scale).reshape(-1, len(self.scale))
        self.radius, self.extent, self.influence = radius, extent, influence
        self.closest, self.slope = closest, np.float32(slope)

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        out = np.empty((len(queries), len(self.scale)), np.float32)
        for part in Pairs.parts(queries, supports, neighbours, self.radius):
            scores = kernel_point_scores(
                part.offsets, self.points, self.extent, self.influence, closest=self.closest
            )
            sums = scores.grid_sum(part.neighbours, x)
            np.matmul(sums.reshape(len(sums), -1), self.weight, out=out[part.rows])
        out += self.shift
        return np.maximum(out, out * self.slope if self.slope else np.float32(0), out=out)


class Spherical:
    """See `salanet.operators.Spherical` and `SphericalFuzzy`."""

    fuzzy, usual = False, (8, 2, 2)

    def __init__(
        self,
        weights: Weights,
        radius: float,
        *,
        bins: tuple[int, int, int] | None = None,
        multiplier: int = 2,
    ) -> None:
        self.bins = tuple(bins or self.usual)
        weight = weights["weight"]
        wide = weight.shape[1]
        self.weight = weights.shaped("weight", int(np.prod(self.bins)) + 1, wide)
        pointwise = weights.under("pointwise")
        width = len(pointwise["weight"])
        self.pointwise = pointwise.shaped("weight", width, wide).T.copy()
        self.bias = pointwise.shaped("bias", width)
        self.scale, self.shift = weights.norm(width)
        self.radius, self.multiplier = radius, multiplier

    def __call__(self, queries: Array, supports: Array, neighbours: Table, x: Array) -> Array:
        wide = np.tile(x, self.multiplier)
        mean = np.empty((len(queries), wide.shape[1]), np.float32)
        for part in Pairs.parts(queries, supports, neighbours, self.radius):
            scores = spherical_scores(part.offsets, self.bins, fuzzy=self.fuzzy)
            depthwise(scores, part.neighbours, wide, self.weight, mean[part.rows])
        mean /= counts(neighbours, len(supports))
        out = mean @ self.pointwise
        out += self.bias
        below = np.expm1(np.minimum(out, 0))
        np.maximum(out, below, out=out)  # ELU: x above 0, exp(x) - 1 below, which is less
        out *= self.scale
        out += self.shift
        return out


class SphericalFuzzy(Spherical):
    fuzzy, usual = True, (8, 2, 1)


AGGREGATIONS: dict[str, type[Any]] = {
    "sala": Sala,
    "pointwise_mlp": PointwiseMLP,
    "pseudo_grid": PseudoGrid,
    "adaptive_weight": AdaptiveWeight,
    "pospool": PosPool,
    "pospool_sincos": PosPoolSinCos,
    "kpconv": KPConv,
    "spherical": Spherical,
    "spherical_fuzzy": SphericalFuzzy,
}


def neighbour_max(x: Array, neighbours: Table) -> Array:
    """The maximum over the neighbours of each channel: x (N, C), neighbours (M, K) -> (M, C)."""
    out = np.empty((len(neighbours), x.shape[1]), np.float32)
    kernels.max_forward(x, neighbours, out, None, threads())
    return out


def _activated(out: Array, scale: Array, shift: Array) -> Array:
    """Batch norm and ReLU, in place."""
    out *= scale
    out += shift
    return np.maximum(out, 0, out=out)


def _axes(channels: int) -> Array:
    """Which axis of the offset weights each channel: (3, channels)."""
    return np.tile(np.eye(3, dtype=np.float32), channels // 3 + 1)[:, :channels].copy()
