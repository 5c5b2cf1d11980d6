"""Everything else that stands about: all of it is of the class clutter."""

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
        model.rod(C, paint, [0, 0, 0], [0, 0, h], r * 0.8, r, tube=True)
        model.rod(C, paint, [0, 0, 0], [0, 0, h * rng.uniform(0.02, 0.5)], r * 0.79)
    else:
        model.box(C, paint, [-r, -r, 0], [r, r * 0.8, h])
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


def cabinet(rng: Rng) -> Model:
    """A filing cabinet or a sideboard."""
    model, paint = Model(), materials.furniture(rng)
    w, d, h = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.32), rng.uniform(0.5, 1.4)
    model.box(C, paint, [-w, -d, 0.03], [w, d, h])
    metal, rows = materials.metal(rng), int(rng.integers(1, 5))
    for k in range(rows):
        z = 0.05 + (h - 0.05) * (k + 0.75) / rows
        model.box(C, metal, [-0.08, d, z], [0.08, d + 0.025, z + 0.015])
    return model


def wardrobe(rng: Rng) -> Model:
    model, paint = Model(), materials.furniture(rng)
    w, d, h = rng.uniform(0.4, 1.1), rng.uniform(0.25, 0.32), rng.uniform(1.75, 2.2)
    model.box(C, paint, [-w, -d, 0], [w, d, h])
    doors = max(2, round(2 * w / 0.5))
    metal = materials.metal(rng)
    for k in range(doors):
        x0, x1 = -w + 2 * w * k / doors + 0.003, -w + 2 * w * (k + 1) / doors - 0.003
        model.box(C, paint, [x0, d, 0.06], [x1, d + 0.018, h - 0.02])
        x = x0 + 0.04 if k % 2 else x1 - 0.04
        model.rod(C, metal, [x, d + 0.03, h * 0.45], [x, d + 0.03, h * 0.55], 0.008)
    return model


def bed(rng: Rng) -> Model:
    model, frame, cloth = Model(), materials.furniture(rng), materials.fabric(rng)
    w, d, h = rng.choice([0.45, 0.7, 0.8, 0.9]), 1.0, rng.uniform(0.3, 0.5)
    model.box(C, frame, [-w - 0.03, -d - 0.04, 0.12], [w + 0.03, d + 0.03, h - 0.12])
    model.box(C, cloth, [-w, -d, h - 0.15], [w, d, h])
    model.box(C, frame, [-w - 0.03, -d - 0.06, 0], [w + 0.03, -d, h + rng.uniform(0.2, 0.7)])
    for x in (-w * 0.9, w * 0.9):
        model.box(C, frame, [x - 0.03, d - 0.05, 0], [x + 0.03, d, 0.15])
    for x in (-w / 2, w / 2) if w > 0.5 else (0.0,):
        white = materials.grey(rng, 0.7, 1)
        model.ball(C, white, [x, -d + 0.25, h + 0.05], [min(w * 0.8, 0.36), 0.2, 0.08])
    cover = materials.fabric(rng)
    model.box(C, cover, [-w - 0.02, -d * 0.4, h - 0.1], [w + 0.02, d + 0.02, h + 0.05])
    for _ in range(4):
        x, y = rng.uniform(-w * 0.7, w * 0.7), rng.uniform(-0.2, 0.8)
        model.ball(
            C, cover, [x, y, h + 0.03], [rng.uniform(0.15, 0.4), rng.uniform(0.15, 0.4), 0.07]
        )
    return model


