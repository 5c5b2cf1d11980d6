"""Beds, curtains and cloth; what bathrooms hold."""

from __future__ import annotations

import numpy as np

from salanet.datasets.rooms import clutter, materials
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Model, Paint, turn_x, turn_z

BED = "bed"


def bed(rng: Rng) -> Model:
    """Single, double or a bunk, made or not; its head at the wall or one side along it."""
    kind = rng.random()
    one = _bunk(rng) if kind < 0.12 else _bed(rng, rng.choice([0.45, 0.5, 0.7, 0.8, 0.9]))
    if kind > 0.6:
        return one
    turned = Model()
    turned.add(one, yaw=np.pi / 2 * rng.choice([-1, 1]))
    return turned


def _bed(rng: Rng, w: float, high: float | None = None, *, boards: bool = True) -> Model:
    model, frame, sheet = Model(), materials.furniture(rng), materials.cloth(rng)
    d, h = rng.uniform(0.95, 1.05), rng.uniform(0.32, 0.65) if high is None else high
    thick = rng.uniform(0.12, 0.28)
    if high is None and rng.random() < 0.3:  # a box down to the floor
        model.box(BED, frame, [-w - 0.02, -d, 0.03], [w + 0.02, d + 0.02, h - thick])
    else:
        model.box(
            BED,
            frame,
            [-w - 0.03, -d - 0.02, h - thick - 0.12],
            [w + 0.03, d + 0.03, h - thick + 0.02],
        )
        for x in (-w, w - 0.03):
            for y in (-d, d - 0.03) if high is None else ():
                model.box(BED, frame, [x, y, 0], [x + 0.05, y + 0.05, h - thick])
    model.box(BED, sheet, [-w, -d, h - thick], [w, d, h])
    if boards and rng.random() < 0.75:
        head = h + rng.uniform(0.15, 0.8)
        model.box(BED, frame, [-w - 0.03, -d - 0.07, 0], [w + 0.03, -d - 0.02, head])
    if boards and rng.random() < 0.35:
        model.box(
            BED, frame, [-w - 0.03, d + 0.02, 0], [w + 0.03, d + 0.06, h + rng.uniform(0, 0.3)]
        )
    pillows = (-w / 2, w / 2) if w > 0.55 else (0.0,)
    for x in pillows:
        paint = materials.cloth(rng)
        for k in range(int(rng.integers(1, 3))):
            at = [x + rng.normal(0, 0.04), -d + 0.25 + 0.1 * k, h + 0.05 + 0.08 * k]
            radii = [min(w * 0.75, 0.34), rng.uniform(0.17, 0.24), 0.08]
            model.ball(BED, paint, at, radii, turn_x(rng.uniform(-0.5, 0.2)))
    _cover(model, w, d, h, rng)
    for _ in range(rng.poisson(0.8)):
        maker = (clutter.clothes, clutter.bag, clutter.books, clutter.laptop)[int(rng.integers(4))]
        at = [rng.uniform(-w * 0.6, w * 0.6), rng.uniform(-0.3, 0.7), h + 0.04]
        model.add(maker(rng), at, rng.uniform(0, 6))
    return model


def _cover(model: Model, w: float, d: float, h: float, rng: Rng) -> None:
    """A blanket that hangs over the sides: flat, in folds, or thrown back in a heap."""
    cover, style = materials.cloth(rng), rng.random()
    start = rng.uniform(-0.6, 0.1) * d
    if style < 0.75:
        top = h + rng.uniform(0.015, 0.06)
        model.box(BED, cover, [-w - 0.02, start, h - 0.02], [w + 0.02, d + 0.01, top])
        hang = rng.uniform(0.0, 0.3)
        for x in (-w - 0.03, w + 0.01):
            model.box(BED, cover, [x, start, h - hang], [x + 0.02, d, h + 0.02])
    for _ in range(int(rng.integers(2, 8)) if style < 0.75 else int(rng.integers(8, 16))):
        at = [rng.uniform(-w * 0.7, w * 0.7), rng.uniform(start, d * 0.9), h + 0.02]
        radii = [rng.uniform(0.1, 0.4), rng.uniform(0.06, 0.2), rng.uniform(0.04, 0.12)]
        model.ball(BED, cover, at, radii, turn_z(rng.uniform(0, np.pi)))


def _bunk(rng: Rng) -> Model:
    model, frame = Model(), materials.furniture(rng)
    w, d, up = 0.46, 1.0, rng.uniform(1.35, 1.6)
    if rng.random() < 0.7:
        model.add(_bed(rng, w, 0.45, boards=False))
    model.add(_bed(rng, w, up, boards=False))
    for x in (-w - 0.05, w):
        for y in (-d - 0.05, d):
            model.box(BED, frame, [x, y, 0], [x + 0.05, y + 0.05, up + 0.3])
    for z in (up + 0.12, up + 0.28):
        model.box(BED, frame, [w, -d, z - 0.03], [w + 0.03, d, z])
    for z in np.arange(0.3, up, 0.3):
        model.box(BED, frame, [w + 0.05, d - 0.45, z], [w + 0.09, d - 0.05, z + 0.03])
    return model


