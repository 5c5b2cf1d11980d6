"""Square rasters of a survey's ground, and smooth random fields on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Rng = np.random.Generator
Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """Nodes (i, j) of a square raster, at low + cell · (i, j) in metres."""

    low: float
    cell: float
    count: int

    @property
    def axis(self) -> Array:
        return np.asarray(self.low + self.cell * np.arange(self.count), np.float64)

    @property
    def xy(self) -> tuple[Array, Array]:
        """Coordinates of the nodes, two arrays (count, count)."""
        x, y = np.meshgrid(self.axis, self.axis, indexing="ij")
        return x, y

    def bilinear(self, values: NDArray[np.floating], x: Float32, y: Float32) -> Float32:
        """Values between the nodes; those of the border beyond it."""
        most = np.float32(self.count - 1.001)
        u = np.clip((x - np.float32(self.low)) * np.float32(1 / self.cell), 0, most)
        v = np.clip((y - np.float32(self.low)) * np.float32(1 / self.cell), 0, most)
        i, j = u.astype(np.int32), v.astype(np.int32)
        u, v = u - i, v - j
        at = i * np.int32(self.count) + j
        flat = values.reshape(-1)
        low = flat[at] + v * (flat[at + 1] - flat[at])
        at += np.int32(self.count)
        high = flat[at] + v * (flat[at + 1] - flat[at])
        return np.asarray(low + u * (high - low), np.float32)

    def nearest(self, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.int32]:
        """Flat index of the node nearest to each place."""
        i = np.clip(np.rint((x - self.low) / self.cell), 0, self.count - 1).astype(np.int32)
        j = np.clip(np.rint((y - self.low) / self.cell), 0, self.count - 1).astype(np.int32)
        node: NDArray[np.int32] = i * np.int32(self.count) + j
        return node

    def smooth(self, wavelength: float, rng: Rng) -> Array:
        """A random field (count, count) of mean 0 and deviation 1 about that smooth, in metres."""
        coarse = max(int(np.ceil(self.count * self.cell / wavelength * 2)) + 4, 5)
        field = ndimage.zoom(rng.normal(size=(coarse, coarse)), self.count / (coarse - 3), order=3)
        field = field[: self.count, : self.count]
        return np.asarray((field - field.mean()) / max(field.std(), 1e-9), np.float64)

    def fractal(self, wavelength: float, rng: Rng, octaves: int = 4, fall: float = 0.45) -> Array:
        """Octaves of `smooth`, each of half the wavelength and `fall` times the height."""
        total = np.zeros((self.count, self.count))
        for octave in range(octaves):
            if wavelength / 2**octave < 2 * self.cell:
                break
            total += fall**octave * self.smooth(wavelength / 2**octave, rng)
        return total


def step(values: NDArray[np.floating]) -> Array:
    """0 below 0, 1 above 1, smoothly between."""
    t = np.clip(values, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float64)
