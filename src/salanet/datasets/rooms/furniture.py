"""Tables, chairs, sofas and bookcases from parts; fronts face +y, floors are at z = 0."""

from __future__ import annotations

import numpy as np

from salanet.datasets.rooms import materials
from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Model, Paint, turn_x

Pair = tuple[float, float]


def table(
    rng: Rng, wide: Pair = (0.7, 1.8), deep: Pair = (0.6, 0.9), high: Pair = (0.68, 0.78)
) -> Model:
    """A rectangular table on legs, panels, frames or pedestals."""
    model, top, legs = Model(), materials.furniture(rng), _leg_paint(rng)
    w, d, h = rng.uniform(*wide) / 2, rng.uniform(*deep) / 2, rng.uniform(*high)
    thick = rng.uniform(0.018, 0.05)
    model.box("table", top, [-w, -d, h - thick], [w, d, h])
    style, under = rng.random(), h - thick
    r = rng.uniform(0.015, 0.04)
    if style < 0.5:
        inset = rng.uniform(0.01, 0.12)
        round_ = rng.random() < 0.4
        for x in (-w + r + inset, w - r - inset):
            for y in (-d + r + inset, d - r - inset):
                if round_:
                    model.rod("table", legs, [x, y, 0], [x, y, under], r)
                else:
                    model.box("table", legs, [x - r, y - r, 0], [x + r, y + r, under])
        if rng.random() < 0.4:
            apron, i = rng.uniform(0.05, 0.1), inset + 0.01
            for y in (-d + i, d - i - 0.02):
                model.box("table", legs, [-w + i, y, under - apron], [w - i, y + 0.02, under])
            for x in (-w + i, w - i - 0.02):
                model.box("table", legs, [x, -d + i, under - apron], [x + 0.02, d - i, under])
    elif style < 0.75:  # panels
        for x in (-w, w - 0.03):
            model.box("table", top, [x, -d + 0.02, 0], [x + 0.03, d - 0.02, under])
        if rng.random() < 0.6:
            low = rng.choice([0.05, 0.3])
            model.box("table", top, [-w + 0.03, -d + 0.03, low], [w - 0.03, -d + 0.05, under])
    else:  # T feet
        for x in (-w * 0.75, w * 0.75):
            model.box("table", legs, [x - 0.03, -d * 0.85, 0], [x + 0.03, d * 0.85, 0.04])
            model.box("table", legs, [x - 0.035, -0.05, 0.04], [x + 0.035, 0.05, under])
        model.box("table", legs, [-w * 0.75, -0.02, under - 0.06], [w * 0.75, 0.02, under])
    return model


def desk(rng: Rng) -> Model:
    """A desk to put against a wall, its user at the front; drawers at times, or an L."""
    model = table(rng, (1.1, 1.9), (0.6, 0.85))
    (x0, y0, _), (x1, y1, h) = model.bounds()
    paint = model.parts[0].paint
    if rng.random() < 0.5:
        _drawers(
            model, paint, rng.choice([x0 + 0.05, x1 - 0.47]), y0 + 0.03, y1 - 0.05, h - 0.06, rng
        )
    if rng.random() < 0.2:
        side = x1 if rng.random() < 0.5 else x0 - 0.5
        far = y1 + rng.uniform(0.5, 0.9)
        model.box("table", paint, [side, y0, h - 0.03], [side + 0.5, far, h])
        model.box("table", paint, [side, far - 0.03, 0], [side + 0.5, far, h - 0.03])
    model.call("table", "desk")
    if rng.random() < 0.15:  # a screen at the back
        model.box("clutter", materials.fabric(rng), [x0, y0 - 0.03, h], [x1, y0, h + 0.4])
    if rng.random() < 0.15:  # a hutch of shelves above it
        _hutch(model, paint, x0, x1, y0, h, rng)
    return model


