"""Height above the terrain, from the points alone: no labels, airborne or terrestrial.

1. The lowest z of each raster cell, stray returns from below the ground dropped, be they a few
   (`sampling.bare_earth`) or many (`sampling.lownoise`).
2. Cells that hold buildings, crowns, cars are found by their shape (`sampling.bare_earth`).
3. The plane through the ground cells is taken away and step 2 repeated, so that a steep hillside
   is treated like a flat site.
4. The gaps are filled smoothly, and the surface is refined with the mean height of the points
   that lie close to it, as minima are biased low by noise and slope.
5. Height = z minus the surface, bilinear between cell centres.

All of it comes from rasters that points are added to piece by piece, so a cloud need not be in
memory at once: `find_ground` walks over its pieces three times.

A wrong decision in step 2 makes heights wrong by as much as a hill or a hall is high. `Ground`
therefore also tells the slope of the terrain it found, and the height above the lowest point
nearby, which depends on no decision at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.freed import release_memory
from salanet.sampling import raster
from salanet.sampling.bare_earth import Mask, Raster, bare, nearest, smooth_fill, strays
from salanet.sampling.lownoise import LowNoise
from salanet.sampling.scatter import Quality, Scatter

CELL = 1.0  # metres
WINDOW = 40.0  # metres: half of the widest building that is taken for one
NEAR = 0.3  # metres: points this close to the first surface refine it,
STEEP = 1.0  # and more where it is steep, times what it rises by the cell
AROUND = 1.0  # metres: what is this close to it tells how much the ground scatters
DEEP = 1.0  # metres: what is so far below it is noise, or the ground was not found there
RISE = 1.0  # per metre: what is steeper is a face, on which points have no height
NEARBY = 5.0  # metres: radius of the square whose lowest point `above_lowest` takes
FEWEST_FOR_PLANE = 20  # cells
COARSE = 3  # cells side by side: a plane needs no more
MAX_CELLS = 1 << 22  # a far outlier makes the cells larger, not the raster unbounded

PIECE = 1 << 18  # points at once; bounds the memory

Points = NDArray[np.floating]
Values = NDArray[np.float64]


@dataclass
class Ground:
    """The terrain under a cloud: a plane, and rasters, float32, of what lies on it.

    Attributes:
        low: float64 (3,), least coordinates of the cloud.
        cell: size of the rasters' cells in metres.
        shape: of the rasters.
        plane: (3,) coefficients in u, v, 1.
        surface: raster of heights above plane and `low`.
        lowest: raster of the lowest point within `NEARBY`, above `low`.
        scatter: of points of the ground about it, where it is smoothest, in metres; NaN: unknown.
        below: share of all points that lie more than `DEEP` below it.
    """

    low: NDArray[np.float64]
    cell: float
    shape: tuple[int, int]
    plane: Values = field(default_factory=lambda: np.zeros(3))
    surface: Raster = field(default_factory=lambda: np.zeros((1, 1), np.float32))
    lowest: Raster = field(default_factory=lambda: np.zeros((1, 1), np.float32))
    scatter: float = math.nan
    below: float = 0.0

    @property
    def quality(self) -> Quality:
        return Quality(self.scatter, self.below)

    @classmethod
    def over(cls, low: Values, high: Values, cell: float = CELL) -> Ground:
        """Flat ground for points within bounds (3,)."""
        low = np.asarray(low, np.float64)
        extent = (high - low)[:2]
        cell = max(cell, float(np.sqrt(np.prod(extent) / MAX_CELLS)))
        cell = max(cell, float(extent.max() / MAX_CELLS))
        # Whole cells of the absolute grid: the raster does not depend on the cloud's extent.
        last = np.floor(extent / cell + np.mod(low[:2] / cell, 1.0)).astype(np.int64)
        return cls(low, cell, (int(last[0]) + 1, int(last[1]) + 1))

    def heights(self, xyz: Points) -> NDArray[np.float32]:
        """Height (N,) float32 of points (N, 3) above the ground, below it negative.

        On a cliff face, where the raster's cells are metres apart, the ground is all that lies
        between the heights of neighbouring cells.
        """
        return self._each(xyz, self._heights)

    def derive(self) -> None:
        """Work out now what heights and slopes follow from, before threads ask for them at once."""
        _ = self._faces, self._slope

    def _heights(self, uv: Values, z: Values) -> Values:
        height = z - _at(self.surface, uv)
        foot, top = self._faces
        steep = (top - foot)[self._inside(uv)] > 0
        if steep.any():
            at = uv[steep]
            below, above = _at(foot, at), _at(top, at)
            on = height[steep]
            height[steep] = on - np.clip(on, below, above)
        return height

    @cached_property
    def _faces(self) -> tuple[Raster, Raster]:
        """How far below and above the neighbouring cells are: 0 up to `RISE`, all from twice it."""
        foot = raster.least_around(self.surface, 3) - self.surface
        top = raster.greatest_around(self.surface, 3) - self.surface
        share = np.clip((top - foot) / (2 * RISE * self.cell) - 1, 0, 1)
        return share * foot, share * top

    def _inside(self, uv: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Row and column of the cell nearest to each place; strays lie beyond the raster."""
        index = np.clip(np.floor(uv + 0.5), 0, np.array(self.shape) - 1).astype(np.int64)
        return index[:, 0], index[:, 1]

    def slopes(self, xyz: Points) -> NDArray[np.float32]:
        """Rise per metre (N,) float32 of the ground under points (N, 3)."""
        return self._each(xyz, lambda uv, _: _at(self._slope, uv))

    def above_lowest(self, xyz: Points) -> NDArray[np.float32]:
        """Height (N,) float32 of points (N, 3) above the lowest point within `NEARBY`.

        A second opinion beside `heights`: stray returns left aside, no point is judged.
        """
        return self._each(xyz, lambda uv, z: z + self.tilt(uv) - _at(self.lowest, uv))

    def _each(self, xyz: Points, value: Callable[[Values, Values], Values]) -> NDArray[np.float32]:
        found = np.empty(len(xyz), np.float32)
        for start in range(0, len(xyz), PIECE):
            piece = slice(start, start + PIECE)
            found[piece] = value(*self.place(xyz[piece]))
        return found

    @property
    def rise(self) -> Raster:
        """By how much the ground rises within each cell, in metres."""
        return raster.in_strips(self._risen, self.surface, 1)

    def _risen(self, surface: Raster) -> Raster:
        u, v = (
            np.gradient(surface, axis=axis) if size > 1 else np.zeros(surface.shape)
            for axis, size in enumerate(surface.shape)
        )
        u += self.plane[0]
        v += self.plane[1]
        rise: Raster = np.hypot(u, v, out=u)
        return rise

    @cached_property
    def _slope(self) -> Raster:
        return self.rise / self.cell

    def tilt(self, uv: Values) -> Values:
        """Height (N,) of the plane at places (N, 2)."""
        height: Values = self.plane[0] * uv[:, 0] + self.plane[1] * uv[:, 1] + self.plane[2]
        return height

    def place(self, xyz: Points) -> tuple[Values, Values]:
        """Where points are on the raster (cell centres lie at whole numbers), and above the plane.

        Returns:
            uv float64 (N, 2) and z float64 (N,).
        """
        local = xyz - self.low
        uv = local[:, :2] / self.cell + np.mod(self.low[:2] / self.cell, 1.0) - 0.5
        z = local[:, 2].astype(np.float64)
        return uv, z - self.tilt(uv) if self.plane.any() else z

    def cells(self, uv: Values) -> NDArray[np.int64]:
        """The raster's cell of each place, numbered row by row."""
        index = np.floor(uv + 0.5).astype(np.int64)
        return index[:, 0] * self.shape[1] + index[:, 1]