def curtain(
    model: Model, thing: str, paint: Paint, start: float, stop: float, y: float, low: float,
    high: float, rng: Rng,
) -> None:  # fmt: skip
    """Cloth in pleats along x, from `low` to `high`; folds of 6 to 16 cm."""
    fold, deep = rng.uniform(0.06, 0.16), rng.uniform(0.015, 0.05)
    x, side = start, 1
    while x < stop - 0.02:
        wide = fold * rng.uniform(0.7, 1.3)
        if rng.random() < 0.5:
            model.rod(thing, paint, [x, y + side * deep * 0.5, low], [x, y, high], wide * 0.42)
        else:
            turn = turn_z(side * np.arctan2(deep, wide))
            length = np.hypot(wide, deep)
            middle = np.array([x + wide / 2, y, (low + high) / 2])
            half = np.array([length / 2, 0.006, (high - low) / 2])
            model.box(thing, paint, middle - half, middle + half, turn)
        x, side = x + wide, -side


def toilet(rng: Rng) -> Model:
    model, white = Model(), materials.grey(rng, 0.85, 1)
    t, high = "toilet", rng.uniform(0.36, 0.42)
    model.rod(t, white, [0, 0.02, 0], [0, 0.02, high - 0.03], 0.12, 0.19)
    model.ball(t, white, [0, 0.08, high - 0.01], [0.18, 0.26, 0.04])
    if rng.random() < 0.3:  # the lid stands up
        model.box(t, white, [-0.18, -0.16, high], [0.18, -0.12, high + 0.42], turn_x(0.1))
    if rng.random() < 0.8:
        model.box(t, white, [-0.19, -0.34, high], [0.19, -0.16, high + rng.uniform(0.3, 0.42)])
    else:
        model.box(t, white, [-0.1, -0.3, 0.1], [0.1, 0.0, high])
    return model


def basin(rng: Rng) -> Model:
    """A wash basin on a column or a cupboard, a mirror above it, things on the rim."""
    model, white = Model(), materials.grey(rng, 0.85, 1)
    w, h = rng.uniform(0.22, 0.6), rng.uniform(0.8, 0.9)
    model.box("sink", white, [-w, -0.25, h - 0.06], [w, 0.2, h - 0.03])
    for low, high in (([-w, -0.25], [w, -0.13]), ([-w, 0.17], [w, 0.2]),
                      ([-w, -0.25], [-w + 0.04, 0.2]), ([w - 0.04, -0.25], [w, 0.2])):  # fmt: skip
        model.box("sink", white, [*low, h - 0.06], [*high, h])
    kind = rng.random()
    if kind < 0.35:
        model.rod("sink", white, [0, -0.1, 0], [0, -0.1, h - 0.06], 0.1)
    elif kind < 0.8:
        paint = materials.furniture(rng)
        model.box("cabinet", paint, [-w, -0.25, 0.12], [w, 0.17, h - 0.06])
        for x0, x1 in ((-w, -0.003), (0.003, w)):
            model.box("cabinet", paint, [x0, 0.17, 0.13], [x1, 0.19, h - 0.08])
    metal = materials.metal(rng)
    model.rod("sink", metal, [0, -0.2, h], [0, -0.2, h + 0.12], 0.015)
    model.rod("sink", metal, [0, -0.2, h + 0.12], [0, -0.06, h + 0.1], 0.012)
    if rng.random() < 0.8:
        model.box("clutter", materials.grey(rng, 0.4, 0.9), [-w, -0.25, 1.1], [w, -0.24, 1.8])
    for _ in range(int(rng.integers(0, 4))):
        at = [rng.choice([-1, 1]) * w * rng.uniform(0.5, 0.9), -0.19, h]
        model.add((clutter.cup, clutter.bottle)[int(rng.integers(2))](rng), at)
    return model


def tub(rng: Rng) -> Model:
    """A bath tub with thick rims, open above; a curtain before it at times."""
    model, white = Model(), materials.grey(rng, 0.85, 1)
    w, d, h, t = rng.uniform(0.7, 0.85), 0.36, rng.uniform(0.45, 0.6), "bathtub"
    model.box(t, white, [-w, -d, 0], [w, d, 0.15])
    for side in (-1, 1):
        x, y = sorted((side * w, side * (w - 0.1))), sorted((side * d, side * (d - 0.07)))
        model.box(t, white, [x[0], -d, 0.15], [x[1], d, h])
        model.box(t, white, [-w, y[0], 0.15], [w, y[1], h])
    metal = materials.metal(rng)
    model.rod("clutter", metal, [-w + 0.05, -0.05, h], [-w + 0.05, -0.05, 2.0], 0.012)
    if rng.random() < 0.6:
        stop = w if rng.random() < 0.4 else rng.uniform(-0.4, 0.6) * w
        curtain(
            model,
            "shower curtain",
            materials.cloth(rng),
            -w,
            stop,
            d - 0.03,
            rng.uniform(0.1, 0.5),
            2.0,
            rng,
        )
        model.rod("clutter", metal, [-w, d - 0.03, 2.02], [w, d - 0.03, 2.02], 0.012)
    return model


def towel(rng: Rng) -> Model:
    """A towel on a rail; its own z is the lower edge."""
    model, w, h = Model(), rng.uniform(0.15, 0.35), rng.uniform(0.4, 0.8)
    model.rod("clutter", materials.metal(rng), [-w - 0.05, 0.06, h], [w + 0.05, 0.06, h], 0.01)
    model.box("clutter", materials.cloth(rng), [-w, 0.04, 0], [w, 0.08, h])
    return model
