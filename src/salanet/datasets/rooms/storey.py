"""Rooms behind doors: a rectangle cut into two to five, the cuts walls with ways through."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from salanet.datasets.rooms import materials
from salanet.datasets.rooms.arrange import furnish
from salanet.datasets.rooms.hangings import add_columns, hang
from salanet.datasets.rooms.layout import KINDS, OFTEN, SIDES, Edge, Room, raised
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, Model, Paint
from salanet.datasets.rooms.walls import (
    Opened,
    across,
    before,
    build_walls,
    hinged,
    open_walls,
    wall_frame,
)

STOREY = "storey"
WIDTH, DEPTH = (6.0, 14.0), (4.5, 10.0)  # metres
NARROWEST = 1.7  # of its rooms
FITS = 0.8, 1.25  # times the usual sides of a kind: a room of those may be one
PASSAGE = 1.4  # that two rooms must face each other for a door
Rect = tuple[Array, Array]  # lower and upper corner (2,)


class Way(NamedTuple):
    """Where two rooms face each other: their numbers, the numbers of the edges, and from where to
    where along the first."""

    rooms: tuple[int, int]
    edges: tuple[int, int]
    start: float
    stop: float


def fitted_out(room: Room, holes: list[Opened], rng: Rng) -> Room:
    """An empty room with all that it holds, and its walls around these holes and more."""
    add_columns(room, rng)
    holes = holes + open_walls(room, rng)
    furnish(room, rng)
    hang(room, rng)
    build_walls(room, holes, rng)
    return room


def storey(rng: Rng) -> Room:
    """Furnished rooms as one: all can be walked to from the first."""
    half = np.array([rng.uniform(*WIDTH), rng.uniform(*DEPTH)]) / 2
    wall = rng.uniform(0.1, 0.25)
    rooms, ways = _plan(half, wall, rng)
    while len(ways) < len(rooms) - 1:
        rooms, ways = _plan(half, wall, rng)
    holes: list[list[Opened]] = [[] for _ in rooms]
    doors = _doors(rooms, ways, holes, wall, rng)
    for room, mine in zip(rooms, holes, strict=True):
        free = len(room.taken)
        fitted_out(room, mine, rng)
        del room.taken[:free]  # what had to stay free before the doors is where one walks
    outline = np.array([-half, [half[0], -half[1]], half, [-half[0], half[1]]])
    whole = replace(rooms[0], kind=STOREY, outline=outline, model=Model(), rooms=rooms, doors=doors)
    whole.taken = [outline for room in rooms for outline in room.taken]
    whole.lights = [light for room in rooms for light in room.lights]
    whole.model.parts = [part for room in rooms for part in room.model.parts]
    return whole


def _plan(half: Array, wall: float, rng: Rng) -> tuple[list[Room], list[Way]]:
    """Empty rooms, and ways that make a tree of them, as far as they can be reached."""
    rects = _cut((-half, half), int(rng.integers(2, 6)), wall, rng)
    rooms = [_empty(rect, half, wall, rng) for rect in rects]
    pairs = [(i, j) for i in range(len(rooms)) for j in range(i + 1, len(rooms))]
    facing = [_beside(rooms, pair, wall) for pair in pairs]
    ways = [facing[k] for k in rng.permutation(len(pairs))]
    reached, tree = {0}, []
    for _ in rooms:  # each round reaches one more, if any
        for way in ways:
            if way is not None and len(reached & {*way.rooms}) == 1:
                reached |= {*way.rooms}
                tree.append(way)
    return rooms, tree


def _cut(rect: Rect, count: int, wall: float, rng: Rng) -> list[Rect]:
    """A rectangle in so many with walls between, or fewer where they would be narrow."""
    rects = [rect]
    while len(rects) < count:
        size = [float(np.prod(high - low)) for low, high in rects]
        low, high = rects.pop(int(np.argmax(size)))
        axis = int(np.argmax(high - low))
        length = float((high - low)[axis])
        if length < 2 * NARROWEST + wall:
            return [*rects, (low, high)]
        least = NARROWEST + wall / 2
        at = low[axis] + np.clip(rng.uniform(0.25, 0.75) * length, least, length - least)
        below, above = high.copy(), low.copy()
        below[axis], above[axis] = at - wall / 2, at + wall / 2
        rects += [(low, below), (above, high)]
    return rects


def _empty(rect: Rect, half: Array, wall: float, rng: Rng) -> Room:
    """The room of a kind that is usual in that size; behind its inner walls are others."""
    low, high = rect
    sides = np.sort(high - low)
    usual = {
        kind: OFTEN.get(kind, 1.0)
        for kind in KINDS
        if all(
            FITS[0] * least <= side <= FITS[1] * most
            for side, (least, most) in zip(sides, SIDES[kind], strict=True)
        )
    } or {"living": 1.0, "office": 1.0}
    weights = np.array(list(usual.values()))
    kind = str(rng.choice(list(usual), p=weights / weights.sum()))
    outline = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
    room = raised(kind, outline, rng, margin=wall / 2)
    room.edges = [
        edge if _outer(edge, half) else replace(edge, outer=False, shared=True)
        for edge in room.edges
    ]
    return room


def _outer(edge: Edge, half: Array) -> bool:
    return bool((np.abs(edge.at(edge.length / 2)) > half - 1e-6).any())


def _beside(rooms: list[Room], pair: tuple[int, int], wall: float) -> Way | None:
    """Where two rooms have a wall between them, wide enough for a door."""
    one, other = (rooms[number] for number in pair)
    for a, edge in enumerate(one.edges):
        for b, opposite in enumerate(other.edges):
            ends = [opposite.start - edge.start, opposite.at(opposite.length) - edge.start]
            apart = [float(end @ -edge.inward) for end in ends]
            if edge.inward @ opposite.inward > -0.9 or not np.allclose(apart, wall):
                continue
            start, stop = sorted(float(end @ edge.along) for end in ends)
            start, stop = max(start, 0.0), min(stop, edge.length)
            if stop - start > PASSAGE:
                return Way(pair, (a, b), start, stop)
    return None


def _doors(
    rooms: list[Room], ways: list[Way], holes: list[list[Opened]], wall: float, rng: Rng
) -> list[tuple[int, int, Array]]:
    """A door for each way; the numbers of two rooms and its middle (2,), and their new holes."""
    paint = materials.furniture(rng)
    frame = materials.metal(rng) if rng.random() < 0.4 else paint
    height = rng.uniform(1.95, min(2.25, min(room.height for room in rooms) - 0.1))
    doors = []
    for way in ways:
        edge, opposite = (rooms[r].edges[e] for r, e in zip(way.rooms, way.edges, strict=True))
        width = float(rng.uniform(0.75, min(1.05, way.stop - way.start - 0.3)))
        s = float(rng.uniform(way.start + 0.15, way.stop - width - 0.15))
        across_it = float((edge.at(s + width) - opposite.start) @ opposite.along)
        for number, which, at in zip(way.rooms, way.edges, (s, across_it), strict=True):
            room = rooms[number]
            holes[number].append(Opened(which, (at, at + width, 0.0, height)))
            room.use_wall(which, at - 0.12, at + width + 0.12, 0, height + 0.15)
            room.taken.append(before(room.edges[which], at, width))
        door = Model()
        _frame(door, width, height, wall, rng, frame)
        if rng.random() < 0.7:
            leaf = hinged(width - 0.02, height - 0.02, paint, rng, pane=rng.random() < 0.2)
            angle, inwards = rng.uniform(0.9, 2.2), rng.random() < 0.5
            door.add(leaf, [0.01, 0 if inwards else 0.04 - wall, 0], angle if inwards else -angle)
        rooms[way.rooms[0]].model.add(door, *wall_frame(edge, s))
        doors.append((*way.rooms, edge.at(s + width / 2, -wall / 2)))
    return doors


def _frame(model: Model, width: float, height: float, wall: float, rng: Rng, paint: Paint) -> None:
    """A frame through the wall, and the floor below it."""
    f, out = rng.uniform(0.03, 0.08), rng.uniform(0.005, 0.03)
    back = wall + out
    model.box("door", paint, *across(-f, 0.02, -back, out, 0, height + f))
    model.box("door", paint, *across(width - 0.02, width + f, -back, out, 0, height + f))
    model.box("door", paint, *across(0.02, width - 0.02, -back, out, height - 0.02, height + f))
    model.box("floor", materials.floor(rng), *across(0, width, -wall, 0, -0.05, 0.001))
