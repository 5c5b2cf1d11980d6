"""What things are made of: how much of a laser's light each kind of surface returns."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from salanet.datasets.surveys.raster import Array, Rng

# ASPRS codes (LAS 1.4 R15, table 17). Vegetation is told apart by its height at the end.
CLUTTER, GROUND, LOW, MEDIUM, HIGH, BUILDING = 1, 2, 3, 4, 5, 6
LOW_NOISE, WATER_CODE, WIRE, PYLON, BRIDGE, HIGH_NOISE = 7, 9, 14, 15, 17, 18


class Stuff(IntEnum):
    """Kinds of surface."""

    SOIL = 0
    GRASS = 1
    ASPHALT = 2
    PAVING = 3
    GRAVEL = 4
    ROCK = 5
    SAND = 6
    CROP = 7
    WATER = 8
    TILE = 9
    METAL = 10
    BITUMEN = 11
    BRICK = 12
    CONCRETE = 13
    WOOD = 14
    LEAF = 15
    NEEDLE = 16
    PAINT = 17
    CABLE = 18
    GLASS = 19


# Shares of the light that come back, near infrared: the range over surfaces of the kind.
RANGE: dict[Stuff, tuple[float, float]] = {
    Stuff.SOIL: (0.2, 0.4),
    Stuff.GRASS: (0.3, 0.6),
    Stuff.ASPHALT: (0.08, 0.22),
    Stuff.PAVING: (0.18, 0.4),
    Stuff.GRAVEL: (0.2, 0.4),
    Stuff.ROCK: (0.2, 0.5),
    Stuff.SAND: (0.3, 0.55),
    Stuff.CROP: (0.3, 0.6),
    Stuff.WATER: (0.02, 0.3),
    Stuff.TILE: (0.2, 0.5),
    Stuff.METAL: (0.15, 0.8),
    Stuff.BITUMEN: (0.06, 0.25),
    Stuff.BRICK: (0.15, 0.4),
    Stuff.CONCRETE: (0.2, 0.45),
    Stuff.WOOD: (0.25, 0.5),
    Stuff.LEAF: (0.35, 0.65),
    Stuff.NEEDLE: (0.25, 0.45),
    Stuff.PAINT: (0.05, 0.8),
    Stuff.CABLE: (0.1, 0.4),
    Stuff.GLASS: (0.05, 0.4),
}


def reflectances(rng: Rng) -> Array:
    """Of each kind (len(Stuff),) as one survey's laser sees it: wavelengths and seasons differ."""
    low, high = np.array([RANGE[kind] for kind in Stuff]).T
    middle = low + (high - low) * rng.random(len(Stuff))
    drawn: Array = np.clip(middle * rng.lognormal(0, 0.25, len(Stuff)), 0.02, 0.95)
    return drawn
