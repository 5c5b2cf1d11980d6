"""Run by test_triton.py: search and subsampling on the GPU against the reference, exactly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from salanet import ops
from salanet.errors import DataError

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

# supports, queries, radius, k, splits of the supports, of the queries
SEARCHES = [
    (50, 20, 0.3, 5, [0, 20, 50], [0, 5, 20]),
    (30, 20, 0.5, 1, [0, 0, 30], [0, 0, 20]),
    (40, 4, 5.0, 40, [0, 40], [0, 4]),
    (20, 9, 1e-3, 3, [0, 20], [0, 9]),
]


def lattice(count: int, seed: int, scale: float = 1.0) -> Tensor:
    """Random points of a lattice: distances tie, some points coincide, some lie on cell borders."""
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    return ((points * 16).round() / 16 * scale).to(DEVICE)


def both(function):
    with ops.backend("reference"):
        expected = function()
    with ops.backend("triton"):
        return expected, function()


@pytest.mark.parametrize(("n", "m", "radius", "k", "splits", "query_splits"), SEARCHES)
def test_radius_search(n, m, radius, k, splits, query_splits) -> None:
    supports, queries = lattice(n, 0), lattice(m, 1, 1.4) - 0.2
    expected, found = both(
        lambda: ops.radius_search(
            queries, supports, radius, k, torch.tensor(query_splits), torch.tensor(splits)
        )
    )
    assert torch.equal(found, expected)


@pytest.mark.parametrize(("n", "m", "radius", "k", "splits", "query_splits"), SEARCHES)
def test_nearest(n, m, radius, k, splits, query_splits) -> None:
    del radius, k
    supports, queries = lattice(n, 2), lattice(m, 3, 5.0) - 2
    expected, found = both(
        lambda: ops.nearest(queries, supports, torch.tensor(query_splits), torch.tensor(splits))
    )
    assert torch.equal(found, expected)


def test_search_far_from_the_origin_and_with_far_outliers() -> None:
    supports = torch.cat([lattice(30, 4), lattice(2, 5) + 1e4, lattice(2, 5) - 1e6])
    expected, found = both(lambda: ops.radius_search(supports, supports, 0.2, 4))
    assert torch.equal(found, expected)
    expected, found = both(lambda: ops.nearest(lattice(9, 6, 100.0), supports))
    assert torch.equal(found, expected)


def test_neighbours_at_the_radius_are_left_out() -> None:
    points = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [1, 0, 0]], device=DEVICE)
    with ops.backend("triton"):
        found = ops.radius_search(points, points, 0.5, 3)
    assert found.tolist() == [[0, 3, 3], [1, 3, 3], [2, 3, 3]]


def test_nothing_to_search() -> None:
    points, none = lattice(3, 0), lattice(0, 0)
    with ops.backend("triton"):
        assert ops.radius_search(points, none, 1.0, 2).tolist() == [[0, 0]] * 3
        assert ops.radius_search(none, points, 1.0, 2).shape == (0, 2)
        assert ops.nearest(none, points).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("splits", [[0, 80], [0, 0, 30, 80, 80]])
def test_grid_subsample(dtype, splits) -> None:
    points = lattice(80, 7).to(dtype) - 0.5
    generator = torch.Generator().manual_seed(8)
    features = {
        "colour": torch.randint(0, 256, (80, 3), generator=generator).byte().to(DEVICE),
        "height": torch.rand(80, generator=generator).to(DEVICE),
    }
    labels = {"class": torch.randint(-2, 3, (80,), generator=generator).to(DEVICE)}
    expected, found = both(
        lambda: ops.grid_subsample(points, 0.3, torch.tensor(splits), features, labels)
    )
    assert torch.equal(found.cells, expected.cells)
    assert torch.equal(found.splits, expected.splits)
    assert torch.equal(found.points, expected.points)  # the same sums in the same order
    for name in features:
        assert torch.equal(found.features[name], expected.features[name])
    assert torch.equal(found.labels["class"], expected.labels["class"])
    assert found.labels["class"].dtype == torch.int64


def test_grid_subsample_of_nothing() -> None:
    with ops.backend("triton"):
        grid = ops.grid_subsample(lattice(0, 0), 0.1)
    assert grid.points.shape == (0, 3) and grid.splits.tolist() == [0, 0]


def test_bad_coordinates_are_named() -> None:
    points = lattice(5, 0)
    points[3, 1] = torch.nan
    with ops.backend("triton"):
        for call in (
            lambda: ops.grid_subsample(points, 0.1),
            lambda: ops.radius_search(points, points, 0.1, 2),
            lambda: ops.nearest(points, points),
        ):
            with pytest.raises(DataError, match="point 3"):
                call()
        with pytest.raises(DataError, match="too many cells"):
            ops.grid_subsample(lattice(9, 0) * 1e9, 1e-3)
