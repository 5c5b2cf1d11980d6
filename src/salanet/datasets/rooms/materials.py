"""Random paints of walls, floors, wood, fabric, metal and plastic."""

from __future__ import annotations

import colorsys

import numpy as np

from salanet.datasets.rooms.primitives import (
    MARKS,
    PLAIN,
    SPECKLE,
    STRIPES,
    TILES,
    WOOD,
    Colour,
    Paint,
)

Rng = np.random.Generator


def colour(
    rng: Rng,
    hue: tuple[float, float] = (0, 1),
    saturation: tuple[float, float] = (0.2, 0.8),
    value: tuple[float, float] = (0.2, 0.9),
) -> Colour:
    """A colour with hue, saturation and value each from a range."""
    hsv = rng.uniform(*hue) % 1, rng.uniform(*saturation), rng.uniform(*value)
    return colorsys.hsv_to_rgb(*hsv)


def grey(rng: Rng, low: float = 0.2, high: float = 0.9) -> Paint:
    return Paint(colour(rng, (0, 1), (0, 0.06), (low, high)), contrast=rng.uniform(0.01, 0.06))


def wall(rng: Rng) -> Paint:
    kind = rng.random()
    if kind < 0.6:
        rgb = colour(rng, (0.05, 0.2), (0, 0.15), (0.7, 0.97))
    elif kind < 0.9:
        rgb = colour(rng, (0, 1), (0.05, 0.35), (0.5, 0.9))
    else:
        rgb = colour(rng, (0, 1), (0.3, 0.8), (0.25, 0.8))
    pattern = rng.choice([PLAIN, PLAIN, PLAIN, PLAIN, TILES, STRIPES])
    return Paint(rgb, int(pattern), rng.uniform(0.15, 0.8), rng.uniform(0.01, 0.08))


def ceiling(rng: Rng) -> Paint:
    if rng.random() < 0.08:
        return wood(rng)
    rgb = colour(rng, (0.05, 0.2), (0, 0.08), (0.65, 0.98))
    if rng.random() < 0.4:
        return Paint(rgb, TILES, float(rng.choice([0.6, 0.6, 1.2])), rng.uniform(0.05, 0.2))
    return Paint(rgb, PLAIN, 0.5, rng.uniform(0.01, 0.05))


def floor(rng: Rng) -> Paint:
    kind = rng.random()
    if kind < 0.4:  # carpet
        rgb = colour(rng, (0, 1), (0, 0.5), (0.15, 0.6))
        pattern = SPECKLE if rng.random() < 0.6 else TILES
        return Paint(rgb, pattern, rng.uniform(0.02, 0.6), rng.uniform(0.05, 0.3))
    if kind < 0.7:
        return wood(rng)
    rgb = colour(rng, (0, 0.2), (0, 0.25), (0.3, 0.9))
    return Paint(rgb, TILES, rng.uniform(0.2, 0.8), rng.uniform(0.03, 0.25))


def wood(rng: Rng) -> Paint:
    rgb = colour(rng, (0.04, 0.12), (0.2, 0.7), (0.2, 0.85))
    return Paint(rgb, WOOD, rng.uniform(0.08, 0.3), rng.uniform(0.05, 0.25))


def furniture(rng: Rng) -> Paint:
    """Wood, white or grey laminate, at times a colour."""
    kind = rng.random()
    if kind < 0.55:
        return wood(rng)
    if kind < 0.9:
        return grey(rng, 0.15, 0.95)
    return Paint(colour(rng))


def fabric(rng: Rng) -> Paint:
    """Mostly muted: dark, grey, beige or blue; at times a strong colour or a print."""
    kind = rng.random()
    if kind < 0.35:
        rgb = colour(rng, (0, 1), (0, 0.3), (0.05, 0.25))
    elif kind < 0.8:
        hue = (0.05, 0.13) if rng.random() < 0.5 else (0.55, 0.68)
        rgb = colour(rng, hue, (0.03, 0.45), (0.25, 0.85))
    else:
        rgb = colour(rng)
    pattern = int(rng.choice([PLAIN, PLAIN, SPECKLE, SPECKLE, SPECKLE, STRIPES, MARKS]))
    return Paint(rgb, pattern, rng.uniform(0.02, 0.15), rng.uniform(0.03, 0.25))


def cloth(rng: Rng) -> Paint:
    """Sheets, curtains, towels: light, often white, at times printed."""
    if rng.random() < 0.45:
        return grey(rng, 0.65, 1)._replace(contrast=rng.uniform(0.02, 0.1))
    return fabric(rng)


def metal(rng: Rng) -> Paint:
    low, high = (0.05, 0.2) if rng.random() < 0.4 else (0.45, 0.85)
    return grey(rng, low, high)


def plastic(rng: Rng) -> Paint:
    if rng.random() < 0.5:
        return grey(rng, 0.04, 0.9)
    return Paint(colour(rng))


def thing(rng: Rng) -> Paint:
    """Anything at all: books, boxes, bags."""
    pattern = int(rng.choice([PLAIN, PLAIN, SPECKLE, STRIPES, MARKS]))
    rgb = colour(rng, (0, 1), (0, 0.9), (0.1, 0.95))
    return Paint(rgb, pattern, rng.uniform(0.03, 0.2), rng.uniform(0.05, 0.4))


def glass(rng: Rng, opacity: float) -> Paint:
    return Paint(colour(rng, (0.45, 0.65), (0, 0.3), (0.3, 0.9)), opacity=opacity)


def leaves(rng: Rng) -> Paint:
    return Paint(colour(rng, (0.2, 0.4), (0.4, 0.9), (0.2, 0.6)), contrast=0.3)


def light(rng: Rng) -> Paint:
    return Paint(colour(rng, (0.1, 0.17), (0, 0.15), (0.9, 1.0)), glow=1.0, contrast=0.01)


def board(rng: Rng) -> Paint:
    """White or black, with writing at times."""
    contrast = rng.choice([0.02, rng.uniform(0.3, 0.8)])
    if rng.random() < 0.75:
        return Paint(colour(rng, (0, 1), (0, 0.05), (0.85, 1)), MARKS, 0.08, contrast)
    dark = colour(rng, (0.3, 0.5), (0, 0.5), (0.1, 0.3))
    return Paint(dark, MARKS, 0.08, contrast)
