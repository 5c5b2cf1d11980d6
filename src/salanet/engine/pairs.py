"""Pairs of a query and a neighbour, and the fixed assignments of neighbours to groups, in NumPy.

The counterpart of `salanet.operators.assignment`; a few thousand queries at once, so that what
grows with their neighbours stays small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

import salanet._weighted as kernels
from salanet.engine.weights import Array
from salanet.geometry import threads

CHUNK = 4096  # queries at once
SELF_DISTANCE, BORDER = np.float32(0.01), np.float32(1e-4)  # as `salanet.operators.assignment` has

Table = NDArray[np.int32]
Influence = Literal["linear", "gaussian", "constant"]


class Pairs(NamedTuple):
    """Some queries and their neighbours.

    Attributes:
        rows: which queries.
        neighbours: int32 (m, K).
        offsets: (p_j - q_i) / radius, float32 (m, K, 3); zero where a neighbour is missing.
    """

    rows: slice
    neighbours: Table
    offsets: Array

    @classmethod
    def parts(
        cls, queries: Array, supports: Array, neighbours: Table, radius: float
    ) -> Iterator[Pairs]:
        """All of them, part by part."""
        for start in range(0, len(queries), CHUNK):
            rows = slice(start, start + CHUNK)
            table = neighbours[rows]
            out = np.empty((*table.shape, 3), np.float32)
            kernels.offsets(queries[rows], supports, table, radius, out, threads())
            yield cls(rows, table, out)


class Scores(NamedTuple):
    """h(j, g); see `salanet.ops.aggregation.weighted.Scores`."""

    values: Array
    groups: NDArray[np.int32] | None
    size: int

    def grid_sum(self, neighbours: Table, x: Array) -> Array:
        """Features of each query's neighbours, summed by group: (m, G, C)."""
        out = np.empty((len(neighbours), self.size, x.shape[1]), np.float32)
        kernels.grid((self.values, self.groups, self.size, neighbours, x), out, threads())
        return out


def depthwise(scores: Scores, neighbours: Table, x: Array, weight: Array, out: Array) -> None:
    """out[i, c] = Σ_j Σ_g h_ijg w_gc x_jc, for neighbours (m, K), x (N, C), weight (G, C)."""
    inputs = (scores.values, scores.groups, scores.size, neighbours, x)
    kernels.depthwise(inputs, weight, out, threads())


def neighbour_sum(x: Array, neighbours: Table) -> Array:
    """Sum of the neighbours' features: x (N, C), neighbours (M, K) -> (M, C)."""
    out = np.empty((len(neighbours), 1, x.shape[1]), np.float32)
    kernels.grid((None, None, 1, neighbours, x), out, threads())
    return out[:, 0]


def counts(neighbours: Table, supports: int) -> Array:
    """Number of neighbours of each query, at least one, as float32 (M, 1)."""
    present = (neighbours < supports).sum(axis=1, keepdims=True)
    number: Array = np.maximum(present, 1).astype(np.float32)
    return number


def offset_scores(offsets: Array, *, constant: bool = False) -> Scores:
    """The offsets as scores: three groups, and with `constant` a fourth whose score is one."""
    if constant:
        offsets = np.concatenate([offsets, np.ones_like(offsets[..., :1])], axis=-1)
    return Scores(offsets, None, offsets.shape[-1])


def kernel_point_scores(
    offsets: Array, points: Array, extent: float, influence: Influence, *, closest: bool = False
) -> Scores:
    """Influence of each kernel point (G, 3) on each neighbour; see `salanet.operators`."""
    count, shape = len(points), (*offsets.shape[:2], len(points))
    if influence == "linear":
        values = np.empty(shape, np.float32)
        flat = offsets.reshape(-1, 3), points.T.copy()
        kernels.influence(*flat, extent, values.reshape(-1, count), threads())
    elif influence == "gaussian":
        values = np.exp(_squared(offsets, points) / np.float32(-2 * (0.3 * extent) ** 2))
    elif influence == "constant":
        values = np.ones(shape, np.float32)
    else:
        raise ValueError(f"there is no influence '{influence}'")
    if not closest:
        return Scores(values, None, count)
    nearest = _squared(offsets, points).argmin(axis=-1)[..., None]
    return Scores(np.take_along_axis(values, nearest, -1), nearest.astype(np.int32), count)


def spherical_scores(offsets: Array, bins: Sequence[int], *, fuzzy: bool) -> Scores:
    """Spherical bins, hard or with soft borders between elevations; see `salanet.operators`."""
    n, p, q = bins
    distance = np.sqrt(np.einsum("ijk,ijk->ij", offsets, offsets))
    level = np.hypot(offsets[..., 0], offsets[..., 1])
    azimuth = np.arctan2(offsets[..., 1], offsets[..., 0]) / np.float32(2 * np.pi)
    azimuth = (azimuth + (azimuth < 0)) * np.float32(n) + BORDER
    elevation = np.arctan2(offsets[..., 2], level) / np.float32(np.pi) + np.float32(0.5)
    elevation *= np.float32(p)
    shell = np.clip(np.floor(distance * np.float32(q) + BORDER), 0, q - 1)
    sector = np.clip(np.floor(azimuth), 0, n - 1)
    ring = np.clip(np.floor(elevation + BORDER), 0, p - 1)
    size = n * p * q + 1
    if not fuzzy:
        group = 1 + sector + n * (ring + p * shell)
        group = np.where(distance > SELF_DISTANCE, group, 0).astype(np.int32)[..., None]
        return Scores(np.ones_like(offsets[..., :1]), group, size)
    place = elevation - ring
    beta = np.abs(place - np.float32(0.5))
    other = np.clip(np.where(place < 0.5, ring - 1, ring + 1), 0, p - 1)
    own = np.maximum(1 - distance, 0)
    values = np.stack([own, (1 - own) * (1 - beta), (1 - own) * beta], axis=-1)
    bands = [1 + sector + n * (r + p * shell) for r in (ring, other)]
    groups = np.stack([np.zeros_like(sector), *bands], axis=-1).astype(np.int32)
    return Scores(values.astype(np.float32, copy=False), groups, size)


def _squared(offsets: Array, points: Array) -> Array:
    """|y - x_g|² of offsets (m, K, 3) and points (G, 3), as (m, K, G)."""
    norms = np.einsum("ijk,ijk->ij", offsets, offsets)[..., None] + (points * points).sum(axis=-1)
    found: Array = np.maximum(norms - 2 * (offsets @ points.T), 0)
    return found
