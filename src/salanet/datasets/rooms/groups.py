"""Things that stand together: work places, tables with chairs, sofas, rows; what lies on top."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.datasets.rooms import clutter, furniture, kitchens, materials, storage
from salanet.datasets.rooms.layout import Room
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.placing import anywhere, at_wall, footprint, put, within
from salanet.datasets.rooms.primitives import Array, Model, turn_z

Maker = Callable[[Rng], Model]


def choose(makers: tuple[Maker, ...], rng: Rng) -> Maker:
    return makers[int(rng.integers(len(makers)))]


def work_place(room: Room, desk: Model, place: tuple[Array, float], rng: Rng) -> None:
    """Screens and a keyboard at the desk's back and middle, things beside them."""
    low, high = desk.bounds()
    top, frame = top_of(desk), Model()
    if rng.random() < 0.8:
        screen, count = clutter.monitor(rng), int(rng.integers(1, 3))
        x = rng.uniform(-0.2, 0.2)
        for k in range(count):
            frame.add(screen, [x + 0.6 * k, low[1] + 0.18, top], rng.normal(0, 0.15))
        frame.add(clutter.keyboard(rng), [x, low[1] + 0.45, top], rng.normal(0, 0.1))
    for _ in range(int(rng.integers(0, 6)) + (rng.poisson(6) if rng.random() < 0.3 else 0)):
        x, y = rng.uniform(low[0] + 0.15, high[0] - 0.15), rng.uniform(low[1] + 0.1, low[1] + 0.5)
        frame.add(choose(clutter.ON_TABLES, rng)(rng), [x, y, top], rng.uniform(0, 6))
    if rng.random() < 0.4:
        frame.add(clutter.computer(rng), [low[0] + 0.2, 0, 0])
    room.model.add(frame, [*place[0], 0], place[1])


def top_of(table: Model) -> float:
    """The height of its top: that of its first part."""
    part = table.parts[0]
    return float(part.centre[2] + np.abs(part.axes[2]).sum())


def on_top(room: Room, table: Model, place: tuple[Array, float], thing: Model, rng: Rng) -> None:
    part = table.parts[0]
    reach = np.maximum(np.abs(part.axes[:2]).sum(axis=1) * 0.75 - 0.15, 0)
    xy = place[0] + turn_z(place[1])[:2, :2] @ (part.centre[:2] + rng.uniform(-reach, reach))
    room.model.add(thing, [*xy, top_of(table)], rng.uniform(0, 2 * np.pi))


def seat_at(
    room: Room, table: Model, place: tuple[Array, float], seat: Model, rng: Rng,
    side: float = 0.0, along: float = 0.0,
) -> bool:  # fmt: skip
    """A chair at a side of a table, its front to it; pushed under or drawn out."""
    if rng.random() < 0.08:
        return False
    position, yaw = place
    own = footprint(table, position, yaw, 0)
    turn = turn_z(yaw + side)[:2, :2]
    reach = float(((own - position) @ turn[:, 1]).max())
    depth = seat.bounds()[1][1]
    besides = next((o for o in room.taken if o.shape == own.shape and np.allclose(o, own)), None)
    for _ in range(3):
        out = rng.uniform(-0.22, 0.25) if rng.random() < 0.8 else rng.uniform(0.2, 0.6)
        spot = position + turn @ [along, reach + depth + out]
        angle = yaw + side + np.pi + rng.normal(0, 0.12 if rng.random() < 0.7 else 0.8)
        if put(room, seat, spot, angle, besides=besides, slack=0.0):
            if rng.random() < 0.1:  # a jacket or a bag on it
                thing = choose((clutter.clothes, clutter.bag, clutter.cushion), rng)(rng)
                room.model.add(thing, [*spot, 0.46], angle)
            return True
    return False


def group(room: Room, table: Model, seat: Model, rng: Rng, *, centre: bool = False) -> bool:
    """A table with chairs all around it and things on it."""
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    place = None
    if centre:
        long_y = high[1] - low[1] > high[0] - low[0]
        yaw = np.pi / 2 * long_y
        spot = (low + high) / 2 + rng.uniform(-0.3, 0.3, 2)
        place = (spot, yaw) if put(room, table, spot, yaw, slack=0.5) else None
    place = place or anywhere(room, table, rng, 20, straight=rng.random() < 0.7)
    if place is None:
        return False
    size = (table.bounds()[1] - table.bounds()[0])[:2]
    wide = float(seat.bounds()[1][0] - seat.bounds()[0][0]) + rng.uniform(0.05, 0.3)
    for side, length in enumerate((size[0], size[1], size[0], size[1])):
        count = max(int(length / wide), int(length > 0.55))
        for k in range(min(count, 8)):
            along = (k - (count - 1) / 2) * wide
            seat_at(room, table, place, seat, rng, side * np.pi / 2, along)
    for _ in range(int(rng.integers(0, 7)) + (rng.poisson(6) if rng.random() < 0.2 else 0)):
        on_top(room, table, place, choose(clutter.ON_TABLES, rng)(rng), rng)
    return True