def _hutch(
    model: Model, paint: Paint, x0: float, x1: float, back: float, low: float, rng: Rng
) -> None:
    high, deep = low + rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.3)
    model.box("bookcase", paint, [x0, back, low], [x1, back + 0.012, high])
    for x in (x0, x1 - 0.02):
        model.box("bookcase", paint, [x, back, low], [x + 0.02, back + deep, high])
    for z in (low + 0.35, high - 0.02):
        model.box("bookcase", paint, [x0, back, z], [x1, back + deep, z + 0.02])
    shelf = Model()
    _books(shelf, x0 + 0.03, x1 - 0.03, deep / 2, 0.0, 0.3, rng.uniform(0.2, 0.9), rng)
    model.add(shelf, [0, back + deep / 2, low + 0.37])


def round_table(rng: Rng, high: Pair = (0.7, 0.76), radius: Pair = (0.35, 0.75)) -> Model:
    model, top, leg = Model(), materials.furniture(rng), _leg_paint(rng)
    r, h, thick = rng.uniform(*radius), rng.uniform(*high), rng.uniform(0.018, 0.04)
    model.rod("table", top, [0, 0, h - thick], [0, 0, h], r)
    if rng.random() < 0.7:
        model.rod("table", leg, [0, 0, 0.02], [0, 0, h - thick], rng.uniform(0.03, 0.08))
        if rng.random() < 0.6:
            model.rod("table", leg, [0, 0, 0], [0, 0, 0.025], r * 0.6)
        else:
            _star(model, "table", leg, r * 0.7, 4, 0.03, 0.0)
    else:
        for k in range(4):
            x, y = r * 0.7 * np.cos(k * np.pi / 2), r * 0.7 * np.sin(k * np.pi / 2)
            model.rod("table", leg, [x * 1.15, y * 1.15, 0], [x, y, h - thick], 0.02)
    return model


def conference_table(rng: Rng) -> Model:
    """A long one, of one top or of several, on panels or feet."""
    kind = rng.random()
    if kind < 0.3:
        return table(rng, (2.0, 4.5), (0.9, 1.5))
    if kind < 0.5:  # rounded ends
        model, top, leg = Model(), materials.wood(rng), _leg_paint(rng)
        w, d, h = rng.uniform(0.6, 1.6), rng.uniform(0.45, 0.7), rng.uniform(0.7, 0.76)
        model.box("table", top, [-w, -d, h - 0.04], [w, d, h])
        for x in (-w, w):
            model.rod("table", top, [x, 0, h - 0.04], [x, 0, h], d)
            model.box("table", leg, [x - 0.05, -d * 0.6, 0], [x + 0.05, d * 0.6, h - 0.04])
        return model
    model, one = Model(), table(rng, (1.2, 1.8), (0.6, 0.8))
    low, high = one.bounds()
    wide, deep = high[0] - low[0], high[1] - low[1]
    for i in range(int(rng.integers(1, 4))):
        for y in (-deep / 2, deep / 2):
            model.add(one, [i * wide, y, 0], np.pi * (y > 0))
    centred = Model()
    low, high = model.bounds()
    centred.add(model, [-(low[0] + high[0]) / 2, 0, 0])
    return centred


def coffee_table(rng: Rng) -> Model:
    if rng.random() < 0.3:
        return round_table(rng, (0.35, 0.5), (0.25, 0.5))
    return table(rng, (0.5, 1.2), (0.45, 0.7), (0.35, 0.5))


def office_chair(rng: Rng) -> Model:
    """A swivel chair: star base with castors, column, seat, back, arm rests at times."""
    model, cloth, base = Model(), materials.fabric(rng), materials.metal(rng)
    w, d = rng.uniform(0.42, 0.54) / 2, rng.uniform(0.42, 0.5) / 2
    seat, thick = rng.uniform(0.42, 0.54), rng.uniform(0.04, 0.1)
    _star(model, "chair", base, rng.uniform(0.26, 0.34), 5, 0.025, 0.06)
    model.rod("chair", base, [0, 0, 0.07], [0, 0, seat - thick], 0.03)
    _cushion(model, cloth, [-w, -d, seat - thick], [w, d, seat], rng)
    high, lean, gap = rng.uniform(0.35, 0.7), rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.18)
    _back(model, cloth, w * rng.uniform(0.8, 1.0), -d, seat + gap, high, lean, 0.06)
    model.box("chair", base, [-0.04, -d - 0.06, seat - thick], [0.04, -d - 0.02, seat + gap + 0.2])
    if rng.random() < 0.7:
        _arms(model, base, w + 0.03, d * 0.5, seat, rng)
    return model


