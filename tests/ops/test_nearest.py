from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from salanet import ops
from salanet.errors import DataError


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(0, 300),
    supports=st.integers(1, 700),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    step=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 100),
)
def test_equals_reference(
    queries: int, supports: int, scale: float, step: float, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    q = torch.rand(queries, 3, generator=random) * scale
    s = torch.rand(supports, 3, generator=random)
    if step:
        q, s = ((points / step).round() * step for points in (q, s))
    cuts = torch.tensor([0, queries // 3, queries]), torch.tensor([0, supports // 2, supports])
    if supports == 1:
        cuts = torch.tensor([0, 0, queries]), torch.tensor([0, 0, 1])
    found = ops.nearest(q, s, *cuts)
    with ops.backend("reference"):
        assert torch.equal(found, ops.nearest(q, s, *cuts))


def test_equals_scipy() -> None:
    random = torch.Generator().manual_seed(0)
    q, s = torch.rand(5000, 3, generator=random) * 3 - 1, torch.rand(3000, 3, generator=random)
    distances, _ = cKDTree(s).query(q)
    found = ops.nearest(q, s)
    assert found.dtype == torch.int32
    np.testing.assert_allclose((s[found] - q).norm(dim=1), distances, rtol=1e-5)


def test_ties_go_to_the_lower_row() -> None:
    supports = torch.tensor([[2.0, 0, 0], [-1, 0, 0], [1, 0, 0], [-1, 0, 0]])
    assert ops.nearest(torch.zeros(3, 3), supports).tolist() == [1, 1, 1]


def test_far_outliers_and_identical_points() -> None:
    same = torch.ones(50_000, 3)
    far = torch.tensor([[1e9, -1e9, 1e9], [3e38, 3e38, 3e38], [0.0, 0, 0]]).repeat(2000, 1)
    assert ops.nearest(same, same).unique().tolist() == [0]
    assert ops.nearest(far, same).unique().tolist() == [0]
    supports = torch.cat([same[:5], far[:3]])
    assert ops.nearest(far[:3] * 0.9, supports).tolist() == [5, 0, 7]


def test_a_cloud_without_supports_is_refused() -> None:
    points = torch.zeros(4, 3)
    with pytest.raises(DataError, match="cloud 1 has 2 queries but no supports"):
        ops.nearest(points, points, torch.tensor([0, 2, 4]), torch.tensor([0, 4, 4]))
    assert ops.nearest(points[:0], points[:0]).shape == (0,)
