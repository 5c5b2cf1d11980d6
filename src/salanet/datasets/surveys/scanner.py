"""An airborne laser scanner: flight lines, pulses, and returns with intensities.

A pulse is a bundle of rays within its beam. What they meet, sorted by range, becomes a return
wherever a gap is longer than the sensor can resolve; a return lies on the beam's axis at the mean
range of its rays, is of the class that most of its light comes from, and is lost if it is weak.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.surveys.materials import (
    GROUND,
    HIGH,
    LOW,
    MEDIUM,
    WATER_CODE,
    Stuff,
    reflectances,
)
from salanet.datasets.surveys.raster import Array, Float32, Rng
from salanet.datasets.surveys.raycast import COVER_HIT, GROUND_HIT, Hits, Rays, all_things, cast
from salanet.datasets.surveys.site import MARGIN, Site

GROUND_WITHIN = 0.12  # metres: what grows lower counts as ground
LOW_UP_TO, MEDIUM_UP_TO = 0.5, 1.5  # metres, vegetation by its height
PATTERNS = ("lines", "zigzag", "arcs")


@dataclass(frozen=True)
class Scanner:
    """A sensor and how it is flown.

    Attributes:
        density: pulses per m², all flight lines together.
        lines: how many flight lines cover the survey; `cross`: some at right angles to others.
        height: of flight in metres. swath: half the scan angle in degrees. tilt: forward look.
        pattern: one of `PATTERNS`. stretch: spacing along over spacing across the track.
        beam: diameter of the footprint in metres. rays: of each pulse.
        resolution: metres between two returns of a pulse. most: returns of a pulse.
        threshold: least light that makes a return, of what a white surface would send.
        noise: standard deviation of ranges. wander: of places, in metres.
        strips: standard deviation of the height offset between flight lines.
        water: share of the pulses that water straight below returns. fall: degrees over which that
            share falls to a third.
        lost: share of the pulses without any return.
        top: intensity that white at full light gets. bits: of the intensity's word.
    """

    density: float
    lines: int = 2
    cross: bool = False
    height: float = 1000.0
    swath: float = 22.0
    tilt: float = 0.0
    pattern: str = "lines"
    stretch: float = 1.0
    beam: float = 0.35
    rays: int = 5
    resolution: float = 0.8
    most: int = 5
    threshold: float = 0.02
    noise: float = 0.015
    wander: float = 0.03
    strips: float = 0.015
    water: float = 0.8
    fall: float = 10.0
    lost: float = 0.005
    top: float = 2000.0
    bits: int = 16


def any_scanner(density: float, rng: Rng) -> Scanner:
    """A random sensor of that density."""
    lines = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.4, 0.2, 0.1]))
    bits = int(rng.choice([8, 12, 16]))
    return Scanner(
        density=density,
        lines=lines,
        cross=bool(rng.random() < 0.2),
        height=float(rng.uniform(400, 2500)),
        swath=float(rng.uniform(12, 30)),
        tilt=float(rng.choice([0.0, rng.uniform(5, 18)], p=[0.6, 0.4])),
        pattern=str(rng.choice(PATTERNS, p=[0.6, 0.2, 0.2])),
        stretch=float(np.exp(rng.uniform(np.log(0.4), np.log(2.5)))),
        beam=float(rng.uniform(0.15, 0.7)),
        rays=int(rng.integers(4, 8)),
        resolution=float(rng.uniform(0.3, 1.5)),
        most=int(rng.choice([4, 5, 7])),
        threshold=float(np.exp(rng.uniform(np.log(0.008), np.log(0.05)))),
        noise=float(rng.uniform(0.005, 0.035)),
        wander=float(rng.uniform(0.0, 0.08)),
        strips=float(rng.uniform(0.0, 0.04)),
        water=float(rng.choice([rng.uniform(0, 0.2), rng.uniform(0.5, 1)])),
        fall=float(rng.uniform(4, 20)),
        lost=float(rng.choice([0.002, rng.uniform(0, 0.05)])),
        top=float((2**bits - 1) * rng.uniform(0.3, 1.2)),
        bits=bits,
    )


@dataclass(frozen=True)
class Returns:
    """N points: xyz float64 (N, 3), code, intensity, number and count of returns, flight line,
    scan angle in degrees."""

    xyz: Array
    code: NDArray[np.int32]
    intensity: Float32
    number: NDArray[np.uint8]
    count: NDArray[np.uint8]
    line: NDArray[np.uint16]
    angle: Float32

    def rows(self, keep: NDArray[np.int64]) -> Returns:
        return Returns(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    @classmethod
    def joined(cls, parts: list[Returns]) -> Returns:
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def fly(site: Site, scanner: Scanner, rng: Rng) -> Returns:
    """Every return from within the site, line by line."""
    direction = float(rng.uniform(0, 2 * np.pi))
    limit = np.tan(np.deg2rad(scanner.swath)) * scanner.height
    reflect = reflectances(rng)
    things = _shades(site, reflect, rng)
    parts = []
    for line in range(scanner.lines):
        turn = direction + (np.pi / 2 if scanner.cross and line % 2 else 0.0)
        turn += np.pi * (line % 2)
        offset = float(rng.uniform(-0.9, 0.9) * limit)
        rays, angle = _pulses(site, scanner, turn, offset, rng)
        hits = cast(site, rays, rng)
        parts.append(_returns(site, scanner, rays, hits, things, angle, line, rng))
    found = Returns.joined(parts)
    inside = (found.xyz[:, :2] >= 0) & (found.xyz[:, :2] < site.size)
    return found.rows(np.flatnonzero(inside.all(axis=1)))


def _pulses(
    site: Site, scanner: Scanner, turn: float, offset: float, rng: Rng
) -> tuple[Rays, Float32]:
    """The rays of one line flown in direction `turn`, `offset` metres beside the middle."""
    datum = float(np.mean(site.surface))
    area = 1 / (scanner.density / scanner.lines)
    along_step = np.sqrt(area * scanner.stretch)
    across_step = area / along_step
    half = site.size * 0.7072 + MARGIN * 0.6
    u = np.arange(-half, half, along_step) + along_step * rng.random()
    v = np.arange(-half, half, across_step)
    along = np.repeat(u, len(v))
    across = np.tile(v, len(u)) + np.repeat(across_step * rng.random(len(u)), len(v))
    if scanner.pattern == "zigzag":
        along += along_step * 0.5 * np.repeat((-1.0) ** np.arange(len(u)), len(v)) * across / half
    elif scanner.pattern == "arcs":
        along += ((across - offset) ** 2) / (2 * np.tan(np.deg2rad(scanner.swath)) * scanner.height)
        along -= (offset * offset) / (2 * np.tan(np.deg2rad(scanner.swath)) * scanner.height)
    along += rng.normal(0, 0.06 * along_step, len(along))
    across += rng.normal(0, 0.06 * across_step, len(across))
    cos, sin = np.cos(turn), np.sin(turn)
    x = site.middle + cos * along - sin * across
    y = site.middle + sin * along + cos * across
    keep = (np.minimum(x, y) > -MARGIN * 0.6) & (np.maximum(x, y) < site.size + MARGIN * 0.6)
    keep &= rng.random(len(x)) >= scanner.lost
    x, y, across = x[keep], y[keep], across[keep]
    lean = -(across - offset) / scanner.height  # towards the line on the way up
    forward = np.full(len(x), np.tan(np.deg2rad(scanner.tilt)))
    sx, sy = cos * forward - sin * lean, sin * forward + cos * lean
    # Rays within the beam: its middle, and others spread as its light is.
    spread = rng.normal(0, scanner.beam / 3, (2, len(x), scanner.rays))
    spread[:, :, 0] = 0
    rays = Rays(
        (x[:, None] + spread[0]).astype(np.float32),
        (y[:, None] + spread[1]).astype(np.float32),
        sx.astype(np.float32),
        sy.astype(np.float32),
        datum,
    )
    return rays, np.rad2deg(np.arctan(-lean)).astype(np.float32)


@dataclass(frozen=True)
class Shades:
    """Of each thing: share of light that it returns, and its code; of the ground by its stuff."""

    reflect: Float32
    code: NDArray[np.int32]
    stuff: Float32


def _shades(site: Site, reflect: Array, rng: Rng) -> Shades:
    things = all_things(site)
    stuff = np.array([thing.stuff for thing in things], np.int64)
    own = reflect[stuff] * rng.lognormal(0, 0.25, len(things)) if len(things) else np.zeros(0)
    painted = (stuff == Stuff.PAINT) | (stuff == Stuff.METAL)
    own[painted] = rng.uniform(0.05, 0.9, painted.sum())
    code = np.array([GROUND, HIGH, *(thing.code for thing in things)], np.int32)
    shades = np.concatenate([[0.0, reflect[Stuff.GRASS]], own])
    return Shades(np.minimum(shades, 1).astype(np.float32), code, reflect.astype(np.float32))


def _returns(
    site: Site,
    scanner: Scanner,
    rays: Rays,
    hits: Hits,
    shades: Shades,
    angle: Float32,
    line: int,
    rng: Rng,
) -> Returns:
    light, code = _light(site, scanner, rays, hits, shades, rng)
    order = np.argsort(-hits.z, axis=1, kind="stable")
    z = np.take_along_axis(hits.z, order, 1)
    light = np.take_along_axis(light, order, 1)
    code = np.take_along_axis(code, order, 1)
    slant = np.sqrt(1 + rays.sx**2 + rays.sy**2)[:, None]
    new = np.ones(z.shape, bool)
    new[:, 1:] = (z[:, :-1] - z[:, 1:]) * slant > scanner.resolution
    group = np.cumsum(new, axis=1) - 1 + np.arange(len(z))[:, None] * scanner.rays
    total = np.bincount(group.ravel(), light.ravel(), group.size).astype(np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group.ravel(), (light * z).ravel(), group.size) / total
    same = (code[:, :, None] == code[:, None, :]) & (group[:, :, None] == group[:, None, :])
    weight = np.einsum("nij,nj->ni", same, light)
    best = np.full(group.size, -1.0, np.float32)
    np.maximum.at(best, group.ravel(), weight.ravel())
    winner = np.zeros(group.size, np.int32)
    wins = weight.ravel() >= best[group.ravel()]
    winner[group.ravel()[wins]] = code.ravel()[wins]
    seen = (total > scanner.threshold).reshape(z.shape)
    number = np.cumsum(seen, axis=1, dtype=np.int64)
    seen &= number <= scanner.most
    count = np.minimum(number[:, -1], scanner.most)
    pulse, slot = np.nonzero(seen)
    at = pulse * scanner.rays + slot
    found = Echoes(
        pulse, mean[at].astype(np.float32), winner[at], total[at], number[seen], count[pulse]
    )
    return _points(site, scanner, rays, found, angle, line, rng)


@dataclass(frozen=True)
class Echoes:
    """What pulses return: of each its pulse, height, code, light, number and their count."""

    pulse: NDArray[np.int64]
    z: Float32
    code: NDArray[np.int32]
    light: Float32
    number: NDArray[np.int64]
    count: NDArray[np.int64]


def _light(
    site: Site, scanner: Scanner, rays: Rays, hits: Hits, shades: Shades, rng: Rng
) -> tuple[Float32, NDArray[np.int32]]:
    """Share of the pulse's light (N, S) that each ray sends back, and its code."""
    light = shades.reflect[hits.what]
    code = shades.code[hits.what]
    ground = hits.what == GROUND_HIT
    stuff = site.stuff.reshape(-1)[site.grid.nearest(*rays.at(hits.z))]
    light = np.where(ground, shades.stuff[stuff], light)
    crop = (hits.what == COVER_HIT) & (stuff == Stuff.CROP)
    light = np.where(crop, shades.stuff[Stuff.CROP], light)
    wet = ground & (stuff == Stuff.WATER)
    code = np.where(wet, WATER_CODE, code)
    light = light / np.float32(light.shape[1])
    if wet.any():
        slope = np.rad2deg(np.arctan(np.hypot(rays.sx, rays.sy)))
        share = scanner.water * np.exp(-((slope / scanner.fall) ** 2))
        back = rng.random(len(share)) < share  # else the whole pulse is mirrored away
        glint = back * rng.lognormal(0, 0.8, len(share))
        light = np.where(wet, light * glint[:, None], light)
    return light.astype(np.float32), code