def chair(rng: Rng) -> Model:
    """A chair on four legs, on sleds or a cantilever, with a back of one piece or of slats."""
    model, legs = Model(), _leg_paint(rng)
    cloth = legs if rng.random() < 0.3 else materials.fabric(rng)
    w, d = rng.uniform(0.38, 0.5) / 2, rng.uniform(0.38, 0.48) / 2
    seat, thick = rng.uniform(0.42, 0.48), rng.uniform(0.015, 0.08)
    r, splay = rng.uniform(0.01, 0.022), rng.uniform(0, 0.06)
    _cushion(model, cloth, [-w, -d, seat - thick], [w, d, seat], rng)
    style = rng.random()
    for x in (-w + r, w - r):
        far = x + np.sign(x) * splay
        if style < 0.7:
            for y in (-d + r, d - r):
                foot = [far, y + np.sign(y) * splay, 0]
                model.rod("chair", legs, foot, [x, y, seat - thick], r)
        else:
            model.rod("chair", legs, [x, -d, r], [x, d, r], r)
            model.rod("chair", legs, [x, d - r, r], [x, d - r, seat], r)
            if style < 0.85:
                model.rod("chair", legs, [x, -d, r], [x, -d, seat], r)
    high, lean = rng.uniform(0.3, 0.55), rng.uniform(0.0, 0.25)
    if rng.random() < 0.65:
        _back(model, cloth, w * 0.95, -d, seat + rng.uniform(0.02, 0.2), high, lean, 0.03)
        for x in (-w * 0.8, w * 0.8):
            model.rod("chair", legs, [x, -d + r, seat - thick], [x, -d - 0.03, seat + 0.25], r)
    else:
        top = seat + high
        for x in (-w + r, w - r):
            model.rod("chair", legs, [x, -d + r, seat], [x, -d - lean * high, top], r)
        for z in np.linspace(seat + 0.15, top - 0.02, int(rng.integers(2, 5))):
            y = -d - lean * (z - seat)
            model.box("chair", legs, [-w, y - 0.01, z - 0.03], [w, y + 0.01, z + 0.03])
    if rng.random() < 0.25:
        _arms(model, legs, w, d * 0.8, seat, rng)
    return model


def stool(rng: Rng) -> Model:
    model, paint, leg = Model(), materials.fabric(rng), _leg_paint(rng)
    r, h = rng.uniform(0.14, 0.2), rng.uniform(0.42, 0.78)
    model.rod("chair", paint, [0, 0, h - rng.uniform(0.03, 0.08)], [0, 0, h], r)
    if rng.random() < 0.4:
        model.rod("chair", leg, [0, 0, 0], [0, 0, h - 0.05], 0.03)
        model.rod("chair", leg, [0, 0, 0], [0, 0, 0.03], r)
    else:
        for k in range(4):
            x, y = r * 0.8 * np.cos(k * np.pi / 2), r * 0.8 * np.sin(k * np.pi / 2)
            model.rod("chair", leg, [x * 1.3, y * 1.3, 0], [x, y, h - 0.04], 0.014)
    return model


def any_chair(rng: Rng) -> Model:
    kind = rng.random()
    if kind < 0.45:
        return office_chair(rng)
    return chair(rng) if kind < 0.93 else stool(rng)


