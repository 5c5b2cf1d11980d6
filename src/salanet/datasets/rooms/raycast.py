"""What a sensor sees first: rays of a raster against solids, each only in its own window.

The rays of a sensor form a raster, of azimuth and elevation (a scanner on a tripod) or of the
pixels of a camera. A solid can only be hit by the rays of a window of the raster, which its
corners give, so the cost is the sum of the windows' sizes, not rays times solids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms.primitives import BALL, BOX, TUBE, Array, Parts

Float32 = NDArray[np.float32]
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
NEAREST = 0.05  # metres: closer things are not seen


@dataclass(frozen=True)
class Sensor:
    """A raster of rays from one place.

    Attributes:
        origin: (3,).
        rays: three (H, W) float32 arrays: x, y, z of the unit directions.
        pose: (3, 3), rows are the sensor's right, up and forward axes; None for a panorama.
        first, step: of a panorama: the lowest elevation and the raster's step, in radians; its
            columns begin at azimuth -π. Of a camera: (W - 1) / 2 and (H - 1) / 2, focal length in
            pixels in `step[0]`.
        reach: longest range in metres.
    """

    origin: Array
    rays: tuple[Float32, Float32, Float32]
    pose: Array | None
    first: tuple[float, float]
    step: tuple[float, float]
    reach: float

    @property
    def shape(self) -> tuple[int, int]:
        height, width = self.rays[0].shape
        return height, width


class Hits(NamedTuple):
    """Of each ray of a raster (H, W): the range float32 (inf: none), and the solid int32 or -1."""

    range: Float32
    part: NDArray[np.int32]


def panorama(
    origin: Array, rays: int, low: float = -60.0, high: float = 90.0, reach: float = 60.0
) -> Sensor:
    """About `rays` directions in equal steps of azimuth and elevation (`low` to `high` degrees)."""
    start, stop = np.deg2rad(low), np.deg2rad(high)
    step = np.sqrt((stop - start) * 2 * np.pi / rays)
    rows, columns = max(int((stop - start) / step), 2), max(int(2 * np.pi / step), 4)
    steps = ((stop - start) / rows, 2 * np.pi / columns)
    elevation = start + (np.arange(rows) + 0.5) * steps[0]
    azimuth = -np.pi + (np.arange(columns) + 0.5) * steps[1]
    flat = np.cos(elevation)[:, None]
    up = np.repeat(np.sin(elevation)[:, None], columns, axis=1)
    directions = (flat * np.cos(azimuth), flat * np.sin(azimuth), up)
    return Sensor(origin, _narrow(directions), None, (start, -np.pi), steps, reach)


def camera(
    origin: Array, pose: Array, width: int, height: int, angle: float, reach: float
) -> Sensor:
    """A depth camera that sees `angle` degrees horizontally; rows of `pose`: right, up, forward."""
    focal = width / 2 / np.tan(np.deg2rad(angle) / 2)
    x = (np.arange(width) - (width - 1) / 2) / focal
    y = (np.arange(height) - (height - 1) / 2)[:, None] / focal
    length = np.sqrt(1 + x * x + y * y)
    local = (x / length, y / length, 1 / length)
    world = tuple(sum(local[i] * pose[i, k] for i in range(3)) for k in range(3))
    centre = ((height - 1) / 2, (width - 1) / 2)
    return Sensor(origin, _narrow(world), pose, centre, (focal, focal), reach)


def cast(sensor: Sensor, parts: Parts, rng: np.random.Generator) -> Hits:
    """The first solid on every ray; glass lets a random share of the rays through."""
    best = np.full(sensor.shape, np.float32(sensor.reach))
    which = np.full(sensor.shape, -1, np.int32)
    nearest, windows = _windows(sensor, parts)
    eye = ((sensor.origin - parts.centre)[:, None, :] * parts.inverse).sum(axis=2)
    eye, inverse = eye.astype(np.float32), parts.inverse.astype(np.float32)
    visible = np.flatnonzero((nearest < sensor.reach) & (windows[:, 1] > windows[:, 0]))
    for index in visible[np.argsort(nearest[visible], kind="stable")]:
        row, row_stop, column, column_stop = windows[index]
        for columns in _unwrapped(column, column_stop, sensor):
            window = (slice(row, row_stop), columns)
            seen = best[window]
            if not seen.size or seen.max() <= nearest[index]:
                continue
            rays = tuple(ray[window] for ray in sensor.rays)
            matrix = inverse[index]
            local = [m[0] * rays[0] + m[1] * rays[1] + m[2] * rays[2] for m in matrix]
            distance = _distance(int(parts.kind[index]), eye[index], local, parts.taper[index])
            closer = distance < seen
            if parts.opacity[index] < 1:
                closer &= rng.random(closer.shape, np.float32) < parts.opacity[index]
            np.copyto(seen, distance, where=closer)
            np.copyto(which[window], np.int32(index), where=closer)
    best[which < 0] = np.inf
    return Hits(best, which)


def _distance(kind: int, eye: Float32, ray: list[Float32], taper: float) -> Float32:
    """Along each ray to the unit solid, inf where it misses; `eye` and `ray` in its frame."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if kind == BOX:
            return _box(eye, ray)
        if kind == BALL:
            return _ball(eye, ray)
        return _cylinder(eye, ray, np.float32(taper), capped=kind != TUBE)


