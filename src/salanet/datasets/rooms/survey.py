"""Scanning a room: where sensors stand, and the errors of what they measure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms import appearance
from salanet.datasets.rooms.layout import Room, inside
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.placing import overlaps
from salanet.datasets.rooms.primitives import Array, turn_x, turn_z
from salanet.datasets.rooms.raycast import Float32, Hits, Sensor, camera, cast, panorama

TRIPOD, WALK, CAMERA = "tripod", "walk", "camera"
SPARE = 1.25  # rays per wanted point: some meet nothing


@dataclass(frozen=True)
class Errors:
    """Of a survey's measurements.

    Attributes:
        noise: standard deviation of ranges at 0 m, in metres. growth: of it per metre.
        mixing: share of the rays at an edge that return from between its two sides.
        drift: standard deviation of the registration of a position, in metres.
        bumps: height of the smooth dents a reconstructed surface has, in metres.
        missing: share of the rays that a shiny or slanted surface loses.
    """

    noise: float
    growth: float
    mixing: float
    drift: float
    bumps: float
    missing: float


@dataclass(frozen=True)
class Scan:
    """Seen points: xyz (N, 3), part (N,), position (N,) of the sensor, rgb uint8 (N, 3)."""

    xyz: Array
    part: NDArray[np.int64]
    position: NDArray[np.int64]
    rgb: NDArray[np.uint8]


def survey(room: Room, points: int, rng: Rng, errors: Errors | None = None) -> Scan:
    """About `points` points as a tripod scanner, a hand-held one or a depth camera sees them.

    Without `errors`, ones of a random sensor.
    """
    parts = room.model.pack()
    way = str(rng.choice([TRIPOD, WALK, CAMERA], p=[0.6, 0.2, 0.2]))
    errors = errors or _errors(way, rng)
    lights = [spot for spot in room.lights if len(spot) == 3]
    shade_seed = int(rng.integers(2**63))
    scans = []
    for number, sensor in enumerate(_sensors(room, way, int(points * SPARE), rng)):
        hits = cast(sensor, parts, rng)
        xyz, part, ray = _measure(sensor, hits, errors, rng)
        face = appearance.surface(xyz, part, parts)
        facing = np.abs((face.normal * ray).sum(axis=1))
        kept = rng.random(len(part)) >= errors.missing * np.exp(-4 * facing)
        xyz, part = xyz[kept], part[kept]
        normal, across = face.normal[kept], face.across[kept]
        towards = -np.sign((normal * ray[kept]).sum(axis=1, keepdims=True))
        colour = appearance.paint(part, across, parts, rng)
        shade = appearance.light(xyz, normal * towards, lights, np.random.default_rng(shade_seed))
        glow = parts.glow[part][:, None]
        rgb = appearance.expose(colour * (glow + (1 - glow) * shade), rng)
        scans.append(
            Scan(_register(xyz, sensor, errors, rng), part, np.full(len(part), number), rgb)
        )
    joined = (np.concatenate([getattr(s, n) for s in scans]) for n in Scan.__dataclass_fields__)
    return Scan(*joined)


def _errors(way: str, rng: Rng) -> Errors:
    rough = way != TRIPOD
    return Errors(
        noise=float(10 ** rng.uniform(-3, -2.3 if not rough else -2.0)),
        growth=float(rng.uniform(0.0001, 0.0008) if not rough else rng.uniform(0.0005, 0.002)),
        mixing=float(rng.uniform(0.0, 0.4)),
        drift=float(rng.uniform(0, 0.004) if not rough else rng.uniform(0, 0.012)),
        bumps=float(rng.choice([0.0, rng.uniform(0, 0.006)]) * (2 if rough else 1)),
        missing=float(rng.uniform(0, 0.8)),
    )


def _sensors(room: Room, way: str, rays: int, rng: Rng) -> list[Sensor]:
    if way == TRIPOD:
        least = 1 + int(room.area / 25)
        spots = _spots(room, int(rng.integers(least, least + 3)), rng)
        height = rng.uniform(1.2, 1.8)
        low = rng.uniform(-68, -55)
        each = rays // len(spots)
        return [
            panorama(np.array([*spot, height + rng.normal(0, 0.08)]), each, low) for spot in spots
        ]
    path = _path(room, 10 if way == WALK else 36, rng)
    each = rays // len(path)
    if way == WALK:
        return [panorama(place, each, -75, 80, reach=30) for place in path]
    wide = max(int(np.sqrt(each * 4 / 3)), 8)
    angle, reach = rng.uniform(55, 90), rng.uniform(4, 9)
    looks = [_look(i, len(path), rng) for i in range(len(path))]
    pairs = zip(path, looks, strict=True)
    return [camera(at, pose, wide, wide * 3 // 4, angle, reach) for at, pose in pairs]


def _spots(room: Room, count: int, rng: Rng) -> list[Array]:
    """Free places (2,) far from each other."""
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    free = [
        spot
        for spot in rng.uniform(low, high, (60 + 20 * count, 2))
        if inside(spot, room.outline, 0.4) and not _blocked(spot, room)
    ]
    if not free:
        middle = room.outline.mean(axis=0)
        return [middle if inside(middle, room.outline) else room.edges[0].at(0.5, 0.5)]
    chosen = [free[0]]
    while len(chosen) < min(count, len(free)):
        gaps = [min(np.linalg.norm(spot - other) for other in chosen) for spot in free]
        chosen.append(free[int(np.argmax(gaps))])
    return chosen


def _blocked(spot: Array, room: Room) -> bool:
    half = 0.25
    square = spot + np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    return any(overlaps(square, other) for other in room.taken)


def _path(room: Room, count: int, rng: Rng) -> list[Array]:
    """A walk (count, 3) through free places at the height of a hand or a head."""
    spots = _spots(room, int(rng.integers(3, 7)), rng)
    height = rng.uniform(1.1, 1.7)
    corners = [np.array([*spot, height]) for spot in spots]
    where = np.linspace(0, len(corners) - 1, count)
    path = []
    for share in where:
        k = min(int(share), max(len(corners) - 2, 0))
        after = corners[min(k + 1, len(corners) - 1)]
        place = corners[k] + (after - corners[k]) * (share - k)
        free = inside(place[:2], room.outline, 0.15) and not _blocked(place[:2], room)
        path.append((place if free else corners[round(share)]) + rng.normal(0, 0.06, 3))
    return path


def _look(index: int, count: int, rng: Rng) -> Array:
    """A camera's axes (3, 3), turning round while it looks up and down."""
    turn = 2 * np.pi * 3 * index / count + rng.normal(0, 0.4)
    pitch = np.deg2rad(np.clip(-8 + 25 * np.sin(index * 1.9) + rng.normal(0, 8), -60, 45))
    rotation = turn_z(turn) @ turn_x(pitch)
    return np.stack([rotation[:, 0], rotation[:, 2], rotation[:, 1]])