def sofa(rng: Rng, seats: int | None = None) -> Model:
    """For one to four, with arm rests and cushions; on a plinth or feet; at times an L."""
    model, cloth = Model(), materials.fabric(rng)
    count = int(rng.integers(1, 5)) if seats is None else seats
    one, depth = rng.uniform(0.55, 0.75), rng.uniform(0.75, 1.0)
    arm = rng.choice([0.0, rng.uniform(0.08, 0.25)], p=[0.15, 0.85])
    w, d = count * one / 2, depth / 2
    seat, back = rng.uniform(0.38, 0.47), rng.uniform(0.7, 0.95)
    feet = rng.choice([0.0, rng.uniform(0.05, 0.16)])
    thick = rng.uniform(0.1, 0.22)
    model.box("sofa", cloth, [-w - arm, -d, feet], [w + arm, d - 0.03, seat - thick + 0.05])
    for k in range(count):
        x = -w + k * one
        _cushion(
            model,
            cloth,
            [x + 0.005, -d + 0.15, seat - thick],
            [x + one - 0.005, d, seat],
            rng,
            "sofa",
        )
        lean = turn_x(rng.uniform(0.0, 0.2))
        low, high = (
            [x + 0.01, -d + 0.12, seat],
            [x + one - 0.01, -d + 0.26, back + rng.uniform(-0.05, 0.06)],
        )
        model.box("sofa", cloth, low, high, lean)
    model.box("sofa", cloth, [-w - arm, -d, feet], [w + arm, -d + 0.15, back])
    if arm:
        top = rng.uniform(seat + 0.08, back - 0.05)
        for x in (-w - arm, w):
            model.box("sofa", cloth, [x, -d, feet], [x + arm, d - 0.01, top])
            if rng.random() < 0.3:
                x_mid = x + arm / 2
                model.rod("sofa", cloth, [x_mid, -d, top], [x_mid, d, top], arm / 2)
    if feet:
        for x in (-w, w):
            for y in (-d + 0.08, d - 0.1):
                model.rod("sofa", materials.metal(rng), [x, y, 0], [x, y, feet], 0.02)
    if count > 2 and rng.random() < 0.2:  # a chaise longue
        x = rng.choice([-w, w - one])
        model.box("sofa", cloth, [x, d - 0.03, feet], [x + one, d + 0.7, seat])
    for _ in range(int(rng.integers(0, 3))):
        x = rng.uniform(-w + 0.2, w - 0.2) if w > 0.2 else 0.0
        tilt = turn_x(rng.uniform(-0.5, 0.1))
        centre = np.array([x, -d + 0.35, seat + 0.19])
        half = np.array([0.2, 0.06, 0.18])
        model.box("sofa", materials.fabric(rng), centre - half, centre + half, tilt)
    if count == 1:
        model.call("sofa", "armchair")
    return model


def bookcase(rng: Rng) -> Model:
    """Shelves with books and other things: open or with a back; some part has doors."""
    model, paint = Model(), materials.furniture(rng)
    if rng.random() < 0.2:
        paint = materials.metal(rng)
    w, d = rng.uniform(0.6, 1.6) / 2, rng.uniform(0.24, 0.45) / 2
    h = rng.choice([rng.uniform(0.7, 1.3), rng.uniform(1.6, 2.3)], p=[0.3, 0.7])
    board = rng.uniform(0.012, 0.03)
    posts = rng.random() < 0.2
    if posts:
        for x in (-w, w - 0.03):
            for y in (-d, d - 0.03):
                model.box("bookcase", paint, [x, y, 0], [x + 0.03, y + 0.03, h])
    else:
        for x in (-w, w - board):
            model.box("bookcase", paint, [x, -d, 0], [x + board, d, h])
        if rng.random() < 0.8:
            model.box("bookcase", paint, [-w, -d, 0], [w, -d + 0.01, h])
    count = max(2, round(h / rng.uniform(0.28, 0.42)))
    levels = np.linspace(rng.uniform(0.02, 0.1), h - board, count + 1)
    closed = rng.random() < 0.25
    doors = levels[int(rng.integers(1, len(levels)))] if closed else 0.0
    fill = rng.uniform(0.1, 1.0)
    for z, above in zip(levels, [*levels[1:], None], strict=True):
        model.box("bookcase", paint, [-w, -d, z], [w, d, z + board])
        if above is not None and z + board >= doors:
            _books(model, -w + 0.03, w - 0.03, d, z + board, above - z - board, fill, rng)
    if closed:
        for x0, x1 in ((-w, -0.002), (0.002, w)):
            model.box("bookcase", paint, [x0, d, 0.05], [x1, d + 0.018, doors])
    return model


