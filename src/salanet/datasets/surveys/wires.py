"""Power lines and the poles that carry them, railway masts, cranes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from salanet.datasets.surveys.materials import CLUTTER, PYLON, WIRE, Stuff
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import Body, Place, beam, prism

SEEN = 1.0  # hits per metre in the band around a wire that a beam may touch
BAND = 0.25  # metres, its width and height: about that of a beam
Point = tuple[float, float, float]


def wire(start: Point, end: Point, sag: float, pieces: int = 8) -> list[Body]:
    """A wire that hangs `sag` metres below the straight line in the middle."""
    share = np.linspace(0, 1, pieces + 1)
    points = np.array(start) + share[:, None] * (np.array(end) - np.array(start))
    points[:, 2] -= 4 * sag * share * (1 - share)
    bands = []
    for one, other in pairwise(points):
        a, b = (float(one[0]), float(one[1]), float(one[2])), tuple(map(float, other))
        bands.append(beam(a, (b[0], b[1], b[2]), BAND, BAND, Stuff.CABLE, WIRE, SEEN))
    return bands


def pylon(place: Place, ground: float, height: float, arms: int) -> list[Body]:
    """A lattice mast with arms across the line, which runs along the place's x axis."""
    mast = [
        prism(place.at(u, v), 0.2, 4, ground - 0.3, ground + height * 0.5, Stuff.METAL, PYLON)
        for u in (-height / 16, height / 16)
        for v in (-height / 16, height / 16)
    ]
    lattice = prism(
        place, height / 26, 4, ground, ground + height, Stuff.METAL, PYLON, density=0.35
    )
    across = []
    for n in range(arms):
        up, reach = ground + height * (0.95 - 0.14 * n), height * 0.17
        x0, y0 = place.point(0, -reach)
        x1, y1 = place.point(0, reach)
        across.append(beam((x0, y0, up), (x1, y1, up), 0.6, 0.5, Stuff.METAL, PYLON, 1.5))
    return [*mast, lattice, *across]


def power_line(site: Site, rng: Rng, high: bool) -> None:
    """A line across the survey: pylons with several wires, or poles with few."""
    turn = float(rng.uniform(0, np.pi))
    across = float(rng.uniform(-0.3, 0.3)) * site.size
    middle = Place(site.middle, site.middle, turn)
    height = float(rng.uniform(22, 45) if high else rng.uniform(9, 14))
    span = float(rng.uniform(120, 220) if high else rng.uniform(35, 60))
    arms = int(rng.integers(1, 4)) if high else 1
    reach = height * 0.17 if high else 0.8
    start = -0.75 * site.size - float(rng.uniform(0, span))
    hooks: list[list[Point]] = []
    for along in np.arange(start, 0.75 * site.size + span, span):
        place = middle.at(float(along), across)
        ground = site.z(place.x, place.y)
        if high:
            site.add(*pylon(place, ground, height, arms))
        else:
            top = ground + height
            site.add(prism(place, 0.14, 6, ground - 0.3, top, Stuff.WOOD, PYLON))
            x0, y0 = place.point(0, -reach)
            x1, y1 = place.point(0, reach)
            site.add(beam((x0, y0, top), (x1, y1, top), 0.2, 0.2, Stuff.WOOD, PYLON, 3.0))
        levels = [ground + height * (0.95 - 0.14 * n) - (1.5 if high else 0) for n in range(arms)]
        sides = (-reach, reach) if high else (-reach, 0.0, reach)
        hooks.append([(*place.point(0, v), z) for z in levels for v in sides])
        site.take(place, (2, 2))
    for before, after in pairwise(hooks):
        for one, other in zip(before, after, strict=True):
            site.add(*wire(one, other, span * span / (4000 if high else 2500)))


def crane(place: Place, ground: float, rng: Rng) -> list[Body]:
    """A tower crane."""
    top = ground + float(rng.uniform(25, 45))
    x0, y0 = place.point(-12, 0)
    x1, y1 = place.point(float(rng.uniform(25, 45)), 0)
    mast = prism(place, 0.9, 4, ground, top, Stuff.METAL, CLUTTER, density=0.5)
    jib = beam((x0, y0, top), (x1, y1, top), 1.2, 1.2, Stuff.METAL, CLUTTER, 0.6)
    return [mast, jib]
