"""Rasters of heights: means, gaps, and where the cells lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.errors import DataError
from salanet.sampling.elevation import elevation


def test_means_from_north_to_south() -> None:
    xyz = np.array([[10.1, 20.1, 1.0], [10.9, 20.9, 3.0], [12.5, 20.5, 7.0], [10.5, 22.5, 100.0]])
    found = elevation(lambda: [xyz[:2], xyz[2:]], 1.0, 0.5)
    assert (found.west, found.north, found.heights.shape) == (10.0, 23.0, (3, 3))
    expected = np.full((3, 3), np.nan)
    expected[2, 0], expected[2, 2], expected[0, 0] = 2.0, 7.0, 100.0
    np.testing.assert_array_equal(found.heights, expected)
    assert not found.filled.any()


def test_gaps_are_filled_as_far_as_asked() -> None:
    rng = np.random.default_rng(0)
    xyz = np.column_stack([rng.uniform(0, 60, (40_000, 2)), np.zeros(40_000)])
    xyz[:, 2] = 100 + 0.1 * xyz[:, 0]
    hole = np.hypot(xyz[:, 0] - 30, xyz[:, 1] - 30) < 10
    whole = elevation(lambda: [xyz[~hole]], 1.0, 20.0)
    assert not np.isnan(whole.heights).any()
    plane = 100 + 0.1 * (np.arange(60) + 0.5)
    assert (
        np.abs(whole.heights[~whole.filled] - np.broadcast_to(plane, (60, 60))[~whole.filled]).max()
        < 0.1
    )
    assert np.abs(whole.heights - plane).max() < 0.6
    assert whole.filled[30, 30] and 250 < whole.filled.sum() < 340
    some = elevation(lambda: [xyz[~hole]], 1.0, 3.0)
    assert np.isnan(some.heights[30, 30])
    edge = np.isnan(some.heights) & ~whole.filled
    assert not edge.any()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.floats(0.3, 10), st.integers(1, 60))
def test_cells_do_not_depend_on_the_cloud(seed: int, cell: float, split: int) -> None:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(-50, 50, (60, 3)) + [651_000, 6_861_000, 0]
    whole = elevation(lambda: [xyz], cell, cell)
    part = elevation(lambda: [xyz[:split]], cell, cell)
    for found in (whole, part):
        assert abs(found.west / cell - round(found.west / cell)) < 1e-6
        assert abs(found.north / cell - round(found.north / cell)) < 1e-6
    column, row = ((xyz[0, 0] - whole.west) // cell, (whole.north - xyz[0, 1]) // cell)
    assert np.isfinite(whole.heights[int(row), int(column)])


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match="no point is ground"):
        elevation(lambda: [np.zeros((0, 3))], 1.0, 1.0)
    far = np.array([[0.0, 0, 0], [1e6, 1e6, 0]])
    with pytest.raises(DataError, match="too many"):
        elevation(lambda: [far], 1.0, 1.0)
