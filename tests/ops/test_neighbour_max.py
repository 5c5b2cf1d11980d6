from __future__ import annotations

import pytest
import torch
from aggregation_cases import assert_same, cloud, outputs_and_gradients, weights

from salanet.errors import DataError
from salanet.ops import backend, neighbour_max


@pytest.mark.parametrize("channels", [1, 3, 16, 18, 45, 300])
@pytest.mark.parametrize(("m", "n", "k"), [(60, 80, 12), (30, 200, 64), (1, 1, 1)])
def test_kernel_matches_the_reference(m, n, k, channels):
    table, features = cloud(m, n, k, seed=channels)[2], weights(n, channels, 1, 2)[:1]

    def run(rows):
        return neighbour_max(rows, table)

    exact = outputs_and_gradients(run, features, "reference", torch.float64)
    assert_same(outputs_and_gradients(run, features, "native"), exact)


@pytest.mark.parametrize("name", ["native", "reference"])
def test_values_and_gradients(name):
    features = torch.tensor([[1.0, -5.0], [3.0, -7.0]], requires_grad=True)
    table = torch.tensor([[0, 1], [1, 2], [2, 2]], dtype=torch.int32)
    with backend(name):
        out = neighbour_max(features, table)
    assert out.tolist() == [[3.0, -5.0], [3.0, -7.0], [0.0, 0.0]]
    out.sum().backward()
    assert features.grad is not None
    assert features.grad.tolist() == [[0.0, 1.0], [2.0, 1.0]]


def test_operation_is_registered_properly():
    features = weights(12, 3, 1, 6)[0].requires_grad_()
    torch.library.opcheck(torch.ops.salanet.neighbour_max, (features, cloud(9, 12, 5, 6)[2]))


def test_shapes_that_do_not_fit():
    with pytest.raises(DataError, match="features must have two dimensions"):
        neighbour_max(torch.zeros(3), torch.zeros(2, 2, dtype=torch.int32))
