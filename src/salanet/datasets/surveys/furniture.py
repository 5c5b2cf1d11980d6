"""What stands about outdoors: cars, walls, fences, poles, lamps, containers, bales, boats."""

from __future__ import annotations

import numpy as np

from salanet.datasets.surveys.materials import CLUTTER, Stuff
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.solids import Body, Place, Slope, beam, body, prism

GLASSY = 1.2  # hits per metre in what one sees through


def car(place: Place, ground: float, rng: Rng) -> list[Body]:
    """A car, a van or a lorry, along the place's x axis."""
    kind = rng.choice(["car", "van", "lorry"], p=[0.82, 0.13, 0.05])
    low = ground + 0.15
    if kind == "lorry":
        long = float(rng.uniform(3.5, 6.5))
        top = ground + float(rng.uniform(3, 4))
        cargo = body(place, (long, 1.25), ground + 0.8, top, Stuff.PAINT, CLUTTER)
        cab = place.at(long + 1.2, 0)
        return [cargo, body(cab, (1.1, 1.2), low, ground + 2.7, Stuff.PAINT, CLUTTER)]
    if kind == "van":
        half, top = (float(rng.uniform(2.3, 2.9)), 0.98), ground + float(rng.uniform(1.9, 2.6))
        nose = Slope(0, np.deg2rad(50), half[0] - 0.1, ground + 1.1)
        return [body(place, half, low, top, Stuff.PAINT, CLUTTER, [nose])]
    half = (float(rng.uniform(1.8, 2.4)), float(rng.uniform(0.82, 0.95)))
    hood = ground + float(rng.uniform(0.85, 1.05))
    roof = ground + float(rng.uniform(1.4, 1.75))
    cabin = (half[0] * 0.6, half[1] * 0.92)
    slopes = [
        Slope(0, np.deg2rad(35), cabin[0], hood),
        Slope(np.pi, np.deg2rad(55), cabin[0], hood),
    ]
    middle = place.at(-0.15 * half[0], 0)
    return [
        body(place, half, low, hood, Stuff.PAINT, CLUTTER),
        body(middle, cabin, hood - 0.1, roof, Stuff.PAINT, CLUTTER, slopes),
    ]


def wall(
    place: Place, long: float, ground: tuple[float, float], height: float, thick: float = 0.25
) -> Body:
    """A garden wall of half length `long`; its top is level, over the highest ground."""
    half = (long, thick / 2)
    return body(place, half, ground[0] - 0.5, ground[1] + height, Stuff.BRICK, CLUTTER)


def fence(place: Place, long: float, ground: float, height: float, rng: Rng) -> Body:
    """A fence of half length `long`: boards, or mesh that most of the light passes."""
    density = float(rng.choice([2.0, 8.0]))
    return body(
        place, (long, 0.06), ground - 0.3, ground + height, Stuff.WOOD, CLUTTER, (), density
    )


def lamp(x: float, y: float, ground: float, rng: Rng) -> list[Body]:
    """A pole with an arm."""
    top = ground + float(rng.uniform(4, 10))
    turn = float(rng.uniform(0, 2 * np.pi))
    reach = float(rng.uniform(0.5, 2))
    end = (x + reach * np.cos(turn), y + reach * np.sin(turn), top)
    return [
        prism(Place(x, y), 0.09, 5, ground - 0.2, top, Stuff.METAL, CLUTTER),
        beam((x, y, top - 0.2), end, 0.3, 0.15, Stuff.METAL, CLUTTER),
    ]


def container(place: Place, ground: float, rng: Rng) -> Body:
    """A freight container, a skip or a kiosk."""
    half = (float(rng.choice([1.5, 3.0, 6.0])), 1.22)
    top = ground + float(rng.choice([1.3, 2.6, 2.6, 5.2]))
    return body(place, half, ground - 0.3, top, Stuff.PAINT, CLUTTER)


def bale(place: Place, ground: float) -> Body:
    """A round bale of straw."""
    return prism(place, 0.7, 8, ground - 0.2, ground + 1.2, Stuff.CROP, CLUTTER)


def boat(place: Place, level: float, rng: Rng) -> list[Body]:
    """A boat or a barge with its cabin."""
    half = (float(rng.uniform(3, 14)), float(rng.uniform(1.2, 2.5)))
    deck = level + float(rng.uniform(0.5, 1.2))
    cabin = (half[0] * float(rng.uniform(0.2, 0.7)), half[1] * 0.7)
    tall = float(rng.uniform(0.8, 2.0))
    return [
        body(place, half, level - 1, deck, Stuff.PAINT, CLUTTER),
        body(place, cabin, deck - 0.1, deck + tall, Stuff.PAINT, CLUTTER),
    ]


def rubbish(place: Place, ground: float, rng: Rng) -> Body:
    """Bins, benches, tables, heaps: boxes of up to 1.5 m."""
    size = rng.uniform(0.2, 0.9, 2)
    top = ground + float(rng.uniform(0.4, 1.5))
    return body(place, (float(size[0]), float(size[1])), ground - 0.3, top, Stuff.PAINT, CLUTTER)


def boulder(x: float, y: float, ground: float, rng: Rng) -> Body:
    """A rock; the ground is its class, as nobody removes it from the terrain."""
    size = float(rng.uniform(0.4, 2.5))
    place = Place(x, y, float(rng.uniform(0, 3)))
    top = ground + size * float(rng.uniform(0.3, 0.9))
    slopes = [
        Slope(float(a), float(np.deg2rad(rng.uniform(30, 65))), size * 0.8, ground + 0.1 * size)
        for a in rng.uniform(0, 2 * np.pi, 5)
    ]
    return body(place, (size, size * 0.8), ground - 1.5, top, Stuff.ROCK, 2, slopes)
