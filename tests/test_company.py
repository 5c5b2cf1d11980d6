"""Which points have company: few far ones decide nothing, whatever their order and pieces."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from salanet.company import FEWEST_CELLS, MOST_CELLS, Company, Occupancy

Points = NDArray[np.float64]
LAMBERT = np.array([770_600.0, 6_277_500.0, 20.0])


@pytest.fixture(scope="module")
def site() -> Points:
    """A sloping field with a house, 30 points per square metre, in Lambert-93."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 40, (48_000, 3))
    house = (xyz[:, :2] > 15).all(axis=1) & (xyz[:, :2] < 25).all(axis=1)
    xyz[:, 2] = 0.05 * xyz[:, 0] + 6 * house + rng.normal(0, 0.03, len(xyz))
    return xyz + LAMBERT


STRAYS = {
    "at the origin": np.zeros((3, 3)),
    "100 km": LAMBERT + [1e5, 0, 0],
    "5 km": LAMBERT + [0, 5e3, 0],
    "deep": LAMBERT + [20, 20, -200],
    "high": LAMBERT + [20, 20, 1000],
    "no value": LAMBERT * [1, 1, 0] + [0, 0, -9999],
    "1e30": [1e30, 0, 0],
    "1e160": [1e160, -1e160, 1e160],
    "largest": [1.7e308, -1.7e308, 0],
    "invalid measurements": np.zeros((9_000, 3)),
}


@pytest.mark.parametrize("kind", STRAYS)
def test_strays(site: Points, kind: str) -> None:
    added = np.asarray(STRAYS[kind], np.float64).reshape(-1, 3)
    found = Company.of(np.concatenate([site, added]))
    assert found.count == len(added)
    assert found.strays(added).all() and not found.strays(site).any()
    assert not found.holds(added).any()
    assert found.holds(site).mean() > 0.999
    np.testing.assert_array_equal(found.bounds, [site.min(axis=0), site.max(axis=0)])


def test_how_far(site: Points) -> None:
    added = [[0, 0, 0], LAMBERT + [40 + 300, 20, 0]]
    found = Company.of(np.concatenate([site, added]))
    assert found.count == 2
    assert found.nearest == pytest.approx(300, abs=1)
    assert found.farthest == pytest.approx(np.linalg.norm(LAMBERT), abs=30)


def test_everybody_has_company(site: Points) -> None:
    found = Company.of(site)
    assert found.count == found.alone == len(found.lonely) == 0
    assert found.holds(site).all() and found.held(site) is site
    hamlet = site[:900] * [0.3, 0.3, 1] + [4e5, 6e6, 0]  # far, but not alone
    found = Company.of(np.concatenate([site, hamlet]))
    assert found.count == 0 and found.holds(hamlet).mean() > 0.9


def test_those_alone_nearby_are_no_strays(site: Points) -> None:
    """A bird, or echoes from below: no part of the terrain, but of the scan."""
    rng = np.random.default_rng(1)
    under = np.c_[rng.uniform(18, 22, (10, 2)), np.full(10, -10)] + LAMBERT
    spread = np.c_[rng.uniform(0, 40, (60, 2)), np.full(60, -10)] + LAMBERT
    for added in (under, spread):
        found = Company.of(np.concatenate([site, added]))
        assert found.count == 0 and found.alone == len(added)
        assert not found.holds(added).any() and found.holds(site).all()
        assert found.home[0, 2] == site[:, 2].min() and found.bounds[0, 2] == added[0, 2]


def test_order_and_pieces_do_not_matter(site: Points) -> None:
    rng = np.random.default_rng(2)
    xyz = np.concatenate([site, np.zeros((3, 3)), site[:5] - [0, 0, 12]])
    whole = Company.of(xyz).arrays()
    for size in (1, 700, 30_000):
        mixed = rng.permutation(xyz) if size > 1 else xyz[:2_000]
        pieces = [mixed[i : i + size] for i in range(0, len(mixed), size)]
        found = Company.of_pieces(pieces, len(mixed)).arrays()
        expected = Company.of(mixed).arrays() if size == 1 else whole
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
    back = Company.from_arrays(whole)
    np.testing.assert_array_equal(back.holds(xyz), Company.of(xyz).holds(xyz))


def test_scale_does_not_matter(site: Points) -> None:
    """Millimetres and kilometres alike: cells follow the points."""
    for unit in (1024.0, 1 / 1024):
        xyz = np.concatenate([site - LAMBERT, [[5_000.0, 0, 0]]]) * unit
        found = Company.of(xyz)
        assert found.count == 1 and found.strays(xyz)[-1]
        assert found.nearest == pytest.approx(4_960 * unit, rel=1e-3)


def test_the_memory_is_bounded() -> None:
    rng = np.random.default_rng(3)
    seen = Occupancy(10**9)
    for _ in range(3):
        seen.add(rng.uniform(-1e6, 1e6, (150_000, 3)))
    assert len(seen._cells.keys) <= MOST_CELLS
    few = Occupancy(100)
    few.add(rng.uniform(-1e6, 1e6, (1_000, 3)))
    assert len(few._cells.keys) <= FEWEST_CELLS


def test_hardly_any_points() -> None:
    assert Company.of(np.zeros((0, 3))).strays(np.zeros((0, 3))).shape == (0,)
    few = np.array([[0.0, 0, 0], [1e6, 0, 0]])
    assert not Company.of(few).strays(few).any()  # which of the two would it be?
    same = np.ones((500, 3))
    assert Company.of(same).holds(same).all()


def test_what_is_not_finite_is_a_stray(site: Points) -> None:
    xyz = site[:1_000].copy()
    xyz[[5, 9, 13], [0, 1, 2]] = np.nan, np.inf, -np.inf
    found = Company.of(xyz)
    np.testing.assert_array_equal(np.flatnonzero(found.strays(xyz)), [5, 9, 13])
    assert np.isfinite(found.bounds).all()
