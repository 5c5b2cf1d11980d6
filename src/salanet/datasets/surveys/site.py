"""The place that is surveyed: its ground, what covers it, and what stands on it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from salanet.datasets.surveys.materials import Stuff
from salanet.datasets.surveys.raster import Array, Grid, Mask, Rng
from salanet.datasets.surveys.solids import Body, Crown, Place, Things

CELL = 0.5  # metres of the ground's raster
MARGIN = 25.0  # metres around the survey where things stand too: their shadows fall into it


@dataclass
class Site:
    """A square of `size` metres from (0, 0) on, and a margin around it.

    Attributes:
        grid: of the rasters, which are (count, count).
        ground: height of the terrain. water: that of the water, -inf where there is none.
        stuff: of the ground, uint8.
        cover: height of grass or crops. cover_density: hits per metre in them.
        taken: where something stands already, so that nothing else is put there.
        things: what stands there. leaves: how dense crowns are, 1 in summer.
    """

    size: float
    rng: Rng
    grid: Grid
    ground: Array
    water: Array
    stuff: np.ndarray
    cover: Array
    cover_density: Array
    taken: Mask
    things: Things = field(default_factory=Things)
    leaves: float = 1.0

    @classmethod
    def empty(cls, size: float, rng: Rng) -> Site:
        count = int(np.ceil((size + 2 * MARGIN) / CELL)) + 1
        shape = (count, count)
        return cls(
            size=size,
            rng=rng,
            grid=Grid(-MARGIN, CELL, count),
            ground=np.zeros(shape),
            water=np.full(shape, -np.inf),
            stuff=np.full(shape, Stuff.GRASS, np.uint8),
            cover=np.zeros(shape),
            cover_density=np.full(shape, 3.0),
            taken=np.zeros(shape, bool),
        )

    @property
    def surface(self) -> Array:
        """The ground, or the water over it."""
        return np.maximum(self.ground, self.water)

    @property
    def middle(self) -> float:
        return self.size / 2

    def z(self, x: float, y: float) -> float:
        """Height of the ground or water at a place."""
        at = self.grid.nearest(np.array([x]), np.array([y]))[0]
        return float(max(self.ground.flat[at], self.water.flat[at]))

    def is_water(self, x: float, y: float) -> bool:
        at = self.grid.nearest(np.array([x]), np.array([y]))[0]
        return bool(self.water.flat[at] > self.ground.flat[at])

    def any_place(self) -> tuple[float, float]:
        x, y = self.rng.uniform(-MARGIN + 1, self.size + MARGIN - 1, 2)
        return float(x), float(y)

    def window(self, place: Place, half: tuple[float, float]) -> tuple[tuple[slice, slice], Mask]:
        """The part of the rasters around a turned rectangle, and which of its nodes are inside."""
        cos, sin = np.cos(place.turn), np.sin(place.turn)
        reach = abs(cos) * half[0] + abs(sin) * half[1], abs(sin) * half[0] + abs(cos) * half[1]
        index = []
        for middle, around in zip((place.x, place.y), reach, strict=True):
            low = int(np.floor((middle - around - self.grid.low) / self.grid.cell))
            high = int(np.ceil((middle + around - self.grid.low) / self.grid.cell)) + 1
            low = int(np.clip(low, 0, self.grid.count))
            index.append(slice(low, int(np.clip(high, low, self.grid.count))))
        axis = self.grid.axis
        dx, dy = axis[index[0]][:, None] - place.x, axis[index[1]][None] - place.y
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        return (index[0], index[1]), (np.abs(u) <= half[0]) & (np.abs(v) <= half[1])

    def free(self, place: Place, half: tuple[float, float], *, on_water: bool = False) -> bool:
        """Whether nothing stands in a rectangle that lies on the rasters."""
        window, inside = self.window(place, half)
        if not inside.any() or self.taken[window][inside].any():
            return False
        return on_water or not (self.water[window] > self.ground[window])[inside].any()

    def take(self, place: Place, half: tuple[float, float]) -> None:
        window, inside = self.window(place, half)
        self.taken[window] |= inside

    def paint(self, place: Place, half: tuple[float, float], stuff: Stuff) -> None:
        """Cover a rectangle of the ground with something, where grass no longer grows."""
        window, inside = self.window(place, half)
        inside &= self.water[window] <= self.ground[window]
        self.stuff[window][inside] = stuff
        self.cover[window][inside] = 0

    def span(self, place: Place, half: tuple[float, float]) -> tuple[float, float]:
        """Lowest and highest ground in a rectangle."""
        window, inside = self.window(place, half)
        if not inside.any():
            z = self.z(place.x, place.y)
            return z, z
        heights = self.ground[window][inside]
        return float(heights.min()), float(heights.max())

    def add(self, *things: Body | Crown) -> None:
        self.things.add(*things)
