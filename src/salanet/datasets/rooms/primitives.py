"""Solids that rooms are built of: boxes, cylinders, cones, tubes and ellipsoids in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms.things import S3DIS, THING_OF

Array = NDArray[np.float64]
Vector = Sequence[float] | Array
Colour = tuple[float, float, float]

BOX, CYLINDER, TUBE, BALL = range(4)  # a tube is a cylinder without caps
PLAIN, WOOD, TILES, SPECKLE, STRIPES, MARKS = range(6)


class Paint(NamedTuple):
    """What a surface looks like.

    Attributes:
        rgb: mean colour, 0 to 1.
        pattern: PLAIN … MARKS. scale: of the pattern in metres. contrast: of the pattern, 0 to 1.
        opacity: share of the rays that return; glass lets the others through.
        glow: how far the colour ignores the lighting, 0 to 1: lamps and screens.
    """

    rgb: Colour
    pattern: int = PLAIN
    scale: float = 0.3
    contrast: float = 0.06
    opacity: float = 1.0
    glow: float = 0.0


class Part(NamedTuple):
    """One solid: the unit cube, cylinder or ball under ``centre + axes @ u``, |u| <= 1.

    Attributes:
        axes: (3, 3), columns are the half axes; those of a cylinder: two radii, half the length.
        taper: of a cylinder: its radius is 1 + taper * u_z.
        thing: index into `things.NAMES`.
    """

    kind: int
    centre: Array
    axes: Array
    taper: float
    thing: int
    paint: Paint


class Parts(NamedTuple):
    """P solids as arrays: kind (P,), centre (P, 3), axes (P, 3, 3), inverse of axes, …

    `label` are classes of S3DIS, `thing` what they follow from.
    """

    kind: NDArray[np.int64]
    centre: Array
    axes: Array
    inverse: Array
    taper: Array
    label: NDArray[np.int32]
    thing: NDArray[np.int32]
    rgb: Array
    pattern: NDArray[np.int64]
    scale: Array
    contrast: Array
    opacity: Array
    glow: Array


class Model:
    """A thing made of parts, in its own frame: z up, front towards +y, the floor at z = 0."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.tops: list[tuple[Array, Array]] = []  # where things may lie: corners (3,), same z
        self._bounds = 0, np.zeros(3), np.zeros(3)  # of how many parts, lower and upper corner

    def box(self, label: str, paint: Paint, low: Vector, high: Vector, turn: Array | None = None):  # type: ignore[no-untyped-def]
        """From corner `low` to corner `high`, then turned about its centre by `turn` (3, 3)."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        axes = np.diag(np.maximum((high - low) / 2, 5e-4))
        self._add(BOX, (low + high) / 2, axes if turn is None else turn @ axes, 0, label, paint)

    def rod(
        self,
        label: str,
        paint: Paint,
        start: Vector,
        stop: Vector,
        radius: float,
        end_radius: float | None = None,
        *,
        tube: bool = False,
    ) -> None:
        """A cylinder between two points, or a cone that ends with `end_radius`."""
        start, stop = np.asarray(start, float), np.asarray(stop, float)
        last = radius if end_radius is None else end_radius
        mean = (radius + last) / 2
        half = (stop - start) / 2
        along = half / np.linalg.norm(half)
        side = np.cross(along, [0, 0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0, 0])
        side /= np.linalg.norm(side)
        axes = np.column_stack([side * mean, np.cross(along, side) * mean, half])
        taper = (last - radius) / (2 * mean)
        self._add(TUBE if tube else CYLINDER, (start + stop) / 2, axes, taper, label, paint)

    def ball(
        self, label: str, paint: Paint, centre: Vector, radii: Vector, turn: Array | None = None
    ) -> None:
        """An ellipsoid."""
        axes = np.diag(np.asarray(radii, float))
        axes = axes if turn is None else turn @ axes
        self._add(BALL, np.asarray(centre, float), axes, 0, label, paint)

    def add(self, other: Model, at: Vector = (0, 0, 0), yaw: float = 0.0) -> None:
        """Put a copy of another model into this one, turned about z, then moved."""
        rotation, shift = turn_z(yaw), np.asarray(at, float)
        for part in other.parts:
            centre = rotation @ part.centre + shift
            self.parts.append(part._replace(centre=centre, axes=rotation @ part.axes))

    def call(self, old: str, new: str) -> None:
        """Its parts called so are called otherwise."""
        was, then = THING_OF[old], THING_OF[new]
        self.parts = [p._replace(thing=then) if p.thing == was else p for p in self.parts]

    def bounds(self) -> tuple[Array, Array]:
        """The corners (3,) of the box around all parts; of nothing, a point."""
        if self._bounds[0] != len(self.parts):
            centre = np.array([part.centre for part in self.parts])
            reach = np.array([extent(part) for part in self.parts])
            corners = (centre - reach).min(axis=0), (centre + reach).max(axis=0)
            self._bounds = len(self.parts), *corners
        return self._bounds[1], self._bounds[2]

    def pack(self) -> Parts:
        axes = np.array([part.axes for part in self.parts])
        paints = [part.paint for part in self.parts]
        thing = np.array([part.thing for part in self.parts], np.int32)
        return Parts(
            kind=np.array([part.kind for part in self.parts]),
            centre=np.array([part.centre for part in self.parts]),
            axes=axes,
            inverse=np.linalg.inv(axes),
            taper=np.array([float(part.taper) for part in self.parts]),
            label=S3DIS[thing],
            thing=thing,
            rgb=np.array([paint.rgb for paint in paints], float),
            pattern=np.array([paint.pattern for paint in paints]),
            scale=np.array([paint.scale for paint in paints], float),
            contrast=np.array([paint.contrast for paint in paints], float),
            opacity=np.array([paint.opacity for paint in paints], float),
            glow=np.array([paint.glow for paint in paints], float),
        )

    def _add(
        self, kind: int, centre: Array, axes: Array, taper: float, label: str, paint: Paint
    ) -> None:
        self.parts.append(Part(kind, centre, axes, taper, THING_OF[label], paint))


def extent(part: Part) -> Array:
    """Half the size (3,) of the axis-parallel box around a part."""
    size, reach = np.abs(part.axes), np.zeros(3)
    if part.kind == BOX:
        reach += size.sum(axis=1)
    elif part.kind == BALL:
        reach += np.sqrt((size**2).sum(axis=1))
    else:
        reach += np.sqrt((size[:, :2] ** 2).sum(axis=1)) * (1 + abs(part.taper)) + size[:, 2]
    return reach


def turn_z(angle: float) -> Array:
    """The (3, 3) rotation about z."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])


def turn_x(angle: float) -> Array:
    """The (3, 3) rotation about x."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0, 0], [0, cos, -sin], [0, sin, cos]])


def turn_y(angle: float) -> Array:
    """The (3, 3) rotation about y."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, 0, sin], [0, 1.0, 0], [-sin, 0, cos]])
