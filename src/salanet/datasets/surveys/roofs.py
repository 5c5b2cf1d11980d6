"""Roofs of every kind and pitch, with the walls under them and what stands on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from salanet.datasets.surveys.materials import BUILDING, Stuff
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.solids import Body, Place, Slope, body, prism

WALLS = (Stuff.BRICK, Stuff.CONCRETE, Stuff.PAINT)
Half = tuple[float, float]


@dataclass(frozen=True)
class Roof:
    """A roof over a rectangle.

    Attributes:
        pitches: in degrees, of the sides +x, -x, +y, -y; 90 for a gable's end, 0 for none (flat).
        overhang: of the eaves, in metres.
        lower: pitch of the lower part of a mansard in degrees, 0 without; its height in metres.
        stuff: what it is covered with.
    """

    pitches: tuple[float, float, float, float]
    overhang: float = 0.0
    lower: float = 0.0
    lower_height: float = 0.0
    stuff: Stuff = Stuff.TILE

    def rise(self, half: Half) -> float:
        """Height of the ridge above the eaves over a rectangle without overhang."""
        if not any(self.pitches):
            return 0.0
        heights = []
        for axis in (0, 1):
            run = sum(_cot(self.pitches[2 * axis + side]) for side in (0, 1))
            if run > 0 and 0 not in self.pitches[2 * axis : 2 * axis + 2]:
                heights.append(2 * half[axis] / run)
            elif 0 in self.pitches[2 * axis : 2 * axis + 2]:  # a shed: one side alone rises
                pitch = max(p for p in self.pitches[2 * axis : 2 * axis + 2])
                if 0 < pitch < 90:
                    heights.append(2 * half[axis] * np.tan(np.deg2rad(pitch)))
        return float(min(heights)) if heights else 0.0


def _cot(pitch: float) -> float:
    return float(1 / np.tan(np.deg2rad(pitch))) if 0 < pitch < 90 else 0.0


def building(
    place: Place, half: Half, bottom: float, eaves: float, roof: Roof, walls: Stuff = Stuff.BRICK
) -> list[Body]:
    """Walls from `bottom` to `eaves` and a roof above, as one or two convex bodies."""
    slopes = [
        Slope(direction, np.deg2rad(pitch), half[axis], eaves)
        for direction, pitch, axis in zip(
            (0, np.pi, np.pi / 2, -np.pi / 2), roof.pitches, (0, 0, 1, 1), strict=True
        )
        if 0 < pitch < 90
    ]
    top = eaves + roof.rise(half)
    inner = half
    if roof.lower:
        back = roof.lower_height / np.tan(np.deg2rad(roof.lower))
        inner = (max(half[0] - back, 0.5), max(half[1] - back, 0.5))
        slopes = [
            Slope(s.direction, s.pitch, s.distance - back, eaves + roof.lower_height)
            for s in slopes
        ]
        slopes += [
            Slope(direction, np.deg2rad(roof.lower), half[axis], eaves)
            for direction, axis in zip((0, np.pi, np.pi / 2, -np.pi / 2), (0, 0, 1, 1), strict=True)
        ]
        top = eaves + roof.lower_height + roof.rise(inner)
    if not slopes:
        return [body(place, half, bottom, eaves, roof.stuff, BUILDING)]
    # The roof reaches over the walls: its planes go on below the eaves.
    drop = min(
        (roof.overhang * np.tan(s.pitch) for s in slopes if s.pitch < np.deg2rad(62)), default=0.0
    )
    thick = 0.15
    outer = (half[0] + roof.overhang, half[1] + roof.overhang)
    base = eaves - min(drop, 0.8) - (thick if roof.overhang else 0.0)
    over = body(place, outer, base, top, roof.stuff, BUILDING, slopes)
    return [body(place, half, bottom, eaves - 0.02, walls, BUILDING, ()), over]


def any_roof(rng: Rng, half: Half, kind: str | None = None) -> Roof:
    """A random roof; pitches from 8 to 60 degrees, flat ones with `kind` "flat"."""
    kind = kind or str(
        rng.choice(
            ["gable", "hip", "half-hip", "shed", "mansard", "flat", "pyramid"],
            p=[0.42, 0.18, 0.07, 0.08, 0.06, 0.15, 0.04],
        )
    )
    pitch = float(rng.choice([rng.uniform(8, 60), rng.normal(38, 8), rng.normal(25, 6)]))
    pitch = float(np.clip(pitch, 8, 60))
    overhang = float(rng.choice([0.0, rng.uniform(0.2, 0.8)], p=[0.25, 0.75]))
    cover = [Stuff.TILE, Stuff.METAL, Stuff.BITUMEN]
    stuff = Stuff(int(rng.choice(cover, p=[0.75, 0.15, 0.1])))
    if kind == "flat":
        flat = [Stuff.BITUMEN, Stuff.GRAVEL, Stuff.METAL]
        stuff = Stuff(int(rng.choice(flat, p=[0.5, 0.35, 0.15])))
        return Roof((0, 0, 0, 0), stuff=stuff)
    if kind == "hip":
        return Roof(
            (min(pitch + rng.uniform(0, 15), 62),) * 2 + (pitch, pitch), overhang, 0, 0, stuff
        )
    if kind == "half-hip":
        ends = (90.0, min(pitch + 10, 62)) if rng.random() < 0.5 else (min(pitch + 15, 65), 90.0)
        return Roof((*ends, pitch, pitch), overhang, 0, 0, stuff)
    if kind == "shed":
        return Roof((90, 90, min(pitch, 25), 0), overhang, 0, 0, stuff)
    if kind == "mansard":
        height = float(min(rng.uniform(1.8, 3.0), half[0], half[1]))
        upper = float(rng.uniform(5, 28))
        ends = (upper, upper) if rng.random() < 0.5 else (90.0, 90.0)
        return Roof((*ends, upper, upper), 0.0, float(rng.uniform(58, 76)), height, stuff)
    if kind == "pyramid":
        return Roof((pitch,) * 4, overhang, 0, 0, stuff)
    uneven = pitch + float(rng.choice([0, 0, 0, rng.uniform(-8, 8)]))
    return Roof((90, 90, pitch, float(np.clip(uneven, 8, 60))), overhang, 0, 0, stuff)


def chimney(place: Place, top: float, rng: Rng, height: float | None = None) -> Body:
    """A stack that ends `height` metres above `top`, the roof's height at its place."""
    size = rng.uniform(0.25, 0.6, 2)
    height = rng.uniform(0.5, 1.8) if height is None else height
    half = (float(size[0]), float(size[1]))
    return body(place, half, top - 1.5, top + height, Stuff.BRICK, BUILDING)


