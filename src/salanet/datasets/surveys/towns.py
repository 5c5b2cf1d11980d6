"""Built-up landscapes: streets and blocks with terraces, villas, slabs, halls."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.datasets.surveys import furniture, parts, terrain, trees, wires
from salanet.datasets.surveys.bridges import bridge
from salanet.datasets.surveys.materials import Stuff
from salanet.datasets.surveys.roofs import Roof, any_roof, church, hall, house
from salanet.datasets.surveys.site import MARGIN, Site
from salanet.datasets.surveys.solids import Place, prism

Forms = dict[str, float]
Block = tuple[Place, tuple[float, float]]


def streets(site: Site, length: tuple[float, float], depth: tuple[float, float]) -> list[Block]:
    """Lay out a turned grid of streets; the blocks between them, as places and half sizes."""
    rng = site.rng
    middle = Place(site.middle, site.middle, float(rng.uniform(0, np.pi)))
    reach = (site.size / 2 + MARGIN) * 1.4
    cuts = [_cuts(reach, span, float(rng.uniform(6, 13)), rng) for span in (length, depth)]
    site.stuff[:] = Stuff.ASPHALT
    site.cover[:] = 0
    blocks = []
    for u0, u1 in cuts[0]:
        for v0, v1 in cuts[1]:
            place = middle.at((u0 + u1) / 2, (v0 + v1) / 2)
            half = ((u1 - u0) / 2, (v1 - v0) / 2)
            if site.window(place, half)[1].any():
                site.paint(place, half, Stuff.PAVING)
                blocks.append((place, half))
    _traffic(site, middle, cuts, reach)
    return blocks


def _cuts(
    reach: float, span: tuple[float, float], street: float, rng: np.random.Generator
) -> list[tuple[float, float]]:
    at, found = -reach - float(rng.uniform(0, span[1])), []
    while at < reach:
        size = float(rng.uniform(*span))
        found.append((at, at + size))
        at += size + street
    return found


def _traffic(
    site: Site, middle: Place, cuts: list[list[tuple[float, float]]], reach: float
) -> None:
    """Cars, lamps along the streets."""
    rng = site.rng
    busy = float(rng.uniform(0.1, 0.8))
    for axis in (0, 1):
        for (_, before), (after, _) in zip(cuts[axis][:-1], cuts[axis][1:], strict=True):
            for along in np.arange(-reach, reach, 6.5):
                side = before + 1.2 if rng.random() < 0.5 else after - 1.2
                if rng.random() < 0.1:
                    side = (before + after) / 2
                u, v = (side, float(along)) if axis == 0 else (float(along), side)
                turn = (np.pi / 2 if axis == 0 else 0) + float(rng.normal(0, 0.05))
                spot = middle.at(u, v, turn)
                inside = min(spot.x, spot.y) > -MARGIN and max(spot.x, spot.y) < site.size + MARGIN
                if inside and rng.random() < busy:
                    parts.park_car(site, spot)
                elif inside and rng.random() < 0.12 and site.free(spot, (0.3, 0.3)):
                    site.add(*furniture.lamp(spot.x, spot.y, site.z(spot.x, spot.y), rng))
                    site.take(spot, (0.3, 0.3))


def terraces(site: Site, block: Block, forms: Forms) -> None:
    """Rows of houses wall to wall on both long sides, gardens with outhouses between."""
    place, half = block
    rng = site.rng
    front = float(rng.choice([0.3, rng.uniform(1, 4)]))
    for sign in (1, -1):
        along = -half[0]
        depth = float(rng.uniform(4.0, min(6.5, max(half[1] * 0.45, 4.1))))
        usual = any_roof(rng, (3, depth))
        across = rng.random() < 0.25  # gables towards the street
        height = float(rng.uniform(3, 11))
        wide = float(rng.uniform(2.3, 4.5))
        while along + 2 * wide < half[0] + 0.1:
            if rng.random() < 0.08:
                along += 2 * wide
                continue
            mine = wide * float(rng.uniform(0.85, 1.2)) if rng.random() < 0.4 else wide
            roof = usual if rng.random() < 0.75 else any_roof(rng, (mine, depth))
            tall = height + float(rng.choice([0, 0, rng.normal(0, 1.2)]))
            row = Roof(roof.pitches, 0.0 if across else min(roof.overhang, 0.3), roof.lower,
                       min(roof.lower_height, mine * 0.9), roof.stuff)  # fmt: skip
            spot = place.at(along + mine, sign * (half[1] - front - depth))
            size = (mine - 0.01, depth)
            if across:
                spot, size = (
                    place.at(along + mine, sign * (half[1] - front - depth), np.pi / 2),
                    (
                        depth,
                        mine - 0.01,
                    ),
                )
            _row_house(site, spot, size, tall, row)
            _garden(site, place, along + mine, sign, half[1] - front - 2 * depth, mine, forms)
            along += 2 * mine


def _row_house(
    site: Site, place: Place, half: tuple[float, float], tall: float, roof: Roof
) -> None:
    """Like any house, but its neighbours may touch it."""
    inner = (half[0] - 0.4, half[1] - 0.4)
    if not site.free(place, inner):
        return
    low, high = site.span(place, half)
    if high - low > 5:
        return
    eaves = max((low + high) / 2 + max(tall, 2.5), high + 2)
    site.add(*house(place, half, low - 1, eaves, site.rng, roof))
    site.take(place, inner)


def _garden(
    site: Site, place: Place, along: float, sign: int, back: float, wide: float, forms: Forms
) -> None:
    """Behind a row house: an annexe at its wall, a shed at the far end, plants, borders."""
    rng = site.rng
    if back < 2:
        return
    lawn = place.at(along, sign * back / 2)
    if rng.random() < 0.6:
        site.paint(lawn, (wide, back / 2), Stuff.GRASS)
    if rng.random() < 0.55:
        deep = float(rng.uniform(0.8, min(3.0, back / 2)))
        size = (wide * float(rng.uniform(0.5, 1.0)), deep)
        parts.annexe(site, place.at(along, sign * (back - deep)), size)
    if rng.random() < 0.45 and back > 5:
        size = (float(rng.uniform(0.9, wide)), float(rng.uniform(0.9, 1.6)))
        parts.annexe(site, place.at(along, sign * (size[1] + 0.2)), size)
    if rng.random() < 0.7:
        parts.border(site, place.at(along + wide, sign * back / 2, np.pi / 2), back / 2 - 0.3)
    for _ in range(int(rng.poisson(1 + back * wide / 30))):
        u, v = along + float(rng.uniform(-wide, wide)), sign * float(rng.uniform(0.5, back - 0.5))
        x, y = place.point(u, v)
        if rng.random() < 0.4:
            parts.plant_tree(site, x, y, float(rng.uniform(3, 11)), forms)
        elif site.free(Place(x, y), (0.4, 0.4)):
            site.add(trees.bush(x, y, site.z(x, y), rng, site.leaves))
    parts.litter(site, lawn, (wide, back / 2), int(rng.poisson(0.7)))


def villas(site: Site, block: Block, forms: Forms) -> None:
    """Detached houses on lots, garages, drives with cars, hedges, trees."""
    place, half = block
    rng = site.rng
    site.paint(place, half, Stuff.GRASS)
    parts.grow(site, _mask(site, place, half), (0.0, 0.12), (2, 6))
    lot = float(rng.uniform(8, 13))
    for sign in (1, -1):
        for along in np.arange(-half[0] + lot, half[0] - lot + 0.1, 2 * lot):
            deep = half[1] / 2
            spot = place.at(float(along) + float(rng.normal(0, 1.0)), sign * deep)
            spot = spot.at(0, float(rng.normal(0, 1.0)), float(rng.choice([0, np.pi / 2])))
            size = (float(rng.uniform(4.5, 7.5)), float(rng.uniform(3.5, 5.5)))
            tall = float(rng.choice([rng.uniform(2.3, 3.5), rng.uniform(4.5, 7)]))
            if parts.put_house(site, spot, size, tall, uneven=5) and rng.random() < 0.35:
                wing = (float(rng.uniform(2, 4)), float(rng.uniform(2, 3.5)))
                other = spot.at(size[0] * 0.4, size[1] + wing[0] * 0.7, np.pi / 2)
                low, high = site.span(other, wing)
                site.add(*house(other, wing, low - 1, high + tall * 0.9, rng, any_roof(rng, wing)))
                site.take(other, wing)
            if rng.random() < 0.6:
                side = place.at(float(along) + lot * 0.72, sign * (deep + 1))
                parts.annexe(site, side, (float(rng.uniform(1.5, 3)), float(rng.uniform(2.5, 4))))
                drive = place.at(float(along) + lot * 0.72, sign * (half[1] - 3))
                site.paint(drive, (1.6, 3), Stuff.PAVING)
                parts.park_car(site, drive.at(0, 0, np.pi / 2))
            if rng.random() < 0.3:
                x, y = place.point(float(along) - lot * 0.5, sign * deep * 0.3)
                parts.annexe(site, Place(x, y, place.turn), (1.4, 1.2))
            parts.border(site, place.at(float(along) + lot, sign * deep, np.pi / 2), deep - 0.5)
            parts.border(site, place.at(float(along), sign * (half[1] - 0.6)), lot * 0.55)
            for _ in range(int(rng.poisson(6))):
                u = float(along) + float(rng.uniform(-lot, lot))
                x, y = place.point(u, sign * float(rng.uniform(1, half[1] - 1)))
                if rng.random() < 0.4:
                    parts.plant_tree(site, x, y, float(rng.uniform(3, 15)), forms)
                elif site.free(Place(x, y), (0.4, 0.4)):
                    site.add(trees.bush(x, y, site.z(x, y), rng, site.leaves))
            yard = place.at(float(along), sign * deep)
            parts.litter(site, yard, (lot, deep), int(rng.poisson(1.0)))


def slabs(site: Site, block: Block, forms: Forms) -> None:
    """Large houses of many storeys with flat or low roofs, car parks, rows of trees."""
    place, half = block
    rng = site.rng
    site.paint(place, half, Stuff.GRASS)
    parts.grow(site, _mask(site, place, half), (0.0, 0.1), (2, 6))
    for _ in range(int(rng.integers(3, 9))):
        size = (float(rng.uniform(8, max(half[0] * 0.8, 9))), float(rng.uniform(5, 9)))
        turn = float(rng.choice([0, np.pi / 2]))
        u, v = rng.uniform(-0.75, 0.75, 2) * half
        kind = "flat" if rng.random() < 0.7 else None
        roof = any_roof(rng, size, kind)
        if not roof.lower and any(roof.pitches):
            roof = Roof(tuple(min(p, 30) if p < 90 else p for p in roof.pitches), roof.overhang)  # type: ignore[arg-type]
        parts.put_house(
            site, place.at(float(u), float(v), turn), size, float(rng.uniform(8, 28)), roof
        )
    lot = place.at(*(float(w) for w in rng.uniform(-0.5, 0.5, 2) * half))
    car_park(site, lot, (float(rng.uniform(8, 20)), 8.0))
    _rows_of_trees(site, place, half, forms)
    for _ in range(int(rng.poisson(1.5))):
        u, v = rng.uniform(-0.9, 0.9, 2) * half
        parts.annexe(site, place.at(float(u), float(v)), (float(rng.uniform(1.5, 9)), 2.7))


def works(site: Site, block: Block, forms: Forms) -> None:
    """Halls, yards with lorries and containers, tanks."""
    place, half = block
    rng = site.rng
    site.paint(place, half, Stuff.ASPHALT if rng.random() < 0.6 else Stuff.GRAVEL)
    for _ in range(int(rng.integers(2, 7))):
        size = (
            float(rng.uniform(10, max(half[0] * 0.9, 11))),
            float(rng.uniform(8, max(half[1] * 0.85, 9))),
        )
        u, v = rng.uniform(-0.6, 0.6, 2) * half
        spot, tall = place.at(float(u), float(v)), float(rng.uniform(4.5, 14))

        def make(low: float, high: float, spot=spot, size=size, tall=tall) -> None:  # type: ignore[no-untyped-def]
            site.add(*hall(spot, size, low - 1, high + tall, rng))

        parts.put(site, spot, size, make, 1.0, uneven=4)
    for _ in range(int(rng.poisson(half[0] * half[1] / 120))):
        u, v = rng.uniform(-0.95, 0.95, 2) * half
        spot = place.at(float(u), float(v), float(rng.choice([0, np.pi / 2])))
        if site.free(spot, (6, 1.5)):
            site.add(furniture.container(spot, site.z(spot.x, spot.y), rng))
            site.take(spot, (6, 1.5))
    if rng.random() < 0.3:
        u, v = rng.uniform(-0.9, 0.9, 2) * half
        spot, radius = place.at(float(u), float(v)), float(rng.uniform(3, 9))
        if site.free(spot, (radius, radius)):
            ground, tall = site.z(spot.x, spot.y), float(rng.uniform(5, 15))
            site.add(prism(spot, radius, 14, ground - 1, ground + tall, Stuff.METAL, 6))
            site.take(spot, (radius, radius))
    car_park(site, place.at(0, float(half[1] * 0.7)), (half[0] * 0.7, 8.0))
    _rows_of_trees(site, place, half, forms, 0.3)


def car_park(site: Site, place: Place, half: tuple[float, float]) -> None:
    """Rows of parked cars."""
    if not site.free(place, half):
        return
    site.paint(place, half, Stuff.ASPHALT)
    busy = float(site.rng.uniform(0.2, 0.9))
    for v in np.arange(-half[1] + 3, half[1] - 2, 8.0):
        for u in np.arange(-half[0] + 1.5, half[0] - 1, 2.6):
            if site.rng.random() < busy:
                parts.park_car(site, place.at(float(u), float(v), np.pi / 2))


def _rows_of_trees(
    site: Site, place: Place, half: tuple[float, float], forms: Forms, often: float = 0.7
) -> None:
    rng = site.rng
    for side in (1, -1):
        if rng.random() < often:
            height, gap = float(rng.uniform(5, 16)), float(rng.uniform(6, 12))
            for u in np.arange(-half[0], half[0], gap):
                x, y = place.point(float(u), side * (half[1] - 1.5))
                parts.plant_tree(site, x, y, height * float(rng.uniform(0.8, 1.2)), forms)


def canal(site: Site, middle: Place, across: float, width: float) -> None:
    """A canal between quays along the place's x axis, with bridges and boats."""
    rng = site.rng
    line = terrain.straight(site, middle.turn, across)
    level = float(site.ground.min()) - float(rng.uniform(0.6, 2.5))
    terrain.channel(site, line, width, level, 50.0)
    for along in np.arange(-site.size * 0.6, site.size * 0.6, float(rng.uniform(45, 90))):
        spot = middle.at(float(along), across, np.pi / 2)
        long, wide = width / 2 + 0.8, float(rng.uniform(1.5, 6))
        x0, y0 = spot.point(-long - 1, 0)
        x1, y1 = spot.point(long + 1, 0)
        ends = (site.z(x0, y0), site.z(x1, y1))
        site.add(*bridge(spot, long, wide, ends, level - 2, rng))
        site.take(spot, (long + 2, wide + 1))
    for along in np.arange(-site.size * 0.6, site.size * 0.6, 20.0):
        side = float(rng.choice([-1, 1])) * (width / 2 - 2.2)
        spot = middle.at(float(along), across + side)
        if width > 9 and rng.random() < 0.4 and site.is_water(spot.x, spot.y):
            site.add(*furniture.boat(spot, level, rng))


