"""Furniture into a room: along walls, in rows, chairs at tables, without collisions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.datasets.rooms import clutter, furniture, kitchens, soft, storage
from salanet.datasets.rooms.groups import (
    Maker,
    choose,
    closet,
    group,
    kitchen_rows,
    litter,
    on_top,
    on_wall,
    row_at_wall,
    rug,
    seat_at,
    several,
    sitting_group,
    spare_chairs,
    work_place,
)
from salanet.datasets.rooms.layout import Room
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.placing import anywhere, at_wall, put
from salanet.datasets.rooms.primitives import turn_z

AT_WALLS: tuple[Maker, ...] = (
    *clutter.AT_WALLS, storage.cabinet, storage.cabinet, storage.cabinet, storage.wardrobe,
    kitchens.fridge,
)  # fmt: skip
EXTRAS: tuple[Maker, ...] = (
    furniture.any_chair, furniture.any_chair, furniture.table, furniture.bookcase,
    furniture.sofa, furniture.desk, furniture.round_table, storage.cabinet, storage.cabinet,
    storage.wardrobe, soft.bed,
)  # fmt: skip


def furnish(room: Room, rng: Rng) -> None:
    """What such a room holds, and clutter on floors and tables; at times it is nearly empty."""
    sparse = rng.random() < 0.04
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
    mess = float(rng.choice([0.3, 1.0, 2.5], p=[0.35, 0.4, 0.25]))
    for _ in range(rng.poisson(mess * np.clip(room.area / 8, 1, 6))):
        anywhere(room, choose(clutter.ON_FLOORS, rng)(rng), rng)
    litter(room, mess, rng)
    for _ in range(rng.poisson(1.0 if room.kind in ("office", "living", "bedroom") else 0.3)):
        on_wall(room, storage.shelf_on_wall, rng.uniform(1.1, 1.7), rng)
    if rng.random() < (0.3 if room.kind in ("living", "bedroom", "bathroom") else 0.1):
        rug(room, rng)


def _extras(room: Room, rng: Rng) -> None:
    """Furniture that would not be expected there, and more of what is."""
    for _ in range(rng.poisson(room.area / 11)):
        thing = choose(EXTRAS, rng)(rng)
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
        work_place(room, one, place, rng)
        seat_at(room, one, place, furniture.any_chair(rng) if rng.random() < 0.2 else seat, rng)
    several(room, furniture.bookcase, rng, 0, 4)
    several(room, choose(AT_WALLS, rng), rng, 0, 3)
    if rng.random() < 0.3:
        group(room, furniture.round_table(rng), furniture.any_chair(rng), rng)
    if rng.random() < 0.2:
        at_wall(room, furniture.sofa(rng), rng)
    several(room, storage.cabinet, rng, 0, 4)
    spare_chairs(room, seat, rng)


def _meeting(room: Room, rng: Rng) -> None:
    seat = furniture.any_chair(rng)
    for _ in range(4):
        if group(room, furniture.conference_table(rng), seat, rng, centre=True):
            break
    several(room, choose((furniture.bookcase, storage.cabinet, furniture.desk), rng), rng, 0, 2)
    spare_chairs(room, seat, rng)


def _corridor(room: Room, rng: Rng) -> None:
    for maker in (
        furniture.bookcase,
        storage.cabinet,
        furniture.table,
        furniture.sofa,
        clutter.copier,
        storage.lockers,
        storage.wardrobe,
    ):
        if rng.random() < 0.25:
            at_wall(room, maker(rng), rng)
    if rng.random() < 0.2:
        closet(room, rng)
    if rng.random() < 0.4:
        seat = furniture.chair(rng)
        row_at_wall(room, seat, int(rng.integers(1, 6)), rng)


def _lobby(room: Room, rng: Rng) -> None:
    for _ in range(int(rng.integers(1, 4))):
        sitting_group(room, rng)
    seat = furniture.any_chair(rng)
    for _ in range(int(rng.integers(0, 4))):
        group(room, furniture.round_table(rng), seat, rng)
    row_at_wall(room, furniture.chair(rng), int(rng.integers(0, 6)), rng)
    several(room, furniture.bookcase, rng, 0, 2)
    several(room, clutter.stairs, rng, 0, 1)


def _living(room: Room, rng: Rng) -> None:
    sitting_group(room, rng)
    if rng.random() < 0.5:
        at_wall(room, furniture.sofa(rng), rng, gap=rng.uniform(0, 0.1))
    if rng.random() < 0.6:
        group(room, furniture.table(rng, (1.0, 2.0), (0.7, 1.0)), furniture.chair(rng), rng)
    several(room, furniture.bookcase, rng, 0, 3)
    several(room, storage.cabinet, rng, 0, 3)
    if rng.random() < 0.6:
        stand = storage.cabinet(rng)
        place = at_wall(room, stand, rng)
        if place:
            room.model.add(storage.tv(rng), [*place[0], stand.bounds()[1][2]], place[1])
    if rng.random() < 0.25:
        kitchen_rows(room, rng)
    if rng.random() < 0.2:
        several(room, soft.bed, rng, 1, 1)


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
                seat_at(room, desk, (place, yaw + np.pi), seat, rng)
                if rng.random() < 0.3:
                    on_top(room, desk, (place, yaw), choose(clutter.ON_TABLES, rng)(rng), rng)
    at_wall(room, furniture.desk(rng), rng)
    several(room, furniture.bookcase, rng, 0, 2)


def _storage(room: Room, rng: Rng) -> None:
    several(room, furniture.bookcase, rng, 1, 5)
    several(room, storage.lockers, rng, 0, 1)
    several(room, kitchens.washer, rng, 0, 2)
    several(room, clutter.box, rng, 1, 8)
    several(room, clutter.heap, rng, 0, 3)
    if rng.random() < 0.5:
        at_wall(room, furniture.table(rng), rng)
    spare_chairs(room, furniture.chair(rng), rng)


def _hall(room: Room, rng: Rng) -> None:
    if rng.random() < 0.4:
        _classroom(room, rng)
        return
    seat = furniture.any_chair(rng)
    make = furniture.round_table if rng.random() < 0.5 else furniture.table
    one = make(rng)
    for _ in range(int(room.area / rng.uniform(5, 15))):
        group(room, one, seat, rng)
    for _ in range(int(rng.integers(0, 3))):
        sitting_group(room, rng)
    several(room, furniture.bookcase, rng, 0, 4)
    several(room, clutter.stairs, rng, 0, 1)


def _kitchen(room: Room, rng: Rng) -> None:
    kitchen_rows(room, rng)
    if room.area > 12 and rng.random() < 0.4:
        anywhere(room, kitchens.island(rng), rng, straight=True)
    if rng.random() < 0.5:
        at_wall(room, kitchens.fridge(rng), rng)
    several(room, storage.cabinet, rng, 0, 2)
    several(room, kitchens.washer, rng, 0, 1)
    make = furniture.table if rng.random() < 0.6 else furniture.round_table
    group(room, make(rng), furniture.chair(rng), rng)
    if rng.random() < 0.3:
        row_at_wall(room, furniture.stool(rng), 2, rng)


def _bedroom(room: Room, rng: Rng) -> None:
    several(room, soft.bed, rng, 1, 2 if room.area < 14 else 3)
    if rng.random() < 0.3:
        closet(room, rng)
    several(room, storage.wardrobe, rng, 0, 3)
    several(room, storage.cabinet, rng, 0, 4)
    several(room, furniture.bookcase, rng, 0, 2)
    if rng.random() < 0.6:
        desk = furniture.desk(rng)
        place = at_wall(room, desk, rng)
        if place:
            work_place(room, desk, place, rng)
            seat_at(room, desk, place, furniture.any_chair(rng), rng)
    spare_chairs(room, furniture.chair(rng), rng)


def _bathroom(room: Room, rng: Rng) -> None:
    for maker in (soft.toilet, soft.basin, soft.tub):
        if rng.random() < 0.8:
            several(room, maker, rng, 1, 3 if room.area > 8 else 1)
    several(room, storage.cabinet, rng, 0, 2)
    several(room, kitchens.washer, rng, 0, 1)
    for _ in range(int(rng.integers(0, 4))):
        on_wall(room, soft.towel, rng.uniform(0.6, 1.2), rng)
    if rng.random() < 0.3:
        anywhere(room, furniture.stool(rng), rng)
