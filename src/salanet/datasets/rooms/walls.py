"""Walls with their doors, windows, columns, boards, and what lies behind the openings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from salanet.datasets.rooms import materials, soft
from salanet.datasets.rooms.layout import TALL, Edge, Room
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Model, Paint

Opening = tuple[float, float, float, float]  # start, stop, bottom, top on a wall


class Opened(NamedTuple):
    """What a wall needs to know of its holes."""

    edge: int
    hole: Opening


def open_walls(room: Room, rng: Rng) -> list[Opened]:
    """Doors and windows into the room's walls; the holes they need."""
    holes = _doors(room, rng)
    if room.kind != "storage" and rng.random() < (0.3 if room.kind == "corridor" else 0.85):
        holes += _windows(room, rng)
    return holes


def build_walls(room: Room, holes: list[Opened], rng: Rng) -> None:
    """The walls around the holes, of thick boxes; skirting boards; at times one other colour."""
    skirting = materials.furniture(rng) if rng.random() < 0.5 else None
    accent = int(rng.integers(len(room.edges))) if rng.random() < 0.25 else -1
    other = materials.wall(rng)
    for index, edge in enumerate(room.edges):
        paint = other if index == accent else room.wall
        mine = sorted(hole for which, hole in holes if which == index)
        wall = _wall(edge, mine, paint, skirting, rng.uniform(0.12, 0.32))
        room.model.add(wall, [*edge.start, 0], edge.yaw)


def wall_frame(edge: Edge, s: float, z: float = 0.0) -> tuple[list[float], float]:
    """Where to add a model that hangs on a wall: its place and yaw."""
    return [*edge.at(s), z], edge.yaw


def _wall(
    edge: Edge, holes: list[Opening], paint: Paint, skirting: Paint | None, thick: float
) -> Model:
    """In the frame of the edge: x along it, y into the room."""
    model = Model()
    extra = [thick if corner else 0.0 for corner in edge.corners]
    stop = -extra[0]
    for hole in [*holes, (edge.length + extra[1],) * 2 + (0.0, 0.0)]:
        if hole[0] > stop:
            model.box("wall", paint, *_across(stop, hole[0], -thick, 0, 0, TALL))
            if skirting and hole[0] > 0:
                border = _across(max(stop, 0), min(hole[0], edge.length), 0, 0.012, 0, 0.08)
                model.box("wall", skirting, *border)
        start, stop, bottom, top = hole
        if stop > start:
            if bottom > 0:
                model.box("wall", paint, *_across(start, stop, -thick, 0, 0, bottom))
            model.box("wall", paint, *_across(start, stop, -thick, 0, top, TALL))
    return model


def _across(
    start: float, stop: float, back: float, front: float, low: float, high: float
) -> tuple[list[float], list[float]]:
    """Corners of a box in the frame of an edge."""
    return [start, back, low], [stop, front, high]


def _doors(room: Room, rng: Rng) -> list[Opened]:
    count = 1 + int(room.area / 25 * rng.random())
    if room.kind == "corridor":
        count = int(rng.integers(2, 8))
    height, paint = rng.uniform(1.95, min(2.3, room.height - 0.1)), materials.furniture(rng)
    frame = materials.metal(rng) if rng.random() < 0.4 else paint
    holes: list[Opened] = []
    for _ in range(count * 4):
        index = int(rng.integers(len(room.edges)))
        edge = room.edges[index]
        double = rng.random() < (0.25 if room.area > 30 else 0.05)
        width = rng.uniform(1.3, 1.9) if double else rng.uniform(0.7, 1.05)
        if edge.length < width + 0.4:
            continue
        s = rng.uniform(0.15, edge.length - width - 0.15)
        if not room.free_wall(index, s - 0.15, s + width + 0.15):
            continue
        model = _door(room, edge, width, height, paint, frame, rng, double=double)
        room.model.add(model, *wall_frame(edge, s))
        room.use_wall(index, s - 0.12, s + width + 0.12, 0, height + 0.15)
        corners = [edge.at(s), edge.at(s + width), edge.at(s + width, 1.0), edge.at(s, 1.0)]
        room.taken.append(np.array(corners))
        holes.append(Opened(index, (s, s + width, 0, height)))
        if len(holes) == count:
            break
    return holes