def sitting_group(room: Room, rng: Rng) -> None:
    """A sofa, a low table before it, others at its sides or opposite."""
    main, low_table = furniture.sofa(rng, int(rng.integers(2, 5))), furniture.coffee_table(rng)
    place = at_wall(room, main, rng, gap=rng.uniform(0, 0.2)) if rng.random() < 0.7 else None
    place = place or anywhere(room, main, rng, straight=True)
    if place is None:
        return
    position, yaw = place
    turn = turn_z(yaw)[:2, :2]
    front = main.bounds()[1][1]
    depth = -low_table.bounds()[0][1]
    spot = position + turn @ [rng.uniform(-0.3, 0.3), front + rng.uniform(0.2, 0.5) + depth]
    if not put(room, low_table, spot, yaw):
        return
    for _ in range(int(rng.integers(0, 4))):
        thing = choose(clutter.ON_TABLES, rng)(rng)
        on_top(room, low_table, (spot, yaw), thing, rng)
    other = furniture.sofa(rng, 1) if rng.random() < 0.5 else furniture.sofa(rng, 2)
    for side in (-np.pi / 2, np.pi / 2, 0.0):
        if rng.random() < 0.5:
            away = rng.uniform(1.1, 1.7)
            where = spot + turn @ turn_z(side)[:2, :2] @ [0.0, away]
            put(room, other, where, yaw + side + np.pi + rng.normal(0, 0.1))


def row_at_wall(room: Room, seat: Model, count: int, rng: Rng) -> None:
    """Several of the same side by side."""
    row, wide = Model(), float(seat.bounds()[1][0] - seat.bounds()[0][0])
    for k in range(count):
        row.add(seat, [(k - (count - 1) / 2) * (wide + 0.04), 0, 0], rng.normal(0, 0.03))
    if count:
        at_wall(room, row, rng, gap=rng.uniform(0, 0.1))


def spare_chairs(room: Room, seat: Model, rng: Rng) -> None:
    for _ in range(int(rng.integers(0, 4))):
        if rng.random() < 0.5:
            at_wall(room, seat, rng, gap=0.05)
        else:
            anywhere(room, seat, rng)


def several(room: Room, maker: Maker, rng: Rng, low: int, high: int) -> None:
    """`low` to `high` of a kind at the walls, alike at times."""
    one = maker(rng)
    alike = rng.random() < 0.5
    for _ in range(int(rng.integers(low, high + 1))):
        at_wall(room, one if alike else maker(rng), rng, gap=rng.choice([0, rng.uniform(0, 0.15)]))


def rug(room: Room, rng: Rng) -> None:
    model, half = Model(), rng.uniform(0.6, 1.5, 2)
    model.box("floor", materials.fabric(rng), [*-half, 0], [*half, rng.uniform(0.004, 0.02)])
    place = rng.uniform(room.outline.min(axis=0), room.outline.max(axis=0))
    if within(footprint(model, place, 0, 0), room.outline):
        room.model.add(model, [*place, 0])


def litter(room: Room, mess: float, rng: Rng) -> None:
    """Things on cabinets and refrigerators, more of them where people live untidily."""
    for low, high, place, yaw in room.tops:
        size = (high - low)[:2]
        if low[2] > 2.2:
            continue
        for _ in range(rng.poisson(mess * size[0] * 2.5)):
            thing = choose(clutter.ON_TABLES, rng)(rng)
            margin = np.minimum(size / 2 - 0.01, 0.12)
            spot = rng.uniform(low[:2] + margin, high[:2] - margin)
            xy = place + turn_z(yaw)[:2, :2] @ spot
            room.model.add(thing, [*xy, low[2]], rng.uniform(0, 2 * np.pi))


def kitchen_rows(room: Room, rng: Rng) -> None:
    """Kitchens along one or more walls, as long as there is room for."""
    for index in rng.permutation(len(room.edges))[: int(rng.integers(1, 4))]:
        edge = room.edges[index]
        length = min(edge.length - 0.15, rng.uniform(1.5, 4.5))
        if length < 1.2:
            continue
        model = kitchens.kitchen(rng, length)
        low, high = model.bounds()
        for _ in range(6):
            s = rng.uniform(0.05 - low[0], max(edge.length - high[0] - 0.05, 0.06 - low[0]))
            free = room.free_wall(int(index), s + low[0], s + high[0], 0.05, 1.0)
            if free and put(room, model, edge.at(s, 0.06 - low[1]), edge.yaw):
                room.use_wall(int(index), s + low[0], s + high[0], 0, high[2])
                break


def closet(room: Room, rng: Rng) -> None:
    """Built-in doors along a wall that has nothing else, up to the ceiling at times."""
    high = room.height - 0.03 if rng.random() < 0.6 else min(2.2, room.height - 0.1)
    for index in rng.permutation(len(room.edges)):
        edge = room.edges[index]
        wide = min(edge.length - 0.12, 4.0)
        if wide < 0.9 or not room.free_wall(int(index), 0.0, edge.length):
            continue
        model = storage.built_in(rng, wide, high)
        if put(room, model, edge.at(edge.length / 2, 0.04 - model.bounds()[0][1]), edge.yaw):
            room.use_wall(int(index), 0.0, edge.length, 0, high)
            return


def on_wall(room: Room, maker: Maker, height: float, rng: Rng, tries: int = 8) -> None:
    """Hang a model with its back (y = 0) on a wall that is free there."""
    model = maker(rng)
    low, high = model.bounds()
    for _ in range(tries):
        index = int(rng.integers(len(room.edges)))
        edge = room.edges[index]
        if edge.length < high[0] - low[0] + 0.2 or height + high[2] > room.height - 0.05:
            continue
        s = rng.uniform(0.1 - low[0], edge.length - high[0] - 0.1)
        if room.free_wall(index, s + low[0], s + high[0], height, height + high[2]):
            room.model.add(model, [*edge.at(s), height], edge.yaw)
            room.use_wall(index, s + low[0], s + high[0], height, height + high[2])
            return
