"""The nearest by features, against their definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.models import feature_graph
from salanet.models.feature_graph import dilated_neighbours


def definition(features: np.ndarray, k: int, dilation: int) -> np.ndarray:
    """(n, k) in float64; missing entries n."""
    size = len(features)
    out = np.full((size, k), size)
    reach = min(size, k * dilation)
    for i in range(size):
        distance = [float(((features[i] - other) ** 2).sum()) for other in features]
        order = sorted(range(size), key=lambda j: (distance[j], j))[:reach]
        every = order[:: max(1, reach // k)][:k]
        out[i, : len(every)] = every
    return out


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    k=st.integers(1, 8),
    dilation=st.integers(1, 5),
    double=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_dth_of_the_nearest(
    sizes: list[int], k: int, dilation: int, double: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    clouds = [rng.normal(size=(n, 5)).astype(np.float32) for n in sizes]
    splits = torch.tensor([0, *np.cumsum(sizes)])
    features = torch.from_numpy(np.concatenate(clouds))
    found = dilated_neighbours(features.double() if double else features, splits, k, dilation)
    total = sum(sizes)
    assert found.dtype == torch.int32
    for start, cloud in zip(splits.tolist(), clouds, strict=False):
        expected = definition(cloud.astype(np.float64), k, dilation)
        expected = np.where(expected == len(cloud), total, expected + start)
        assert np.array_equal(found[start : start + len(cloud)], expected)


def test_slices_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, splits = torch.randn(300, 8), torch.tensor([0, 300])
    whole = dilated_neighbours(features, splits, 16, 3)
    monkeypatch.setattr(feature_graph, "DISTANCES", 700)
    assert torch.equal(dilated_neighbours(features, splits, 16, 3), whole)


def test_tied_rows_in_ascending_order() -> None:
    features, splits = torch.ones(20, 4), torch.tensor([0, 20])
    assert dilated_neighbours(features, splits, 3, 2).tolist() == [[0, 2, 4]] * 20


def test_random_ranks_lie_among_the_nearest() -> None:
    features, splits = torch.randn(200, 6), torch.tensor([0, 200])
    nearest = dilated_neighbours(features, splits, 20)
    torch.manual_seed(0)
    found = dilated_neighbours(features, splits, 5, 4, random=True)
    ranks = [[nearest[i].tolist().index(j) for j in found[i].tolist()] for i in range(200)]
    assert all(r == ranks[0] for r in ranks), "the same ranks for every row"
    assert len(set(ranks[0])) == 5 and ranks[0] != sorted(ranks[0])