def _door(
    room: Room, edge: Edge, width: float, height: float, paint: Paint, frame: Paint, rng: Rng,
    *, double: bool,
) -> Model:  # fmt: skip
    """Frame, leaves and handles; an open one shows a corridor behind it."""
    model = Model()
    f, out, back = rng.uniform(0.03, 0.09), rng.uniform(0.005, 0.04), rng.uniform(0.06, 0.2)
    model.box("door", frame, *_across(-f, 0.02, -back, out, 0, height + f))
    model.box("door", frame, *_across(width - 0.02, width + f, -back, out, 0, height + f))
    model.box("door", frame, *_across(0.02, width - 0.02, -back, out, height - 0.02, height + f))
    state = rng.random()
    if not edge.outer:
        angles = [0.0, 0.0]
    elif state < 0.12:  # no leaf at all
        _beyond(model, width, room, rng)
        return model
    elif state < 0.45:
        angles = [rng.uniform(0.2, 1.9), rng.uniform(0, 1.9) * (rng.random() < 0.5)]
        _beyond(model, width, room, rng)
    else:
        angles = [0.0, 0.0]
    inwards = 1 if rng.random() < 0.6 else -1
    depth = 0.0 if inwards > 0 else -back
    if not any(angles):
        depth = -rng.uniform(0, back - 0.05)
    pane = rng.random() < 0.2
    leaf_width = width / 2 if double else width
    left = rng.random() < 0.5
    for k in range(2 if double else 1):
        leaf = _leaf(leaf_width - 0.02, height - 0.02, paint, rng, pane=pane)
        if k == 0 if double else left:
            model.add(leaf, [0.01, depth, 0], inwards * angles[k])
        else:
            mirrored = Model()
            mirrored.add(leaf, [0, -0.04, 0], np.pi)
            model.add(mirrored, [width - 0.01, depth, 0], -inwards * angles[k])
    return model


def _leaf(width: float, height: float, paint: Paint, rng: Rng, *, pane: bool) -> Model:
    """A leaf hinged at x = 0 that reaches to x = width, y from -4 cm to 0."""
    model, x0, x1 = Model(), 0.0, width
    if pane:
        margin, low = rng.uniform(0.08, 0.2), rng.uniform(0.1, 1.1)
        model.box("door", paint, [x0, -0.04, 0.01], [x1, 0, low])
        model.box("door", paint, [x0, -0.04, height - margin], [x1, 0, height])
        model.box("door", paint, [x0, -0.04, low], [x0 + margin, 0, height - margin])
        model.box("door", paint, [x1 - margin, -0.04, low], [x1, 0, height - margin])
        glass = materials.glass(rng, rng.uniform(0.1, 0.7))
        model.box("door", glass, [x0 + margin, -0.025, low], [x1 - margin, -0.015, height - margin])
    else:
        model.box("door", paint, [x0, -0.04, 0.01], [x1, 0, height])
        if rng.random() < 0.4:  # panels stand out or lie in a frame
            rail, deep = rng.uniform(0.08, 0.14), rng.uniform(0.004, 0.012)
            split = height * rng.uniform(0.35, 0.6)
            for low, high in ((0.15, split), (split + rail, height - rail)):
                panel = [x0 + rail, -0.04 - deep, low], [x1 - rail, deep, high]
                model.box("door", paint, *panel)
    metal, x = materials.metal(rng), x1 - 0.07
    for y, side in ((0.0, 1), (-0.04, -1)):
        model.rod("door", metal, [x, y, 1.02], [x, y + side * 0.05, 1.02], 0.01)
        model.rod(
            "door", metal, [x, y + side * 0.05, 1.02], [x - 0.12, y + side * 0.05, 1.02], 0.01
        )
    return model