def height_above_ground(
    xyz: Points, *, cell: float = CELL, window: float = WINDOW
) -> NDArray[np.float32]:
    """Height (N,) float32 of each point (N, 3) above the terrain, in metres, below it negative.

    `cell` is the raster's cell, `window` half the width of the widest building to remove; both
    in metres. Where a cloud holds no ground at all (one roof), its lowest surface counts as
    ground. Deterministic. Raises DataError for NaN or infinite coordinates.
    """
    xyz = np.asarray(xyz)
    if len(xyz) == 0:
        return np.zeros(0, np.float32)
    if not np.isfinite(xyz).all():
        raise DataError("height above ground needs finite coordinates")
    low, high = xyz.min(axis=0), xyz.max(axis=0)
    return find_ground(lambda: [xyz], low, high, cell=cell, window=window).heights(xyz)


def find_ground(
    pieces: Callable[[], Iterable[Points]],
    low: Values,
    high: Values,
    *,
    cell: float = CELL,
    window: float = WINDOW,
) -> Ground:
    """The terrain under a cloud that comes in pieces; the pieces do not matter for the result.

    Args:
        pieces: gives all the points, finite, in arrays (N, 3) of any length; called three times.
        low, high: (3,) their least and greatest coordinates.
        cell, window: see `height_above_ground`.
    """
    ground = Ground.over(low, high, cell)
    first, points = _lowest(ground, pieces)
    known = np.isfinite(first)
    known &= ~strays(nearest(first, known))
    ground.plane = _plane(first, known, ground.cell, window)
    noise = LowNoise(first, known, points)
    lowest, _ = _lowest(ground, pieces, noise)
    pits = noise.replace(lowest)
    if len(pits):
        known.ravel()[pits] = False
    ground.lowest = _lowest_nearby(first, known, ground.cell)
    del first, noise
    if len(pits):
        known.ravel()[pits] = np.isfinite(lowest.ravel()[pits])
        known &= ~strays(nearest(lowest, known))
    flat = bare(lowest, known, ground.cell, window)
    ground.surface = smooth_fill(lowest, flat)
    del lowest, known
    release_memory()
    count, total = _near(ground, pieces)
    refined = flat & (count > 0)
    if refined.any():
        np.divide(total, count, out=total, where=refined)
        mean = total.astype(np.float32)
        del total, count
        ground.surface = smooth_fill(mean, refined)
    return ground


