"""The scanner of generated surveys: density, returns, water, classes by height."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from salanet.datasets.surveys import parts, terrain
from salanet.datasets.surveys.materials import BUILDING, CLUTTER, HIGH, WATER_CODE, WIRE, Stuff
from salanet.datasets.surveys.scanner import PATTERNS, Returns, Scanner, fly
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import Place, body
from salanet.datasets.surveys.strays import stray_points
from salanet.datasets.surveys.wires import wire

EXACT = Scanner(
    density=8, lines=1, noise=0, wander=0, strips=0, lost=0, threshold=0.001, water=1, fall=1e6
)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(size: float = 50.0) -> Site:
    return Site.empty(size, random())


@pytest.mark.parametrize("density", [0.5, 4.0, 40.0])
@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_density_is_what_was_asked(density: float, lines: int, pattern: str) -> None:
    site = flat(100 if density < 1 else 40)
    scanner = replace(EXACT, density=density, lines=lines, pattern=pattern, stretch=1.7)
    found = fly(site, scanner, random(1))
    assert len(found.number) / site.size**2 == pytest.approx(density, rel=0.05)
    assert len(np.unique(found.line)) == lines
    assert (found.xyz[:, :2] >= 0).all() and (found.xyz[:, :2] < site.size).all()
    quarter = found.xyz[:, :2] < site.size / 2
    assert quarter.all(axis=1).mean() == pytest.approx(0.25, abs=0.04), "evenly"


def test_bare_ground_gives_one_return_at_its_height() -> None:
    found = fly(flat(), EXACT, random(2))
    assert (found.count == 1).all() and (found.number == 1).all()
    assert (found.code == 2).all()
    np.testing.assert_allclose(found.xyz[:, 2], 0, atol=1e-5)
    assert (np.abs(found.angle) < 2 * EXACT.swath).all()


def test_noise_is_as_asked() -> None:
    noisy = replace(EXACT, noise=0.05)
    assert fly(flat(), noisy, random(3)).xyz[:, 2].std() == pytest.approx(0.05, rel=0.05)


def numbered_rightly(found: Returns) -> None:
    assert (found.number >= 1).all() and (found.number <= found.count).all()


def test_returns_of_a_porous_layer_and_the_ground() -> None:
    """Half of the light ends above: most pulses return twice, in order, weaker."""
    site = flat()
    density = np.log(2) / 2  # half of the light gets through 2 m
    site.add(body(Place(25, 25), (60, 60), 4, 6, Stuff.LEAF, HIGH, (), density))
    scanner = replace(EXACT, rays=6, resolution=1.0, beam=0.3)
    found = fly(site, scanner, random(4))
    numbered_rightly(found)
    twice = found.count >= 2
    # All six rays above, or all below: 2 · 0.5⁶ of the pulses return from one of the two.
    pulses = (found.number == 1).sum()
    assert (twice & (found.number == 1)).sum() / pulses > 0.9
    assert (found.code[found.number == found.count] == 2).mean() > 0.9
    assert (found.xyz[found.code == HIGH, 2] > 3.9).all()
    single = fly(flat(), scanner, random(4))
    below = found.intensity[(found.code == 2) & twice].mean()
    assert 0.3 < below / single.intensity.mean() < 0.7


def test_no_more_returns_than_the_sensor_has() -> None:
    site = flat(20)
    for n in range(8):
        site.add(body(Place(10, 10), (30, 30), 3 * n + 2, 3 * n + 3, Stuff.LEAF, HIGH, (), 0.4))
    found = fly(site, replace(EXACT, rays=9, most=3), random(5))
    numbered_rightly(found)
    assert found.count.max() == 3


def test_edges_of_roofs_return_twice() -> None:
    site = flat(40)
    site.add(body(Place(20, 20), (8, 8), 0, 6, Stuff.BRICK, BUILDING))
    wide = fly(site, replace(EXACT, beam=0.8, density=30), random(6))
    narrow = fly(site, replace(EXACT, beam=0.1, density=30), random(6))
    twice = wide.count > 1
    away = np.abs(np.abs(wide.xyz[:, :2] - 20).max(axis=1) - 8)
    assert twice.any() and (away[twice] < 3.5).all()
    assert (narrow.count > 1).sum() < 0.5 * twice.sum()


def test_walls_face_the_sensor() -> None:
    """Seen from straight above walls have hardly a point, from aside those that face it."""
    site = flat(40)
    site.add(body(Place(20, 20), (6, 6), 0, 12, Stuff.BRICK, BUILDING))

    def walls(swath: float) -> int:
        aslant = replace(EXACT, swath=swath, density=20, height=1000)
        found = fly(site, aslant, random(7))
        wall = (found.code == BUILDING) & (found.xyz[:, 2] > 0.5) & (found.xyz[:, 2] < 11.5)
        return int(wall.sum())

    assert walls(0.5) < 0.2 * walls(35)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_water_returns_a_share(share: float) -> None:
    site = flat(60)
    terrain.flood(site, 1.0)
    found = fly(site, replace(EXACT, water=share), random(8))
    assert (found.code == WATER_CODE).all()
    assert len(found.number) / site.size**2 / EXACT.density == pytest.approx(share, abs=0.03)
    np.testing.assert_allclose(found.xyz[:, 2], 1.0, atol=1e-5)


def test_plants_are_told_apart_by_their_height() -> None:
    site = flat(60)
    parts.grow(site, np.ones_like(site.taken), (1.5, 1.5), (1.0, 1.0))
    site.add(body(Place(30, 30), (10, 10), 2, 4, Stuff.LEAF, HIGH, (), 3.0))
    found = fly(site, replace(EXACT, rays=1), random(9))
    z, code = found.xyz[:, 2], found.code
    assert set(np.unique(code)) == {2, 3, 4, 5}
    assert (z[code == 2] < 0.12).all()
    assert (z[code == 3] >= 0.12).all() and (z[code == 3] < 0.5).all()
    assert (z[code == 4] >= 0.5).all() and (z[code == 4] < 1.5).all()
    assert (z[code == 5] >= 1.5).all()


def test_wires_hang_and_are_seen_in_part() -> None:
    site = flat(50)
    site.add(*wire((0, 25, 12), (50, 25, 12), 3.0))
    found = fly(site, replace(EXACT, density=40), random(10))
    seen = found.code == WIRE
    x, z = found.xyz[seen, 0], found.xyz[seen, 2]
    assert seen.sum() > 100
    np.testing.assert_allclose(z, 12 - 12 * (x / 50) * (1 - x / 50), atol=0.45)
    assert (np.abs(found.xyz[seen, 1] - 25) < 1.0).all()
    assert (found.count[seen] == 2).mean() > 0.8, "the ground is behind"


def test_strays_are_below_and_above() -> None:
    site = flat(60)
    found = fly(site, EXACT, random(11))
    for seed in range(20):
        with_some = stray_points(site, found, random(seed))
        low, high = with_some.code == 7, with_some.code == 18
        assert (with_some.xyz[low, 2] < 0).all() and (with_some.xyz[high, 2] > 0).all()
        assert low.sum() + high.sum() == len(with_some.number) - len(found.number)
        assert low.sum() + high.sum() < 0.001 * len(found.number)


def test_intensity_follows_the_stuff() -> None:
    site = flat(60)
    site.stuff[site.grid.xy[0] > 30] = Stuff.ASPHALT
    site.add(body(Place(15, 30), (5, 5), 0, 3, Stuff.PAINT, CLUTTER))
    ratios = []
    for seed in range(12):
        found = fly(site, EXACT, random(seed))
        right, ground = found.xyz[:, 0] > 31, found.code == 2
        left = found.xyz[:, 0] < 29
        ratios.append(
            found.intensity[ground & right].mean() / found.intensity[ground & left].mean()
        )
    assert np.median(ratios) < 0.6, "asphalt is darker than grass"
