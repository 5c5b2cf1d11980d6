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

from salanet.errors import DataError
from salanet.ops import backend, pair_moments, position_moments
from salanet.ops.aggregation import native

# queries, supports, slots: one tile, many, rows that fill a tile alone, a single pair, few columns
SHAPES = [(60, 80, 12), (900, 200, 40), (40, 300, 255), (1, 1, 1), (500, 30, 3), (20, 9, 0)]


def moments(points: tuple[Tensor, Tensor, Tensor]):
    def run(*lift: Tensor) -> Tensor:
        dtype = lift[0].dtype
        queries, supports = (p.to(dtype) for p in points[:2])
        return pair_moments(queries, supports, points[2], RADIUS, (lift[0], lift[1]))

    return run


@pytest.mark.parametrize("lifted", [8, 5, 64, 3])
@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_kernel_matches_the_reference(m, n, k, lifted):
    points, lift = cloud(m, n, k, seed=m), weights(n, 1, 1, 3, lifted=lifted)[1:3]
    exact = outputs_and_gradients(moments(points), lift, "reference", torch.float64)
    assert_same(outputs_and_gradients(moments(points), lift, "native"), exact)


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_offsets_match_the_reference(m, n, k):
    queries, supports, neighbours = cloud(m, n, k, seed=m)
    with backend("reference"):
        exact = pair_moments(queries.double(), supports.double(), neighbours, RADIUS)
    assert_same([pair_moments(queries, supports, neighbours, RADIUS)], [exact])


@pytest.mark.parametrize("name", ["native", "reference"])
def test_no_supports_and_no_queries(name):
    lift = weights(1, 1, 1, 3)[1:3]
    none, one = torch.empty(0, 3), torch.zeros(1, 3)
    with backend(name):
        for points in ((one, none, torch.zeros(1, 4).int()), (none, one, torch.zeros(0, 4).int())):
            assert torch.equal(pair_moments(*points, RADIUS), torch.zeros(4, 4))
            assert torch.equal(pair_moments(*points, RADIUS, (lift[0], lift[1])), torch.zeros(9, 9))


def test_a_lift_to_nothing_counts_pairs():
    found = pair_moments(*cloud(9, 12, 5, 6), RADIUS, (torch.zeros(0, 3), torch.zeros(0)))
    assert torch.equal(found, (cloud(9, 12, 5, 6)[2] < 12).sum().float().view(1, 1))


def test_agrees_with_the_moments_of_each_support():
    points, (lift_w, lift_b) = cloud(50, 60, 9, 1), weights(60, 1, 1, 1)[1:3]
    sums, counts, gram = position_moments(*points, lift_w, lift_b, RADIUS)
    found = pair_moments(*points, RADIUS, (lift_w, lift_b))
    torch.testing.assert_close(found[:-1, :-1], gram)
    torch.testing.assert_close(found[-1, :-1], sums.sum(0))
    assert torch.equal(found, found.T)
    assert found[-1, -1] == counts.sum()


def test_rows_that_do_not_exist_are_refused():
    queries, supports, neighbours = cloud(300, 60, 9, 1)
    for row in (-1, 61):
        neighbours[200, 3] = row
        with pytest.raises(DataError, match=f"row {row} of 60 supports"):
            pair_moments(queries, supports, neighbours, RADIUS)


def test_gradients_stay_within_their_own_memory():
    points, (lift_w, lift_b) = cloud(30, 40, 6, 2), weights(40, 1, 1, 2)[1:3]
    lifted, guard = len(lift_b), torch.full((100,), 7.0)
    flat, grad = guard[: 4 * lifted], torch.ones(lifted + 1, lifted + 1)
    native.kernels.pair_moments_backward(*points, lift_w, lift_b, RADIUS, grad, flat, 1)
    assert (guard[4 * lifted :] == 7.0).all()


def test_same_bits_for_any_number_of_threads():
    points, lift = cloud(700, 900, 16, 5), weights(900, 1, 1, 5)[1:3]
    assert_same_bits_for_any_threads(
        lambda: [
            *outputs_and_gradients(moments(points), lift, "native"),
            pair_moments(*points, RADIUS),
        ]
    )


@pytest.mark.usefixtures("one_thread")
def test_gradcheck_of_the_reference():
    lift = [t.double().requires_grad_() for t in weights(6, 1, 1, 9)[1:3]]
    with backend("reference"):
        assert torch.autograd.gradcheck(moments(cloud(5, 6, 4, 9)), lift)


def test_operation_is_registered_properly():
    lift = [t.requires_grad_() for t in weights(12, 1, 1, 6)[1:3]]
    points = cloud(9, 12, 5, 6)
    torch.library.opcheck(torch.ops.salanet.pair_moments, (*points, *lift, RADIUS))
    torch.library.opcheck(torch.ops.salanet.pair_moments, (*points, None, None, RADIUS))
