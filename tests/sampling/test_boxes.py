"""Overlapping tiles: cores partition the cloud, buffers hold what their cores need."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.sampling.boxes import tiles


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 300),
    st.integers(1, 100),
    st.floats(0.01, 5),
    st.sampled_from([0.0, 1.0, 10.0]),
    st.integers(0, 1000),
)
def test_tiles_partition_their_cores_and_keep_their_halos(
    count: int, limit: int, buffer: float, flat: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, [10, 5, flat], (count, 3)).round(1).astype(np.float32)
    owners = np.zeros(count, np.int64)
    for tile in tiles(points, limit, buffer):
        assert (np.diff(tile.rows) > 0).all()
        core = points[tile.rows[tile.core]]
        owners[tile.rows[tile.core]] += 1
        assert len(core)
        near = ((points >= core.min(0) - buffer) & (points <= core.max(0) + buffer)).all(1)
        seen = np.zeros(count, bool)
        seen[tile.rows] = True
        # All within the buffer (Chebyshev) of a core point are seen.
        distance = np.abs(points[:, None] - core[None]).max(2).min(1)
        assert seen[distance < buffer - 1e-4].all()
        assert len(tile.rows) <= limit or (core.max(0) - core.min(0)).max() <= buffer
        assert near[tile.rows].any()
    assert (owners == 1).all()
