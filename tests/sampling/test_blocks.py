"""Blocks of cells: keys that keep order, tiles whose cores partition what is wanted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.errors import DataError
from salanet.sampling.blocks import (
    EDGE,
    FULL,
    Blocks,
    block_keys,
    block_places,
    block_tiles,
    blocks_around,
    gathered,
    summed,
)

Kept = tuple[np.ndarray, np.ndarray]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200), st.floats(0.01, 3), st.integers(0, 1000))
def test_keys_hold_the_place_and_follow_the_curve(count: int, grid: float, seed: int) -> None:
    xyz = np.random.default_rng(seed).normal(0, 300, (count, 3))
    keys = block_keys(xyz, grid)
    places = block_places(keys)
    assert (places == np.floor(np.floor(xyz / grid) / EDGE)).all()
    # Blocks of one that is twice, four times ... as wide follow each other.
    ordered = places[np.argsort(keys)]
    for level in range(12):
        _, first, counts = np.unique(
            ordered >> level, axis=0, return_index=True, return_counts=True
        )
        assert sorted(first.tolist()) == np.cumsum([0, *counts[np.argsort(first)]])[:-1].tolist()


def test_points_out_of_reach() -> None:
    with pytest.raises(DataError, match="reach too far"):
        block_keys(np.array([[0.0, 1e9, 0.0]]), 0.01)
    with pytest.raises(DataError, match="reach too far"):
        block_keys(np.array([[0.0, 0.0, -1e300]]), 0.01)


def held(keys: np.ndarray, runs: int) -> list[Kept]:
    """The keys of points, in runs, as blocks and their numbers of points."""
    return [np.unique(part, return_counts=True) for part in np.array_split(keys, runs) if len(part)]


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30_000), st.sampled_from([1.0, 30.0, 3000.0]), st.integers(1, 3))
def test_gathered_blocks_hold_every_point_once(count: int, size: float, runs: int) -> None:
    """A dense half and a sparse one, ten times as wide."""
    rng = np.random.default_rng(count)
    xyz = rng.uniform(0, size, (count, 3)) * [1, 1, 0.1]
    xyz[: count // 2] = xyz[: count // 2] * 10 + 2000
    keys = block_keys(xyz, 0.2)
    blocks, counts = gathered(lambda: held(keys, runs))
    at = blocks.of(keys)
    places = block_places(keys)
    assert ((places >= blocks.low[at]) & (places < blocks.high[at])).all()
    assert (np.bincount(at, minlength=len(blocks)) == counts).all() and (counts > 0).all()
    assert ((counts <= FULL) | (blocks.widths == 1)).all()
    assert (np.diff(blocks.keys) > 0).all()
    assert len(blocks) <= max(8, len(np.unique(keys)))


def test_sparse_points_share_blocks() -> None:
    xyz = np.random.default_rng(0).uniform(0, 10_000, (100_000, 3)) * [1, 1, 0.001]
    keys = block_keys(xyz, 0.2)
    assert len(np.unique(keys)) > 95_000
    blocks, counts = gathered(lambda: held(keys, 4))
    assert len(blocks) < 1000 and counts.max() <= FULL


def test_no_points_no_blocks() -> None:
    blocks, counts = gathered(lambda: [])
    assert len(blocks) == len(counts) == 0


def test_the_box_around_what_is_wanted() -> None:
    keys = np.sort(block_keys(np.array([[i * EDGE + 1.0, 1.0, 1.0] for i in range(6)]), 1.0))
    blocks = Blocks(keys, np.ones(6, np.int64))
    wanted = np.arange(6) == 2
    assert blocks_around(blocks, wanted, 0.0).tolist() == wanted.tolist()
    assert np.flatnonzero(blocks_around(blocks, wanted, EDGE + 1.0)).tolist() == [0, 1, 2, 3, 4]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 120),
    st.integers(1, 60_000),
    st.sampled_from([0.0, 10.0, 60.0]),
    st.integers(0, 1000),
)
def test_tiles(count: int, limit: int, buffer: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(-5, 5, 3) * EDGE
    xyz = rng.uniform(0, EDGE * np.array([12, 8, 3]), (20 * count, 3)) + corner
    full = block_keys(xyz, 1)
    blocks, counts = gathered(lambda: [summed(np.repeat(full, 60), np.ones(60 * len(full), int))])
    wanted = rng.random(len(blocks)) < 0.8
    owners = np.zeros(len(blocks), int)
    for core, seen in block_tiles(blocks, counts, wanted, limit, buffer):
        assert (np.diff(core) > 0).all() and (np.diff(seen) > 0).all() and len(core)
        owners[core] += 1
        assert np.isin(core, seen).all()
        first, last = blocks.box(core)
        low, high = first * EDGE - buffer, last * EDGE + buffer
        near = (blocks.high * EDGE > low).all(1) & (blocks.low * EDGE < high).all(1)
        assert (np.flatnonzero(near) == seen).all()
        share = np.minimum(blocks.high * EDGE, high) - np.maximum(blocks.low * EDGE, low)
        within = np.clip(share / EDGE / blocks.widths[:, None], 0, 1).prod(1)
        assert counts[seen] @ within[seen] <= limit + 1e-6 or len(core) == 1
    assert (owners == wanted).all()
