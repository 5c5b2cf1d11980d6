"""PointCNN: the lists its X-Convs see, and what it adds to them."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from salanet.models import Network, create_model
from salanet.models.pointcnn import DOWN, UP, Convolution
from salanet.pyramid import Level


def network(**options: object) -> Network:
    torch.manual_seed(0)
    return create_model(network="pointcnn", in_channels=3, classes=tuple("abc"), **options).eval()


def listed(levels: list[Level], layer: Convolution) -> Tensor:
    if layer.source == layer.target:
        return levels[layer.source].neighbours
    found = levels[layer.source].pool if layer.source < layer.target else None
    found = levels[layer.target].upsample if found is None else found
    assert found is not None
    return found


def test_as_many_parameters_as_the_authors_code_has() -> None:
    """Counted by hand from its settings for S3DIS: colours in, thirteen classes out."""
    model = create_model(network="pointcnn", in_channels=3, classes=tuple("abcdefghijklm"))
    assert sum(p.numel() for p in model.parameters()) == 11_512_845


@pytest.mark.parametrize("points", [2048, 300, 7, 1])
def test_every_list_is_dilated_nearest_neighbours(points: int) -> None:
    model = network()
    cloud = torch.rand(points, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    levels = model.pyramid(cloud).levels
    sizes = [len(level.points) for level in levels]
    assert sizes == {2048: [2048, 768, 384, 128], 300: [300, 112, 56, 18]}.get(
        points, [points, max(1, points * 3 // 8), 1, 1]
    )
    for layer in (*DOWN, *UP):
        source, target = levels[layer.source], levels[layer.target]
        found = listed(levels, layer)
        assert found.shape == (sizes[layer.target], layer.points)
        order = torch.cdist(target.points, source.points).argsort(dim=1)
        expected = order[:, : layer.points * layer.dilation : layer.dilation]
        there = expected.shape[1]
        assert torch.equal(found[:, :there].long(), expected)
        assert (found[:, there:] == len(source.points)).all()


def test_a_coarse_point_is_the_first_of_its_pool() -> None:
    levels = network().pyramid(torch.rand(400, 3)).levels
    for fine, coarse in pairwise(levels):
        assert fine.pool is not None
        assert torch.equal(fine.points[fine.pool[:, 0].long()], coarse.points)


def test_where_in_the_cloud_a_coarsest_point_lies() -> None:
    model = network()
    sizes, shifts = [200, 90], torch.tensor([[0.0, 0, 0], [8.0, -4, 2]])
    points = [torch.rand(n, 3) + shift for n, shift in zip(sizes, shifts, strict=True)]
    levels = model.pyramid(torch.cat(points), torch.tensor([0, 200, 290])).levels
    found = model._places(levels)  # type: ignore[operator]
    counts = levels[-1].splits.diff().tolist()
    means = [cloud.mean(0).expand(n, 3) for cloud, n in zip(points, counts, strict=True)]
    torch.testing.assert_close(found, levels[-1].points - torch.cat(means), atol=1e-5, rtol=0)
