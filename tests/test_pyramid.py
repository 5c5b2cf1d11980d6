from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from salanet import ops, pyramid
from salanet.errors import DataError

KEYS = ("points", "splits", "neighbours", "pool", "upsample")


def assert_equal(a: pyramid.Pyramid, b: pyramid.Pyramid) -> None:
    assert len(a.levels) == len(b.levels)
    for left, right in zip(a.levels, b.levels, strict=True):
        assert left.radius == right.radius
        for key in KEYS:
            x, y = getattr(left, key), getattr(right, key)
            assert (x is None and y is None) or torch.equal(x, y), key


def floor_and_wall(n: int, seed: int) -> Tensor:
    points = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))
    points[: n // 2, 2] *= 0.01
    points[n // 2 :, 0] *= 0.01
    return points


@settings(max_examples=15, deadline=None)
@given(n=st.integers(0, 1500), cut=st.floats(0, 1), seed=st.integers(0, 100))
def test_backends_agree(n: int, cut: float, seed: int) -> None:
    points = floor_and_wall(n, seed)
    splits = torch.tensor([0, int(cut * n), int(cut * n), n])  # the middle cloud is empty
    native = pyramid.build(points, splits, grid=0.04, radius=0.1)
    with ops.backend("reference"):
        assert_equal(native, pyramid.build(points, splits, grid=0.04, radius=0.1))


def test_levels_are_what_the_operations_give() -> None:
    points = floor_and_wall(3000, 0)
    levels = pyramid.build(points, grid=0.04, radius=0.1, neighbours=(8, 12, 16)).levels
    assert [level.radius for level in levels] == [0.1, 0.2, 0.4]
    assert levels[0].points.data_ptr() == points.data_ptr()
    for fine, coarse, k, cell in zip(levels, levels[1:], (8, 12), (0.08, 0.16), strict=False):
        assert torch.equal(coarse.points, ops.grid_subsample(fine.points, cell).points)
        assert fine.neighbours.shape == (len(fine.points), k)
        assert torch.equal(fine.neighbours[:, 0], torch.arange(len(fine.points)).int())
        expected = ops.radius_search(coarse.points, fine.points, fine.radius, k)
        assert torch.equal(fine.pool, expected)
        assert torch.equal(fine.upsample, ops.nearest(fine.points, coarse.points))
    assert levels[-1].pool is None and levels[-1].upsample is None


def test_a_batch_is_its_clouds_stacked() -> None:
    clouds = [floor_and_wall(n, n) for n in (700, 0, 1, 900)]
    splits = torch.tensor([0, 700, 700, 701, 1601])
    batch = pyramid.build(torch.cat(clouds), splits, grid=0.04, radius=0.1).levels
    alone = [pyramid.build(cloud, grid=0.04, radius=0.1).levels for cloud in clouds]
    for depth, level in enumerate(batch):
        parts = [levels[depth] for levels in alone]
        assert torch.equal(level.points, torch.cat([part.points for part in parts]))
        offset = level.splits.tolist()
        assert offset == torch.tensor([0, *(len(p.points) for p in parts)]).cumsum(0).tolist()
        for begin, part in zip(offset, parts, strict=False):
            rows = level.neighbours[begin : begin + len(part.points)]
            missing = part.neighbours == len(part.points)
            shifted = (part.neighbours + begin).masked_fill(missing, len(level.points))
            assert torch.equal(rows, shifted)


@pytest.mark.parametrize(
    "points",
    [
        torch.zeros(1, 3),
        torch.full((2, 3), 3.25),
        floor_and_wall(300, 1) * 0.01,  # one cell holds them all
        torch.tensor([[0.0, 0, 0], [1e5, -1e5, 1e5]]),
    ],
)
def test_degenerate_clouds(points: Tensor) -> None:
    built = pyramid.build(points, grid=0.04, radius=0.1)
    with ops.backend("reference"):
        assert_equal(built, pyramid.build(points, grid=0.04, radius=0.1))
    for level in built.levels:
        assert level.neighbours[:, 0].tolist()[0] == 0  # each point is a neighbour of its own


def test_to_device_keeps_every_tensor() -> None:
    built = pyramid.build(floor_and_wall(500, 2), grid=0.04, radius=0.1)
    assert_equal(built, built.to("cpu"))
    assert built.to("meta").levels[0].neighbours.device.type == "meta"


def test_bad_arguments_are_refused() -> None:
    points = floor_and_wall(20, 0)
    with pytest.raises(DataError, match="at least one level"):
        pyramid.build(points, grid=0.04, radius=0.1, neighbours=())
    with pytest.raises(DataError, match="radius must be a positive number"):
        pyramid.build(points, grid=0.04, radius=-1)
    with pytest.raises(DataError, match="NaN or infinite"):
        pyramid.build(points * torch.nan, grid=0.04, radius=0.1)
