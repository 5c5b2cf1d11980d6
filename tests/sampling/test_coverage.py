"""Voting spheres cover every point, whatever the cloud."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.errors import ConfigError
from salanet.sampling.coverage import voting_spheres
from salanet.sampling.spheres import SphereIndex


def cloud(n: int, seed: int, spread: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, 3)) * [spread, spread / 2, 1]).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(0, 99),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from([None, 5, 40]),
)
def test_every_point_gets_its_votes(
    n: int, seed: int, upright: bool, votes: int, limit: int | None
) -> None:
    xyz = cloud(n, seed, spread=4.0)
    index = SphereIndex(xyz, "cylinder" if upright else "sphere")
    count = np.zeros(n, int)
    for rows in voting_spheres(index, 2.0, votes=votes, limit=limit):
        assert len(np.unique(rows)) == len(rows) <= (limit or n)
        count[rows] += 1
    assert count.min() >= votes


def test_points_on_the_lattice_are_covered_twice_by_it() -> None:
    axis = np.arange(0, 9.5, 0.95)
    xyz = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    count = np.zeros(len(xyz), int)
    for rows in voting_spheres(SphereIndex(xyz), 1.0):
        count[rows] += 1
    assert count.min() >= 2


def test_many_equal_points_end() -> None:
    index = SphereIndex(np.zeros((30, 3)))
    count = np.zeros(30, int)
    for rows in voting_spheres(index, 1.0, limit=4):
        count[rows] += 1
    assert count.min() >= 2


def test_voting_edges() -> None:
    assert voting_spheres(SphereIndex(np.zeros((0, 3))), 1.0) == []
    assert [r.tolist() for r in voting_spheres(SphereIndex(np.ones((1, 3))), 1.0)] == [[0], [0]]
    with pytest.raises(ConfigError, match="radius"):
        voting_spheres(SphereIndex(np.ones((1, 3))), 0.0)
