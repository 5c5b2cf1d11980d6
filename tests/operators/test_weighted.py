"""The native weighted sums against the plain PyTorch ones, values and gradients."""

from __future__ import annotations

import pytest
import torch

from salanet import ops
from salanet.errors import DataError
from salanet.ops.aggregation.weighted import (
    Scores,
    depthwise_sum,
    grid_sum,
    linear_influence,
    neighbour_sum,
)

QUERIES, SUPPORTS, K, GROUPS = 500, 350, 7, 5


def inputs(channels: int, named: bool) -> tuple[Scores, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(channels)
    neighbours = torch.randint(0, SUPPORTS + 60, (QUERIES, K), generator=generator)
    neighbours = neighbours.clamp(max=SUPPORTS).int()
    neighbours[3] = SUPPORTS
    values = torch.rand(QUERIES, K, 3 if named else GROUPS, generator=generator) - 0.4
    values = values.clamp_min(0).requires_grad_()
    groups = torch.randint(0, GROUPS, values.shape, generator=generator).int() if named else None
    features = torch.randn(SUPPORTS, channels, generator=generator).requires_grad_()
    weight = torch.randn(GROUPS, channels, generator=generator).requires_grad_()
    return Scores(values, groups, GROUPS), neighbours, features, weight


def both(function, *leaves):
    """Result and gradients of the leaves, natively and by the reference in float32."""
    found = []
    for backend in ("native", "reference"):
        with ops.backend(backend):
            out = function()
        upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
        found.append((out, *torch.autograd.grad(out, leaves, upstream)))
    return found


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("channels", [1, 9, 16, 40])
def test_grid_sum(channels: int, named: bool) -> None:
    scores, neighbours, features, _ = inputs(channels, named)
    native, reference = both(
        lambda: grid_sum(scores, neighbours, features), features, scores.values
    )
    assert (native[0][3] == 0).all()
    torch.testing.assert_close(native, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("channels", [1, 9, 16, 40])
def test_depthwise_sum(channels: int, named: bool) -> None:
    scores, neighbours, features, weight = inputs(channels, named)
    native, reference = both(
        lambda: depthwise_sum(scores, neighbours, features, weight), features, weight
    )
    assert (native[0][3] == 0).all()
    torch.testing.assert_close(native, reference, rtol=1e-4, atol=1e-4)


def test_neighbour_sum() -> None:
    _, neighbours, features, _ = inputs(12, False)
    native, reference = both(lambda: neighbour_sum(features, neighbours), features)
    torch.testing.assert_close(native, reference, rtol=1e-4, atol=1e-5)


def test_linear_influence() -> None:
    offset, points = torch.rand(30, K, 3) - 0.5, torch.rand(15, 3) - 0.5
    expected = (1 - torch.cdist(offset, points.expand(30, 15, 3)) / 0.4).clamp_min(0)
    with ops.backend("native"):
        torch.testing.assert_close(linear_influence(offset, points, 0.4), expected)


def test_threads_change_nothing() -> None:
    scores, neighbours, features, weight = inputs(24, False)
    found = []
    before = torch.get_num_threads()
    for threads in (1, 3):
        torch.set_num_threads(threads)
        out = depthwise_sum(scores, neighbours, features, weight)
        found.append((out, *torch.autograd.grad(out.square().sum(), (features, weight))))
    torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_mistakes() -> None:
    scores, neighbours, features, weight = inputs(4, True)
    with pytest.raises(DataError, match="weight must have shape"):
        depthwise_sum(scores, neighbours, features, weight[:3])
    with pytest.raises(DataError, match="neighbours must be int32"):
        grid_sum(scores, neighbours.long(), features)
    with pytest.raises(DataError, match="7 scores for 5 groups"):
        grid_sum(Scores(torch.ones(QUERIES, K, 7), None, 5), neighbours, features)