def _books(
    model: Model, start: float, stop: float, deep: float, z: float, room: float, fill: float,
    rng: Rng,
) -> None:  # fmt: skip
    """Books side by side, stacks, boxes and gaps along a shelf."""
    x = start
    while x < stop - 0.05:
        kind = rng.random()
        if kind > fill:
            x += rng.uniform(0.05, 0.5)
            continue
        back = -deep + rng.uniform(0.01, 0.06)
        if kind < fill * 0.75:
            base = rng.uniform(0.55, 0.9) * room
            for _ in range(int(rng.integers(3, 12))):
                thick, high = rng.uniform(0.015, 0.06), min(base * rng.uniform(0.8, 1.1), room)
                if x + thick > stop:
                    break
                front = min(back + rng.uniform(0.14, 0.24), deep)
                model.box(
                    "bookcase", materials.thing(rng), [x, back, z], [x + thick, front, z + high]
                )
                x += thick
        else:
            wide = min(rng.uniform(0.1, 0.4), stop - x)
            high, front = rng.uniform(0.05, 0.8) * room, min(back + rng.uniform(0.12, 0.3), deep)
            model.box("bookcase", materials.thing(rng), [x, back, z], [x + wide, front, z + high])
            x += wide + rng.uniform(0, 0.1)


def _leg_paint(rng: Rng) -> Paint:
    return materials.metal(rng) if rng.random() < 0.5 else materials.furniture(rng)


def _drawers(
    model: Model, paint: Paint, x: float, back: float, front: float, high: float, rng: Rng
) -> None:
    handle = materials.metal(rng)
    model.box("table", paint, [x, back, 0.03], [x + 0.42, front, high])
    for z in np.linspace(0.1, high - 0.1, int(rng.integers(2, 4))):
        model.box("table", handle, [x + 0.13, front, z], [x + 0.29, front + 0.02, z + 0.015])


def _star(
    model: Model, label: str, paint: Paint, radius: float, arms: int, thick: float, foot: float
) -> None:
    """A star base; with a `foot`, castors of that size below it."""
    for k in range(arms):
        angle = 2 * np.pi * k / arms
        x, y = radius * np.cos(angle), radius * np.sin(angle)
        model.rod(label, paint, [x, y, foot + thick / 2], [0, 0, foot + thick * 1.5], thick)
        if foot:
            model.ball(label, paint, [x, y, foot / 2], [foot / 2] * 3)


def _cushion(
    model: Model, paint: Paint, low: list[float], high: list[float], rng: Rng, label: str = "chair"
) -> None:
    """A box, at times with a round front edge."""
    model.box(label, paint, low, high)
    if rng.random() < 0.4:
        r, z = (high[2] - low[2]) / 2, (high[2] + low[2]) / 2
        model.rod(label, paint, [low[0], high[1], z], [high[0], high[1], z], r)


def _back(
    model: Model, paint: Paint, w: float, y: float, z: float, high: float, lean: float, thick: float
) -> None:
    """A back rest that leans backwards from (y, z)."""
    middle = np.array([0, y - thick / 2 - lean * high / 2, z + high / 2])
    half = np.array([w, thick / 2, high / 2])
    model.box("chair", paint, middle - half, middle + half, turn_x(lean))


def _arms(model: Model, paint: Paint, x: float, d: float, seat: float, rng: Rng) -> None:
    high = seat + rng.uniform(0.16, 0.26)
    for side in (-x, x):
        model.box("chair", paint, [side - 0.03, -d, high - 0.03], [side + 0.03, d, high])
        model.rod("chair", paint, [side, 0, seat - 0.03], [side, 0, high - 0.02], 0.015)
