"""The native geometry kernels on NumPy arrays; nothing here imports PyTorch.

`salanet.ops` and `salanet.pyramid` offer the same on tensors, with their references.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import salanet._geometry as _geometry

Array = NDArray[Any]
AT_ONCE = 1 << 18  # queries; bounds the memory beside them
MEAN_DTYPES = (np.uint8, np.float32, np.float64)


class Subsample(NamedTuple):
    """One row for each of the M occupied cells of N points; see `salanet.ops.GridSubsample`."""

    points: Array
    cells: NDArray[np.int32]
    features: dict[str, NDArray[np.float32]]
    labels: dict[str, Array]


class Level(NamedTuple):
    """One resolution of one cloud; see `salanet.pyramid.Level`."""

    points: NDArray[np.float32]
    neighbours: NDArray[np.int32]
    pool: NDArray[np.int32] | None
    upsample: NDArray[np.int32] | None


_chosen: ContextVar[int | None] = ContextVar("threads", default=None)


@contextmanager
def use_threads(count: int | None) -> Iterator[None]:
    """Inside the block, the kernels called from here use so many threads; None for the usual."""
    before = _chosen.set(count)
    try:
        yield
    finally:
        _chosen.reset(before)


def threads() -> int:
    """As many as PyTorch uses where it is loaded, else OMP_NUM_THREADS or every core allowed;
    or as `use_threads` says."""
    chosen = _chosen.get()
    if chosen is not None:
        return chosen
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def subsample(
    points: Array,
    cell_size: float,
    features: Mapping[str, Array] | None = None,
    labels: Mapping[str, Array] | None = None,
) -> Subsample:
    """Average the points of each cell; the same result as `salanet.ops.grid_subsample`.

    Args:
        points: float32 or float64 (N, 3), finite.
        cell_size: above zero, in the units of the points.
        features: uint8, float32 or float64 arrays (N,) or (N, C) to average, by name.
        labels: integer arrays (N,) to vote on, by name.

    Raises:
        DataError: the cells are too small to be numbered in 64 bits over the extent of the points.
    """
    workers = threads()
    grid = _geometry.Grid(np.ascontiguousarray(points), cell_size, _one_cloud(points), workers)

    def mean(values: Array, dtype: Any) -> Array:
        known = values.dtype if values.dtype in MEAN_DTYPES else np.float64
        values = np.ascontiguousarray(values, known)
        out = np.empty((grid.count, *values.shape[1:]), dtype)
        grid.mean(values.reshape(len(values), -1), out.reshape(grid.count, -1), workers)
        return out

    def majority(values: Array) -> Array:
        out = np.empty(grid.count, values.dtype)
        grid.majority(np.ascontiguousarray(values), out, workers)
        return out

    cells = np.empty(len(points), np.int32)
    grid.cells(cells, workers)
    return Subsample(
        mean(points, points.dtype),
        cells,
        {name: mean(values, np.float32) for name, values in (features or {}).items()},
        {name: majority(values) for name, values in (labels or {}).items()},
    )


def nearest(queries: Array, supports: Array) -> NDArray[np.int32]:
    """The row of the nearest support of each query: float32 (M, 3), (N, 3) -> (M,), N >= 1."""
    return nearest_of(supports)(queries)


def nearest_of(supports: Array) -> Callable[[Array], NDArray[np.int32]]:
    """`nearest` among the same supports, for queries that come in several arrays."""
    workers = threads()
    index = _index(supports, workers)

    def find(queries: Array) -> NDArray[np.int32]:
        out = np.empty(len(queries), np.int32)
        for start in range(0, len(queries), AT_ONCE):
            rows = slice(start, start + AT_ONCE)
            _index(queries[rows], workers).nearest(index, out[rows], workers)
        return out

    return find


def neighbours(points: NDArray[np.float64], centres: Array, k: int) -> NDArray[np.int32]:
    """Rows (M, k) of the k nearest points of each centre, nearest first, however far they are.

    Args:
        points: float64 (N, 3), N >= k, such as a sample of a cloud; to float32 around their middle.
        centres: float64 (M, 3).
    """
    workers, middle = threads(), points.mean(axis=0)
    local, asked = ((a - middle).astype(np.float32) for a in (points, centres))
    index = _index(local, workers)
    out = np.full((len(asked), k), len(local), np.int32)
    spread = np.sort(np.ptp(local, axis=0))[1:].astype(np.float64)  # of a surface
    radius = float(max(np.sqrt(spread.prod() * k / len(local)), 1e-6 * spread.max(), 1e-30))
    left = np.arange(len(asked))
    while len(left):
        queries = _index(asked[left], workers)
        out[left] = _search(queries, index, len(left), k, radius, workers)
        left = left[out[left, -1] == len(local)]
        radius *= 2
    return out


def neighbours_of(points: Array, k: int, radius: float) -> NDArray[np.int32]:
    """The k points nearest to each of N points within a radius, itself first: int32 (N, k).

    Missing entries hold N.
    """
    workers = threads()
    index = _index(points, workers)
    return _search(index, index, len(points), k, radius, workers)


def pyramid(
    points: NDArray[np.float32], *, grid: float, radius: float, neighbours: Sequence[int]
) -> list[Level]:
    """The levels of one cloud, finest first; the same as `salanet.pyramid.build`.

    Args:
        points: float32 (N, 3), N >= 1, already subsampled to `grid`.
        grid, radius: of the finest level, in the units of the points.
        neighbours: K of each level.
    """
    workers = threads()
    index, levels = _index(points, workers), []
    for depth, k in enumerate(neighbours):
        reach = radius * 2**depth
        around = _search(index, index, len(points), k, reach, workers)
        if depth + 1 == len(neighbours):
            levels.append(Level(points, around, None, None))
            break
        coarser = subsample(points, grid * 2 ** (depth + 1)).points
        coarse = _index(coarser, workers)
        pool = _search(coarse, index, len(coarser), k, reach, workers)
        upsample = np.empty(len(points), np.int32)
        index.nearest(coarse, upsample, workers)
        levels.append(Level(points, around, pool, upsample))
        points, index = coarser, coarse
    return levels


def _index(points: Array, workers: int) -> _geometry.PointIndex:
    return _geometry.PointIndex(np.ascontiguousarray(points), _one_cloud(points), "points", workers)


def _search(
    queries: _geometry.PointIndex,
    supports: _geometry.PointIndex,
    count: int,
    k: int,
    radius: float,
    workers: int,
) -> NDArray[np.int32]:
    found = np.empty((count, k), np.int32)
    queries.radius_search(supports, radius, found, workers)
    return found


def _one_cloud(points: Array) -> NDArray[np.int64]:
    return np.array([0, len(points)], np.int64)
