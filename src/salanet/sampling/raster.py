"""Filters of rasters of heights; what lies beyond the edge is as the edge itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import geometry

Raster = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK = 1 << 15  # cells at once, where many arrays of their size are made


def least_around(heights: Raster, size: int) -> Raster:
    """The least height in the square of `size` (odd) cells around each cell."""
    return _running(heights, size, np.minimum, np.inf)


def greatest_around(heights: Raster, size: int) -> Raster:
    """The greatest height in the square of `size` (odd) cells around each cell."""
    return _running(heights, size, np.maximum, -np.inf)


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
    padded = np.pad(heights, size // 2, mode="edge")
    found = np.empty(heights.shape)
    rows, columns = heights.shape
    step = max(1, BLOCK // columns)
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        least = [np.full((bottom - top, columns), np.inf) for _ in range(rank + 1)]
        for u in range(size):
            for v in range(size):
                value = padded[top + u : bottom + u, v : v + columns]
                for kept in least:
                    larger = np.maximum(kept, value)
                    np.minimum(kept, value, out=kept)
                    value = larger
        found[top:bottom] = least[-1]
    return found


def nearest_known(known: Mask) -> NDArray[np.int64]:
    """The known cell, numbered row by row, that is nearest to each unknown one."""
    edge = np.pad(known, 1, constant_values=True)
    inner = edge[:-2, 1:-1] & edge[2:, 1:-1] & edge[1:-1, :-2] & edge[1:-1, 2:]
    border = np.flatnonzero(known & ~inner)  # no known cell behind it is nearer
    found = geometry.nearest(_places(np.flatnonzero(~known), known), _places(border, known))
    return border[found]


def distance_to_known(known: Mask) -> Raster:
    """How far the nearest known cell is from each, in cells; infinite where there is none."""
    apart = np.zeros(known.shape)
    if not known.any():
        apart[:] = np.inf
    elif not known.all():
        cells = np.flatnonzero(~known)
        steps = _places(cells, known) - _places(nearest_known(known), known)
        apart.ravel()[cells] = np.hypot(steps[:, 0], steps[:, 1])
    return apart


def _places(cells: NDArray[np.int64], known: Mask) -> NDArray[np.float32]:
    places = np.zeros((len(cells), 3), np.float32)
    places[:, 0], places[:, 1] = np.divmod(cells, known.shape[1])
    return places


def at(heights: Raster, places: NDArray[np.floating[Any]]) -> Raster:
    """The height at each place (N, 2), bilinear between the centres of cells."""
    (u, fu), (v, fv) = (_split(places[:, axis], heights.shape[axis]) for axis in (0, 1))
    flat, width = heights.ravel(), heights.shape[1]
    here = u * width + v
    right, below = int(width > 1), width if heights.shape[0] > 1 else 0
    top = flat[here] * (1 - fv) + flat[here + right] * fv
    here += below
    found: Raster = top * (1 - fu) + (flat[here] * (1 - fv) + flat[here + right] * fv) * fu
    return found


def _split(places: NDArray[np.floating[Any]], size: int) -> tuple[NDArray[np.int64], Raster]:
    """The cell before each place, and how far it is on the way to the next."""
    clipped = np.clip(places, 0, size - 1)
    cell = np.minimum(clipped.astype(np.int64), max(size - 2, 0))
    return cell, clipped - cell
