"""Blocks of cells: keys that keep order, tiles whose cores partition what is wanted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.errors import DataError
from salanet.sampling.blocks import EDGE, block_keys, block_places, block_tiles


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200), st.floats(0.01, 3), st.integers(0, 1000))
def test_keys_hold_the_place_and_sort_by_z_y_x(count: int, grid: float, seed: int) -> None:
    xyz = np.random.default_rng(seed).normal(0, 300, (count, 3))
    keys = block_keys(xyz, grid)
    places = block_places(keys)
    assert (places == np.floor(np.floor(xyz / grid) / EDGE)).all()
    order = np.lexsort((places[:, 0], places[:, 1], places[:, 2]))
    assert (np.diff(keys[order]) >= 0).all()


def test_points_out_of_reach() -> None:
    with pytest.raises(DataError, match="reach too far"):
        block_keys(np.array([[0.0, 1e9, 0.0]]), 0.01)
    with pytest.raises(DataError, match="reach too far"):
        block_keys(np.array([[0.0, 0.0, -1e300]]), 0.01)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 120),
    st.integers(1, 4000),
    st.sampled_from([0.0, 10.0, 60.0]),
    st.integers(0, 1000),
)
def test_tiles(count: int, limit: int, buffer: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(-5, 5, 3) * EDGE
    keys = np.unique(
        block_keys(rng.uniform(0, EDGE * np.array([12, 8, 3]), (count, 3)) + corner, 1)
    )
    counts, wanted = rng.integers(1, 200, len(keys)), rng.random(len(keys)) < 0.8
    places = block_places(keys)
    owners = np.zeros(len(keys), int)
    for core, seen in block_tiles(keys, counts, wanted, limit, buffer):
        assert (np.diff(core) > 0).all() and (np.diff(seen) > 0).all() and len(core)
        owners[core] += 1
        assert np.isin(core, seen).all()
        low, high = places[core].min(0) * EDGE - buffer, (places[core].max(0) + 1) * EDGE + buffer
        near = ((places + 1) * EDGE > low).all(1) & (places * EDGE < high).all(1)
        assert (np.flatnonzero(near) == seen).all()
        share = np.minimum((places + 1) * EDGE, high) - np.maximum(places * EDGE, low)
        cells = counts[seen] @ (np.clip(share / EDGE, 0, 1).prod(1))[seen]
        assert cells <= limit + 1e-6 or len(core) == 1
    assert (owners == wanted).all()
