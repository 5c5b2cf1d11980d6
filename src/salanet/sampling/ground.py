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
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from salanet.errors import DataError

CELL = 1.0  # metres
WINDOW = 20.0  # metres: half of the widest building that is taken for one
SLOPE = 0.15  # rise per metre that terrain may have besides the plane
STEP = 0.1  # metres by which terrain may stick out at any scale
NEAR = 0.3  # metres: points this close to the first surface refine it
PIT = 1.0  # metres a stray return lies below its surroundings
STRAYS = 3  # cells of a 5 x 5 neighbourhood that may be stray returns
FEWEST_FOR_PLANE = 20  # cells
MAX_CELLS = 1 << 22  # a far outlier makes the cells larger, not the raster unbounded

Raster = NDArray[np.float64]


def height_above_ground(
    xyz: NDArray[np.floating], *, cell: float = CELL, window: float = WINDOW
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
    low = xyz.min(axis=0).astype(np.float64)
    local = xyz - low
    extent = local[:, :2].max(axis=0)
    cell = max(cell, float(np.sqrt(np.prod(extent) / MAX_CELLS)), float(extent.max() / MAX_CELLS))
    # Whole cells of the absolute grid, so that the raster does not depend on the cloud's extent.
    uv = local[:, :2] / cell + np.mod(low[:2] / cell, 1.0)
    index = np.floor(uv).astype(np.int64)
    shape = tuple(index.max(axis=0) + 1)
    flat = index[:, 0] * shape[1] + index[:, 1]
    uv -= 0.5  # cell centres lie at whole numbers

    z = local[:, 2].astype(np.float64)
    lowest = _lowest(z, flat, shape)
    known = np.isfinite(lowest)
    known &= ~_strays(_nearest(lowest, known))
    ground = _ground(lowest, known, cell, window)
    z -= _plane(lowest, ground) @ np.stack([uv[:, 0], uv[:, 1], np.ones(len(z))])
    lowest = _lowest(z, flat, shape)
    ground = _ground(lowest, known, cell, window)

    surface = _smooth_fill(lowest, ground)
    near = np.abs(z - _at(surface, uv)) < NEAR
    count = np.bincount(flat[near], minlength=lowest.size).reshape(shape)
    total = np.bincount(flat[near], z[near], minlength=lowest.size).reshape(shape)
    refined = ground & (count > 0)
    if refined.any():
        surface = _smooth_fill(total / np.maximum(count, 1), refined)
    return (z - _at(surface, uv)).astype(np.float32)


def _lowest(z: Raster, flat: NDArray[np.int64], shape: tuple[int, ...]) -> Raster:
    lowest = np.full(int(np.prod(shape)), np.inf)
    np.minimum.at(lowest, flat, z)
    return lowest.reshape(shape)


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
    u, v = np.indices(values.shape)
    filled = ndimage.map_coordinates(
        coarse, [(u - 0.5) / 2, (v - 0.5) / 2], order=1, mode="nearest"
    )
    return weight * values + (1 - weight) * filled


def _at(surface: Raster, uv: Raster) -> Raster:
    return ndimage.map_coordinates(surface, uv.T, order=1, mode="nearest")