def dormer(place: Place, half: Half, eaves: float, roof: Roof, rng: Rng) -> list[Body]:
    """A window that stands out of one of the long slopes of a roof over `half`."""
    side = int(rng.integers(2))
    pitch = np.deg2rad(roof.pitches[2 + side])
    if not 0.35 < pitch < 1.2 or half[0] < 2.2:
        return []
    wide = float(rng.uniform(0.7, min(2.5, half[0] * 0.7)))
    out = float(rng.uniform(0.5, 0.8)) * half[1]  # of its front, from the ridge line
    front = eaves + (half[1] - out) * np.tan(pitch)
    tall = float(rng.uniform(1.0, 1.7))
    along = float(rng.uniform(-(half[0] - wide) * 0.9, (half[0] - wide) * 0.9))
    sign = 1 if side == 0 else -1
    depth = min(tall / np.tan(pitch), out) / 2
    where = place.at(along, sign * (out - depth), np.pi / 2)
    kind = rng.choice(["flat", "gable"])
    gable = Roof((90, 90, 35, 35), 0.1) if kind == "gable" else Roof((0, 0, 0, 0))
    return building(where, (float(depth), wide), front - 1, front + tall, gable, Stuff.WOOD)


def on_flat_roof(place: Place, half: Half, top: float, rng: Rng) -> list[Body]:
    """A parapet, machines, a stairhead, at times a railing."""
    things: list[Body] = []
    if rng.random() < 0.6:
        rim, tall = float(rng.uniform(0.15, 0.35)), float(rng.uniform(0.2, 1.1))
        for sign in (1, -1):
            for u, v, size in (
                (sign * (half[0] - rim / 2), 0.0, (rim / 2, half[1])),
                (0.0, sign * (half[1] - rim / 2), (half[0], rim / 2)),
            ):
                things.append(
                    body(place.at(u, v), size, top - 0.1, top + tall, Stuff.CONCRETE, BUILDING)
                )
    area = half[0] * half[1] * 4
    for _ in range(int(rng.poisson(min(area / 90, 25)))):
        sides = rng.uniform(0.3, 1.4, 2)
        u, v = rng.uniform(-0.85, 0.85, 2) * half
        tall = float(rng.uniform(0.4, 1.8))
        turn = float(rng.choice([0.0, 0.0, rng.uniform(0, 3)]))
        spot = place.at(float(u), float(v), turn)
        stuff = Stuff.METAL if rng.random() < 0.7 else Stuff.BRICK
        things.append(
            body(spot, (float(sides[0]), float(sides[1])), top - 0.1, top + tall, stuff, BUILDING)
        )
    if area > 150 and rng.random() < 0.6:
        u, v = rng.uniform(-0.6, 0.6, 2) * half
        size = (float(rng.uniform(1.5, 3)), float(rng.uniform(1.5, 3)))
        tall = float(rng.uniform(2.2, 3.5))
        spot = place.at(float(u), float(v))
        things.append(body(spot, size, top - 0.1, top + tall, Stuff.CONCRETE, BUILDING))
    return things


