"""Rays of generated surveys against bodies, crowns and the ground, by brute force beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.datasets.surveys.materials import BUILDING, HIGH, Stuff
from salanet.datasets.surveys.raster import Grid
from salanet.datasets.surveys.raycast import FIRST, Rays, cast, ground_heights
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import Body, Crown, Place, Slope, beam, body, prism

DATUM = 10.0


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def rays_over(size: float, count: int, rng: np.random.Generator, slant: float = 0.4) -> Rays:
    """Rays (count, 1) in one direction each, over a square from (0, 0) on."""
    x, y = rng.uniform(0, size, (2, count, 1)).astype(np.float32)
    sx, sy = rng.uniform(-slant, slant, (2, count)).astype(np.float32)
    return Rays(x, y, sx, sy, DATUM)


def flat(size: float = 40.0) -> Site:
    return Site.empty(size, random())


def any_body(rng: np.random.Generator) -> Body:
    place = Place(20 + rng.uniform(-3, 3), 20 + rng.uniform(-3, 3), rng.uniform(0, 6))
    kind = rng.integers(4)
    if kind == 0:
        slopes = [
            Slope(float(a), float(np.deg2rad(rng.uniform(5, 75))), 4.0, 5.0)
            for a in rng.uniform(0, 6.28, rng.integers(0, 5))
        ]
        return body(place, (8, 5), 1.0, 12.0, Stuff.BRICK, BUILDING, slopes)
    if kind == 1:
        return prism(place, 4.0, int(rng.integers(3, 9)), 0.5, 9.0, Stuff.METAL, BUILDING)
    if kind == 2:
        return prism(place, 4.0, 4, 3.0, 3 + 4 * np.tan(1.0), Stuff.TILE, BUILDING, pitch=1.0)
    a, b = rng.uniform(12, 28, (2, 2))
    ends = (float(a[0]), float(a[1]), 4.0), (float(b[0]), float(b[1]), 9.0)
    return beam(*ends, 2.0, 1.5, Stuff.METAL, BUILDING)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_ray_ends_where_it_enters_a_body(seed: int) -> None:
    rng = random(seed)
    site, solid = flat(), any_body(rng)
    site.add(solid)
    rays = rays_over(site.size, 400, rng)
    hits = cast(site, rays, rng)
    met = hits.what[:, 0] == FIRST
    # By brute force: the highest of many heights at which the ray is inside.
    heights = np.linspace(0, 16, 3000)
    x = rays.x + rays.sx[:, None] * (heights - DATUM)
    y = rays.y + rays.sy[:, None] * (heights - DATUM)
    inside = np.ones(x.shape, bool)
    for a, b, c, d in solid.planes:
        inside &= a * x + b * y + c * heights <= d
    assert (met[inside.sum(axis=1) > 2]).all(), "no ray that goes through is missed"
    top = np.where(inside, heights, -np.inf).max(axis=1)
    through = met & np.isfinite(top)
    np.testing.assert_allclose(hits.z[through, 0], top[through], atol=0.02)
    assert (hits.z[~met] == 0).all()


@pytest.mark.parametrize("cone", [False, True])
def test_a_dense_crown_ends_rays_at_its_hull(cone: bool) -> None:
    site = flat()
    site.add(Crown((20, 20, 8.0), (4.0, 5.0), 400.0, cone=cone))
    rays = rays_over(site.size, 6000, random(1))
    hits = cast(site, rays, random(2))
    met = hits.what[:, 0] == FIRST
    x, y = (axis[met, 0] - 20 for axis in rays.at(hits.z))
    z = hits.z[met, 0] - 8
    out = np.hypot(x, y)
    hull = (5 - z) * 0.4 if cone else 4 * np.sqrt(np.maximum(1 - (z / 5) ** 2, 0))
    assert met.sum() > 150
    assert (out <= hull + 0.05).all(), "every leaf is inside"
    x, y = (axis[~met, 0] - 20 for axis in rays.at(np.full_like(hits.z, 8.0)))
    assert (np.hypot(x, y) > 1.5).all(), "no ray passes the middle of a crown that dense"


@pytest.mark.parametrize(("density", "thick"), [(0.1, 4.0), (0.5, 4.0), (2.0, 1.0)])
def test_light_falls_exponentially_in_porous_bodies(density: float, thick: float) -> None:
    site = flat()
    porous = body(Place(20, 20), (15, 15), 1, 1 + thick, Stuff.LEAF, HIGH, (), density)
    site.add(porous)
    rays = rays_over(20, 40_000, random(3), slant=0.0)
    rays = Rays(rays.x + 10, rays.y + 10, rays.sx, rays.sy, DATUM)
    passed = (cast(site, rays, random(4)).what == 0).mean()
    assert passed == pytest.approx(np.exp(-density * thick), abs=0.01)


def test_crowns_are_about_as_dense_as_asked() -> None:
    rng = random(5)
    passed = []
    for _ in range(40):
        site = flat()
        site.add(Crown((20, 20, 10.0), (6.0, 6.0), 0.15, clumps=1.0))
        x, y = rng.uniform(18, 22, (2, 500, 1)).astype(np.float32)
        straight = np.zeros(500, np.float32)
        passed.append((cast(site, Rays(x, y, straight, straight, DATUM), rng).what == 0).mean())
    # 12 m at 0.15 hits per metre let 17 % through; clumps leave gaps.
    assert 0.15 < np.mean(passed) < 0.6
    assert np.std(passed) > 0.02, "crowns differ"


def test_ground_is_met_on_planes() -> None:
    grid = Grid(-10, 0.5, 121)
    x, y = grid.xy
    surface = 3 + 0.3 * x - 0.2 * y
    rays = rays_over(40, 500, random(6))
    z = ground_heights(grid, surface, rays)
    at_x, at_y = rays.at(z)
    np.testing.assert_allclose(z, 3 + 0.3 * at_x - 0.2 * at_y, atol=0.02)


@pytest.mark.parametrize("rise", [1.5, 8.0, 30.0])
def test_ground_is_met_first_at_cliffs(rise: float) -> None:
    """At a step rays end on the face or above it, never behind it."""
    grid = Grid(-30, 0.5, 201)
    surface = np.where(grid.xy[0] > 20, rise, 0.0)
    rays = rays_over(40, 4000, random(7))
    z = ground_heights(grid, surface, rays)
    x, y = rays.at(z)
    np.testing.assert_allclose(z, grid.bilinear(surface.astype(np.float32), x, y), atol=0.25)
    for up in np.linspace(0.3, rise, 40):  # nothing of the ray above its end is below the ground
        above = z + np.float32(up)
        under = grid.bilinear(surface.astype(np.float32), *rays.at(above)) > above + 0.3
        assert not under.any()
    assert ((z > 0.2) & (z < rise - 0.2)).sum() > 10, "the face itself is seen"


def test_what_is_higher_hides_what_is_lower() -> None:
    site = flat()
    site.add(body(Place(20, 20), (5, 5), 0, 3, Stuff.BRICK, BUILDING))
    site.add(body(Place(20, 20), (2, 2), 0, 8, Stuff.BRICK, BUILDING))
    x = np.array([[20.0], [24.0], [30.0]], np.float32)
    none = np.zeros(3, np.float32)
    hits = cast(site, Rays(x, np.full_like(x, 20), none, none, DATUM), random())
    assert hits.z[:, 0].tolist() == [8, 3, 0]
    assert hits.what[:, 0].tolist() == [FIRST + 1, FIRST, 0]