def _beyond(model: Model, width: float, room: Room, rng: Rng) -> None:
    """Floor, wall and ceiling of the corridor behind an open door."""
    deep, side = rng.uniform(1.2, 2.5), rng.uniform(1, 2.5)
    paint = materials.wall(rng)
    start, stop = -side, width + side
    floor = room.floor if rng.random() < 0.5 else materials.floor(rng)
    model.box("floor", floor, *_across(start, stop, -deep - 0.4, -0.33, -0.2, 0))
    model.box("wall", paint, *_across(start, stop, -deep - 0.5, -deep - 0.35, 0, TALL))
    model.box("ceiling", materials.ceiling(rng), *_across(start, stop, -deep, -0.33, 2.5, 2.6))


def _windows(room: Room, rng: Rng) -> list[Opened]:
    sides = [i for i, edge in enumerate(room.edges) if edge.outer and edge.length > 1.2]
    if not sides:
        return []
    chosen = rng.permutation(sides)[: int(rng.integers(1, 3))]
    bottom = float(rng.choice([0.05, rng.uniform(0.4, 1.2), rng.uniform(0.7, 1.0)]))
    top = min(rng.uniform(1.9, 2.6), room.height - 0.1)
    wide, gap = rng.uniform(0.6, 2.4), rng.uniform(0.05, 1.5)
    frame, thick = materials.grey(rng, 0.1, 0.95), rng.uniform(0.03, 0.08)
    back, opacity = rng.uniform(0.04, 0.25), float(rng.choice([0.03, 0.08, 0.2, 0.5]))
    soft_room = room.kind in ("living", "bedroom", "kitchen")
    drapes = 0.45 if soft_room else 0.12
    blind = rng.choice(["none", "roller", "slats", "curtain"], p=[0.75 - drapes, 0.1, 0.15, drapes])
    paint = materials.cloth(rng)
    holes: list[Opened] = []
    for index in chosen:
        edge = room.edges[index]
        seen = False
        s = rng.uniform(0.15, 0.6)
        while s + wide < edge.length - 0.1:
            if room.free_wall(index, s - 0.05, s + wide + 0.05, bottom, top):
                model = _window(wide, bottom, top, frame, thick, back, opacity, rng)
                _blind(model, str(blind), wide, bottom, top, rng)
                room.use_wall(index, s - 0.05, s + wide + 0.05, bottom - 0.05, top + 0.05)
                if blind == "curtain":
                    _drapes(room, model, int(index), s, wide, bottom, top, paint, rng)
                room.model.add(model, *wall_frame(edge, s))
                holes.append(Opened(int(index), (s, s + wide, bottom, top)))
                seen = True
            s += wide + gap
        if seen:
            room.lights.append(np.array([*edge.at(edge.length / 2, -0.5), 1.8]))
        if seen and rng.random() < 0.3:
            _outside(room, edge, rng)
        if seen and bottom > 0.5 and rng.random() < 0.5:
            _radiators(room, int(index), [hole for i, hole in holes if i == index], bottom, rng)
    return holes


def _window(
    wide: float, bottom: float, top: float, frame: Paint, thick: float, back: float,
    opacity: float, rng: Rng,
) -> Model:  # fmt: skip
    model, d = Model(), -back
    pane = materials.glass(rng, opacity)
    for z in (bottom, top - thick):
        model.box("window", frame, *_across(0, wide, d - 0.05, d, z, z + thick))
    split = max(1, round(wide / rng.uniform(0.7, 1.8)))
    for k in range(split + 1):
        x = k * (wide - thick) / split
        model.box("window", frame, *_across(x, x + thick, d - 0.05, d, bottom, top))
    if rng.random() < 0.3:
        z = bottom + (top - bottom) * rng.choice([0.3, 0.5, 0.7])
        model.box("window", frame, *_across(0, wide, d - 0.05, d, z, z + thick))
    glass = _across(0.01, wide - 0.01, d - 0.03, d - 0.02, bottom + 0.01, top - 0.01)
    model.box("window", pane, *glass)
    if bottom > 0.3 and rng.random() < 0.5:
        sill = _across(-0.04, wide + 0.04, d, rng.uniform(0.0, 0.2), bottom - 0.03, bottom)
        model.box("window", frame, *sill)
    return model