def _box(eye: Float32, ray: list[Float32]) -> Float32:
    enter, leave = np.float32(NEAREST), np.float32(np.inf)
    for e, r in zip(eye, ray, strict=True):
        inverse = 1 / np.where(r == 0, np.float32(1e-12), r)
        middle, half = -e * inverse, np.abs(inverse)
        enter = np.maximum(enter, middle - half)
        leave = np.minimum(leave, middle + half)
    # A box around the eye is not seen: nothing is inside a solid.
    return np.where((enter <= leave) & (enter > NEAREST), enter, np.float32(np.inf))


def _ball(eye: Float32, ray: list[Float32]) -> Float32:
    a = ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2
    b = eye[0] * ray[0] + eye[1] * ray[1] + eye[2] * ray[2]
    root = b * b - a * (eye @ eye - 1)
    distance = (-b - np.sqrt(np.maximum(root, 0))) / a
    return np.where((root > 0) & (distance > NEAREST), distance, np.float32(np.inf))


def _cylinder(eye: Float32, ray: list[Float32], taper: np.float32, *, capped: bool) -> Float32:
    wide = 1 + taper * eye[2]
    a = ray[0] ** 2 + ray[1] ** 2 - (taper * ray[2]) ** 2
    a = np.where(np.abs(a) < 1e-12, np.float32(1e-12), a)
    b = eye[0] * ray[0] + eye[1] * ray[1] - taper * ray[2] * wide
    root = b * b - a * (eye[0] ** 2 + eye[1] ** 2 - wide**2)
    spread = np.sqrt(np.maximum(root, 0))
    best = np.full(a.shape, np.float32(np.inf))
    for distance in ((-b - spread) / a, (-b + spread) / a):
        on = (root > 0) & (distance > NEAREST) & (np.abs(eye[2] + distance * ray[2]) <= 1)
        best = np.where(on & (distance < best), distance, best)
    for cap in (-1.0, 1.0) if capped else ():
        distance = (np.float32(cap) - eye[2]) / ray[2]
        off = (eye[0] + distance * ray[0]) ** 2 + (eye[1] + distance * ray[1]) ** 2
        on = (off <= (1 + taper * cap) ** 2) & (distance > NEAREST)
        best = np.where(on & (distance < best), distance, best)
    return best


def _windows(sensor: Sensor, parts: Parts) -> tuple[Array, NDArray[np.int64]]:
    """Of each solid: a lower bound of its distance (P,), and its window (P, 4) in the raster."""
    wider = np.where(parts.kind == BOX, 0, np.abs(parts.taper))[:, None, None]
    centre = parts.centre - sensor.origin
    reach = (CORNERS[None] * (1 + wider))[:, :, None, :] * parts.axes[:, None]
    corners = centre[:, None] + reach.sum(axis=3)
    radius = np.linalg.norm(corners - centre[:, None], axis=2).max(axis=1)
    nearest = np.maximum(np.linalg.norm(centre, axis=1) - radius, 0)
    if sensor.pose is None:
        return nearest, _panorama_windows(sensor, corners)
    return nearest, _camera_windows(sensor, corners)


