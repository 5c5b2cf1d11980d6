"""Airborne surveys of landscapes: geometry, classes and returns all follow from one seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.cloud import PointCloud
from salanet.datasets.surveys import country, parts, terrain, towns
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.scanner import Scanner, any_scanner, fly
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.strays import stray_points, waves
from salanet.datasets.surveys.trees import climate
from salanet.errors import ConfigError

DENSITIES = (0.5, 40.0)  # pulses per m², of random surveys
POINTS = 600_000  # about as many a survey has at most, unless its size is given
ANGLE_UNIT = 0.006  # degrees
SIZES = (70.0, 260.0)  # metres
# How often each landscape comes.
KINDS: dict[str, float] = {
    "terraces": 3,
    "villas": 2.5,
    "slabs": 1.5,
    "works": 2,
    "village": 2,
    "farmland": 1.5,
    "woods": 1.5,
    "coast": 2,
    "mountains": 1.5,
    "riverside": 1.5,
}


def generate(
    seed: int,
    kind: str | None = None,
    *,
    density: float | None = None,
    size: float | None = None,
    scanner: Scanner | None = None,
) -> PointCloud:
    """A survey of a random landscape; the same arguments give the same points.

    Args:
        seed: decides everything that is not given.
        kind: one of `KINDS`.
        density: pulses per m².
        size: side of the square in metres.
        scanner: the sensor; its density counts then.

    Returns xyz in metres, intensity, label (ASPRS codes), and the attributes return_number,
    number_of_returns, point_source_id (the flight line) and scan_angle (in units of
    0.006 degrees, as LAS 1.4 has it).

    Raises ConfigError: an unknown kind, or a density or size that makes no sense.
    """
    if kind is not None and kind not in KINDS:
        raise ConfigError(f"there is no landscape '{kind}'; there are {', '.join(KINDS)}")
    for name, value, most in (("density", density, 200.0), ("size", size, 2000.0)):
        if value is not None and not 0 < value <= most:
            raise ConfigError(f"the {name} of a survey is above 0 and up to {most:g}, not {value}")
    rng = np.random.default_rng([seed, 0x50F7])
    chances = np.array(list(KINDS.values()))
    drawn = str(rng.choice(list(KINDS), p=chances / chances.sum()))
    pulses = float(np.exp(rng.uniform(*np.log(DENSITIES))))
    if scanner is not None:
        pulses = scanner.density
    pulses = density or pulses
    side = float(np.clip(np.sqrt(POINTS / 1.4 / pulses), *SIZES))
    site = build(kind or drawn, size or side, rng)
    found = fly(site, scanner or any_scanner(pulses, rng), rng)
    found = stray_points(site, found, rng)
    origin = np.array([*rng.integers(100, 900, 2) * 1000.0, float(rng.integers(0, 800))])
    return PointCloud(
        np.round(found.xyz + origin, 3),
        intensity=found.intensity,
        label=found.code,
        attributes={
            "return_number": found.number,
            "number_of_returns": found.count,
            "point_source_id": found.line,
            "scan_angle": np.rint(found.angle / ANGLE_UNIT).astype(np.int16),
        },
    )


def build(kind: str, size: float, rng: Rng) -> Site:
    """A landscape of a kind."""
    site = Site.empty(size, rng)
    forms, site.leaves = climate(rng)
    _LANDSCAPES[kind](site, forms)
    if rng.random() < 0.6:
        parts.scrub(site, float(rng.choice([rng.uniform(0.01, 0.06), rng.uniform(0.05, 0.3)])))
    waves(site, rng, float(rng.choice([0.0, rng.uniform(0.02, 0.6)])))
    return site


def _town(
    fill: towns.Fill,
    length: tuple[float, float],
    depth: tuple[float, float],
    relief: tuple[float, float],
    water: float = 0.0,
) -> Callable[[Site, dict[str, float]], None]:
    def make(site: Site, forms: dict[str, float]) -> None:
        rng = site.rng
        terrain.relief(
            site, float(rng.uniform(*relief)), 150, float(rng.uniform(0, relief[1] / 60))
        )
        if rng.random() < 0.15:
            step = terrain.line(site, 3)
            height, slope = float(rng.uniform(2, 8)), float(rng.uniform(0.4, 1.0))
            terrain.embankment(site, step, height, float(rng.uniform(4, 15)), slope)
        towns.town(site, forms, fill, length, depth, water=water)

    return make


_LANDSCAPES: dict[str, Callable[[Site, dict[str, float]], None]] = {
    "terraces": _town(towns.terraces, (50, 120), (32, 60), (0.2, 4), 0.5),
    "villas": _town(towns.villas, (70, 140), (40, 70), (0.2, 10)),
    "slabs": _town(towns.slabs, (60, 120), (45, 80), (0.2, 5), 0.2),
    "works": _town(towns.works, (80, 200), (60, 130), (0.1, 2), 0.1),
    "village": country.village,
    "farmland": country.farmland,
    "woods": country.woods,
    "coast": country.coast,
    "mountains": country.mountains,
    "riverside": country.riverside,
}