def _points(
    site: Site,
    scanner: Scanner,
    rays: Rays,
    echoes: Echoes,
    angle: Float32,
    line: int,
    rng: Rng,
) -> Returns:
    """Returns on the axes of pulses, with the errors of what is measured."""
    pulse, z = echoes.pulse, echoes.z
    points = len(z)
    up = z - np.float32(rays.datum)
    sx, sy = rays.sx[pulse], rays.sy[pulse]
    x, y = rays.x[pulse, 0] + sx * up, rays.y[pulse, 0] + sy * up
    above = z - site.grid.bilinear(site.surface.astype(np.float32), x, y)
    plant = echoes.code == HIGH
    by_height = np.where(above < LOW_UP_TO, LOW, np.where(above < MEDIUM_UP_TO, MEDIUM, HIGH))
    by_height = np.where(above < GROUND_WITHIN, GROUND, by_height)
    code = np.where(plant, by_height, echoes.code)
    off = rng.normal(0, scanner.strips + 1e-9)
    error = rng.normal(0, scanner.noise, points) + off
    place = rng.normal(0, scanner.wander, (points, 2)) if scanner.wander else np.zeros((points, 2))
    xyz = np.stack([x + place[:, 0], y + place[:, 1], z + error], axis=1).astype(np.float64)
    speckle = rng.lognormal(0, 0.12, points)
    intensity = np.clip(np.rint(echoes.light * speckle * scanner.top), 0, 2**scanner.bits - 1)
    return Returns(
        xyz,
        code.astype(np.int32),
        intensity.astype(np.float32),
        echoes.number.astype(np.uint8),
        echoes.count.astype(np.uint8),
        np.full(points, line + 1, np.uint16),
        angle[pulse],
    )