def house(
    place: Place,
    half: Half,
    bottom: float,
    eaves: float,
    rng: Rng,
    roof: Roof | None = None,
) -> list[Body]:
    """A house with what is on its roof; `bottom` lies below all ground under it."""
    roof = any_roof(rng, half) if roof is None else roof
    walls = WALLS[int(rng.integers(len(WALLS)))]
    things = building(place, half, bottom, eaves, roof, walls)
    if not any(roof.pitches):
        return things + on_flat_roof(place, half, eaves, rng)
    ridge = eaves + roof.lower_height + roof.rise(half)
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        u, v = float(rng.uniform(-0.8, 0.8) * half[0]), float(rng.uniform(-0.5, 0.5) * half[1])
        low = eaves + (ridge - eaves) * (1 - abs(v) / half[1])
        things.append(chimney(place.at(u, v), low, rng))
    if not roof.lower:
        for _ in range(int(rng.choice([0, 0, 1, 2]))):
            things += dormer(place, half, eaves, roof, rng)
    return things


def church(place: Place, bottom: float, rng: Rng) -> list[Body]:
    """A nave with a steep roof, lower aisles, an apse, and a tower with a spire."""
    half = (float(rng.uniform(10, 22)), float(rng.uniform(4, 8)))
    eaves = bottom + 1 + float(rng.uniform(7, 14))
    steep = float(rng.uniform(40, 60))
    things = building(place, half, bottom, eaves, Roof((90, 90, steep, steep), 0.3))
    if rng.random() < 0.6:
        wide, low = float(rng.uniform(1.5, 3)), eaves - float(rng.uniform(2, 4))
        for sign, pitches in ((1, (90, 90, 20.0, 0)), (-1, (90, 90, 0, 20.0))):
            spot = place.at(0, sign * (half[1] + wide))
            things += building(spot, (half[0], wide), bottom, low, Roof(pitches))
    apse = half[1] * 0.9
    end = place.at(half[0], 0)
    things.append(prism(end, apse, 8, bottom, eaves - 1, Stuff.BRICK, BUILDING))
    tip = eaves - 1 + apse * np.tan(np.deg2rad(40))
    things.append(
        prism(end, apse, 8, eaves - 1, tip, Stuff.TILE, BUILDING, pitch=float(np.deg2rad(40)))
    )
    side, tall = float(rng.uniform(2.5, 4)), eaves + float(rng.uniform(4, 18))
    tower = place.at(-half[0] - side * 0.6, 0)
    things.append(body(tower, (side, side), bottom, tall, Stuff.BRICK, BUILDING))
    pitch = float(np.deg2rad(rng.choice([rng.uniform(35, 50), rng.uniform(62, 74)])))
    tip = tall + side * np.tan(pitch)
    things.append(prism(tower, side, 4, tall, tip, Stuff.TILE, BUILDING, pitch=pitch))
    return things


def hall(place: Place, half: Half, bottom: float, eaves: float, rng: Rng) -> list[Body]:
    """A factory or a shop: flat, low gables side by side, a saw-tooth, or a barrel."""
    kind = rng.choice(["flat", "gables", "saw", "barrel"], p=[0.45, 0.3, 0.1, 0.15])
    metal = Stuff.METAL
    if kind == "flat":
        stuff = Stuff(int(rng.choice([Stuff.BITUMEN, Stuff.GRAVEL, metal])))
        flat = building(place, half, bottom, eaves, Roof((0, 0, 0, 0), stuff=stuff))
        return flat + on_flat_roof(place, half, eaves, rng)
    if kind == "barrel":
        angles = np.deg2rad([8, 22, 36])
        slopes = []
        reach, height = half[1], eaves
        for pitch in angles[::-1]:
            slopes += [Slope(s * np.pi / 2, float(pitch), reach, height) for s in (1, -1)]
            height += half[1] / 3.2 * np.tan(pitch)
            reach -= half[1] / 3.2
        return [
            body(place, half, bottom, float(height + 0.3), metal, BUILDING, slopes),
        ]
    spans = max(int(half[1] / rng.uniform(6, 14)), 1)
    width = half[1] / spans
    pitch = float(rng.uniform(4, 16))
    pitches = (90.0, 90.0, 25.0, 0.0) if kind == "saw" else (90.0, 90.0, pitch, pitch)
    things: list[Body] = []
    for n in range(spans):
        spot = place.at(0, -half[1] + width * (2 * n + 1))
        things += building(spot, (half[0], width), bottom, eaves, Roof(pitches, stuff=metal))
    for _ in range(int(rng.poisson(half[0] * half[1] / 200))):
        u, v = rng.uniform(-0.9, 0.9, 2) * half
        size = float(rng.uniform(0.3, 1.2))
        spot = place.at(float(u), float(v))
        top = eaves + float(rng.uniform(0.5, 1.5)) + width * np.tan(np.deg2rad(pitch))
        things.append(body(spot, (size, size), eaves, float(top), metal, BUILDING))
    return things
