"""Low noise that nobody flagged: points far below the ground, each at a height of its own.

Echoes that took a way round, and the pits of photogrammetry, lie metres below everything. Where
many cells hold one, no look at the lowest points alone tells them from the ground. Ground has
company at its height, be it an alley or what is seen through a crown; low noise has next to none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.sampling import raster
from salanet.sampling.raster import Mask, Raster

PIT = 1.0  # metres that low noise lies below its surroundings, and below what else its cell holds
SQUARE = 5  # cells: of surroundings and company
BAND = 0.75  # metres up and down: company
SHARE = 0.01  # of the points that the square holds on average; fewer are no company
SMOOTH = 0.5  # of the cells around, that are as high where low noise was
MOSTLY = 0.3  # of all cells in doubt that are smooth then: the rest is low noise, too
DENSE = 2.0  # points of an average cell; of fewer none has company

Values = NDArray[np.float64]


class LowNoise:
    """Suspect cells, and the company of their lowest points.

    Args:
        lowest: of each cell, some value where not known.
        known: cells that hold points and no stray.
        points: number of them in all.
    """

    def __init__(self, lowest: Raster, known: Mask, points: int) -> None:
        density = points / max(int(known.sum()), 1)
        self._least = max(1.0, SHARE * SQUARE**2 * density)
        self._cells = np.zeros(0, np.int32)
        if density < DENSE:
            return
        heights = np.where(known, lowest, np.float32(-np.inf))
        closed = raster.least_around(raster.greatest_around(heights, SQUARE), SQUARE)
        closed -= lowest
        suspect = known & (closed > PIT)
        del closed
        self._cells = raster.cells_of(suspect)
        self._levels = lowest.ravel()[self._cells].astype(np.float64)
        self._company = np.zeros(len(self._cells), np.int64)
        self._next = np.full(len(self._cells), np.inf)
        self._shape = lowest.shape
        if not len(self._cells):
            return
        heights[~suspect] = -np.inf
        self._top = raster.greatest_around(heights, SQUARE).ravel() + BAND
        edge = SQUARE // 2
        self._rows = np.full([size + 2 * edge for size in self._shape], -1, np.int32)
        inner = self._rows[edge:-edge, edge:-edge]
        inner[suspect] = np.arange(len(self._cells))

    def add(self, cells: NDArray[np.int64], z: Values, above: Values) -> None:
        """Look at points: their cells (N,), heights (N,) and heights above the plane (N,)."""
        if not len(self._cells):
            return
        width, edge = self._rows.shape[1], SQUARE // 2
        rows = self._rows.ravel()
        low = np.flatnonzero(z <= self._top[cells])
        row, column = np.divmod(cells[low], self._shape[1])
        at, height = (row + edge) * width + column + edge, z[low]
        for step in (u * width + v for u in range(-edge, edge + 1) for v in range(-edge, edge + 1)):
            of = rows[at + step]
            near = of >= 0
            near[near] = np.abs(height[near] - self._levels[of[near]]) <= BAND
            self._company += np.bincount(of[near], minlength=len(self._company))
        row, column = np.divmod(cells, self._shape[1])
        of = rows[(row + edge) * width + column + edge]
        inside = np.flatnonzero(of >= 0)
        inside = inside[z[inside] > self._levels[of[inside]] + PIT]
        np.minimum.at(self._next, of[inside], above[inside])

    def replace(self, lowest: Raster) -> NDArray[np.int32]:
        """Give cells of low noise their next point more than `PIT` above it, in a raster of lowest
        points above the plane; returns which cells those are, ascending.

        Where that makes a smooth surface with the cells around, and everywhere if it mostly does.
        What is seen of the ground through dense crowns has little company, too, but the leaves
        above it are at any height: of a hundred such cells 5 to 15 seem smooth, of those with low
        noise 40 to 90.
        """
        if not len(self._cells):
            return self._cells
        flat = lowest.ravel()
        alone = self._company - 1 < self._least
        cells, first = self._cells[alone], flat[self._cells[alone]]
        flat[cells] = self._next[alone]
        smooth = _as_around(lowest, cells)
        smooth |= smooth.sum() > MOSTLY * len(cells)
        flat[cells[~smooth]] = first[~smooth]
        return cells[smooth]


def _as_around(heights: Raster, cells: NDArray[np.int32]) -> Mask:
    """Whether most of the eight cells around some cells are as high."""
    padded = np.pad(heights, 1, constant_values=np.inf).ravel()
    width = heights.shape[1] + 2
    row, column = np.divmod(cells, heights.shape[1])
    at = (row + 1) * width + column + 1
    near, there = np.zeros((2, len(cells)), np.int64)
    for step in (u * width + v for u in (-1, 0, 1) for v in (-1, 0, 1) if u or v):
        around = padded[at + step]
        there += np.isfinite(around)
        with np.errstate(invalid="ignore"):  # nothing is as high as nothing
            near += np.abs(around - padded[at]) <= BAND
    return near > SMOOTH * there
