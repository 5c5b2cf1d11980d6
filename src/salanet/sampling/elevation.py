"""A raster of terrain heights from ground points: means of cells, gaps filled and marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.sampling import raster
from salanet.sampling.bare_earth import smooth_fill

MOST_CELLS = 1 << 28  # 2 GB for each of the rasters that are needed

Points = NDArray[np.floating]


@dataclass(frozen=True)
class Elevation:
    """Heights on a grid whose cells lie at multiples of their size.

    Attributes:
        west, north: outer corner of the first cell, in the units of the points.
        cell: size.
        heights: float32 (rows, columns), from north to south and west to east; NaN where nothing
            is known.
        filled: bool (rows, columns), heights without ground points, from those around.
    """

    west: float
    north: float
    cell: float
    heights: NDArray[np.float32]
    filled: NDArray[np.bool_]


def elevation(pieces: Callable[[], Iterable[Points]], cell: float, reach: float) -> Elevation:
    """The mean height of the ground points of each cell, and a smooth fill of the gaps.

    Args:
        pieces: gives all the ground points in arrays (N, 3) of any length; called twice.
        cell: size of the cells, in the units of the points.
        reach: how far from the nearest ground a gap is filled.

    Raises:
        DataError: there are no ground points, or too many cells for any memory.
    """
    low, high, count = np.full(2, np.inf), np.full(2, -np.inf), 0
    for xyz in pieces():
        if len(xyz):
            low, high = np.minimum(low, xyz[:, :2].min(0)), np.maximum(high, xyz[:, :2].max(0))
            count += len(xyz)
    if not count:
        raise DataError("no point is ground")
    first, last = np.floor(low / cell), np.floor(high / cell)
    columns, rows = (last - first).astype(np.int64) + 1
    if columns * rows > MOST_CELLS:
        raise DataError(
            f"{columns:,} by {rows:,} cells of {cell:g} are too many: choose larger ones, or fewer "
            "tiles at once"
        )
    sums, counts = np.zeros(rows * columns), np.zeros(rows * columns, np.int64)
    for xyz in pieces():
        if not len(xyz):
            continue
        column, row = (np.floor(xyz[:, :2] / cell) - first).astype(np.int64).T
        at = (rows - 1 - row) * columns + column
        occupied, inverse = np.unique(at, return_inverse=True)
        sums[occupied] += np.bincount(inverse, xyz[:, 2])
        counts[occupied] += np.bincount(inverse)
    measured = (counts > 0).reshape(rows, columns)
    means = (sums / np.maximum(counts, 1)).reshape(rows, columns)
    heights = smooth_fill(means, measured).astype(np.float32)
    far = raster.distance_to_known(measured) * cell > reach
    heights[far] = np.nan
    north = (last[1] + 1) * cell
    return Elevation(float(first[0] * cell), float(north), cell, heights, ~measured & ~far)