def _blind(model: Model, kind: str, wide: float, bottom: float, top: float, rng: Rng) -> None:
    """A blind covers a part of the window."""
    paint, low = materials.fabric(rng), top - (top - bottom) * rng.uniform(0.2, 1)
    if kind == "roller":
        model.box("blind", paint, *_across(0.02, wide - 0.02, -0.03, -0.02, low, top))
    elif kind == "slats":
        tilt = rng.uniform(0.01, 0.03)
        for z in np.arange(low, top, rng.uniform(0.04, 0.08)):
            model.box("blind", paint, *_across(0.02, wide - 0.02, -0.04, -0.01, z, z + tilt))


def _drapes(
    room: Room, model: Model, index: int, s: float, wide: float, bottom: float, top: float,
    paint: Paint, rng: Rng,
) -> None:  # fmt: skip
    """Curtains before a window, drawn to its sides or closed, down to the floor or the sill."""
    edge, out = room.edges[index], rng.uniform(0.07, 0.16)
    high = min(top + rng.uniform(0.03, 0.35), room.height - 0.02)
    low = 0.02 if rng.random() < 0.65 else max(bottom - rng.uniform(0.02, 0.4), 0.02)
    left, right = max(-0.45, 0.05 - s), min(wide + 0.45, edge.length - s - 0.05)
    if not room.free_wall(index, s + left, s - 0.06) or not room.free_wall(
        index, s + wide + 0.06, s + right
    ):
        left, right = 0.0, wide
    drawn = rng.choice([0.18, 0.3, 0.5], p=[0.4, 0.3, 0.3]) * (right - left)
    sheer = paint._replace(opacity=0.6) if rng.random() < 0.15 else paint
    for start, stop in ((left, left + drawn), (right - drawn, right)):
        if rng.random() < 0.93:
            soft.curtain(model, "curtain", sheer, start, stop, out, low, high, rng)
    if rng.random() < 0.7:
        rail = materials.metal(rng)
        model.rod("curtain", rail, [left, out, high + 0.02], [right, out, high + 0.02], 0.012)
    room.use_wall(index, s + left, s + right, max(low, 1.1), high)  # low things stand before it


def _outside(room: Room, edge: Edge, rng: Rng) -> None:
    """Something that is seen through the windows: ground, a facade, bushes."""
    model, paint = Model(), materials.leaves(rng)
    low, far = rng.uniform(-4, -0.1), rng.uniform(3, 8)
    ground = _across(-6, edge.length + 6, -far, -0.5, low - 0.2, low)
    model.box("floor", materials.floor(rng), *ground)
    if rng.random() < 0.5:
        facade = _across(-4, edge.length + 4, -far - 1, -far, low, 5)
        model.box("wall", materials.wall(rng), *facade)
    for _ in range(int(rng.integers(0, 25))):
        x, r = rng.uniform(-2, edge.length + 2), rng.uniform(0.15, 0.5)
        place = [x, -rng.uniform(2, far), low + rng.uniform(0, 2.5)]
        model.ball("clutter", paint, place, [r, r, r * rng.uniform(0.5, 1.2)])
    room.model.add(model, *wall_frame(edge, 0))


def _radiators(room: Room, index: int, holes: list[Opening], top: float, rng: Rng) -> None:
    paint, edge = materials.grey(rng, 0.8, 0.97), room.edges[index]
    high, deep = top - rng.uniform(0.08, 0.2), rng.uniform(0.06, 0.14)
    for start, stop, _, _ in holes:
        if not room.free_wall(index, start, stop, 0.1, high - 0.1) or stop - start < 0.5:
            continue
        model = Model()
        ribs = rng.random() < 0.5
        a, b = start + 0.08, stop - 0.08
        if ribs:
            for s in np.arange(a, b, 0.08):
                model.box("radiator", paint, *_across(s, s + 0.05, 0.03, 0.03 + deep, 0.12, high))
        else:
            model.box("radiator", paint, *_across(a, b, 0.03, 0.03 + deep, 0.12, high))
        room.model.add(model, *wall_frame(edge, 0))
        room.use_wall(index, a, b, 0.1, high)
