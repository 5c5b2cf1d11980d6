from __future__ import annotations

import pytest
import torch
from aggregation_cases import (
    RADIUS,
    assert_same,
    assert_same_bits_for_any_threads,
    cloud,
    outputs_and_gradients,
    weights,
)
from torch import Tensor

from salanet.ops import backend, position_moments
from salanet.ops.aggregation import native


def moments(points: tuple[Tensor, Tensor, Tensor]):
    def run(lift_w: Tensor, lift_b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        queries, supports = (p.to(lift_w.dtype) for p in points[:2])
        return position_moments(queries, supports, points[2], lift_w, lift_b, RADIUS)

    return run


@pytest.mark.parametrize("lifted", [8, 5, 64])
@pytest.mark.parametrize(("m", "n", "k"), [(60, 80, 12), (300, 200, 40), (1, 1, 1), (500, 30, 3)])
def test_kernel_matches_the_reference(m, n, k, lifted):
    points, lift = cloud(m, n, k, seed=m), weights(n, 1, 1, 3, lifted=lifted)[1:3]
    exact = outputs_and_gradients(moments(points), lift, "reference", torch.float64)
    assert_same(outputs_and_gradients(moments(points), lift, "native"), exact)


def test_gradients_stay_within_their_own_memory():
    points, (lift_w, lift_b) = cloud(30, 40, 6, 2), weights(40, 1, 1, 2)[1:3]
    lifted, guard = len(lift_b), torch.full((100,), 7.0)
    flat, sums, gram = guard[: 4 * lifted], torch.ones(40, lifted), torch.ones(lifted, lifted)
    native.kernels.moments_backward(*points, lift_w, lift_b, RADIUS, sums, gram, flat, 1)
    assert (guard[4 * lifted :] == 7.0).all()


def test_moments_give_the_batch_statistics_of_all_pairs():
    """Mean and variance of z over pairs, from the moments and from the pairs themselves."""
    (queries, supports, neighbours), tensors = cloud(50, 60, 9, 1), weights(60, 5, 1, 1)
    projected, lift_w, lift_b, position_w = tensors[0], tensors[1], tensors[2], tensors[7]
    sums, counts, gram = position_moments(queries, supports, neighbours, lift_w, lift_b, RADIUS)
    pairs = counts.sum()
    mean = (sums.sum(0) @ position_w.T + counts @ projected) / pairs
    cross = (sums @ position_w.T * projected).sum(0)
    square = ((position_w @ gram) * position_w).sum(1) + 2 * cross + counts @ projected**2

    i, slot = (neighbours < 60).nonzero(as_tuple=True)
    j = neighbours[i, slot].long()
    r = torch.relu((supports[j] - queries[i]) / RADIUS @ lift_w.T + lift_b)
    z = r @ position_w.T + projected[j]
    torch.testing.assert_close(mean, z.mean(0), rtol=1e-5, atol=1e-5)
    variance = square / pairs - mean**2
    torch.testing.assert_close(variance, z.var(0, correction=0), rtol=1e-4, atol=1e-5)


def test_same_bits_for_any_number_of_threads():
    points, lift = cloud(700, 900, 16, 5), weights(900, 1, 1, 5)[1:3]
    assert_same_bits_for_any_threads(lambda: outputs_and_gradients(moments(points), lift, "native"))


@pytest.mark.usefixtures("one_thread")
def test_gradcheck_of_the_reference():
    lift = [t.double().requires_grad_() for t in weights(6, 1, 1, 9)[1:3]]
    with backend("reference"):
        run = moments(cloud(5, 6, 4, 9))
        assert torch.autograd.gradcheck(lambda *t: run(*t)[::2], lift)


def test_operation_is_registered_properly():
    lift = [t.requires_grad_() for t in weights(12, 1, 1, 6)[1:3]]
    arguments = (*cloud(9, 12, 5, 6), *lift, RADIUS)
    torch.library.opcheck(torch.ops.salanet.position_moments, arguments)