def square(site: Site, block: Block, forms: Forms) -> None:
    """An open place, with a church at times, trees, stalls."""
    place, half = block
    rng = site.rng
    if rng.random() < 0.5:
        site.paint(place, half, Stuff.GRASS)
    spot = place.at(0, 0, float(rng.choice([0, np.pi / 2])))
    if rng.random() < 0.6 and site.free(spot, (26, 11)):
        low, _ = site.span(spot, (24, 9))
        site.add(*church(spot, low - 1, rng))
        site.take(spot, (26, 11))
    for _ in range(int(half[0] * half[1] / 60)):
        u, v = rng.uniform(-0.95, 0.95, 2) * half
        x, y = place.point(float(u), float(v))
        parts.plant_tree(site, x, y, float(rng.uniform(5, 18)), forms)
    parts.litter(site, place, half, int(rng.poisson(6)))


def _mask(site: Site, place: Place, half: tuple[float, float]) -> np.ndarray:
    mask = np.zeros(site.taken.shape, bool)
    window, inside = site.window(place, half)
    mask[window] = inside & (site.stuff[window] == Stuff.GRASS)
    return mask


Fill = Callable[[Site, Block, Forms], None]


def town(
    site: Site,
    forms: Forms,
    fill: Fill,
    length: tuple[float, float],
    depth: tuple[float, float],
    *,
    squares: float = 0.08,
    water: float = 0.0,
) -> None:
    """Streets whose blocks are filled in one way, with some squares; at times along a canal."""
    rng = site.rng
    blocks = streets(site, length, depth)
    if rng.random() < water:
        canal(site, Place(site.middle, site.middle, blocks[0][0].turn),
              float(rng.uniform(-0.2, 0.2)) * site.size, float(rng.uniform(6, 22)))  # fmt: skip
    for block in blocks:
        (square if rng.random() < squares else fill)(site, block, forms)
    if rng.random() < 0.1:
        spot = Place(*site.any_place(), float(rng.uniform(0, 6)))
        site.add(*wires.crane(spot, site.z(spot.x, spot.y), rng))
    if rng.random() < 0.25:
        wires.power_line(site, rng, high=False)
