"""ResGCN-28 against its definition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from salanet.model_config import ModelConfig
from salanet.models import create_model
from salanet.models.resgcn28 import EdgeConv, ResGCN28


def edge_conv(layer: EdgeConv, features: Tensor, neighbours: Tensor) -> Tensor:
    """max_j ReLU(BN(W [x_i, x_j - x_i])), pair after pair; in training with their statistics."""
    weight, norm = layer.linear.weight, layer.norm
    pairs = {}
    for i, row in enumerate(neighbours.tolist()):
        for j in row:
            if j < len(features):
                x = torch.cat([features[i], features[j] - features[i]])
                pairs.setdefault(i, []).append(weight @ x)
    everything = torch.stack([z for group in pairs.values() for z in group])
    mean, var = norm.running_mean, norm.running_var
    if layer.training:
        mean, var = everything.mean(0), everything.var(0, unbiased=False)
    out = []
    for i in range(len(features)):
        z = torch.stack(pairs[i])
        z = (z - mean) / (var + norm.eps).sqrt() * norm.weight + norm.bias
        out.append(z.clamp_min(0).amax(0))
    return torch.stack(out)


def some_layer(training: bool) -> tuple[EdgeConv, Tensor, Tensor]:
    torch.manual_seed(3)
    layer = EdgeConv(5, 7, 0.1).double().train(training)
    with torch.no_grad():
        layer.norm.weight.normal_()  # of both signs: the maximum comes after the norm
        layer.norm.bias.normal_()
        layer.norm.running_mean.normal_()
        layer.norm.running_var.uniform_(0.5, 2)
    neighbours = torch.randint(0, 12, (12, 6), dtype=torch.int32)
    neighbours[:, 0] = torch.arange(12)
    neighbours[3:5, 4:] = 12
    return layer, torch.randn(12, 5, dtype=torch.float64), neighbours


@pytest.mark.parametrize("training", [False, True])
def test_edge_convolution_by_the_definition(training: bool) -> None:
    layer, features, neighbours = some_layer(training)
    features.requires_grad_()
    weights = torch.randn(12, 7, dtype=torch.float64)
    inputs = [features, layer.linear.weight, layer.norm.weight, layer.norm.bias]
    expected = edge_conv(layer, features, neighbours)
    ours = layer(features, neighbours)
    torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-12)
    gradients = torch.autograd.grad((expected * weights).sum(), inputs)
    found = torch.autograd.grad((ours * weights).sum(), inputs)
    for ours, expected in zip(found, gradients, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-10)


def test_running_statistics_are_those_of_a_batch_norm_on_pairs() -> None:
    layer, features, neighbours = some_layer(training=True)
    norm = nn.BatchNorm1d(7).double()
    norm.running_mean.copy_(layer.norm.running_mean)
    norm.running_var.copy_(layer.norm.running_var)
    layer(features, neighbours)
    i, k = (neighbours < 12).nonzero().T
    own, other = features[i], features[neighbours[i, k].long()]
    norm(linear(torch.cat([own, other - own], dim=1), layer.linear.weight))
    torch.testing.assert_close(layer.norm.running_mean, norm.running_mean)
    torch.testing.assert_close(layer.norm.running_var, norm.running_var)


def model(**options: object) -> ResGCN28:
    torch.manual_seed(0)
    made = create_model(network="resgcn28", in_channels=4, classes=tuple("abc"), **options)
    assert isinstance(made, ResGCN28)
    return made


def test_parameters_of_the_authors_code() -> None:
    # Biases before a batch norm are all that is missing: one for each of its channels.
    config = ModelConfig(
        network="resgcn28", in_channels=6, classes=tuple(f"class {i}" for i in range(13))
    )
    ours = sum(p.numel() for p in ResGCN28(config).parameters())
    head = (2 * 9) * 64 + 27 * (2 * 64) * 64
    fusion = 28 * 64 * 1024
    prediction = (1024 + 28 * 64) * 512 + 512 * 256 + 256 * 13 + 13
    norms = 28 * 64 + 1024 + 512 + 256
    assert ours == head + fusion + prediction + 2 * norms
    theirs = ours + norms
    assert theirs == 3_644_301
    assert abs(ours / theirs - 1) < 0.01


def test_graphs_dilate_with_the_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    network = model().eval()
    asked = []

    def graph(features: Tensor, splits: Tensor, dilation: int) -> Tensor:
        asked.append(dilation)
        return ResGCN28.graph(network, features, splits, dilation)

    monkeypatch.setattr(network, "graph", graph)
    points = torch.rand(50, 3)
    network(torch.randn(50, 4), network.pyramid(points))
    assert asked == list(range(1, 28))


def test_permuted_points_permute_the_result() -> None:
    network = model().eval().double()
    points, features = torch.rand(90, 3).double(), torch.randn(90, 4).double()
    order = torch.randperm(90)
    with torch.no_grad():
        expected = network(features, network.pyramid(points))[order]
        permuted = network(features[order], network.pyramid(points[order]))
    torch.testing.assert_close(permuted, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_draws_its_neighbours_now_and_then() -> None:
    network = model().train()
    features, splits = torch.randn(100, 64), torch.tensor([0, 100])
    torch.manual_seed(1)
    graphs = [network.graph(features, splits, 3) for _ in range(100)]
    usual = network.eval().graph(features, splits, 3)
    drawn = sum(not torch.equal(g, usual) for g in graphs)
    assert 10 <= drawn <= 32  # of 100 at 0.2
