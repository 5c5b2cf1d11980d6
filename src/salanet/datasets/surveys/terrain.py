"""Shapes of the ground: relief, cliffs, terraces, embankments, channels and quays."""

from __future__ import annotations

import numpy as np

from salanet.datasets.surveys.materials import Stuff
from salanet.datasets.surveys.raster import Array, Mask, step
from salanet.datasets.surveys.site import Site


def relief(site: Site, height: float, wavelength: float, slope: float = 0.0) -> None:
    """Hills of about `height` metres, on a plane that rises by `slope` metres per metre."""
    x, y = site.grid.xy
    towards = site.rng.uniform(0, 2 * np.pi)
    site.ground += slope * (np.cos(towards) * x + np.sin(towards) * y)
    site.ground += height / 2 * site.grid.fractal(wavelength, site.rng)
    site.ground += 0.02 * site.grid.smooth(2.0, site.rng)


def line(site: Site, wander: float = 8.0, offset: float | None = None) -> Array:
    """Signed distance in metres, about, of each node to a winding line through the survey."""
    x, y = site.grid.xy
    towards = site.rng.uniform(0, 2 * np.pi)
    offset = site.rng.uniform(-0.25, 0.25) * site.size if offset is None else offset
    across = np.cos(towards) * (x - site.middle) + np.sin(towards) * (y - site.middle)
    if wander > 0:
        across = across + wander * site.grid.smooth(80.0, site.rng)
    return np.asarray(across - offset, np.float64)


def straight(site: Site, turn: float, offset: float) -> Array:
    """Signed distance to a straight line in direction `turn`."""
    x, y = site.grid.xy
    return np.asarray(
        -np.sin(turn) * (x - site.middle) + np.cos(turn) * (y - site.middle) - offset, np.float64
    )


def cliff(site: Site, across: Array, height: float, pitch: float) -> None:
    """The ground rises by `height` at a steep, rough face of rock along a line.

    `pitch` is the mean slope of the face in radians; it has ledges, gullies and boulders, and is
    lower in places, so that one gets up.
    """
    rng = site.rng
    ramp = step(0.9 + 0.6 * site.grid.smooth(70.0, rng))
    width = height / np.tan(pitch)
    rough = 0.12 * height * site.grid.smooth(max(height * 0.8, 8.0), rng)
    rough += rng.uniform(0.3, 1.2) * site.grid.fractal(7.0, rng, 3, 0.6)
    share = (across + rough / np.tan(pitch)) / width
    rise = np.clip(share, 0, 1)
    if rng.random() < 0.7:  # ledges
        steps = height / rng.uniform(2, 8)
        level = rise * steps + 0.3 * site.grid.smooth(15.0, rng)
        ledge = (np.floor(level) + step((level % 1 - 0.4) / 0.6)) / steps
        rise = np.where(
            (share > 0) & (share < 1), rise + rng.uniform(0.4, 1) * (ledge - rise), rise
        )
    face = (share > -0.05) & (share < 1.05)
    site.ground += height * rise * ramp
    site.ground[face] += (rng.uniform(0.15, 0.7) * site.grid.fractal(4.0, rng, 3, 0.7))[face]
    site.stuff[face] = Stuff.ROCK
    site.cover[face] = 0


def terraces(site: Site, rise: float, sharp: float = 0.9) -> None:
    """Steps of `rise` metres, as in vineyards; `sharp` is the share of a step that is level."""
    level = site.ground / rise
    site.ground = rise * (np.floor(level) + step((level % 1 - sharp) / (1 - sharp)))


def embankment(site: Site, across: Array, height: float, top: float, slope: float) -> None:
    """A dam along a line with a flat top `top` metres wide: a dike, a road or a railway."""
    along = np.maximum(np.abs(across) - top / 2, 0)
    rise = np.clip(height - slope * along, 0, None)
    level = site.ground + rise
    on_top = np.abs(across) < top / 2
    site.ground = np.where(rise > 0, np.maximum(site.ground, level), site.ground)
    site.stuff[on_top & (rise > 0)] = Stuff.ASPHALT if site.rng.random() < 0.6 else Stuff.GRAVEL
    site.cover[on_top] = 0


def channel(
    site: Site, across: Array, width: float, level: float, slope: float, depth: float = 2.0
) -> None:
    """A river or canal with its water at `level`; banks rise by `slope`, quays are vertical."""
    beside = np.abs(across) - width / 2
    bed = level + np.where(beside < 0, -depth, np.clip(slope * beside - 0.3, -depth, None))
    site.ground = np.minimum(site.ground, bed)
    flood(site, level, np.abs(across) < width / 2 + 12)


def flood(site: Site, level: float, where: Mask | None = None) -> None:
    """Water up to `level`, where the ground is lower."""
    wet = site.ground < level
    if where is not None:
        wet &= where
    site.water[wet] = level
    site.stuff[wet] = Stuff.WATER
    site.cover[wet] = 0
    site.taken |= wet


def steepness(site: Site) -> Array:
    """Rise of the ground per metre at each node."""
    gx, gy = np.gradient(site.ground, site.grid.cell)
    return np.asarray(np.hypot(gx, gy), np.float64)
