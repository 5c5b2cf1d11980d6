"""Scanning a room: what a sensor of some kind makes of it, from the rays to the coloured points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms import appearance
from salanet.datasets.rooms.fusion import fuse
from salanet.datasets.rooms.layout import Room
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.measure import measure, moved, poses
from salanet.datasets.rooms.primitives import Array
from salanet.datasets.rooms.raycast import Sensor, cast
from salanet.datasets.rooms.sensors import (
    HANDHELD,
    PHOTOGRAMMETRY,
    TRIPOD,
    VIEW,
    Errors,
    errors_of,
    sensors_of,
)

SPARE = 1.25  # rays per wanted point: some meet nothing
FRAMES = 4.0  # rays per wanted point where frames overlap and are fused


@dataclass(frozen=True)
class Scan:
    """Seen points: xyz (N, 3), part (N,), position (N,) of the sensor, rgb uint8 (N, 3).

    `camera` (4, 4) takes points to the coordinates of a single view's camera (x right, y down, z
    forward); None for other scans.
    """

    xyz: Array
    part: NDArray[np.int64]
    position: NDArray[np.int64]
    rgb: NDArray[np.uint8]
    camera: Array | None = None


def survey(
    room: Room, points: int, rng: Rng, errors: Errors | None = None, sensor: str = TRIPOD
) -> Scan:
    """About `points` points, or fewer, as a sensor of `sensors.SENSORS` sees them.

    Without `errors`, ones of a random sensor of that kind.
    """
    parts = room.model.pack()
    errors = errors or errors_of(sensor, rng)
    lights = [spot for spot in room.lights if len(spot) == 3]
    shade_seed = int(rng.integers(2**63))
    film = appearance.film(rng, sways=0.15 if sensor == TRIPOD else 0.05)
    fused = sensor in (HANDHELD, PHOTOGRAMMETRY)
    rays = int(points * (FRAMES if fused else SPARE))
    stations = sensors_of(sensor, room, rays, rng)
    scans = []
    for number, (station, pose) in enumerate(
        zip(stations, poses(sensor, stations, errors.drift, rng), strict=True)
    ):
        hits = cast(station, parts, rng)
        xyz, part, ray = measure(station, hits, errors, parts, rng)
        face = appearance.surface(xyz, part, parts)
        facing = np.abs((face.normal * ray).sum(axis=1))
        kept = rng.random(len(part)) >= errors.missing * np.exp(-4 * facing)
        xyz, part, ray = xyz[kept], part[kept], ray[kept]
        normal, across = face.normal[kept], face.across[kept]
        towards = -np.sign((normal * ray).sum(axis=1, keepdims=True))
        colour = appearance.paint(part, across, parts, rng)
        shade = appearance.light(xyz, normal * towards, lights, np.random.default_rng(shade_seed))
        glow = parts.glow[part][:, None]
        off_axis = None if station.pose is None else ray @ station.pose[2]
        rgb = appearance.expose(colour * (glow + (1 - glow) * shade), film, off_axis, rng)
        scans.append(Scan(moved(xyz, station, pose), part, np.full(len(part), number), rgb))
    names = ("xyz", "part", "position", "rgb")
    scan = Scan(*(np.concatenate([getattr(s, n) for s in scans]) for n in names))
    if fused and len(scan.xyz) and (errors != Errors()):
        scan = _fused(scan, sensor, rng)
    if sensor == VIEW:
        return Scan(scan.xyz, scan.part, scan.position, scan.rgb, _to_camera(stations[0]))
    return scan


def _fused(scan: Scan, sensor: str, rng: Rng) -> Scan:
    """A mesh of voxels of a hand-held scan: all its dense surface, or its sparser vertices."""
    rough = sensor == HANDHELD
    voxel = rng.uniform(0.015, 0.03) if rough else rng.uniform(0.01, 0.02)
    spacing = rng.choice([voxel, rng.uniform(0.03, 0.06)])
    rounds = int(rng.integers(1, 4)) if rough else 1
    xyz, part, rgb = fuse(
        scan.xyz, scan.part, scan.rgb, voxel=voxel, spacing=spacing, rounds=rounds, rng=rng
    )
    return Scan(xyz, part, np.zeros(len(part), np.int64), rgb)


def _to_camera(sensor: Sensor) -> Array:
    assert sensor.pose is not None
    matrix = np.eye(4)
    matrix[:3, :3] = sensor.pose * [[1], [-1], [1]]
    matrix[:3, 3] = -matrix[:3, :3] @ sensor.origin
    return matrix