def counter(rng: Rng) -> Model:
    """A kitchen line: cupboards below and above, sink or hob, things on it."""
    model, paint, top = Model(), materials.furniture(rng), materials.floor(rng)
    w, d, h = rng.uniform(0.7, 1.6), 0.3, rng.uniform(0.86, 0.94)
    model.box(C, paint, [-w, -d, 0.1], [w, d - 0.02, h - 0.04])
    model.box(C, paint, [-w, -d, 0], [w, d - 0.08, 0.1])
    model.box(C, top, [-w, -d, h - 0.04], [w, d, h])
    if rng.random() < 0.7:
        low = h + rng.uniform(0.5, 0.6)
        model.box(C, paint, [-w, -d, low], [w, -d + 0.34, low + rng.uniform(0.5, 0.8)])
    if rng.random() < 0.6:
        x, steel = rng.uniform(-w + 0.3, w - 0.3), materials.metal(rng)
        model.rod(C, steel, [x, -0.18, h], [x, -0.18, h + 0.25], 0.015)
        model.rod(C, steel, [x, -0.18, h + 0.25], [x, 0, h + 0.2], 0.012)
        model.box(C, steel, [x - 0.25, -0.15, h], [x + 0.25, 0.2, h + 0.003])
    for _ in range(int(rng.integers(1, 6))):
        thing = [cup, bottle, box_small, box_small][rng.integers(4)](rng)
        model.add(
            thing, [rng.uniform(-w + 0.15, w - 0.15), rng.uniform(-0.15, 0.1), h], rng.uniform(0, 6)
        )
    return model


def fridge(rng: Rng) -> Model:
    model, paint = Model(), materials.grey(rng, 0.5, 0.98)
    h = rng.choice([0.85, rng.uniform(1.4, 2.0)])
    model.box(C, paint, [-0.3, -0.32, 0.02], [0.3, 0.3, h])
    model.rod(C, materials.metal(rng), [0.24, 0.34, h * 0.4], [0.24, 0.34, h * 0.6], 0.01)
    return model


def box_small(rng: Rng) -> Model:
    return box(rng, (0.06, 0.3))


def toilet(rng: Rng) -> Model:
    model, white = Model(), materials.grey(rng, 0.85, 1)
    model.rod(C, white, [0, 0.02, 0], [0, 0.02, 0.36], 0.12, 0.19)
    model.ball(C, white, [0, 0.08, 0.38], [0.18, 0.26, 0.04])
    model.box(C, white, [-0.19, -0.34, 0.36], [0.19, -0.16, rng.uniform(0.7, 0.85)])
    return model


def basin(rng: Rng) -> Model:
    """A wash basin on a column or a cupboard, a mirror above it."""
    model, white = Model(), materials.grey(rng, 0.85, 1)
    w = rng.uniform(0.22, 0.5)
    model.box(C, white, [-w, -0.25, 0.72], [w, 0.2, 0.86])
    if rng.random() < 0.5:
        model.rod(C, white, [0, -0.1, 0], [0, -0.1, 0.72], 0.1)
    else:
        model.box(C, materials.furniture(rng), [-w, -0.25, 0.15], [w, 0.18, 0.72])
    model.rod(C, materials.metal(rng), [0, -0.2, 0.86], [0, -0.08, 0.98], 0.015)
    model.box(C, materials.grey(rng, 0.5, 0.9), [-w, -0.25, 1.1], [w, -0.24, 1.8])
    return model


def tub(rng: Rng) -> Model:
    """A bath tub with thick rims, open above."""
    model, white, w, d, h = Model(), materials.grey(rng, 0.85, 1), 0.8, 0.36, 0.56
    model.box(C, white, [-w, -d, 0], [w, d, 0.2])
    for side in (-1, 1):
        x, y = sorted((side * w, side * (w - 0.1))), sorted((side * d, side * (d - 0.07)))
        model.box(C, white, [x[0], -d, 0.2], [x[1], d, h])
        model.box(C, white, [-w, y[0], 0.2], [w, y[1], h])
    return model


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
    laptop, papers, papers, cup, bottle, desk_lamp, phone, box_small, keyboard,
)  # fmt: skip
ON_FLOORS: tuple[Callable[[Rng], Model], ...] = (
    box, bin_, bag, computer, plant, heap, floor_lamp, person, coat_stand,
)  # fmt: skip
AT_WALLS: tuple[Callable[[Rng], Model], ...] = (
    cabinet, cabinet, wardrobe, copier, fridge, box, bin_, plant,
)  # fmt: skip
