"""Furniture into a room: along walls, in rows, chairs at tables, without collisions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.datasets.rooms import clutter, furniture, materials
from salanet.datasets.rooms.layout import Room
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.placing import anywhere, at_wall, footprint, put, within
from salanet.datasets.rooms.primitives import Array, Model, turn_z

Maker = Callable[[Rng], Model]
EXTRAS: tuple[Maker, ...] = (
    furniture.any_chair, furniture.any_chair, furniture.table, furniture.bookcase,
    furniture.sofa, furniture.desk, furniture.round_table, clutter.cabinet,
)  # fmt: skip


def furnish(room: Room, rng: Rng) -> None:
    """What such a room holds, and clutter on floors and tables; at times it is nearly empty."""
    sparse = rng.random() < 0.06
    makers: dict[str, Callable[[Room, Rng], None]] = {
        "office": _office,
        "meeting": _meeting,
        "corridor": _corridor,
        "lobby": _lobby,
        "living": _living,
        "classroom": _classroom,
        "storage": _storage,
        "hall": _hall,
        "kitchen": _kitchen,
        "bedroom": _bedroom,
        "bathroom": _bathroom,
    }
    if not sparse:
        makers[room.kind](room, rng)
        _extras(room, rng)
    mess = rng.choice([0.3, 1.0, 2.0], p=[0.4, 0.4, 0.2])
    for _ in range(rng.poisson(mess * np.clip(room.area / 8, 1, 6))):
        anywhere(room, _choose(clutter.ON_FLOORS, rng)(rng), rng)
    if rng.random() < 0.12:
        _rug(room, rng)


def _extras(room: Room, rng: Rng) -> None:
    """Furniture that would not be expected there, and more of what is."""
    for _ in range(rng.poisson(room.area / 15)):
        thing = _choose(EXTRAS, rng)(rng)
        if rng.random() < 0.6:
            at_wall(room, thing, rng, gap=rng.uniform(0, 0.1))
        else:
            anywhere(room, thing, rng, straight=rng.random() < 0.6)


def _office(room: Room, rng: Rng) -> None:
    desk, seat = furniture.desk(rng), furniture.any_chair(rng)
    for _ in range(max(1, int(room.area / rng.uniform(2.5, 7)))):
        one = furniture.desk(rng) if rng.random() < 0.3 else desk
        if rng.random() < 0.75:
            place = at_wall(room, one, rng, gap=rng.uniform(0, 0.1))
        else:
            place = anywhere(room, one, rng, straight=True)
        if place is None:
            continue
        _work_place(room, one, place, rng)
        _seat_at(room, one, place, furniture.any_chair(rng) if rng.random() < 0.2 else seat, rng)
    _several(room, furniture.bookcase, rng, 0, 4)
    _several(room, _choose(clutter.AT_WALLS, rng), rng, 0, 3)
    if rng.random() < 0.3:
        _group(room, furniture.round_table(rng), furniture.any_chair(rng), rng)
    if rng.random() < 0.2:
        at_wall(room, furniture.sofa(rng), rng)
    _spare_chairs(room, seat, rng)


def _meeting(room: Room, rng: Rng) -> None:
    seat = furniture.any_chair(rng)
    for _ in range(4):
        if _group(room, furniture.conference_table(rng), seat, rng, centre=True):
            break
    _several(room, _choose((furniture.bookcase, clutter.cabinet, furniture.desk), rng), rng, 0, 2)
    _spare_chairs(room, seat, rng)


def _corridor(room: Room, rng: Rng) -> None:
    for maker in (
        furniture.bookcase,
        clutter.cabinet,
        furniture.table,
        furniture.sofa,
        clutter.copier,
    ):
        if rng.random() < 0.25:
            at_wall(room, maker(rng), rng)
    if rng.random() < 0.4:
        seat = furniture.chair(rng)
        _row_at_wall(room, seat, int(rng.integers(1, 6)), rng)


def _lobby(room: Room, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 4))):
        _sitting_group(room, rng)
    seat = furniture.any_chair(rng)
    for _ in range(int(rng.integers(0, 4))):
        _group(room, furniture.round_table(rng), seat, rng)
    _row_at_wall(room, furniture.chair(rng), int(rng.integers(0, 6)), rng)
    _several(room, furniture.bookcase, rng, 0, 2)
    _several(room, clutter.stairs, rng, 0, 1)


def _living(room: Room, rng: Rng) -> None:
    _sitting_group(room, rng)
    if rng.random() < 0.5:
        at_wall(room, furniture.sofa(rng), rng, gap=rng.uniform(0, 0.1))
    if rng.random() < 0.6:
        _group(room, furniture.table(rng, (1.0, 2.0), (0.7, 1.0)), furniture.chair(rng), rng)
    _several(room, furniture.bookcase, rng, 0, 3)
    _several(room, clutter.cabinet, rng, 0, 2)


def _classroom(room: Room, rng: Rng) -> None:
    """Rows of tables or only of chairs, all facing one way."""
    desk, seat = furniture.table(rng, (0.7, 1.6), (0.45, 0.7)), furniture.chair(rng)
    if rng.random() < 0.3:
        seat = furniture.office_chair(rng)
    tables = rng.random() < 0.75
    low, high = desk.bounds()
    wide, deep = (
        (high - low)[:2] if tables else (seat.bounds()[1] - seat.bounds()[0])[:2] - [0, 0.4]
    )
    step_x, step_y = wide + rng.uniform(0.03, 0.8), deep + rng.uniform(0.7, 1.1)
    yaw = float(rng.integers(4)) * np.pi / 2
    extent = room.outline.max(axis=0) - room.outline.min(axis=0)
    if abs(np.sin(yaw)) > 0.5:
        extent = extent[::-1]
    middle = (room.outline.max(axis=0) + room.outline.min(axis=0)) / 2
    for x in np.arange(-extent[0] / 2 + wide, extent[0] / 2 - wide, step_x)[:8]:
        for y in np.arange(-extent[1] / 2 + 1.2, extent[1] / 2 - 1.2, step_y)[:8]:
            place = middle + turn_z(yaw)[:2, :2] @ [x, y]
            if rng.random() < 0.08:
                continue
            if not tables:
                put(room, seat, place, yaw + rng.normal(0, 0.05))
            elif put(room, desk, place, yaw + np.pi):
                _seat_at(room, desk, (place, yaw + np.pi), seat, rng)
                if rng.random() < 0.3:
                    _on_top(room, desk, (place, yaw), _choose(clutter.ON_TABLES, rng)(rng), rng)
    at_wall(room, furniture.desk(rng), rng)
    _several(room, furniture.bookcase, rng, 0, 2)


def _storage(room: Room, rng: Rng) -> None:
    _several(room, furniture.bookcase, rng, 1, 5)
    _several(room, clutter.box, rng, 1, 8)
    _several(room, clutter.heap, rng, 0, 3)
    if rng.random() < 0.5:
        at_wall(room, furniture.table(rng), rng)
    _spare_chairs(room, furniture.chair(rng), rng)


def _hall(room: Room, rng: Rng) -> None:
    if rng.random() < 0.4:
        _classroom(room, rng)
        return
    seat = furniture.any_chair(rng)
    make = furniture.round_table if rng.random() < 0.5 else furniture.table
    one = make(rng)
    for _ in range(int(room.area / rng.uniform(5, 15))):
        _group(room, one, seat, rng)
    for _ in range(int(rng.integers(0, 3))):
        _sitting_group(room, rng)
    _several(room, furniture.bookcase, rng, 0, 4)
    _several(room, clutter.stairs, rng, 0, 1)


def _kitchen(room: Room, rng: Rng) -> None:
    _several(room, clutter.counter, rng, 1, 4)
    at_wall(room, clutter.fridge(rng), rng)
    make = furniture.table if rng.random() < 0.6 else furniture.round_table
    _group(room, make(rng), furniture.chair(rng), rng)
    if rng.random() < 0.3:
        _row_at_wall(room, furniture.stool(rng), 2, rng)


def _bedroom(room: Room, rng: Rng) -> None:
    at_wall(room, clutter.bed(rng), rng)
    _several(room, clutter.wardrobe, rng, 0, 3)
    _several(room, clutter.cabinet, rng, 0, 3)
    _several(room, furniture.bookcase, rng, 0, 2)
    if rng.random() < 0.6:
        desk = furniture.desk(rng)
        place = at_wall(room, desk, rng)
        if place:
            _work_place(room, desk, place, rng)
            _seat_at(room, desk, place, furniture.any_chair(rng), rng)
    _spare_chairs(room, furniture.chair(rng), rng)


def _bathroom(room: Room, rng: Rng) -> None:
    for maker in (clutter.toilet, clutter.basin, clutter.tub):
        if rng.random() < 0.8:
            _several(room, maker, rng, 1, 3 if room.area > 8 else 1)
    _several(room, clutter.cabinet, rng, 0, 2)
    if rng.random() < 0.3:
        anywhere(room, furniture.stool(rng), rng)


def _work_place(room: Room, desk: Model, place: tuple[Array, float], rng: Rng) -> None:
    """Screens and a keyboard at the desk's back and middle, things beside them."""
    low, high = desk.bounds()
    top, frame = _top_of(desk), Model()
    if rng.random() < 0.8:
        screen, count = clutter.monitor(rng), int(rng.integers(1, 3))
        x = rng.uniform(-0.2, 0.2)
        for k in range(count):
            frame.add(screen, [x + 0.6 * k, low[1] + 0.18, top], rng.normal(0, 0.15))
        frame.add(clutter.keyboard(rng), [x, low[1] + 0.45, top], rng.normal(0, 0.1))
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.uniform(low[0] + 0.15, high[0] - 0.15), rng.uniform(low[1] + 0.1, low[1] + 0.5)
        frame.add(_choose(clutter.ON_TABLES, rng)(rng), [x, y, top], rng.uniform(0, 6))
    if rng.random() < 0.4:
        frame.add(clutter.computer(rng), [low[0] + 0.2, 0, 0])
    room.model.add(frame, [*place[0], 0], place[1])


