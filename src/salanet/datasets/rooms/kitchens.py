"""Kitchens: units with worktops, sinks, ovens, hoods; refrigerators and other machines."""

from __future__ import annotations

from salanet.datasets.rooms import clutter, materials
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Model, Paint
from salanet.datasets.rooms.storage import CABINET, Fronts, add_top


def kitchen(rng: Rng, length: float) -> Model:
    """A row of a kitchen: units with a worktop, sink, hob and oven, units and a hood above, tall
    ones and a refrigerator at an end."""
    model, paint, top = Model(), materials.furniture(rng), materials.floor(rng)
    fronts = Fronts(CABINET, paint, rng)
    d, h = 0.3, rng.uniform(0.86, 0.94)
    x, stop = -length / 2, length / 2
    if rng.random() < 0.6 and length > 1.6:
        cold = fridge(rng)
        wide = float(cold.bounds()[1][0] - cold.bounds()[0][0])
        model.add(cold, [x + wide / 2, 0, 0])
        x += wide + 0.02
    if rng.random() < 0.25 and stop - x > 1.4:
        model.box(CABINET, paint, [stop - 0.6, -d, 0.1], [stop, d - 0.02, 2.1])
        for z0, z1 in ((0.1, 1.0), (1.0, 2.1)):
            fronts.door(model, (stop - 0.6, z0), (stop, z1), d - 0.02, rng, left=True)
        stop -= 0.6
    start, under = x, h - 0.04
    model.box("counter", top, [start, -d, under], [stop, d, h])
    model.box(CABINET, paint, [start, -d, 0.1], [stop, d - 0.03, under])
    model.box(CABINET, materials.grey(rng, 0.05, 0.4), [start, -d, 0], [stop, d - 0.08, 0.1])
    units = max(1, round((stop - start) / 0.6))
    wide = (stop - start) / units
    special = list(rng.permutation(units))
    for k in range(units):
        a, b = start + k * wide, start + (k + 1) * wide
        if k == special[0]:
            _sink(model, (a + b) / 2, min(wide, 0.8) / 2, h, rng)
            fronts.door(model, (a, 0.1), (b, under), d - 0.03, rng, left=True)
        elif units > 1 and k == special[1]:
            _oven(model, a, b, d - 0.03, h, rng)
        elif rng.random() < 0.35:
            for z0, z1 in ((0.1, 0.4), (0.4, 0.65), (0.65, under)):
                fronts.drawer(model, (a, z0), (b, z1), d - 0.03)
        elif rng.random() < 0.12:
            white = materials.grey(rng, 0.6, 1)  # dishwasher
            model.box("furniture", white, [a, d - 0.03, 0.1], [b, d - 0.01, under])
        else:
            fronts.door(model, (a, 0.1), (b, under), d - 0.03, rng, left=k % 2 == 0)
    if rng.random() < 0.75:
        _above(model, fronts, paint, start, wide, units, h, special[1] if units > 1 else -1, rng)
    for _ in range(int(rng.integers(2, 4 + 3 * units))):
        makers = (clutter.cup, clutter.bottle, clutter.box_small, clutter.bottle, machine, pot)
        thing = makers[int(rng.integers(len(makers)))](rng)
        at = [rng.uniform(start + 0.15, max(stop - 0.15, start + 0.16)), rng.uniform(-0.2, 0.1), h]
        model.add(thing, at, rng.uniform(0, 6))
    return model


def island(rng: Rng) -> Model:
    """A worktop in the middle of a kitchen, units below it on one side, at times a sink."""
    model, paint, top = Model(), materials.furniture(rng), materials.floor(rng)
    w, d, h = rng.uniform(0.6, 1.3), rng.uniform(0.35, 0.55), rng.uniform(0.86, 1.05)
    model.box("counter", top, [-w - 0.04, -d - rng.uniform(0.03, 0.3), h - 0.04], [w + 0.04, d, h])
    model.box(CABINET, paint, [-w, -d, 0.08], [w, d - 0.04, h - 0.04])
    fronts = Fronts(CABINET, paint, rng)
    units = max(1, round(2 * w / 0.6))
    for k in range(units):
        a, b = -w + 2 * w * k / units, -w + 2 * w * (k + 1) / units
        fronts.door(model, (a, 0.1), (b, h - 0.04), d - 0.04, rng, left=k % 2 == 0)
    if rng.random() < 0.3:
        _sink(model, 0, 0.35, h, rng)
    add_top(model, w, d - 0.1, h)
    return model


def _above(
    model: Model, fronts: Fronts, paint: Paint, start: float, wide: float, units: int, h: float,
    hob: int, rng: Rng,
) -> None:  # fmt: skip
    """Units on the wall above the worktop, a hood above the hob."""
    low, d = h + rng.uniform(0.48, 0.62), 0.3
    high = low + rng.uniform(0.5, 0.9)
    for k in range(units):
        a, b = start + k * wide, start + (k + 1) * wide
        if k == hob:
            steel = materials.metal(rng)
            model.box("furniture", steel, [a, -d, low], [b, -d + 0.45, low + 0.08])
            x = (a + b) / 2
            model.box("furniture", steel, [x - 0.13, -d, low], [x + 0.13, -d + 0.26, high])
        elif rng.random() < 0.9:
            model.box(CABINET, paint, [a, -d, low], [b, -d + 0.33, high])
            fronts.door(model, (a, low), (b, high), -d + 0.33, rng, left=k % 2 == 0)


