"""Points below the ground that nobody flagged do not become the terrain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from salanet.datasets.surveys import Scanner, generate
from salanet.datasets.town import town
from salanet.sampling.ground import find_ground
from salanet.sampling.terrain import terrain_of


def sunk(
    xyz: NDArray[np.float64], share: float, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The points, some of them 1 to 8 m lower, and which those are."""
    rng = np.random.default_rng(seed)
    low = rng.random(len(xyz)) < share
    found = xyz.copy()
    found[low, 2] -= rng.uniform(1, 8, low.sum())
    return found, low


@pytest.mark.parametrize("share", [0.001, 0.004, 0.01])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_the_terrain_is_what_it_was(share: float, slope: float) -> None:
    cloud = town(5, size=60, density=25)
    xyz = cloud.xyz + np.outer(cloud.xyz[:, 0], [0, 0, slope])
    noisy, low = sunk(xyz, share)
    before, after = terrain_of(xyz), terrain_of(noisy)
    moved = np.abs(after.heights(noisy) - before.heights(xyz))[~low]
    assert (moved > 0.3).mean() < (0.01 if share < 0.01 else 0.06)
    second = np.abs(after.above_lowest(noisy) - before.above_lowest(xyz))[~low]
    assert (second > 0.5).mean() < (0.15 if share < 0.01 else 0.7)
    assert before.below < 1e-4
    assert 0.6 * share < after.below < 1.1 * share


def test_seldom_seen_ground_is_no_noise() -> None:
    """Under dense crowns one point in a hundred is of the ground."""
    cloud = generate(4, "woods", size=60, scanner=Scanner(density=30))
    assert cloud.label is not None
    ground = np.flatnonzero(cloud.label == 2)
    rng = np.random.default_rng(0)
    crowns = np.flatnonzero(cloud.label == 5)
    keep = np.union1d(rng.choice(ground, len(crowns) // 100, replace=False), crowns)
    xyz = cloud.xyz[keep]
    heights = terrain_of(xyz).heights(xyz)[cloud.label[keep] == 2]
    assert (np.abs(heights) < 0.5).mean() > 0.93


def test_alleys_and_pieces() -> None:
    """An alley a metre wide between roofs stays ground, however the points come."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 40, (40_000, 3))
    roofs = (np.abs(xyz[:, 0] - 20) > 0.6) & (np.abs(xyz[:, 0] - 20) < 10)
    xyz[:, 2] = np.where(roofs, 6.0, 0.0) + rng.normal(0, 0.02, len(xyz))
    noisy, low = sunk(xyz, 0.004)
    ground = terrain_of(noisy)
    alley = (np.abs(xyz[:, 0] - 20) < 0.5) & ~low
    assert (np.abs(ground.heights(noisy)[alley]) < 0.3).mean() > 0.95
    low_end, high_end = noisy.min(axis=0), noisy.max(axis=0)
    whole = find_ground(lambda: [noisy], low_end, high_end)
    pieces = find_ground(lambda: np.array_split(noisy, 9), low_end, high_end)
    np.testing.assert_array_equal(whole.surface, pieces.surface)
    np.testing.assert_array_equal(whole.lowest, pieces.lowest)
    assert whole.below == pieces.below > 0.002


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300))
def test_any_few_points(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, [rng.uniform(0.1, 30), rng.uniform(0.1, 30), 20], (count, 3))
    ground = terrain_of(xyz)
    assert np.isfinite(ground.heights(xyz)).all() and np.isfinite(ground.surface).all()
