from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet import ops
from salanet.errors import DataError


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(0, 1000),
    cell=st.sampled_from([0.05, 0.3, 100.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    offset=st.sampled_from([0.0, -0.5, 6.5e6]),
    clouds=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_equals_reference(
    n: int, cell: float, dtype: torch.dtype, offset: float, clouds: int, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    points = torch.rand(n, 3, generator=random, dtype=dtype) + offset
    cuts = torch.randint(0, n + 1, (clouds - 1,), generator=random).sort().values
    splits = torch.cat([torch.tensor([0]), cuts, torch.tensor([n])])
    features = {
        "rgb": torch.randint(0, 256, (n, 3), generator=random, dtype=torch.uint8),
        "intensity": torch.rand(n, generator=random),
        "many": torch.rand(n, 7, generator=random, dtype=torch.float64),
        "count": torch.randint(-(2**40), 2**40, (n,), generator=random),
    }
    labels = {
        "segment": torch.randint(-2, 4, (n,), generator=random, dtype=torch.int16),
        "code": torch.randint(0, 3, (n,), generator=random, dtype=torch.uint8),
        "part": torch.randint(-1, 2, (n,), generator=random, dtype=torch.int8),
    }
    found = ops.grid_subsample(points, cell, splits, features, labels)
    with ops.backend("reference"):
        expected = ops.grid_subsample(points, cell, splits, features, labels)
    assert found.points.dtype == dtype
    assert torch.equal(found.points, expected.points)
    assert torch.equal(found.splits, expected.splits)
    assert torch.equal(found.cells, expected.cells)
    for name in features:
        assert found.features[name].dtype == torch.float32
        assert torch.equal(found.features[name], expected.features[name])
    for name, values in labels.items():
        assert found.labels[name].dtype == values.dtype
        assert torch.equal(found.labels[name], expected.labels[name])


def test_equals_numpy_unique() -> None:
    points = np.random.default_rng(0).random((20_000, 3)) * [4, 5, 2] - 1
    found = ops.grid_subsample(torch.from_numpy(points), 0.25)
    cells = np.floor(points / 0.25).astype(np.int64)[:, ::-1]
    _, inverse, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    assert np.array_equal(found.cells, inverse.ravel())
    sums = [np.bincount(inverse.ravel(), points[:, axis]) for axis in range(3)]
    assert np.array_equal(found.points, np.stack(sums, axis=1) / counts[:, None])


def test_known_answer() -> None:
    points = torch.tensor([[0.9, 0, 0], [0.1, 0, 0], [-0.1, 0, 0], [0.5, 0, 1.5], [0.5, 0.0, 0.0]])
    found = ops.grid_subsample(
        points,
        1.0,
        features={"f": torch.tensor([1.0, 2, 3, 4, 6])},
        labels=torch.tensor([2, 1, 5, 9, -1]),
    )
    assert found.cells.tolist() == [1, 1, 0, 2, 1]  # by z, y, x; -0.1 lies in cell -1
    assert found.points.tolist() == [
        pytest.approx([-0.1, 0, 0]),
        pytest.approx([0.5, 0, 0]),
        pytest.approx([0.5, 0, 1.5]),
    ]
    assert found.features["f"].tolist() == [3, 3, 4]
    assert found.labels.tolist() == [5, 1, 9]
    assert found.splits.tolist() == [0, 3]


@pytest.mark.parametrize("name", ["reference", "native"])
@pytest.mark.parametrize(
    ("votes", "winner"),
    [([3, 3, 1], 3), ([3, 1], 1), ([-1, -1, 4], 4), ([-1, -2, -1], -1), ([-1, -2], -2)],
)
def test_votes(name: str, votes: list[int], winner: int) -> None:
    with ops.backend(name):  # type: ignore[arg-type]
        found = ops.grid_subsample(torch.zeros(len(votes), 3), 1.0, labels=torch.tensor(votes))
    assert found.labels.tolist() == [winner]


def test_tiles_agree_on_their_cells() -> None:
    points = torch.rand(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    whole = ops.grid_subsample(points, 0.125).points
    halves = [
        ops.grid_subsample(points[side], 0.125).points
        for side in (points[:, 0] < 0.5, points[:, 0] >= 0.5)
    ]
    together = torch.cat(halves)
    order = np.lexsort(together.T.numpy()), np.lexsort(whole.T.numpy())
    assert torch.equal(together[order[0]], whole[order[1]])


@pytest.mark.parametrize("name", ["reference", "native"])
def test_empty_single_and_identical_points(name: str) -> None:
    with ops.backend(name):  # type: ignore[arg-type]
        empty = ops.grid_subsample(torch.zeros(0, 3), 0.1, torch.tensor([0, 0, 0]))
        assert empty.points.shape == (0, 3) and empty.splits.tolist() == [0, 0, 0]
        pair = ops.grid_subsample(torch.full((2, 3), 0.25), 0.1, torch.tensor([0, 1, 2]))
        assert pair.points.tolist() == [[0.25] * 3] * 2 and pair.splits.tolist() == [0, 1, 2]
        same = ops.grid_subsample(torch.full((1000, 3), 0.25), 0.1)
        assert same.points.tolist() == [[0.25] * 3] and not same.cells.any()


@pytest.mark.parametrize("name", ["reference", "native"])
def test_wide_extents(name: str) -> None:
    """Keys so long that they leave no room for the row, then too long for 64 bits."""
    points = torch.rand(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with ops.backend(name):  # type: ignore[arg-type]
        found = ops.grid_subsample(points, 2.0**-20)
        order = np.lexsort(points.T.numpy())
        assert torch.equal(found.points, points[order])
        with pytest.raises(DataError, match="span too many cells"):
            ops.grid_subsample(points, 2.0**-24)
        with pytest.raises(DataError, match="too small for coordinates this large"):
            ops.grid_subsample(points * 1e300, 0.1)


def test_bad_arguments_are_refused() -> None:
    points = torch.zeros(4, 3)
    broken = points.clone()
    broken[2, 2] = -torch.inf
    for name in ("reference", "native"):
        with ops.backend(name):  # type: ignore[arg-type]
            with pytest.raises(DataError, match="point 2 of points has a NaN or infinite"):
                ops.grid_subsample(broken, 0.1)
            with pytest.raises(DataError, match="cell size must be a positive number"):
                ops.grid_subsample(points, -1.0)
            with pytest.raises(DataError, match=r"'f' has shape \(3,\) for 4 points"):
                ops.grid_subsample(points, 0.1, features={"f": torch.zeros(3)})
            with pytest.raises(DataError, match="'l' must be integers"):
                ops.grid_subsample(points, 0.1, labels={"l": torch.zeros(4)})
            with pytest.raises(DataError, match="must rise from 0 to the 4 points"):
                ops.grid_subsample(points, 0.1, torch.tensor([0, 3]))