def _lowest(
    ground: Ground, pieces: Callable[[], Iterable[Points]], noise: LowNoise | None = None
) -> tuple[Raster, int]:
    """The lowest point of each cell above the plane, and how many points there are; all of them
    are shown to `noise`."""
    lowest, count = np.full(ground.shape[0] * ground.shape[1], np.inf, np.float32), 0
    for uv, z in _places(ground, pieces()):
        cells = ground.cells(uv)
        np.minimum.at(lowest, cells, z.astype(np.float32))
        count += len(z)
        if noise is not None:
            noise.add(cells, z + ground.tilt(uv), z)
    return lowest.reshape(ground.shape), count


def _near(
    ground: Ground, pieces: Callable[[], Iterable[Points]]
) -> tuple[NDArray[np.int32], Values]:
    """How many points of each cell are near the surface, and the sum of their heights; the ground
    gets to know how well points fit it."""
    count, total = np.zeros(ground.shape, np.int32), np.zeros(ground.shape)
    scatter, points, deep = Scatter(count.size), 0, 0
    rise = ground.rise
    rise -= RISE * ground.cell
    np.maximum(rise, 0, out=rise)
    for uv, z in _places(ground, pieces()):
        above = z - _at(ground.surface, uv)
        points += len(z)
        deep += int(np.count_nonzero(above < -DEEP))
        near = np.abs(above) < NEAR + STEEP * _at(rise, uv)
        cells = ground.cells(uv)
        around = np.abs(above) < AROUND
        scatter.add(cells[around], above[around])
        at, inverse = np.unique(cells[near], return_inverse=True)
        count.reshape(-1)[at] += np.bincount(inverse, minlength=len(at)).astype(np.int32)
        total.reshape(-1)[at] += np.bincount(inverse, z[near], minlength=len(at))
    ground.scatter, ground.below = scatter.value(), deep / max(points, 1)
    return count, total


def _places(ground: Ground, pieces: Iterable[Points]) -> Iterable[tuple[Values, Values]]:
    for xyz in pieces:
        for start in range(0, len(xyz), PIECE):
            yield ground.place(xyz[start : start + PIECE])


def _plane(lowest: Raster, known: Mask, cell: float, window: float) -> Values:
    """Coefficients (3,) in u, v, 1 of the plane through the ground, seen in coarse cells."""
    tiles = np.array([-(-size // COARSE) for size in lowest.shape])
    padded = np.full(tiles * COARSE, np.inf, lowest.dtype)
    padded[: lowest.shape[0], : lowest.shape[1]] = np.where(known, lowest, np.inf)
    coarse = padded.reshape(tiles[0], COARSE, tiles[1], COARSE).min(axis=(1, 3))
    known = np.isfinite(coarse)
    u, v = np.nonzero(bare(coarse, known, cell * COARSE, window, rocks=False))
    if len(u) < FEWEST_FOR_PLANE:
        return np.zeros(3)
    design = np.stack([u, v, np.ones(len(u))], axis=1)
    found = np.linalg.lstsq(design, coarse[u, v], rcond=None)[0].astype(np.float64)
    found[:2] /= COARSE
    return np.asarray(found, np.float64)


def _lowest_nearby(lowest: Raster, known: Mask, cell: float) -> Raster:
    """The lowest known value within `NEARBY` of each cell; in wider gaps a smooth fill."""
    around = np.where(known, lowest, np.inf)
    around = raster.least_around(around, 2 * int(np.ceil(NEARBY / cell)) + 1)
    return smooth_fill(around, np.isfinite(around))


def _at(surface: Raster, uv: Values) -> Values:
    return raster.at(surface, uv)
