"""Filters of rasters of heights; what lies beyond the edge is as the edge itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import geometry
from salanet.freed import release_memory

# Large ones are float32: above the lowest point of a cloud, exact to 0.1 mm at 1 km.
Raster = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]

BLOCK = 1 << 15  # cells at once, where many arrays of their size are made
STRIP = 1 << 18  # cells at once, where a few are


def in_strips(
    work: Callable[[Raster], Raster], heights: Raster, reach: int, cells: int = STRIP
) -> Raster:
    """What `work` makes of a raster, a few rows at a time.

    So the memory it takes does not grow with the raster.

    Args:
        work: makes a raster of the same shape, whose rows depend on those within `reach`.
        heights: the raster.
        reach: rows.
        cells: about as many at once.
    """
    rows, columns = heights.shape
    step = max(cells // columns, 4 * reach, 1)
    if step >= rows:
        return work(heights)
    found = np.empty_like(heights)
    for top in range(0, rows, step):
        first, bottom = max(top - reach, 0), min(top + step, rows)
        part = work(heights[first : bottom + reach])
        found[top:bottom] = part[top - first : bottom - first]
    return found


def least_around(heights: Raster, size: int) -> Raster:
    """The least height in the square of `size` (odd) cells around each cell."""
    return in_strips(lambda part: _running(part, size, np.minimum, np.inf), heights, size // 2)


def greatest_around(heights: Raster, size: int) -> Raster:
    """The greatest height in the square of `size` (odd) cells around each cell."""
    return in_strips(lambda part: _running(part, size, np.maximum, -np.inf), heights, size // 2)


def _running(heights: Raster, size: int, better: np.ufunc, worst: float) -> Raster:
    for axis in (0, 1):
        pad = [(size // 2, size // 2) if a == axis else (0, 0) for a in (0, 1)]
        found = np.pad(heights, pad, constant_values=worst)
        if axis == 1:
            found = found.T
        reach = 1  # cells that each value has seen
        while reach < size:
            step = min(reach, size - reach)
            found = better(found[:-step], found[step:])
            reach += step
        heights = found.T if axis == 1 else found
    return np.ascontiguousarray(heights)


def rank_around(heights: Raster, rank: int, size: int) -> Raster:
    """The height that `rank` others of the square of `size` (odd) cells do not exceed."""
    return in_strips(lambda part: _rank(part, rank, size), heights, size // 2, BLOCK)


def _rank(heights: Raster, rank: int, size: int) -> Raster:
    padded = np.pad(heights, size // 2, mode="edge")
    rows, columns = heights.shape
    least = [np.full_like(heights, np.inf) for _ in range(rank + 1)]
    for u in range(size):
        for v in range(size):
            value = padded[u : u + rows, v : v + columns]
            for kept in least:
                larger = np.maximum(kept, value)
                np.minimum(kept, value, out=kept)
                value = larger
    return least[-1]


def nearest_known(known: Mask) -> NDArray[np.int32]:
    """The known cell, numbered row by row, that is nearest to each unknown one."""
    edge = np.pad(known, 1, constant_values=True)
    inner = edge[:-2, 1:-1] & edge[2:, 1:-1] & edge[1:-1, :-2] & edge[1:-1, 2:]
    border = cells_of(known & ~inner)  # no known cell behind it is nearer
    release_memory()
    nearest = geometry.nearest_of(_places(border, known))
    cells = cells_of(~known)
    for start in range(0, len(cells), STRIP):
        rows = slice(start, start + STRIP)
        cells[rows] = border[nearest(_places(cells[rows], known))]
    del nearest
    release_memory()  # the search takes as much as three rasters
    return cells


def cells_of(chosen: Mask) -> NDArray[np.int32]:
    """The chosen cells, numbered row by row."""
    return np.flatnonzero(chosen).astype(np.int32)


def distance_to_known(known: Mask) -> Raster:
    """How far the nearest known cell is from each, in cells; infinite where there is none."""
    apart = np.zeros(known.shape)
    if not known.any():
        apart[:] = np.inf
    elif not known.all():
        cells = cells_of(~known)
        steps = _places(cells, known) - _places(nearest_known(known), known)
        apart.ravel()[cells] = np.hypot(steps[:, 0], steps[:, 1])
    return apart


def _places(cells: NDArray[np.int32], known: Mask) -> NDArray[np.float32]:
    places = np.zeros((len(cells), 3), np.float32)
    places[:, 0], places[:, 1] = np.divmod(cells, known.shape[1])
    return places


def at(heights: Raster, places: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The height at each place (N, 2), bilinear between the centres of cells."""
    (u, fu), (v, fv) = (_split(places[:, axis], heights.shape[axis]) for axis in (0, 1))
    flat, width = heights.ravel(), heights.shape[1]
    here = u * width + v
    right, below = int(width > 1), width if heights.shape[0] > 1 else 0
    near = flat[here] * (1 - fv) + flat[here + right] * fv
    here += below
    far = flat[here] * (1 - fv) + flat[here + right] * fv
    found: NDArray[np.float64] = near * (1 - fu) + far * fu
    return found


def _split(places: NDArray[np.floating[Any]], size: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The cell before each place, and how far it is on the way to the next."""
    clipped = np.clip(places, 0, size - 1)
    cell = np.minimum(clipped.astype(np.int64), max(size - 2, 0))
    return cell, clipped - cell
