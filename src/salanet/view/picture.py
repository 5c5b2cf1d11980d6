"""Pictures of point clouds without a display: a depth buffer, lit by its own edges.

The shading is eye-dome lighting (Boucheny 2009): a pixel is darker the more its neighbours stand
before it, which draws the outlines of things without normals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

View = Literal["top", "oblique"]
Array = NDArray[np.float64]

GROUND = (255, 255, 255)
FIELD = 38.0  # degrees from side to side of the shorter edge of the picture
FINE = 2  # drawn so many times larger, and averaged
STRENGTH = 18.0  # of the shading
YAW, PITCH, INDOOR_PITCH = 35.0, 38.0, 52.0  # degrees
ROOM, COVERED = 60.0, 0.35  # largest extent of indoor scans; share of a ceiling seen from above
LID = 0.82  # of a room's height that is left when its ceiling is cut


@dataclass(frozen=True)
class Camera:
    """Where a picture is taken from.

    Attributes:
        centre: (3,), in the middle of the picture.
        axes: (3, 3), its rows are right, up, and towards the viewer.
        distance: of the eye from the centre.
        scale: tangent of half the field of view; 0: parallel lines stay parallel, and `distance`
            is half the shorter edge.
        top: nothing above this height is seen.
    """

    centre: Array
    axes: Array
    distance: float
    scale: float
    top: float = np.inf

    def pixels(self, size: tuple[int, int]) -> float:
        """How many pixels of a picture a unit has at the centre; everywhere, without perspective.

        Args:
            size: of the picture, width and height.
        """
        return min(size) / 2 / (self.distance * (self.scale or 1))


def look(xyz: Array, view: View = "oblique", aspect: float = 1.6, unit: float = 1.0) -> Camera:
    """A camera that has the points (N, 3) in its picture, as seen from above or aslant.

    Indoors, the ceiling is left out so that one looks into the rooms. `unit` is how many metres
    one of the coordinates has.
    """
    some = xyz[:: max(1, len(xyz) // 200_000)]
    top = ceiling(some, unit)
    some = some[some[:, 2] <= top]
    low, high = np.percentile(some, (0.2, 99.8), axis=0)
    centre = (low + high) / 2
    pitch = 90.0 if view == "top" else PITCH if np.isinf(top) else INDOOR_PITCH
    axes = directions(0.0 if view == "top" else YAW, pitch)
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    scale = 0.0 if view == "top" else np.tan(np.radians(FIELD / 2))
    distance = 1e-9
    for _ in range(3):  # what is near looks larger, so the middle moves with the distance
        x, y, z = ((some - centre) @ axes.T).T
        across = np.maximum(np.abs(x) / wide, np.abs(y) / tall)
        reach = across / scale + z if scale else across
        distance = max(float(np.percentile(reach, 99.9)) * 1.04, 1e-9)
        away = np.maximum(1 - z / distance, 0.05) if scale else np.ones_like(z)
        ends = np.percentile([x / away, y / away], (0.2, 99.8), axis=1)
        centre = centre + ends.mean(axis=0) @ axes[:2]
    return Camera(centre, axes, distance * 1.04, scale, top)


def ceiling(xyz: Array, unit: float = 1.0) -> float:
    """The height above which an indoor scan hides its inside; infinite outdoors.

    In the units of the coordinates (N, 3), which are `unit` metres long.
    """
    low, high = np.percentile(xyz, (0.5, 99.5), axis=0)
    wide, height = float((high - low)[:2].max()), float(high[2] - low[2])
    if not 0 < wide * unit <= ROOM or height < 0.04 * wide or not 1.5 < height * unit < 8:
        return np.inf
    cells = ((xyz[:, :2] - low[:2]) / wide * 40).astype(np.int64)
    key = cells[:, 0] * 1_000 + cells[:, 1]
    upper = xyz[:, 2] > low[2] + LID * height
    lower = xyz[:, 2] < low[2] + 0.3 * height
    seen, floor = len(np.unique(key[upper])), len(np.unique(key[lower]))
    return low[2] + LID * height if floor and seen > COVERED * floor else np.inf


def directions(yaw: float, pitch: float) -> Array:
    """The axes of a camera turned by `yaw` about the vertical and `pitch` above the horizon."""
    a, b = np.radians(yaw), np.radians(pitch)
    right = np.array([np.cos(a), np.sin(a), 0.0])
    back = np.array([np.sin(a) * np.cos(b), -np.cos(a) * np.cos(b), np.sin(b)])
    return np.stack([right, np.cross(back, right), back])


def picture(
    xyz: Array,
    colours: NDArray[np.uint8],
    *,
    camera: Camera | None = None,
    size: tuple[int, int] = (1600, 1000),
    point: int | None = None,
    ground: tuple[int, int, int] = GROUND,
) -> NDArray[np.uint8]:
    """A picture uint8 (height, width, 3) of points (N, 3) in colours uint8 (N, 3).

    Args:
        camera: see `look`, which chooses one.
        size: width and height in pixels.
        point: diameter of a point in pixels; None: as large as closes most gaps.
        ground: the colour where there is nothing.
    """
    camera = camera or look(xyz, aspect=size[0] / size[1])
    width, height = size[0] * FINE, size[1] * FINE
    depth, point_at = _project(xyz, camera, width, height)
    if point is None:
        covered = np.isfinite(depth).sum()
        crowd = len(xyz) / max(covered, 1)
        point = _gap(depth) if crowd < 3 else 1
    depth, point_at = _spread(depth, point_at, point * FINE)
    seen = np.isfinite(depth)
    image = np.empty((height, width, 3), np.float32)
    image[:] = ground
    image[seen] = colours[point_at[seen]] * _shade(depth, max(FINE, point))[seen, None]
    image = image.reshape(size[1], FINE, size[0], FINE, 3).mean(axis=(1, 3))
    rounded: NDArray[np.uint8] = image.round().astype(np.uint8)
    return rounded


def _project(
    xyz: Array, camera: Camera, width: int, height: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Depth (height, width), infinite where nothing is, and the number of the nearest point."""
    seen = (xyz - camera.centre) @ camera.axes.T
    half = min(width, height) / 2
    if camera.scale:
        away = camera.distance - seen[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            zoom = half / (camera.scale * away)
    else:
        away = 4 * camera.distance - seen[:, 2]
        zoom = np.full(len(xyz), half / camera.distance)
    with np.errstate(invalid="ignore", over="ignore"):
        column, row = width / 2 + seen[:, 0] * zoom, height / 2 - seen[:, 1] * zoom
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    rows = np.flatnonzero(inside & (away > 0) & (xyz[:, 2] <= camera.top))
    rows = rows[np.argsort(-away[rows], kind="stable")]  # the last one written is the nearest
    pixel = row[rows].astype(np.int64) * width + column[rows].astype(np.int64)
    depth = np.full(width * height, np.inf, np.float32)
    number = np.zeros(width * height, np.int64)
    depth[pixel], number[pixel] = away[rows], rows
    return depth.reshape(height, width), number.reshape(height, width)


def _gap(depth: NDArray[np.float32]) -> int:
    """How large points must be, in final pixels, to close most gaps between them."""
    filled = np.isfinite(depth)
    for point in range(1, 7):
        step = point * FINE
        blocks = filled[: len(filled) // step * step, : filled.shape[1] // step * step]
        cells = blocks.reshape(len(blocks) // step, step, -1, step).max(axis=(1, 3))
        inner = cells[1:-1, 1:-1]
        around = cells[:-2, 1:-1].astype(int) + cells[2:, 1:-1] + cells[1:-1, :-2] + cells[1:-1, 2:]
        holes = ((around >= 3) & ~inner).sum() + ((around == 0) & inner).sum()
        if holes < 0.06 * max(inner.sum(), 1):
            return point
    return 7


def _spread(
    depth: NDArray[np.float32], number: NDArray[np.int64], diameter: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Every point as a disc: the nearest of those whose disc covers a pixel."""
    reach = np.arange(diameter) - (diameter - 1) // 2
    middle = (diameter - 1) / 2 - (diameter - 1) // 2
    height, width = depth.shape
    row, column = np.nonzero(np.isfinite(depth))
    near, who = depth[row, column], number[row, column]
    best, chosen = depth.copy(), number.copy()
    for down in reach:
        for across in reach:
            if (down - middle) ** 2 + (across - middle) ** 2 > diameter**2 / 4:
                continue
            y, x = row + down, column + across
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            inside &= near < best[y % height, x % width]
            best[y[inside], x[inside]] = near[inside]
            chosen[y[inside], x[inside]] = who[inside]
    return best, chosen


def _shade(depth: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """A factor for each pixel, less where its neighbours stand before it."""
    with np.errstate(divide="ignore"):
        log = np.log2(depth)
    height, width = depth.shape
    stands = np.zeros_like(log)
    for down, across in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        step = (down * reach, across * reach)
        to = (_part(step[0], height), _part(step[1], width))
        start = (_part(-step[0], height), _part(-step[1], width))
        with np.errstate(invalid="ignore"):
            before = np.nan_to_num(log[to] - log[start], nan=0.0, posinf=0.0, neginf=0.0)
        stands[to] += np.clip(before, 0, 0.06)
    return np.exp(-STRENGTH / 8 * 2 * stands).astype(np.float32)


def _part(shift: int, length: int) -> slice:
    return slice(max(shift, 0), length + min(shift, 0))