def _measure(
    sensor: Sensor, hits: Hits, errors: Errors, rng: Rng
) -> tuple[Array, NDArray[np.int64], Array]:
    """Points (N, 3) with noise and mixed at edges, their parts (N,), unit rays (N, 3)."""
    distance = _mix(hits.range, errors.mixing, rng)
    rows, columns = np.nonzero(hits.part >= 0)
    part = hits.part[rows, columns].astype(np.int64)
    ranges = distance[rows, columns].astype(np.float64)
    ray = np.stack([axis[rows, columns] for axis in sensor.rays], axis=1).astype(np.float64)
    xyz = sensor.origin + ranges[:, None] * ray
    sigma = errors.noise + errors.growth * ranges * (ranges if sensor.pose is not None else 1)
    ranges += rng.normal(0, 1, len(ranges)) * sigma + _bumps(xyz, errors.bumps, rng)
    return sensor.origin + ranges[:, None] * ray, part, ray


def _mix(distance: Float32, share: float, rng: Rng) -> Float32:
    """Some rays at an edge return from between its near and its far side."""
    if share <= 0:
        return distance
    mixed = distance.copy()
    for axis in (0, 1):
        other = np.roll(distance, 1, axis=axis)
        with np.errstate(invalid="ignore"):
            gap = other - distance
        edge = np.flatnonzero((gap > 0.03) & (gap < 2.0))
        edge = edge[rng.random(len(edge)) < share]
        mixed.flat[edge] += (0.6 * rng.random(len(edge)) ** 2 * gap.flat[edge]).astype(np.float32)
    return mixed


def _bumps(xyz: Array, height: float, rng: Rng) -> Array:
    """A smooth random field (N,), the dents of a reconstructed mesh."""
    field = np.zeros(len(xyz))
    if height <= 0:
        return field
    for _ in range(5):
        wave = rng.normal(0, 1, 3)
        wave *= 2 * np.pi / (np.linalg.norm(wave) * rng.uniform(0.1, 0.7))
        field += np.sin((xyz * wave).sum(axis=1) + rng.uniform(0, 6.28))
    return field * height / 2


def _register(xyz: Array, sensor: Sensor, errors: Errors, rng: Rng) -> Array:
    """A position is never known exactly: shifted, and turned about itself."""
    angle = rng.normal(0, 0.25 * errors.drift)
    turned = np.einsum("ij,nj->ni", turn_z(angle), xyz - sensor.origin)
    return turned + sensor.origin + rng.normal(0, errors.drift, 3)
