"""Where sensors of five kinds stand and look, and what they are like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from salanet.datasets.rooms.layout import Room, inside
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.placing import overlaps
from salanet.datasets.rooms.primitives import Array, turn_x, turn_z
from salanet.datasets.rooms.raycast import Sensor, camera, panorama

TRIPOD, MOBILE, HANDHELD = "tripod", "mobile", "handheld"
PHOTOGRAMMETRY, VIEW = "photogrammetry", "view"
SENSORS = (TRIPOD, MOBILE, HANDHELD, PHOTOGRAMMETRY, VIEW)

NEAR_A_DOOR = 0.7  # metres: there a walk leads through the wall


@dataclass(frozen=True)
class Errors:
    """Of a survey's measurements; lengths in metres.

    Attributes:
        noise: standard deviation of ranges at 0 m. growth: of it per metre, of cameras per m².
        mixing: share of the rays at an edge that return from between its two sides.
        drift: standard deviation of the registration of a position, of what moves: of its sum.
        bumps: height of the smooth dents a reconstructed surface has.
        missing: share of the rays that a shiny or slanted surface loses.
        step: of a depth camera's disparity: ranges are 1 / (step · n), step · range² apart.
        dark: share of the rays that black and glass lose.
        lumps: height of the lumps where a surface shows nothing to match.
    """

    noise: float = 0.0
    growth: float = 0.0
    mixing: float = 0.0
    drift: float = 0.0
    bumps: float = 0.0
    missing: float = 0.0
    step: float = 0.0
    dark: float = 0.0
    lumps: float = 0.0


def errors_of(kind: str, rng: Rng) -> Errors:
    """Those of a random sensor of a kind."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    if kind == TRIPOD:
        return Errors(
            noise=10 ** between(-3, -2.3),
            growth=between(0.0001, 0.0008),
            mixing=between(0.0, 0.4),
            drift=between(0, 0.004),
            bumps=float(rng.choice([0.0, between(0, 0.006)])),
            missing=between(0, 0.8),
        )
    if kind == MOBILE:
        return Errors(
            noise=10 ** between(-2.4, -1.7),
            growth=between(0.0002, 0.001),
            mixing=between(0.1, 0.6),
            drift=between(0.003, 0.03),
            missing=between(0, 0.8),
        )
    if kind == PHOTOGRAMMETRY:
        return Errors(
            noise=between(0.001, 0.006),
            growth=between(0.0002, 0.001),
            mixing=between(0.2, 0.9),
            drift=between(0, 0.004),
            bumps=between(0, 0.01),
            missing=between(0.2, 0.9),
            dark=between(0.3, 0.9),
            lumps=between(0.01, 0.08),
        )
    return Errors(
        noise=between(0.001, 0.004),
        growth=between(0.001, 0.003),
        mixing=between(0.1, 0.8),
        drift=between(0.0, 0.035) if kind == HANDHELD else 0.0,
        bumps=between(0.002, 0.012) if kind == HANDHELD else between(0, 0.008),
        missing=between(0.2, 0.95),
        step=between(0.001, 0.004),
        dark=between(0.3, 0.98),
    )


def sensors_of(kind: str, room: Room, rays: int, rng: Rng) -> list[Sensor]:
    """Sensors of a kind in a room, with about `rays` rays in all."""
    makers: dict[str, Callable[[Room, int, Rng], list[Sensor]]] = {
        TRIPOD: _tripod,
        MOBILE: _mobile,
        HANDHELD: _handheld,
        PHOTOGRAMMETRY: _photographs,
        VIEW: _view,
    }
    return makers[kind](room, rays, rng)


def _tripod(room: Room, rays: int, rng: Rng) -> list[Sensor]:
    least = 1 + int(room.area / 25)
    spots = _stations(room, int(rng.integers(least, least + 3)), rng)
    height = rng.uniform(1.2, 1.8)
    low = rng.uniform(-68, -55)
    each = rays // len(spots)
    return [panorama(np.array([*spot, height + rng.normal(0, 0.08)]), each, low) for spot in spots]


def _mobile(room: Room, rays: int, rng: Rng) -> list[Sensor]:
    path = _path(room, int(rng.integers(8, 25)) * _count(room), rng)
    each = rays // len(path)
    return [panorama(place, each, -75, 80, reach=30) for place in path]