def _panorama_windows(sensor: Sensor, corners: Array) -> NDArray[np.int64]:
    flat = corners[..., :2]
    middle = flat.mean(axis=1, keepdims=True)
    turned = np.arctan2(middle[..., 1], middle[..., 0])
    azimuth = np.arctan2(flat[..., 1], flat[..., 0])
    off = (azimuth - turned + np.pi) % (2 * np.pi) - np.pi
    left, right = off.min(axis=1), off.max(axis=1)
    near, far = _flat_distances(flat)
    around = (right - left >= np.pi - 1e-6) | (near < NEAREST)  # the sensor is above or below
    left, right = np.where(around, -np.pi, left), np.where(around, np.pi, right)
    low, high = corners[..., 2].min(axis=1), corners[..., 2].max(axis=1)
    near = np.where(around, 0, near)
    down = np.arctan2(low, np.where(low < 0, near, far))
    up = np.arctan2(high, np.where(high > 0, near, far))
    (first, begin), (step, turn) = sensor.first, sensor.step
    rows, columns = sensor.shape
    start = np.floor((turned[:, 0] + left - begin) / turn).astype(np.int64) - 1
    stop = np.ceil((turned[:, 0] + right - begin) / turn).astype(np.int64) + 1
    stop = np.minimum(stop, start + columns)
    row = np.clip(np.floor((down - first) / step) - 1, 0, rows).astype(np.int64)
    row_stop = np.clip(np.ceil((up - first) / step) + 1, 0, rows).astype(np.int64)
    return np.column_stack([row, row_stop, start, stop])


def _flat_distances(flat: Array) -> tuple[Array, Array]:
    """Bounds (P,) of the horizontal distance of all points between corners (P, 8, 2)."""
    far = np.linalg.norm(flat, axis=2).max(axis=1)
    middle = flat.mean(axis=1)
    length = np.linalg.norm(middle, axis=1)
    towards = middle / np.maximum(length, 1e-9)[:, None]
    # All corners lie beyond the nearest one's projection on the direction to the middle.
    near = (flat * towards[:, None]).sum(axis=2).min(axis=1)
    return np.maximum(near, 0), far


def _camera_windows(sensor: Sensor, corners: Array) -> NDArray[np.int64]:
    assert sensor.pose is not None
    right, up, forward = ((corners * axis).sum(axis=2) for axis in sensor.pose)
    rows, columns = sensor.shape
    depth = np.maximum(forward, NEAREST)
    x = right / depth * sensor.step[0] + sensor.first[1]
    y = up / depth * sensor.step[0] + sensor.first[0]
    cut = (forward < NEAREST).any(axis=1)  # a corner behind the camera says nothing
    gone = (forward < NEAREST).all(axis=1)
    start = np.clip(np.where(cut, 0, np.floor(x.min(axis=1)) - 1), 0, columns)
    stop = np.clip(np.where(cut, columns, np.ceil(x.max(axis=1)) + 2), 0, columns)
    row = np.clip(np.where(cut, 0, np.floor(y.min(axis=1)) - 1), 0, rows)
    row_stop = np.clip(np.where(cut, rows, np.ceil(y.max(axis=1)) + 2), 0, rows)
    row_stop = np.where(gone | (stop <= start), row, row_stop)
    return np.column_stack([row, row_stop, start, stop]).astype(np.int64)


def _unwrapped(start: int, stop: int, sensor: Sensor) -> list[slice]:
    """The columns start to stop of a raster that goes round, as one or two slices."""
    columns = sensor.shape[1]
    if sensor.pose is not None:
        return [slice(start, stop)]
    start, stop = start % columns, start % columns + (stop - start)
    if stop <= columns:
        return [slice(start, stop)]
    return [slice(start, columns), slice(0, stop - columns)]


def _narrow(directions: tuple[Array, ...]) -> tuple[Float32, Float32, Float32]:
    x, y, z = (np.ascontiguousarray(axis, np.float32) for axis in directions)
    return x, y, z
