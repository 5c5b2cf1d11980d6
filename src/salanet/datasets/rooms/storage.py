"""Cabinets, wardrobes, drawers, lockers: carcasses with fronts and handles; shelves, screens."""

from __future__ import annotations

import numpy as np

from salanet.datasets.rooms import materials
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, Model, Paint, turn_x

CABINET = "cabinet"
ROUND, BAR, KNOB, GRIP, NONE = range(5)  # handles


class Fronts:
    """How the fronts of one piece look: flat or framed, and what one pulls."""

    def __init__(self, thing: str, paint: Paint, rng: Rng) -> None:
        self.thing, self.paint = thing, paint
        self.metal = materials.metal(rng)
        self.handle = int(rng.integers(5))
        self.framed = rng.random() < 0.35
        self.deep = rng.uniform(0.01, 0.022)
        self.gap = rng.uniform(0.002, 0.008)
        self.rail = rng.uniform(0.04, 0.08)

    def door(
        self, model: Model, low: tuple[float, float], high: tuple[float, float], y: float,
        rng: Rng, *, left: bool,
    ) -> None:  # fmt: skip
        """From (x, z) to (x, z), on the plane y; hinged on its left or right."""
        (x0, z0), (x1, z1) = self._panel(model, low, high, y)
        x = x1 - 0.04 if left else x0 + 0.04
        z = (z0 + z1) / 2 + rng.uniform(-0.05, 0.05)
        self._pull(model, [x, y + self.deep, z], upright=True)

    def drawer(
        self, model: Model, low: tuple[float, float], high: tuple[float, float], y: float
    ) -> None:
        (x0, z0), (x1, z1) = self._panel(model, low, high, y)
        self._pull(model, [(x0 + x1) / 2, y + self.deep, (z0 + 2 * z1) / 3], upright=False)

    def _panel(
        self, model: Model, low: tuple[float, float], high: tuple[float, float], y: float
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        x0, z0, x1, z1 = (
            low[0] + self.gap,
            low[1] + self.gap,
            high[0] - self.gap,
            high[1] - self.gap,
        )
        thin = self.deep * (0.5 if self.framed else 1)
        model.box(self.thing, self.paint, [x0, y, z0], [x1, y + thin, z1])
        rail = self.rail
        if self.framed and min(x1 - x0, z1 - z0) > 3 * rail:
            front = y + self.deep
            for a, b in (((x0, z0), (x1, z0 + rail)), ((x0, z1 - rail), (x1, z1)),
                         ((x0, z0), (x0 + rail, z1)), ((x1 - rail, z0), (x1, z1))):  # fmt: skip
                model.box(self.thing, self.paint, [a[0], y, a[1]], [b[0], front, b[1]])
        return (x0, z0), (x1, z1)

    def _pull(self, model: Model, at: list[float], *, upright: bool) -> None:
        x, y, z = at
        if self.handle == KNOB:
            model.ball(self.thing, self.metal, [x, y + 0.015, z], [0.015] * 3)
        elif self.handle in (ROUND, BAR):
            a, b = ([x, y + 0.03, z - 0.08], [x, y + 0.03, z + 0.08])
            if not upright:
                a, b = [x - 0.08, y + 0.03, z], [x + 0.08, y + 0.03, z]
            if self.handle == ROUND:
                model.rod(self.thing, self.metal, a, b, 0.007)
            else:
                model.box(self.thing, self.metal, np.subtract(a, 0.008), np.add(b, 0.008))
        elif self.handle == GRIP:
            model.box(
                self.thing, self.metal, [x - 0.05, y, z - 0.01], [x + 0.05, y + 0.02, z + 0.01]
            )


def carcass(
    model: Model, thing: str, paint: Paint, low: list[float], high: list[float], *, hollow: bool
) -> None:
    """A box, or one that is open towards +y with a shelf or two."""
    if not hollow:
        model.box(thing, paint, low, high)
        return
    t, (x0, y0, z0), (x1, y1, z1) = 0.018, low, high
    model.box(thing, paint, [x0, y0, z0], [x1, y0 + t, z1])
    for a, b in ((x0, x0 + t), (x1 - t, x1)):
        model.box(thing, paint, [a, y0, z0], [b, y1, z1])
    for z in (z0, (z0 + z1) / 2, z1 - t):
        model.box(thing, paint, [x0, y0, z], [x1, y1, z + t])


def cabinet(rng: Rng) -> Model:
    """A sideboard, a filing cabinet, drawers or a night stand; something often stands on it."""
    style = rng.random()
    if style < 0.25:  # night stand
        return _chest(rng, rng.uniform(0.38, 0.55), rng.uniform(0.35, 0.45), rng.uniform(0.4, 0.65))
    if style < 0.45:  # filing
        return _chest(rng, rng.uniform(0.4, 0.5), rng.uniform(0.5, 0.65), rng.uniform(0.6, 1.4))
    if style < 0.65:  # drawers
        return _chest(rng, rng.uniform(0.7, 1.6), rng.uniform(0.4, 0.55), rng.uniform(0.7, 1.3))
    return _cupboard(rng, rng.uniform(0.6, 2.0), rng.uniform(0.35, 0.5), rng.uniform(0.5, 1.5))


def wardrobe(rng: Rng) -> Model:
    """With hinged or sliding doors, at times with drawers below, at times up to the ceiling."""
    wide, high = rng.uniform(0.8, 2.6), rng.uniform(1.75, 2.45)
    return _wardrobe(rng, wide, high)


def built_in(rng: Rng, wide: float, high: float) -> Model:
    """Doors from wall to wall and up to the ceiling."""
    return _wardrobe(rng, wide, high)


def lockers(rng: Rng) -> Model:
    model, paint = Model(), materials.plastic(rng)
    fronts = Fronts(CABINET, paint, rng)
    count, wide, high = int(rng.integers(2, 8)), rng.uniform(0.28, 0.4), rng.uniform(1.7, 1.95)
    rows = int(rng.integers(1, 4))
    x, d = -count * wide / 2, 0.24
    model.box(CABINET, paint, [x, -d, 0], [-x, d, high])
    for k in range(count):
        for r in range(rows):
            low = (x + k * wide, 0.05 + (high - 0.05) * r / rows)
            top = (x + (k + 1) * wide, 0.05 + (high - 0.05) * (r + 1) / rows)
            fronts.door(model, low, top, d, rng, left=True)
    return model


def _chest(rng: Rng, wide: float, deep: float, high: float) -> Model:
    model, paint = Model(), materials.furniture(rng)
    w, d, foot = wide / 2, deep / 2, _foot(rng)
    _feet(model, paint, w, d, foot)
    model.box(CABINET, paint, [-w, -d, foot], [w, d - 0.02, high])
    fronts = Fronts(CABINET, paint if rng.random() < 0.7 else materials.furniture(rng), rng)
    rows = max(2, round((high - foot) / rng.uniform(0.18, 0.35)))
    columns = 2 if wide > 1 and rng.random() < 0.7 else 1
    for r in range(rows):
        for c in range(columns):
            low = -w + wide * c / columns, foot + (high - foot - 0.02) * r / rows
            top = -w + wide * (c + 1) / columns, foot + (high - foot - 0.02) * (r + 1) / rows
            fronts.drawer(model, low, top, d - 0.02)
    add_top(model, w, d, high)
    return model


def _cupboard(rng: Rng, wide: float, deep: float, high: float) -> Model:
    model, paint = Model(), materials.furniture(rng)
    w, d, foot = wide / 2, deep / 2, _foot(rng)
    _feet(model, paint, w, d, foot)
    front = d - 0.02
    doors = max(1, round(wide / rng.uniform(0.38, 0.65)))
    ajar = int(rng.integers(doors)) if rng.random() < 0.15 else -1
    carcass(model, CABINET, paint, [-w, -d, foot], [w, front, high], hollow=ajar >= 0)
    if ajar >= 0:
        for k in range(1, doors):
            x = -w + wide * k / doors
            model.box(CABINET, paint, [x - 0.009, -d, foot], [x + 0.009, front, high])
    fronts = Fronts(CABINET, paint if rng.random() < 0.6 else materials.furniture(rng), rng)
    split = foot + 0.25 * (high - foot) if high > 1.5 and rng.random() < 0.3 else foot
    mirror = rng.random() < 0.06 and high > 1.6
    for k in range(doors):
        x0, x1 = -w + wide * k / doors, -w + wide * (k + 1) / doors
        if split > foot:
            fronts.drawer(model, (x0, foot), (x1, split), front)
        if k == ajar:
            leaf = Model()
            fronts.door(leaf, (0, split), (x1 - x0, high), 0, rng, left=True)
            model.add(leaf, [x0, front, 0], rng.uniform(0.3, 2.0))
            continue
        if mirror and k == doors // 2:
            glass = materials.grey(rng, 0.3, 0.8)
            model.box(CABINET, glass, [x0, front, split], [x1, front + 0.01, high])
            continue
        fronts.door(model, (x0, split), (x1, high), front, rng, left=k % 2 == 0)
    add_top(model, w, d, high)
    return model


def _wardrobe(rng: Rng, wide: float, high: float) -> Model:
    model = _cupboard(rng, wide, rng.uniform(0.5, 0.65), high)
    model.call(CABINET, "wardrobe")
    return model


def _foot(rng: Rng) -> float:
    return float(rng.choice([0.0, rng.uniform(0.03, 0.2)]))


def _feet(model: Model, paint: Paint, w: float, d: float, foot: float) -> None:
    for x in (-w + 0.04, w - 0.04) if foot > 0.06 else ():
        for y in (-d + 0.04, d - 0.06):
            model.rod(CABINET, paint, [x, y, 0], [x, y, foot], 0.02)


def add_top(model: Model, w: float, d: float, high: float) -> None:
    """Say that things may lie on it, at that height and from -w, -d to w, d."""
    model.tops.append((np.array([-w, -d, high]), np.array([w, d, high])))


def shelf_on_wall(rng: Rng) -> Model:
    """Boards on the wall with books and things; its own z is that of the lowest board."""
    model, paint, w = Model(), materials.furniture(rng), rng.uniform(0.3, 1.0)
    d, rows = rng.uniform(0.2, 0.32), int(rng.integers(1, 4))
    for k in range(rows):
        z = 0.34 * k
        model.box("bookcase", paint, [-w, 0, z], [w, d, z + 0.025])
        x = -w + rng.uniform(0.02, 0.2)
        while x < w - 0.08:
            thick = rng.uniform(0.015, 0.06)
            if rng.random() < 0.75:
                front = rng.uniform(0.6, 0.95) * d
                high = z + rng.uniform(0.12, 0.3)
                model.box(
                    "bookcase", materials.thing(rng), [x, 0.01, z + 0.025], [x + thick, front, high]
                )
            x += thick if rng.random() < 0.85 else rng.uniform(0.05, 0.3)
    return model


def tv(rng: Rng) -> Model:
    """A flat screen on feet."""
    model, w = Model(), rng.uniform(0.4, 0.75)
    h, black = w * 1.13, materials.grey(rng, 0.02, 0.12)
    tilt: Array = turn_x(rng.normal(0, 0.02))
    model.box("clutter", black, [-w, -0.02, 0.06], [w, 0.02, 0.06 + h], tilt)
    model.box("clutter", black, [-w * 0.4, -0.1, 0], [w * 0.4, 0.1, 0.015])
    model.box("clutter", black, [-0.04, -0.02, 0], [0.04, 0.02, 0.1])
    return model
