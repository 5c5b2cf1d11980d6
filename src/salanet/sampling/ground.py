"""Height above the terrain, from the points alone: no labels, airborne or terrestrial.

1. The lowest z of each raster cell. Cells far below nearly all of their 5 x 5 neighbourhood are
   stray returns and are dropped; a narrow alley or courtyard has more than a few low cells.
2. Morphological openings with growing windows: what sticks out by more than the terrain can rise
   within the window (buildings, crowns, cars) is not ground. (The idea of the progressive filters
   of Zhang et al. 2003 and Pingel et al. 2013.)
3. The plane through these ground cells is taken away and steps 1 and 2 repeated, so that a steep
   hillside is treated like a flat site.
4. The gaps are filled smoothly, and the surface is refined with the mean height of the points
   that lie close to it, as minima are biased low by noise and slope.
5. Height = z minus the surface, bilinear between cell centres.

All of it comes from rasters that points are added to piece by piece, so a cloud need not be in
memory at once: `find_ground` walks over its pieces three times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from salanet.errors import DataError

CELL = 1.0  # metres
WINDOW = 40.0  # metres: half of the widest building that is taken for one
SLOPE = 0.15  # rise per metre that terrain may have besides the plane
STEP = 0.1  # metres by which terrain may stick out at any scale
NEAR = 0.3  # metres: points this close to the first surface refine it
PIT = 1.0  # metres a stray return lies below its surroundings
STRAYS = 3  # cells of a 5 x 5 neighbourhood that may be stray returns
FEWEST_FOR_PLANE = 20  # cells
MAX_CELLS = 1 << 22  # a far outlier makes the cells larger, not the raster unbounded

PIECE = 1 << 18  # points at once; bounds the memory
ROWS = 1 << 18  # raster cells at once when gaps are filled

Points = NDArray[np.floating]
Raster = NDArray[np.float64]


@dataclass
class Ground:
    """The terrain under a cloud: a plane, and a raster of what lies on it.

    Attributes:
        low: float64 (3,), least coordinates of the cloud.
        cell: size of the raster's cells in metres.
        shape: of the raster.
        plane: (3,) coefficients in u, v, 1.
        surface: raster of heights above plane and `low`.
    """

    low: NDArray[np.float64]
    cell: float
    shape: tuple[int, int]
    plane: Raster = field(default_factory=lambda: np.zeros(3))
    surface: Raster = field(default_factory=lambda: np.zeros((1, 1)))

    @classmethod
    def over(cls, low: Raster, high: Raster, cell: float = CELL) -> Ground:
        """Flat ground for points within bounds (3,)."""
        low = np.asarray(low, np.float64)
        extent = (high - low)[:2]
        cell = max(cell, float(np.sqrt(np.prod(extent) / MAX_CELLS)))
        cell = max(cell, float(extent.max() / MAX_CELLS))
        # Whole cells of the absolute grid: the raster does not depend on the cloud's extent.
        last = np.floor(extent / cell + np.mod(low[:2] / cell, 1.0)).astype(np.int64)
        return cls(low, cell, (int(last[0]) + 1, int(last[1]) + 1))

    def heights(self, xyz: Points) -> NDArray[np.float32]:
        """Height (N,) float32 of points (N, 3) above the ground, below it negative."""
        found = np.empty(len(xyz), np.float32)
        for start in range(0, len(xyz), PIECE):
            piece = slice(start, start + PIECE)
            uv, z = self.place(xyz[piece])
            found[piece] = z - _at(self.surface, uv)
        return found

    def place(self, xyz: Points) -> tuple[Raster, Raster]:
        """Where points are on the raster (cell centres lie at whole numbers), and above the plane.

        Returns:
            uv float64 (N, 2) and z float64 (N,).
        """
        local = xyz - self.low
        uv = local[:, :2] / self.cell + np.mod(self.low[:2] / self.cell, 1.0) - 0.5
        flat = not self.plane.any()
        z = local[:, 2].astype(np.float64)
        return uv, z if flat else z - self.plane @ np.stack([uv[:, 0], uv[:, 1], np.ones(len(z))])

    def cells(self, uv: Raster) -> NDArray[np.int64]:
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
    low: Raster,
    high: Raster,
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
    lowest = _lowest(ground, pieces)
    known = np.isfinite(lowest)
    known &= ~_strays(_nearest(lowest, known))
    ground.plane = _plane(lowest, _ground(lowest, known, ground.cell, window))
    lowest = _lowest(ground, pieces)
    bare = _ground(lowest, known, ground.cell, window)
    ground.surface = _smooth_fill(lowest, bare)
    del lowest, known
    count, total = _near(ground, pieces)
    refined = bare & (count > 0)
    if refined.any():
        total /= np.maximum(count, 1)
        ground.surface = _smooth_fill(total, refined)
    return ground


def _lowest(ground: Ground, pieces: Callable[[], Iterable[Points]]) -> Raster:
    lowest = np.full(ground.shape[0] * ground.shape[1], np.inf)
    for uv, z in _places(ground, pieces()):
        np.minimum.at(lowest, ground.cells(uv), z)
    return lowest.reshape(ground.shape)


def _near(ground: Ground, pieces: Callable[[], Iterable[Points]]) -> tuple[Raster, Raster]:
    """How many points of each cell are near the surface, and the sum of their heights."""
    count, total = np.zeros(ground.shape), np.zeros(ground.shape)
    for uv, z in _places(ground, pieces()):
        near = np.abs(z - _at(ground.surface, uv)) < NEAR
        at, inverse = np.unique(ground.cells(uv[near]), return_inverse=True)
        count.reshape(-1)[at] += np.bincount(inverse, minlength=len(at))
        total.reshape(-1)[at] += np.bincount(inverse, z[near], minlength=len(at))
    return count, total


def _places(ground: Ground, pieces: Iterable[Points]) -> Iterable[tuple[Raster, Raster]]:
    for xyz in pieces:
        for start in range(0, len(xyz), PIECE):
            yield ground.place(xyz[start : start + PIECE])


def _plane(lowest: Raster, ground: NDArray[np.bool_]) -> Raster:
    """Coefficients (3,) in u, v, 1 of the plane through the ground cells."""
    u, v = np.nonzero(ground)
    if len(u) < FEWEST_FOR_PLANE:
        return np.zeros(3)
    design = np.stack([u, v, np.ones(len(u))], axis=1)
    plane: Raster = np.linalg.lstsq(design, lowest[ground], rcond=None)[0].astype(np.float64)
    return plane


def _nearest(values: Raster, known: NDArray[np.bool_]) -> Raster:
    if known.all() or not known.any():
        return np.where(np.isfinite(values), values, 0.0)
    where = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return values[tuple(where)]


def _strays(lowest: Raster) -> NDArray[np.bool_]:
    around = ndimage.rank_filter(lowest, STRAYS, size=5, mode="nearest")
    return around - lowest > PIT


def _ground(
    lowest: Raster, known: NDArray[np.bool_], cell: float, window: float
) -> NDArray[np.bool_]:
    """The known cells that hold ground; all of them if none does."""
    ground = known & ~_objects(_nearest(lowest, known), cell, window)
    return ground if ground.any() else known


def _objects(lowest: Raster, cell: float, window: float) -> NDArray[np.bool_]:
    """Cells that stick out of an opening by more than terrain can rise within its window."""
    largest = max(int(np.ceil(window / cell)), 1)
    objects = np.zeros(lowest.shape, bool)
    radius = 1
    while True:
        opened = ndimage.grey_opening(lowest, size=2 * radius + 1, mode="nearest")
        objects |= lowest - opened > STEP + SLOPE * radius * cell
        lowest = opened
        if radius == largest:
            return objects
        radius = min(max(radius + 1, round(1.5 * radius)), largest)


def _smooth_fill(values: Raster, known: NDArray[np.bool_]) -> Raster:
    """Values where known, elsewhere a smooth fill: each gap takes the mean one scale coarser."""
    return _pull_push(np.where(known, values, 0.0), known.astype(np.float64))


def _pull_push(values: Raster, weight: Raster) -> Raster:
    if values.size == 1 or weight.all():
        return values
    pad = [(0, size % 2) for size in values.shape]
    blocks = [(size + 1) // 2 for size in values.shape]
    tiled = (blocks[0], 2, blocks[1], 2)
    sums = np.pad(values * weight, pad).reshape(tiled).sum(axis=(1, 3))
    weights = np.pad(weight, pad).reshape(tiled).sum(axis=(1, 3))
    means = np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    coarse = _pull_push(means, np.minimum(weights, 1.0))
    filled = np.empty_like(values)
    step = max(1, ROWS // values.shape[1])
    for top in range(0, len(values), step):
        u, v = np.indices(values[top : top + step].shape)
        at = [(u + top - 0.5) / 2, (v - 0.5) / 2]
        filled[top : top + step] = ndimage.map_coordinates(coarse, at, order=1, mode="nearest")
    return weight * values + (1 - weight) * filled


def _at(surface: Raster, uv: Raster) -> Raster:
    return ndimage.map_coordinates(surface, uv.T, order=1, mode="nearest")
