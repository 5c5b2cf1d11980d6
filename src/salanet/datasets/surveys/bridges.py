"""Bridges: a deck on piers, with railings, from one bank to the other."""

from __future__ import annotations

from salanet.datasets.surveys.materials import BRIDGE, Stuff
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.solids import Body, Place, beam, body

THICK = 0.8  # metres of the deck


def bridge(
    place: Place, long: float, wide: float, ends: tuple[float, float], bed: float, rng: Rng
) -> list[Body]:
    """A bridge of half length `long` along the place's x axis, its deck's top from one end's height
    to the other's; `bed` lies below what it crosses."""
    x0, y0 = place.point(-long, 0)
    x1, y1 = place.point(long, 0)
    arch = float(rng.choice([0.0, 0.0, rng.uniform(0.3, 1.2)]))
    xm, ym = place.x, place.y
    middle = (ends[0] + ends[1]) / 2 + arch
    thick = THICK
    low, high = ends[0] - thick / 2, ends[1] - thick / 2
    stuff = Stuff.ASPHALT if wide > 2 else Stuff.WOOD
    deck = [
        beam((x0, y0, low), (xm, ym, middle - thick / 2), 2 * wide, thick, stuff, BRIDGE),
        beam((xm, ym, middle - thick / 2), (x1, y1, high), 2 * wide, thick, stuff, BRIDGE),
    ]
    density = float(rng.choice([1.0, 3.0, 12.0]))
    rail = float(rng.uniform(0.9, 1.3))
    rails = []
    for side in (-wide, wide):
        a, b = place.point(-long, side), place.point(0, side)
        c = place.point(long, side)
        up = rail / 2
        rails += [
            beam((*a, ends[0] + up), (*b, middle + up), 0.2, rail, Stuff.METAL, BRIDGE, density),
            beam((*b, middle + up), (*c, ends[1] + up), 0.2, rail, Stuff.METAL, BRIDGE, density),
        ]
    piers = []
    count = int(long * 2 // 18)
    for n in range(count):
        along = -long + (n + 1) * 2 * long / (count + 1)
        top = min(ends) - thick
        if top > bed:
            pier = place.at(along, 0)
            piers.append(body(pier, (0.5, wide * 0.8), bed - 1, top, Stuff.CONCRETE, BRIDGE))
    return deck + rails + piers
