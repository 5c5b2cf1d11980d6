"""Everything that stands about and has no class of its own among the thirteen of S3DIS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.datasets.rooms import materials
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Model, Paint, turn_x, turn_y, turn_z

C = "clutter"


def monitor(rng: Rng) -> Model:
    model, case = Model(), materials.grey(rng, 0.03, 0.3)
    w, h, lift = rng.uniform(0.22, 0.36), rng.uniform(0.26, 0.4), rng.uniform(0.08, 0.18)
    screen = materials.thing(rng)._replace(glow=0.6)
    model.box(C, case, [-w, -0.02, lift], [w, 0.015, lift + h])
    model.box(C, screen, [-w + 0.015, 0.015, lift + 0.015], [w - 0.015, 0.017, lift + h - 0.015])
    model.box(C, case, [-0.03, -0.04, 0], [0.03, -0.02, lift + 0.1])
    model.box(C, case, [-0.12, -0.1, 0], [0.12, 0.08, 0.015])
    return model


def keyboard(rng: Rng) -> Model:
    model, paint = Model(), materials.grey(rng, 0.03, 0.9)
    model.box(C, paint._replace(pattern=2, scale=0.02), [-0.22, -0.07, 0], [0.22, 0.07, 0.025])
    model.ball(C, paint, [0.3, 0, 0.015], [0.03, 0.05, 0.02])
    return model


def laptop(rng: Rng) -> Model:
    model, paint = Model(), materials.grey(rng, 0.1, 0.8)
    model.box(C, paint, [-0.17, -0.12, 0], [0.17, 0.12, 0.02])
    model.box(C, paint, [-0.17, -0.16, 0.01], [0.17, -0.15, 0.23], turn_x(rng.uniform(0.1, 0.5)))
    return model


def papers(rng: Rng) -> Model:
    model = Model()
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-0.15, 0.15, 2)
        high = rng.uniform(0.004, 0.06)
        paint = materials.thing(rng) if rng.random() < 0.4 else materials.grey(rng, 0.8, 1)
        turn = turn_z(rng.uniform(-0.6, 0.6))
        model.box(C, paint, [x - 0.1, y - 0.15, 0], [x + 0.1, y + 0.15, high], turn)
    return model


def cup(rng: Rng) -> Model:
    model, r = Model(), rng.uniform(0.03, 0.05)
    model.rod(C, materials.plastic(rng), [0, 0, 0], [0, 0, rng.uniform(0.08, 0.12)], r * 0.9, r)
    return model


def bottle(rng: Rng) -> Model:
    model, paint, r, h = (
        Model(),
        materials.plastic(rng),
        rng.uniform(0.03, 0.05),
        rng.uniform(0.18, 0.26),
    )
    model.rod(C, paint, [0, 0, 0], [0, 0, h * 0.7], r)
    model.rod(C, paint, [0, 0, h * 0.7], [0, 0, h], r, r * 0.35)
    return model


def desk_lamp(rng: Rng) -> Model:
    model, paint = Model(), materials.metal(rng)
    bend, head = [0.0, -0.12, 0.32], [0.0, 0.12, 0.42]
    model.rod(C, paint, [0, 0, 0], [0, 0, 0.025], 0.08)
    model.rod(C, paint, [0, 0, 0.02], bend, 0.01)
    model.rod(C, paint, bend, head, 0.01)
    model.rod(C, paint, [0, 0.1, 0.44], [0, 0.16, 0.34], 0.03, 0.09, tube=True)
    return model


def phone(rng: Rng) -> Model:
    model, paint = Model(), materials.grey(rng, 0.03, 0.4)
    model.box(C, paint, [-0.1, -0.09, 0], [0.1, 0.09, 0.06], turn_x(-0.15))
    model.box(C, paint, [-0.1, -0.09, 0.06], [-0.05, 0.09, 0.09])
    return model


def box(rng: Rng, size: tuple[float, float] = (0.15, 0.6)) -> Model:
    """A carton, at times open."""
    model = Model()
    paint = Paint(materials.colour(rng, (0.06, 0.11), (0.2, 0.5), (0.5, 0.8)))
    paint = paint if rng.random() < 0.6 else materials.thing(rng)
    x, y, z = rng.uniform(*size, 3) / [2, 2, 1]
    if rng.random() < 0.7:
        model.box(C, paint, [-x, -y, 0], [x, y, z])
        return model
    t = 0.006
    model.box(C, paint, [-x, -y, 0], [x, y, t])
    for side in (-1, 1):
        model.box(C, paint, [side * x - t, -y, 0], [side * x + t, y, z])
        model.box(C, paint, [-x, side * y - t, 0], [x, side * y + t, z])
        flap = [side * x + min(side, 0) * y, -y, z], [side * x + max(side, 0) * y, y, z + t]
        model.box(C, paint, *flap, turn_y(rng.uniform(-0.6, 0.6)))
    return model


def bin_(rng: Rng) -> Model:
    model, paint = Model(), materials.plastic(rng)
    r, h = rng.uniform(0.1, 0.22), rng.uniform(0.25, 0.65)
    if rng.random() < 0.6:
        model.rod("bin", paint, [0, 0, 0], [0, 0, h], r * 0.8, r, tube=True)
        model.rod("bin", paint, [0, 0, 0], [0, 0, h * rng.uniform(0.02, 0.5)], r * 0.79)
    else:
        model.box("bin", paint, [-r, -r, 0], [r, r * 0.8, h])
    return model


def bag(rng: Rng) -> Model:
    model, paint = Model(), materials.fabric(rng)
    w, d, h = rng.uniform(0.12, 0.24), rng.uniform(0.07, 0.15), rng.uniform(0.2, 0.5)
    model.ball(C, paint, [0, 0, h / 2], [w, d, h / 2])
    model.box(C, paint, [-w * 0.7, -d * 0.8, 0], [w * 0.7, d * 0.8, h * 0.5])
    if rng.random() < 0.5:
        model.rod(C, paint, [-w * 0.4, 0, h * 0.9], [0, 0, h * 1.15], 0.01)
        model.rod(C, paint, [w * 0.4, 0, h * 0.9], [0, 0, h * 1.15], 0.01)
    return model


def computer(rng: Rng) -> Model:
    model = Model()
    w, d, h = rng.uniform(0.08, 0.11), rng.uniform(0.18, 0.25), rng.uniform(0.33, 0.48)
    model.box(C, materials.grey(rng, 0.05, 0.7), [-w, -d, 0], [w, d, h])
    return model


def plant(rng: Rng, high: tuple[float, float] = (0.4, 1.9)) -> Model:
    """A pot, stems and leaves."""
    model, h = Model(), rng.uniform(*high)
    r = min(0.08 + 0.1 * h, 0.24) * rng.uniform(0.8, 1.2)
    pot = min(0.4 * h, rng.uniform(0.2, 0.45))
    leaf = materials.leaves(rng)
    model.rod(C, materials.plastic(rng), [0, 0, 0], [0, 0, pot], r * 0.75, r, tube=True)
    model.rod(C, Paint((0.2, 0.14, 0.1)), [0, 0, 0], [0, 0, pot * 0.9], r * 0.75, r * 0.95)
    spread, size = rng.uniform(0.15, 0.35) * h + 0.05, rng.uniform(0.03, 0.06) * (1 + h)
    upright = rng.random() < 0.4
    for _ in range(int(rng.integers(25, 80))):
        angle, reach = rng.uniform(0, 2 * np.pi), spread * np.sqrt(rng.random())
        top = pot + (h - pot) * (rng.uniform(0.3, 1) if upright else rng.uniform(0.1, 1))
        centre = [reach * np.cos(angle), reach * np.sin(angle), top]
        turn = turn_z(angle) @ turn_y(rng.uniform(0.8, 1.6) if upright else rng.uniform(-0.5, 1))
        model.ball(C, leaf, centre, [size * rng.uniform(1, 2), size * 0.6, 0.006], turn)
    for _ in range(int(rng.integers(1, 5))):
        angle, reach = rng.uniform(0, 2 * np.pi), spread * 0.5 * rng.random()
        tip = [reach * np.cos(angle), reach * np.sin(angle), h * 0.85]
        model.rod(C, Paint((0.3, 0.25, 0.15)), [0, 0, pot * 0.8], tip, 0.01 + 0.008 * h)
    return model


def floor_lamp(rng: Rng) -> Model:
    model, paint, h = Model(), materials.metal(rng), rng.uniform(1.3, 1.8)
    model.rod(C, paint, [0, 0, 0], [0, 0, 0.025], rng.uniform(0.11, 0.17))
    model.rod(C, paint, [0, 0, 0.02], [0, 0, h], 0.012)
    shade, r = materials.fabric(rng)._replace(glow=0.5), rng.uniform(0.12, 0.24)
    model.rod(C, shade, [0, 0, h - 0.15], [0, 0, h + 0.12], r, r * rng.uniform(0.5, 1), tube=True)
    return model


def box_small(rng: Rng) -> Model:
    return box(rng, (0.06, 0.3))


def stairs(rng: Rng) -> Model:
    """A straight flight up along a wall, with a hand rail."""
    model, paint, metal = Model(), materials.floor(rng), materials.metal(rng)
    count, rise, tread = int(rng.integers(5, 14)), rng.uniform(0.15, 0.19), rng.uniform(0.26, 0.31)
    deep, solid = rng.uniform(0.9, 1.4), rng.random() < 0.5
    start = -count * tread / 2
    for k in range(count):
        x, z = start + k * tread, (k + 1) * rise
        bottom = 0.0 if solid else z - 0.06
        model.box(C, paint, [x, 0, bottom], [x + tread + 0.02, deep, z])
    end = [-start, deep - 0.03, count * rise + 0.9]
    model.rod(C, metal, [start, deep - 0.03, rise + 0.9], end, 0.02)
    for k in range(0, count, 2):
        x, z = start + (k + 0.5) * tread, (k + 1) * rise
        model.rod(C, metal, [x, deep - 0.03, z], [x, deep - 0.03, z + 0.9], 0.012)
    return model


def copier(rng: Rng) -> Model:
    model, paint, dark = Model(), materials.grey(rng, 0.6, 0.9), materials.grey(rng, 0.1, 0.3)
    w, d, h = rng.uniform(0.25, 0.4), rng.uniform(0.25, 0.35), rng.uniform(0.6, 1.05)
    model.box(C, paint, [-w, -d, 0.04], [w, d, h])
    model.box(C, dark, [-w, -d, h], [w, d * 0.8, h + 0.12])
    model.box(C, dark, [w, -d * 0.5, h * 0.6], [w + 0.2, d * 0.5, h * 0.6 + 0.02])
    return model


def coat_stand(rng: Rng) -> Model:
    model, paint, h = Model(), materials.wood(rng), rng.uniform(1.6, 1.9)
    model.rod(C, paint, [0, 0, 0], [0, 0, h], 0.02)
    for k in range(4):
        x, y = np.cos(k * np.pi / 2), np.sin(k * np.pi / 2)
        model.rod(C, paint, [0.25 * x, 0.25 * y, 0.02], [0, 0, 0.2], 0.015)
        model.rod(C, paint, [0, 0, h - 0.15], [0.14 * x, 0.14 * y, h], 0.012)
    if rng.random() < 0.7:
        model.ball(C, materials.fabric(rng), [0.1, 0, h - 0.55], [0.16, 0.1, 0.5])
    return model


def person(rng: Rng) -> Model:
    """Somebody who stood still: legs, trunk, arms, head."""
    model, cloth, trousers = Model(), materials.fabric(rng), materials.fabric(rng)
    skin = Paint(materials.colour(rng, (0.03, 0.08), (0.25, 0.6), (0.35, 0.9)))
    s = rng.uniform(0.9, 1.1)
    for x in (-0.1, 0.1):
        model.rod(C, trousers, [x * s, rng.uniform(-0.1, 0.1), 0], [x * s, 0, 0.85 * s], 0.06, 0.08)
        tip = [2.4 * x * s, rng.uniform(-0.1, 0.25), rng.uniform(0.8, 1.1) * s]
        model.rod(C, cloth, [1.9 * x * s, 0, 1.42 * s], tip, 0.05, 0.04)
    model.ball(C, cloth, [0, 0, 1.15 * s], [0.2 * s, 0.13 * s, 0.36 * s])
    model.ball(C, skin, [0, 0, 1.63 * s], [0.08, 0.1, 0.12])
    return model


def books(rng: Rng) -> Model:
    """A pile, or a few that stand."""
    model, z, x = Model(), 0.0, -0.1
    upright = rng.random() < 0.4
    for _ in range(int(rng.integers(2, 8))):
        thick, w, d = rng.uniform(0.012, 0.05), rng.uniform(0.14, 0.22), rng.uniform(0.2, 0.3)
        paint = materials.thing(rng)
        if upright:
            model.box(C, paint, [x, -w / 2, 0], [x + thick, w / 2, d])
            x += thick
        else:
            turn = turn_z(rng.normal(0, 0.2))
            model.box(C, paint, [-w / 2, -d / 2, z], [w / 2, d / 2, z + thick], turn)
            z += thick
    return model


def small_plant(rng: Rng) -> Model:
    return plant(rng, (0.15, 0.45))


def shoes(rng: Rng) -> Model:
    model, paint = Model(), materials.fabric(rng)
    for x in (-0.07, rng.uniform(0.05, 0.12)):
        y = rng.uniform(-0.08, 0.08)
        model.ball(C, paint, [x, y, 0.04], [0.05, 0.14, 0.045])
        model.rod(C, paint, [x, y - 0.08, 0.02], [x, y - 0.08, 0.1], 0.045)
    return model


def clothes(rng: Rng) -> Model:
    """Dropped: flat and lumpy."""
    model = Model()
    for _ in range(int(rng.integers(1, 4))):
        paint = materials.fabric(rng)
        for _ in range(int(rng.integers(2, 5))):
            x, y = rng.normal(0, 0.14, 2)
            radii = [*rng.uniform(0.08, 0.25, 2), rng.uniform(0.02, 0.08)]
            model.ball(C, paint, [x, y, radii[2] * 0.6], radii, turn_z(rng.uniform(0, 3)))
    return model


def cushion(rng: Rng) -> Model:
    model, r = Model(), rng.uniform(0.18, 0.3)
    model.ball(C, materials.fabric(rng), [0, 0, 0.09], [r, r, 0.09])
    return model


def suitcase(rng: Rng) -> Model:
    model, paint = Model(), materials.plastic(rng)
    w, d, h = rng.uniform(0.17, 0.26), rng.uniform(0.1, 0.15), rng.uniform(0.45, 0.75)
    model.box(C, paint, [-w, -d, 0.03], [w, d, h])
    if rng.random() < 0.4:
        for x in (-0.07, 0.07):
            model.rod(C, materials.metal(rng), [x, -d, h], [x, -d, h + 0.35], 0.008)
    return model


def fan(rng: Rng) -> Model:
    model, paint, h = Model(), materials.plastic(rng), rng.uniform(0.5, 1.3)
    model.rod(C, paint, [0, 0, 0], [0, 0, 0.03], 0.18)
    model.rod(C, paint, [0, 0, 0.03], [0, 0, h], 0.015)
    model.rod(C, paint, [0, -0.05, h], [0, 0.08, h], rng.uniform(0.14, 0.22))
    return model


def heap(rng: Rng) -> Model:
    """Boxes, bags and bottles, thrown together."""
    model = Model()
    for _ in range(int(rng.integers(3, 12))):
        thing = HEAPED[rng.integers(len(HEAPED))](rng)
        x, y = rng.normal(0, 0.3, 2)
        z = float(rng.choice([0.0, 0.0, rng.uniform(0, 0.25)]))
        model.add(thing, [x, y, z], rng.uniform(0, 2 * np.pi))
    return model


HEAPED: tuple[Callable[[Rng], Model], ...] = (box, box, bag, bottle, papers, bin_)
ON_TABLES: tuple[Callable[[Rng], Model], ...] = (
    laptop, papers, papers, books, cup, bottle, desk_lamp, phone, box_small, keyboard, small_plant,
)  # fmt: skip
ON_FLOORS: tuple[Callable[[Rng], Model], ...] = (
    box, bin_, bag, bag, shoes, clothes, computer, plant, heap, floor_lamp, fan, suitcase, person,
    coat_stand, cushion,
)  # fmt: skip
AT_WALLS: tuple[Callable[[Rng], Model], ...] = (copier, box, bin_, plant)