def _top_of(table: Model) -> float:
    """The height of its top: that of its first part."""
    part = table.parts[0]
    return float(part.centre[2] + np.abs(part.axes[2]).sum())


def _on_top(room: Room, table: Model, place: tuple[Array, float], thing: Model, rng: Rng) -> None:
    part = table.parts[0]
    reach = np.maximum(np.abs(part.axes[:2]).sum(axis=1) * 0.75 - 0.15, 0)
    xy = place[0] + turn_z(place[1])[:2, :2] @ (part.centre[:2] + rng.uniform(-reach, reach))
    room.model.add(thing, [*xy, _top_of(table)], rng.uniform(0, 2 * np.pi))


def _seat_at(
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
            return True
    return False


def _group(room: Room, table: Model, seat: Model, rng: Rng, *, centre: bool = False) -> bool:
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
            _seat_at(room, table, place, seat, rng, side * np.pi / 2, along)
    for _ in range(int(rng.integers(0, 7))):
        _on_top(room, table, place, _choose(clutter.ON_TABLES, rng)(rng), rng)
    return True


def _sitting_group(room: Room, rng: Rng) -> None:
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
        thing = _choose(clutter.ON_TABLES, rng)(rng)
        _on_top(room, low_table, (spot, yaw), thing, rng)
    other = furniture.sofa(rng, 1) if rng.random() < 0.5 else furniture.sofa(rng, 2)
    for side in (-np.pi / 2, np.pi / 2, 0.0):
        if rng.random() < 0.5:
            away = rng.uniform(1.1, 1.7)
            where = spot + turn @ turn_z(side)[:2, :2] @ [0.0, away]
            put(room, other, where, yaw + side + np.pi + rng.normal(0, 0.1))


def _row_at_wall(room: Room, seat: Model, count: int, rng: Rng) -> None:
    """Several of the same side by side."""
    row, wide = Model(), float(seat.bounds()[1][0] - seat.bounds()[0][0])
    for k in range(count):
        row.add(seat, [(k - (count - 1) / 2) * (wide + 0.04), 0, 0], rng.normal(0, 0.03))
    if count:
        at_wall(room, row, rng, gap=rng.uniform(0, 0.1))


def _spare_chairs(room: Room, seat: Model, rng: Rng) -> None:
    for _ in range(int(rng.integers(0, 4))):
        if rng.random() < 0.5:
            at_wall(room, seat, rng, gap=0.05)
        else:
            anywhere(room, seat, rng)


def _several(room: Room, maker: Maker, rng: Rng, low: int, high: int) -> None:
    """`low` to `high` of a kind at the walls, alike at times."""
    one = maker(rng)
    alike = rng.random() < 0.5
    for _ in range(int(rng.integers(low, high + 1))):
        at_wall(room, one if alike else maker(rng), rng, gap=rng.choice([0, rng.uniform(0, 0.15)]))


def _rug(room: Room, rng: Rng) -> None:
    model, half = Model(), rng.uniform(0.6, 1.5, 2)
    model.box("floor", materials.fabric(rng), [*-half, 0], [*half, rng.uniform(0.004, 0.02)])
    place = rng.uniform(room.outline.min(axis=0), room.outline.max(axis=0))
    if within(footprint(model, place, 0, 0), room.outline):
        room.model.add(model, [*place, 0])


def _choose(makers: tuple[Maker, ...], rng: Rng) -> Maker:
    return makers[int(rng.integers(len(makers)))]