def _handheld(room: Room, rays: int, rng: Rng) -> list[Sensor]:
    """A depth camera carried along, turning; mostly it looks down, so that ceilings are missing."""
    count = int(np.clip(room.area * rng.uniform(3, 6), 40, 140 * _count(room)))
    path = _path(room, count, rng)
    wide = max(int(np.sqrt(rays / count * 4 / 3)), 8)
    angle, reach = rng.uniform(55, 70), rng.uniform(3.5, 7)
    tilt = rng.choice([-30, -20, -12, 0], p=[0.3, 0.35, 0.2, 0.15])
    swing = rng.uniform(5, 25) if tilt > -25 else rng.uniform(5, 12)
    turns = rng.uniform(2, 4) * _count(room)
    looks = [_look(i, count, rng, tilt, swing, turns) for i in range(count)]
    pairs = zip(path, looks, strict=True)
    return [camera(at, pose, wide, wide * 3 // 4, angle, reach) for at, pose in pairs]


def _photographs(room: Room, rays: int, rng: Rng) -> list[Sensor]:
    count = int(rng.integers(24, 60)) * _count(room)
    path = _path(room, count, rng)
    wide = max(int(np.sqrt(rays / count * 3 / 2)), 8)
    angle = rng.uniform(60, 95)
    looks = [_look(i, count, rng, -6, 22, rng.uniform(2, 4) * _count(room)) for i in range(count)]
    pairs = zip(path, looks, strict=True)
    return [camera(at, pose, wide, wide * 2 // 3, angle, 12) for at, pose in pairs]


def _view(room: Room, rays: int, rng: Rng) -> list[Sensor]:
    """A single picture with depth, from a free place towards the room's far parts."""
    if room.rooms:
        room = room.rooms[int(rng.integers(len(room.rooms)))]
    spots = free_spots(room, 12, rng)
    spot = spots[int(rng.integers(len(spots)))]
    far = spots[int(np.argmax([np.linalg.norm(other - spot) for other in spots]))]
    ahead = far - spot if len(spots) > 1 else -spot
    turn = np.arctan2(-ahead[0], ahead[1]) + rng.normal(0, 0.5)
    pitch = np.deg2rad(rng.uniform(-35, 8))
    wide = max(int(np.sqrt(rays * 4 / 3)), 8)
    place = np.array([*spot, rng.uniform(0.7, 1.8)])
    angle, reach = rng.uniform(50, 85), rng.uniform(5, 10)
    return [camera(place, _axes(turn, pitch), wide, wide * 3 // 4, angle, reach)]


def _count(room: Room) -> int:
    """How many rooms there are."""
    return max(len(room.rooms), 1)


def _stations(room: Room, count: int, rng: Rng) -> list[Array]:
    """Free places, in each room of a storey one at least."""
    if not room.rooms:
        return free_spots(room, count, rng)
    each = -(-count // len(room.rooms))
    return [spot for one in room.rooms for spot in free_spots(one, each, rng)]


def free_spots(room: Room, count: int, rng: Rng) -> list[Array]:
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
    spots = _round(room, rng) if room.rooms else free_spots(room, int(rng.integers(3, 7)), rng)
    height = rng.uniform(1.1, 1.7)
    corners = [np.array([*spot, height]) for spot in spots]
    where = np.linspace(0, len(corners) - 1, count)
    if room.rooms:  # ways between rooms are of all lengths
        along = np.cumsum([0, *np.linalg.norm(np.diff(corners, axis=0), axis=1)])
        where = np.interp(np.linspace(0, along[-1], count), along, np.arange(len(corners)))
    path = []
    for share in where:
        k = min(int(share), max(len(corners) - 2, 0))
        after = corners[min(k + 1, len(corners) - 1)]
        place = corners[k] + (after - corners[k]) * (share - k)
        free = _walkable(place[:2], room)
        path.append((place if free else corners[round(share)]) + rng.normal(0, 0.06, 3))
    return path


def _walkable(place: Array, room: Room) -> bool:
    near = [door for _, _, door in room.doors if np.linalg.norm(door - place) < NEAR_A_DOOR]
    there = any(inside(place, one.outline, 0.15) for one in room.rooms or [room])
    return bool(near) or (there and not _blocked(place, room))


def _round(room: Room, rng: Rng) -> list[Array]:
    """A walk through all rooms of a storey and their doors, back to where it starts."""

    def visit(number: int, come_from: int) -> list[Array]:
        spots = free_spots(room.rooms[number], int(rng.integers(2, 5)), rng)
        walk = spots[:-1]
        for one, other, door in room.doors:
            following = other if one == number else one
            if number in (one, other) and following != come_from:
                walk += [door, *visit(following, number), door, spots[0]]
        return [*walk, spots[-1]]

    return visit(0, -1)


def _look(index: int, count: int, rng: Rng, tilt: float, swing: float, turns: float) -> Array:
    """A camera's axes (3, 3), turning round while it looks up and down; angles in degrees."""
    turn = 2 * np.pi * turns * index / count + rng.normal(0, 0.4)
    pitch = np.clip(tilt + swing * np.sin(index * 1.9) + rng.normal(0, 6), -65, 45)
    return _axes(turn, np.deg2rad(pitch))


def _axes(turn: float, pitch: float) -> Array:
    rotation = turn_z(turn) @ turn_x(pitch)
    return np.stack([rotation[:, 0], rotation[:, 2], rotation[:, 1]])
