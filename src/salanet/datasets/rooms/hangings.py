"""What hangs on walls: boards, pictures, sockets, screens; and columns before them."""

from __future__ import annotations

import numpy as np

from salanet.datasets.rooms import materials
from salanet.datasets.rooms.layout import TALL, Room, inside
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Model, Paint
from salanet.datasets.rooms.walls import wall_frame


def add_columns(room: Room, rng: Rng) -> None:
    """Columns against walls and in corners, and free ones in big rooms."""
    if rng.random() > (0.75 if room.area > 40 else 0.35):
        return
    round_ = rng.random() < 0.3
    size = rng.uniform(0.2, 0.7)
    paint = room.wall if rng.random() < 0.7 else materials.wall(rng)
    for _ in range(int(rng.integers(1, 5))):
        index = int(rng.integers(len(room.edges)))
        edge = room.edges[index]
        if edge.length < 2:
            continue
        s = float(
            rng.choice([size / 2, edge.length - size / 2, rng.uniform(0.3, edge.length - 0.3)])
        )
        if room.free_wall(index, s - size / 2, s + size / 2):
            deep = rng.uniform(0.1, size)
            room.model.add(_column(paint, size, deep, round_=False), *wall_frame(edge, s))
            room.use_wall(index, s - size / 2, s + size / 2, 0, TALL)
            quad = [(-1, 0), (1, 0), (1, 1), (-1, 1)]
            room.taken.append(np.array([edge.at(s + a * size / 2, b * deep) for a, b in quad]))
    if room.area < 30:
        return
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    counts = np.maximum(((high - low) / rng.uniform(3.5, 6)).astype(int), 1)
    for i in range(counts[0]):
        for j in range(counts[1]):
            place = low + (high - low) * (np.array([i, j]) + 0.5) / counts
            if inside(place, room.outline, size + 0.6) and rng.random() < 0.8:
                model = _column(paint, size, size, round_=round_)
                room.model.add(model, [*(place - [0, size / 2]), 0])
                h = size / 2
                room.taken.append(place + np.array([[-h, -h], [h, -h], [h, h], [-h, h]]))


def _column(paint: Paint, wide: float, deep: float, *, round_: bool) -> Model:
    model = Model()
    if round_:
        model.rod("column", paint, [0, deep / 2, 0], [0, deep / 2, TALL], wide / 2)
    else:
        model.box("column", paint, [-wide / 2, 0, 0], [wide / 2, deep, TALL])
    return model


def hang(room: Room, rng: Rng) -> None:
    """Boards, pictures, sockets, screens and coats on what is left of the walls."""
    boards = {"office": 0.7, "meeting": 0.95, "classroom": 1.0}.get(room.kind, 0.3)
    count = int(rng.integers(1, 4)) if rng.random() < boards else 0
    for _ in range(count):
        wide, high = rng.uniform(0.8, 3.0), rng.uniform(0.8, 1.3)
        _hang_one(room, _board(wide, high, rng), wide, rng.uniform(0.7, 1.1), high, rng)
    for _ in range(int(rng.integers(0, 7))):
        wide, high = rng.uniform(0.15, 1.0, 2)
        _hang_one(room, _picture(wide, high, rng), wide, rng.uniform(0.9, 1.6), high, rng)
    for _ in range(int(rng.integers(0, 6))):
        size = rng.uniform(0.08, 0.3, 2)
        model = Model()
        low, high3 = [-size[0] / 2, 0, 0], [size[0] / 2, rng.uniform(0.01, 0.15), size[1]]
        model.box("clutter", materials.plastic(rng), low, high3)
        _hang_one(room, model, size[0], rng.choice([0.25, 1.0, 1.4, 2.1]), size[1], rng)


def _hang_one(room: Room, model: Model, wide: float, z: float, high: float, rng: Rng) -> None:
    for _ in range(8):
        index = int(rng.integers(len(room.edges)))
        edge = room.edges[index]
        if edge.length < wide + 0.2 or z + high > room.height - 0.05:
            continue
        s = rng.uniform(wide / 2 + 0.05, edge.length - wide / 2 - 0.05)
        if room.free_wall(index, s - wide / 2, s + wide / 2, z, z + high):
            room.model.add(model, *wall_frame(edge, s, z))
            room.use_wall(index, s - wide / 2, s + wide / 2, z, z + high)
            return


def _board(wide: float, high: float, rng: Rng) -> Model:
    model, w, deep = Model(), wide / 2, rng.uniform(0.015, 0.05)
    model.box("board", materials.board(rng), [-w, 0, 0], [w, deep, high])
    if rng.random() < 0.7:
        frame, f = materials.metal(rng), rng.uniform(0.015, 0.05)
        for low, top in (([-w - f, 0, -f], [w + f, deep + 0.01, 0]),
                         ([-w - f, 0, high], [w + f, deep + 0.01, high + f]),
                         ([-w - f, 0, 0], [-w, deep + 0.01, high]),
                         ([w, 0, 0], [w + f, deep + 0.01, high])):  # fmt: skip
            model.box("board", frame, low, top)
        if rng.random() < 0.6:
            model.box("board", frame, [-w * 0.8, 0, -0.04], [w * 0.8, deep + 0.07, -0.02])
    return model


def _picture(wide: float, high: float, rng: Rng) -> Model:
    """On canvas or in a frame, or a poster as thin as paint."""
    model, w, deep = Model(), wide / 2, rng.uniform(0.015, 0.06)
    label, deep = ("poster", 0.003) if rng.random() < 0.3 else ("picture", deep)
    model.box(label, materials.thing(rng), [-w, 0, 0], [w, deep, high])
    if label == "picture" and rng.random() < 0.5:
        frame, f = materials.furniture(rng), rng.uniform(0.01, 0.04)
        for low, top in (([-w, deep, 0], [w, deep + 0.01, f]),
                         ([-w, deep, high - f], [w, deep + 0.01, high]),
                         ([-w, deep, 0], [f - w, deep + 0.01, high]),
                         ([w - f, deep, 0], [w, deep + 0.01, high])):  # fmt: skip
            model.box(label, frame, low, top)
    return model
