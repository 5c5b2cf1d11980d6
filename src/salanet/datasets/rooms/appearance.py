"""The colour of seen points: paint and pattern, lamps and windows, a sensor's exposure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import (
    BALL,
    BOX,
    MARKS,
    SPECKLE,
    STRIPES,
    TILES,
    WOOD,
    Array,
    Parts,
)

Indices = NDArray[np.integer]
MOST_LIGHTS = 4


class Surface(NamedTuple):
    """Where points lie on their parts.

    Attributes:
        normal: (N, 3) outward units in the world. across: (N, 2) metres along the surface.
    """

    normal: Array
    across: Array


def surface(xyz: Array, part: Indices, parts: Parts) -> Surface:
    """Normals and surface coordinates of points (N, 3) on parts (N,)."""
    off = xyz - parts.centre[part]
    inverse = parts.inverse[part]
    u = np.einsum("nij,nj->ni", inverse, off)
    kind = parts.kind[part]
    local = u.copy()
    # Boxes and caps: the axis on which the point is outermost.
    outer = np.abs(u).argmax(axis=1)
    flat = np.zeros_like(u)
    rows = np.arange(len(u))
    flat[rows, outer] = np.sign(u[rows, outer])
    box = kind == BOX
    local[box] = flat[box]
    round_ = ~box & (kind != BALL)
    cap = round_ & (np.abs(u[:, 2]) > 0.999)
    local[round_, 2] = 0
    local[cap] = np.array([0, 0, 1.0]) * np.sign(u[cap, 2:])
    normal = np.einsum("nij,ni->nj", inverse, local)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    metres = u * np.sqrt((parts.axes**2).sum(axis=1))[part]
    columns = np.array([[1, 2], [0, 2], [0, 1]])[outer]
    return Surface(normal, np.take_along_axis(metres, columns, axis=1))


def paint(part: Indices, across: Array, parts: Parts, rng: Rng) -> Array:
    """The colours (N, 3), 0 to 1, of points under white light."""
    pattern = parts.pattern[part]
    value = rng.normal(0, 0.3, len(part))
    x, y = (across / parts.scale[part, None]).T
    seed = np.asarray(part * 0.37, np.float64)
    for kind in (WOOD, TILES, SPECKLE, STRIPES, MARKS):
        chosen = np.flatnonzero(pattern == kind)
        value[chosen] += _pattern(kind, x[chosen], y[chosen], seed[chosen], rng)
    contrast = parts.contrast[part]
    return np.clip(parts.rgb[part] * (1 + (contrast * value)[:, None]), 0, 1)


def _pattern(kind: int, x: Array, y: Array, seed: Array, rng: Rng) -> Array:
    """About -1 … 1; `x` and `y` in units of the pattern."""
    if kind == WOOD:  # planks along x, each with its own tone and grain
        plank = np.floor(y)
        tone = _hash(plank, np.floor(x / 8 + _hash(plank, seed)), seed)
        wood: Array = tone - 0.5 + 0.5 * np.sin(9 * y + 2 * np.sin(x * 0.7 + 6 * tone))
        return wood
    if kind == TILES:  # each with its own tone, dark joints
        tone = _hash(np.floor(x), np.floor(y), seed) - 0.5
        joint = (np.abs(x - np.rint(x)) < 0.03) | (np.abs(y - np.rint(y)) < 0.03)
        return np.where(joint, -2.0, tone)
    if kind == SPECKLE:
        return rng.normal(0, 1, len(x))
    if kind == STRIPES:
        return np.sign(np.sin(2 * np.pi * x))
    words = _hash(np.floor(x * 0.5), np.floor(y), seed) < 0.4  # MARKS: words in lines
    return np.where(words & (_hash(np.floor(x * 4), np.floor(y * 3), seed) < 0.4), -1.0, 0.0)


def _hash(a: Array, b: Array, seed: Array | None = None) -> Array:
    """Numbers 0 to 1 that look random but follow from a and b."""
    mixed = np.sin(a * 12.9898 + b * 78.233 + (0 if seed is None else seed)) * 43758.5453
    return mixed - np.floor(mixed)


def light(xyz: Array, normal: Array, lights: list[Array], rng: Rng) -> Array:
    """The brightness (N, 3) that reaches points, with the tint of lamps and daylight."""
    ambient = rng.uniform(0.35, 0.9)
    shade = np.full(len(xyz), ambient)
    shade += (1 - ambient) * 0.3 * normal[:, 2]  # the ceiling sees the darker floor
    few = [lights[i] for i in rng.permutation(len(lights))[:MOST_LIGHTS]]
    for lamp in few:
        towards = lamp - xyz
        square = np.maximum((towards**2).sum(axis=1), 0.04)
        facing = np.maximum((towards * normal).sum(axis=1) / np.sqrt(square), 0)
        shade += (1 - ambient) * 1.6 / len(few) * facing / (0.5 + square / 4)
    tint = 1 + rng.uniform(-0.12, 0.12) * np.array([1, 0, -1.0])
    return shade[:, None] * tint


class Film(NamedTuple):
    """How a survey's camera sees.

    Attributes:
        balance: (3,) factors of white balance. gain: of the exposure. sways: of both, from one
            position to the next.
        gamma: contrast. grain: noise. vignette: how far corners are darker, 0 to 1.
        haze: of lenses and bleeding colours, the share of the mean colour in every point.
    """

    balance: Array
    gain: float
    sways: float
    gamma: float
    grain: float
    vignette: float
    haze: float


def film(rng: Rng, sways: float = 0.2) -> Film:
    """That of a random camera; indoors, pictures are rather too warm than too cold."""
    warm = rng.normal(0.03, 0.08)
    return Film(
        balance=rng.uniform(0.94, 1.06, 3) * (1 + warm * np.array([1, 0.1, -1.3])),
        gain=float(rng.uniform(0.55, 1.1)),
        sways=sways,
        gamma=float(rng.uniform(0.75, 1.35)),
        grain=float(rng.uniform(0.005, 0.04)),
        vignette=float(rng.uniform(0, 1)),
        haze=float(rng.uniform(0, 0.25)),
    )


def expose(colour: Array, film: Film, off_axis: Array | None, rng: Rng) -> NDArray[np.uint8]:
    """What a camera makes of colours (N, 3): exposure, white balance, contrast, noise.

    `off_axis` (N,) are the cosines to its axis; None for a scanner that looks all round.
    """
    bright = np.percentile(colour, 90) if len(colour) else 1.0
    balance = film.balance * rng.normal(1, film.sways * 0.2, 3)
    gain = film.gain / max(bright, 0.05) * balance * np.exp(rng.normal(0, film.sways))
    if off_axis is not None:
        colour = colour * (1 - film.vignette * (1 - off_axis**4))[:, None]
    if len(colour):
        colour = colour + film.haze * (colour.mean(axis=0) - colour)
    seen = np.clip(colour * gain, 0, 1) ** film.gamma
    seen += rng.normal(0, film.grain, (len(colour), 1))
    bytes_: NDArray[np.uint8] = np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8)
    return bytes_