def _sink(model: Model, x: float, half: float, h: float, rng: Rng) -> None:
    """A rim that stands up a little around a dark bowl, and a tap."""
    steel = materials.metal(rng) if rng.random() < 0.7 else materials.grey(rng, 0.8, 1)
    half = min(half - 0.04, 0.35)
    bowl = steel._replace(rgb=(steel.rgb[0] * 0.6, steel.rgb[1] * 0.6, steel.rgb[2] * 0.6))
    model.box("sink", bowl, [x - half, -0.2, h], [x + half, 0.22, h + 0.004])
    for low, high in (([x - half, -0.2], [x + half, -0.18]), ([x - half, 0.2], [x + half, 0.22]),
                      ([x - half, -0.2], [x - half + 0.02, 0.22]),
                      ([x + half - 0.02, -0.2], [x + half, 0.22])):  # fmt: skip
        model.box("sink", steel, [*low, h], [*high, h + 0.02])
    model.rod("sink", steel, [x, -0.24, h], [x, -0.24, h + 0.28], 0.014)
    model.rod("sink", steel, [x, -0.24, h + 0.28], [x, -0.05, h + 0.24], 0.012)


def _oven(model: Model, a: float, b: float, y: float, h: float, rng: Rng) -> None:
    dark = materials.grey(rng, 0.04, 0.3)
    model.box("furniture", dark, [a + 0.02, -0.24, h], [b - 0.02, 0.24, h + 0.008])  # hob
    for x in (a + (b - a) * 0.3, a + (b - a) * 0.7):
        for z in (-0.12, 0.12):
            model.rod("furniture", materials.metal(rng), [x, z, h], [x, z, h + 0.015], 0.08)
    model.box("furniture", dark, [a, y, 0.12], [b, y + 0.02, h - 0.06])
    steel = materials.metal(rng)
    z = h - 0.2
    model.rod("furniture", steel, [a + 0.06, y + 0.06, z], [b - 0.06, y + 0.06, z], 0.012)
    model.box("furniture", steel, [a, y, h - 0.14], [b, y + 0.03, h - 0.05])


def fridge(rng: Rng) -> Model:
    """One or two doors with long handles; magnets and papers on it at times."""
    model, thing = Model(), "refrigerator"
    paint = materials.grey(rng, 0.75, 1) if rng.random() < 0.6 else materials.grey(rng, 0.1, 0.7)
    w, d = rng.uniform(0.27, 0.46), rng.uniform(0.29, 0.38)
    h = rng.choice([0.85, rng.uniform(1.4, 2.0)], p=[0.2, 0.8])
    model.box(thing, paint, [-w, -d, 0.02], [w, d - 0.06, h])
    metal = materials.metal(rng)
    side = w - 0.05 if rng.random() < 0.5 else -w + 0.05
    split = 0.02 + h * rng.choice([0.35, 0.65]) if h > 1 else h
    beside = h > 1.6 and w > 0.42
    for z0, z1 in ((0.02, split), (split, h)) if not beside else ((0.02, h),):
        if z1 - z0 < 0.1:
            continue
        for a, b in ((-w, 0.0), (0.0, w)) if beside else ((-w, w),):
            front = [a + 0.004, d - 0.055, z0 + 0.006], [b - 0.004, d, z1 - 0.006]
            model.box(thing, paint, *front)
            x = (b - 0.05 if b <= 0 else a + 0.05) if beside else side
            z = (z0 + z1) / 2
            reach = min((z1 - z0) * 0.3, 0.35)
            model.rod(thing, metal, [x, d + 0.045, z - reach], [x, d + 0.045, z + reach], 0.012)
    for _ in range(int(rng.integers(0, 6))):
        x, z, s = (
            rng.uniform(-w * 0.8, w * 0.6),
            rng.uniform(0.5 * h, 0.95 * h),
            rng.uniform(0.03, 0.1),
        )
        model.box(thing, materials.thing(rng), [x, d, z - s], [x + s * 1.4, d + 0.004, z])
    add_top(model, w, d, float(h))
    return model


def washer(rng: Rng) -> Model:
    model, paint, h = Model(), materials.grey(rng, 0.75, 1), rng.uniform(0.82, 0.9)
    model.box("furniture", paint, [-0.3, -0.3, 0.01], [0.3, 0.28, h])
    glass = materials.grey(rng, 0.05, 0.4)
    model.rod("furniture", glass, [0, 0.27, h * 0.5], [0, 0.31, h * 0.5], 0.17)
    model.box("furniture", materials.grey(rng, 0.3, 0.9), [-0.28, 0.28, h - 0.13], [0.28, 0.29, h])
    add_top(model, 0.3, 0.3, h)
    return model


def machine(rng: Rng) -> Model:
    """A microwave, a toaster, a coffee machine."""
    model, paint = Model(), materials.metal(rng)
    w, d, h = rng.uniform(0.1, 0.25), rng.uniform(0.09, 0.18), rng.uniform(0.18, 0.36)
    model.box("clutter", paint, [-w, -d, 0.01], [w, d, h])
    model.box(
        "clutter",
        materials.grey(rng, 0.04, 0.3),
        [-w * 0.9, d, 0.03],
        [w * 0.5, d + 0.01, h - 0.03],
    )
    return model


def pot(rng: Rng) -> Model:
    model, steel, r, h = (
        Model(),
        materials.metal(rng),
        rng.uniform(0.08, 0.14),
        rng.uniform(0.07, 0.2),
    )
    model.rod("clutter", steel, [0, 0, 0], [0, 0, h], r)
    model.rod("clutter", steel, [r, 0, h * 0.8], [r + 0.15, 0, h * 0.9], 0.01)
    return model
