"""Solids and porous bodies: convex bodies bounded by planes, and crowns.

A convex body is the set of points with planes[:, :3] · p <= planes[:, 3]. What is not convex is
put together from several. A body of finite `density` lets rays through: a ray ends in it after an
exponentially distributed way with mean 1 / density metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from salanet.datasets.surveys.materials import Stuff
from salanet.datasets.surveys.raster import Array

SOLID = float("inf")


@dataclass(frozen=True)
class Place:
    """A local frame: where its origin is in plan, and how it is turned, in radians."""

    x: float
    y: float
    turn: float = 0.0

    def at(self, u: float, v: float, turn: float = 0.0) -> Place:
        """A place given in this frame."""
        x, y = self.point(u, v)
        return Place(x, y, self.turn + turn)

    def point(self, u: float, v: float) -> tuple[float, float]:
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return float(self.x + cos * u - sin * v), float(self.y + sin * u + cos * v)


@dataclass(frozen=True)
class Body:
    """A convex body.

    Attributes:
        planes: (K, 4), see above. low, high: (3,) corners of a box around it.
        stuff: what it is made of. code: its ASPRS class.
        density: hits per metre of way; `SOLID` for what stops every ray.
    """

    planes: Array
    low: Array
    high: Array
    stuff: Stuff
    code: int
    density: float = SOLID


@dataclass(frozen=True)
class Crown:
    """Leaves in an ellipsoid, or in a cone that fills the same box.

    Attributes:
        centre: (3,). radii: horizontal and vertical.
        cone: 0 for an ellipsoid, 1 for a cone with its tip up.
        density: hits per metre on average. clumps: metres from one clump of leaves to the next.
        stuff: leaves or needles. code: an ASPRS class.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float]
    density: float
    clumps: float = 1.0
    cone: bool = False
    stuff: Stuff = Stuff.LEAF
    code: int = 5


@dataclass
class Things:
    """All that stands on the ground."""

    bodies: list[Body] = field(default_factory=list)
    crowns: list[Crown] = field(default_factory=list)

    def add(self, *things: Body | Crown) -> None:
        for thing in things:
            if isinstance(thing, Body):
                self.bodies.append(thing)
            else:
                self.crowns.append(thing)


@dataclass(frozen=True)
class Slope:
    """A plane over a body: it rises at `pitch` radians inwards from a line at `distance` from the
    place's origin in `direction` (radians, local), where it is `height` metres up."""

    direction: float
    pitch: float
    distance: float
    height: float

    def plane(self) -> list[float]:
        out, up = np.sin(self.pitch), np.cos(self.pitch)
        normal = [out * np.cos(self.direction), out * np.sin(self.direction), up]
        return [*normal, out * self.distance + up * self.height]


def body(
    place: Place,
    half: tuple[float, float],
    bottom: float,
    top: float,
    stuff: Stuff,
    code: int,
    slopes: Sequence[Slope] = (),
    density: float = SOLID,
) -> Body:
    """A box of half widths `half` from `bottom` to `top`, cut by slopes."""
    a, b = half
    sides = [[1, 0, 0, a], [-1, 0, 0, a], [0, 1, 0, b], [0, -1, 0, b], [0, 0, 1, top]]
    planes = np.array([*sides, [0, 0, -1, -bottom], *(slope.plane() for slope in slopes)], float)
    cos, sin = np.cos(place.turn), np.sin(place.turn)
    x, y = abs(cos) * a + abs(sin) * b, abs(sin) * a + abs(cos) * b
    return _placed(planes, place, (x, y), bottom, top, stuff, code, density)


def prism(
    place: Place,
    radius: float,
    sides: int,
    bottom: float,
    top: float,
    stuff: Stuff,
    code: int,
    pitch: float = 0.0,
    density: float = SOLID,
) -> Body:
    """An upright regular prism; with a pitch a pyramid stands on its sides from `bottom` on."""
    around = np.arange(sides) * 2 * np.pi / sides
    if pitch:
        slopes = [Slope(a, pitch, radius, bottom).plane() for a in around]
        planes = np.array([*slopes, [0, 0, -1, -bottom], [0, 0, 1, top]], float)
    else:
        walls = [[np.cos(a), np.sin(a), 0, radius] for a in around]
        planes = np.array([*walls, [0, 0, -1, -bottom], [0, 0, 1, top]], float)
    reach = radius / np.cos(np.pi / sides)
    return _placed(planes, place, (reach, reach), bottom, top, stuff, code, density)


def beam(
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    width: float,
    height: float,
    stuff: Stuff,
    code: int,
    density: float = SOLID,
) -> Body:
    """A straight bar between two points, which may rise from one to the other."""
    (x0, y0, z0), (x1, y1, z1) = start, end
    length = float(np.hypot(x1 - x0, y1 - y0))
    turn = float(np.arctan2(y1 - y0, x1 - x0))
    rise = (z1 - z0) / max(length, 1e-6)
    middle = (z0 + z1) / 2
    planes = np.array(
        [
            [1, 0, 0, length / 2],
            [-1, 0, 0, length / 2],
            [0, 1, 0, width / 2],
            [0, -1, 0, width / 2],
            [-rise, 0, 1, middle + height / 2],
            [rise, 0, -1, -middle + height / 2],
        ]
    )
    cos, sin = abs(np.cos(turn)), abs(np.sin(turn))
    reach = (cos * length + sin * width) / 2, (sin * length + cos * width) / 2
    place = Place((x0 + x1) / 2, (y0 + y1) / 2, turn)
    low, high = min(z0, z1) - height / 2, max(z0, z1) + height / 2
    return _placed(planes, place, reach, low, high, stuff, code, density)


def _placed(
    planes: Array,
    place: Place,
    reach: tuple[float, float],
    bottom: float,
    top: float,
    stuff: Stuff,
    code: int,
    density: float,
) -> Body:
    cos, sin = np.cos(place.turn), np.sin(place.turn)
    world = planes.copy()
    world[:, 0] = cos * planes[:, 0] - sin * planes[:, 1]
    world[:, 1] = sin * planes[:, 0] + cos * planes[:, 1]
    world[:, 3] += world[:, 0] * place.x + world[:, 1] * place.y
    low = np.array([place.x - reach[0], place.y - reach[1], bottom])
    high = np.array([place.x + reach[0], place.y + reach[1], top])
    return Body(world, low, high, stuff, code, density)
