"""Height above ground on made-up terrain whose heights are known, and on real tiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from salanet.errors import DataError
from salanet.sampling import ground
from salanet.sampling.ground import height_above_ground


def site(slope: float = 0.0, size: float = 60.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rolling terrain with a house of 12 x 15 m, a tree and a car: points and true heights."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, size, (int(12 * size**2), 2))
    height = np.zeros(len(xy))
    house = (abs(xy[:, 0] - 20) < 6) & (abs(xy[:, 1] - 30) < 7.5)
    height[house] = 6 + 0.2 * abs(xy[house, 0] - 20)
    tree = np.hypot(*(xy - [45, 15]).T) < 4
    height[tree] = rng.uniform(0, 9, tree.sum())
    car = (abs(xy[:, 0] - 50) < 1) & (abs(xy[:, 1] - 50) < 2.2)
    height[car] = 1.4
    terrain = slope * xy[:, 0] + np.sin(xy[:, 1] / 12)
    return np.column_stack([xy, terrain + height + rng.normal(0, 0.02, len(xy))]), height


@pytest.mark.parametrize("slope", [0.0, 0.2, 0.6])
def test_known_heights_flat_and_sloped(slope: float) -> None:
    xyz, height = site(slope)
    error = height_above_ground(xyz) - height
    assert np.abs(error[height == 0]).mean() < 0.04
    assert np.percentile(np.abs(error), 99) < 0.35
    assert np.abs(error).max() < 0.8


@pytest.mark.parametrize("wide", [40, 78])
def test_a_wide_building_is_removed(wide: float) -> None:
    rng = np.random.default_rng(1)
    xy = rng.uniform(0, 120, (80000, 2))
    hall = (abs(xy - 60) < wide / 2).all(axis=1)
    z = np.where(hall, 12.0, 0.0) + rng.normal(0, 0.02, len(xy))
    height = height_above_ground(np.column_stack([xy, z]))
    np.testing.assert_allclose(height[hall], 12, atol=0.5)
    np.testing.assert_allclose(height[~hall], 0, atol=0.3)


def wide(sides: tuple[float, float], rise: float, ramp: bool = False) -> tuple[np.ndarray, ...]:
    """A square of 260 m with a level place on top of walls; a ramp may lead up to it."""
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 260, (270_000, 2))
    on = (abs(xy - 130) < np.array(sides) / 2).all(axis=1)
    z = 0.02 * xy[:, 0] + np.where(on, rise, 0)
    if ramp:
        way = (abs(xy[:, 1] - 130) < 15) & (xy[:, 0] < 130) & ~on
        z[way] += np.clip((xy[way, 0] - 130 + sides[0] / 2 + 50) / 50, 0, 1) * rise
        on |= way
    return np.column_stack([xy, z + rng.normal(0, 0.03, len(xy))]), on


@pytest.mark.parametrize("sides", [(100, 120), (110, 200), (150, 150)])
def test_a_hall_wider_than_any_window_is_removed(sides: tuple[float, float]) -> None:
    xyz, hall = wide(sides, 8)
    height = height_above_ground(xyz)
    np.testing.assert_allclose(height[hall], 8, atol=1.5)
    np.testing.assert_allclose(height[~hall], 0, atol=0.5)


@pytest.mark.parametrize(("rise", "ramp"), [(2.5, False), (8, True)], ids=["quay", "ramp"])
def test_a_wide_quay_and_a_mound_with_a_ramp_stay_ground(rise: float, ramp: bool) -> None:
    xyz, _ = wide((110, 160), rise, ramp)
    height = height_above_ground(xyz)
    assert np.mean(abs(height) < 0.5) > 0.97


def test_returns_below_the_ground_do_not_pull_it_down() -> None:
    xyz, height = site()
    xyz[::2000, 2] -= 40
    found = height_above_ground(xyz)
    strays = np.zeros(len(xyz), bool)
    strays[::2000] = True
    assert np.abs(found - height)[~strays & (height == 0)].max() < 0.5
    assert (found[strays] < -25).all()


def test_a_narrow_courtyard_stays_ground() -> None:
    rng = np.random.default_rng(2)
    xy = rng.uniform(0, 30, (20000, 2))
    yard = (abs(xy - 15) < 2).all(axis=1)
    street = xy[:, 0] < 6
    z = np.where(yard | street, 0.0, 10.0)
    height = height_above_ground(np.column_stack([xy, z]))
    np.testing.assert_allclose(height[yard | street], 0, atol=0.05)
    np.testing.assert_allclose(height[~(yard | street)], 10, atol=0.05)


def test_a_hole_is_bridged() -> None:
    xyz, height = site(0.3)
    kept = np.hypot(*(xyz[:, :2] - [35, 45]).T) > 7  # a pond
    error = height_above_ground(xyz[kept])[height[kept] == 0]
    assert np.abs(error).mean() < 0.04


def test_a_room_from_a_terrestrial_scan() -> None:
    rng = np.random.default_rng(3)
    floor = np.column_stack([rng.uniform(0, 6, (20000, 2)), np.zeros(20000)])
    table = np.column_stack([rng.uniform(2, 3.6, (3000, 2)), np.full(3000, 0.75)])
    hidden = ((floor[:, :2] > 2) & (floor[:, :2] < 3.6)).all(axis=1)
    room = np.concatenate([floor[~hidden], table])
    height = height_above_ground(room)
    np.testing.assert_allclose(height, room[:, 2], atol=0.02)


def test_one_point_equal_points_and_none() -> None:
    assert height_above_ground(np.array([[7e5, 6e6, 30.0]])).tolist() == [0]
    assert height_above_ground(np.ones((5, 3))).tolist() == [0] * 5
    empty = height_above_ground(np.zeros((0, 3)))
    assert empty.shape == (0,) and empty.dtype == np.float32


def test_a_far_outlier_does_not_exhaust_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "MAX_CELLS", 1 << 16)
    xyz = np.random.default_rng(0).uniform(0, 10, (500, 3))
    xyz[0, :2] = 1e9
    assert np.isfinite(height_above_ground(xyz)).all()


def test_nan_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        height_above_ground(np.array([[0, 0, np.nan]]))


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-50, 50)),
    st.integers(-1000, 1000),
)
def test_finite_and_unmoved_by_shifts(xyz: np.ndarray, shift: int) -> None:
    height = height_above_ground(xyz)
    assert np.isfinite(height).all()
    lifted = height_above_ground(xyz + np.array([0, 0, shift]))
    np.testing.assert_allclose(lifted, height, atol=1e-6)


def test_real_tiles(ign_tiles: Path) -> None:
    """Ground within centimetres, and the vegetation classes told apart by 0.5 m and 1.5 m."""
    laspy = pytest.importorskip("laspy")
    las = laspy.read(ign_tiles / "77060_627755.laz")
    height = height_above_ground(np.asarray(las.xyz))
    code = np.asarray(las.classification)
    flat = np.abs(height[code == 2])
    assert flat.mean() < 0.04 and (flat < 0.2).mean() > 0.99
    assert (height[code == 3] < 0.5).mean() > 0.95
    assert ((height[code == 4] >= 0.5) & (height[code == 4] < 1.5)).mean() > 0.93
    assert (height[code == 5] >= 1.5).mean() > 0.99


def test_a_far_point_in_a_narrow_strip_does_not_make_the_raster_huge() -> None:
    xyz, _ = site(size=10.0)
    for far in (1e12, 1e30):
        xyz[7, 1] = far
        assert np.isfinite(height_above_ground(xyz)).all()
