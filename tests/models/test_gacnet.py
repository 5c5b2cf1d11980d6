"""GACNet: its graphs, the shapes among its inputs, and the attention on its logits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from salanet.models import Network, create_model
from salanet.models.gacnet import NEIGHBOURS, Head, shapes
from salanet.operators import PointNorm
from salanet.pyramid import Level


def network(channels: int = 4, classes: int = 3) -> Network:
    torch.manual_seed(0)
    names = tuple(f"class {i}" for i in range(classes))
    return create_model(network="gacnet", in_channels=channels, classes=names).eval()


def graph(points: int = 60) -> Level:
    cloud = torch.rand(points, 3, generator=torch.Generator().manual_seed(2)) * 0.3
    return network().pyramid(cloud).levels[0]


def test_parameters_against_the_authors_code() -> None:
    """Theirs, counted from its settings (z and colours in), has biases before norms and softmax."""
    model = network(4, 13)
    theirs = 2_116_665
    biases = sum(m.num_features for m in model.modules() if isinstance(m, PointNorm))
    biases += sum(16 + c for c in (64, 128, 256, 512, 256, 13))
    more = 32  # what is refined sees four input features, theirs the three colours
    assert sum(p.numel() for p in model.parameters()) == theirs - biases + more


def test_graphs_are_balls_that_double() -> None:
    model = network()
    cloud = torch.rand(500, 3, generator=torch.Generator().manual_seed(1)) * 0.5
    levels = model.pyramid(cloud).levels
    assert [len(level.points) for level in levels] == [500, 125, 31, 7, 3]
    for i, (level, k) in enumerate(zip(levels, NEIGHBOURS, strict=True)):
        distance = torch.cdist(level.points.double(), level.points.double())
        for row, near in zip(distance, level.neighbours, strict=True):
            inside = row.argsort()[: min(k, int((row < 0.1 * 2**i).sum()))]
            assert set(near[near < len(row)].tolist()) == set(inside.tolist())
    for fine, coarse in pairwise(levels):
        assert fine.pool is not None and fine.upsample is not None
        assert torch.equal(fine.points[fine.pool[:, 0].long()], coarse.points)
        assert fine.upsample.shape == (len(fine.points), 3)


def test_shapes_by_the_definition() -> None:
    level = graph()
    level.neighbours[3, 2:] = len(level.points)  # two points have no shape
    found = shapes(level)
    for i, near in enumerate(level.neighbours.tolist()):
        rows = [j for j in near if j < len(level.points)]
        if len(rows) < 3:
            assert (found[i] == 0).all()
            continue
        values, vectors = np.linalg.eigh(np.cov(level.points[rows].double().numpy().T))
        values = np.maximum(values[::-1], 0)
        np.testing.assert_allclose(found[i, :3], values / np.linalg.norm(values), atol=1e-6)
        np.testing.assert_allclose(found[i, 3:], np.abs(vectors[:, 0]), atol=1e-4)
    assert (found[3] == 0).all() and (found[4] != 0).any()


def test_a_plane_is_flat() -> None:
    cloud = torch.rand(400, 3) * torch.tensor([0.4, 0.4, 0.0])
    found = shapes(network().pyramid(cloud).levels[0])
    known = found[:, 0] > 0
    assert known.all()
    torch.testing.assert_close(found[:, 5], torch.ones(400))
    torch.testing.assert_close(found[:, 2], torch.zeros(400), atol=1e-6, rtol=0)


def test_the_logits_are_refined_by_the_definition() -> None:
    """Loops over points and neighbours, in float64, with statistics that are not trivial."""
    torch.manual_seed(3)
    head = Head(8, 3 + 2, 3, momentum=0.1).double().eval()
    with torch.no_grad():
        for norm in head.modules():
            if isinstance(norm, PointNorm):
                norm.running_mean.normal_(0, 0.2)
                norm.running_var.uniform_(0.5, 2)
                norm.weight.normal_()
                norm.bias.normal_(0, 0.3)
    level = graph(30)
    level = Level(level.points.double(), level.splits, level.radius, level.neighbours)
    x, features = torch.randn(30, 8).double(), torch.randn(30, 2).double()

    def perceptron(rows: torch.nn.Module, value: torch.Tensor) -> torch.Tensor:
        for layer in rows.children():
            if isinstance(layer, PointNorm):
                scale, shift = layer.scale_shift()
                value = value * scale + shift
            elif isinstance(layer, torch.nn.Linear):
                value = layer.weight @ value
            else:
                value = torch.where(value > 0, value, value.exp() - 1)
        return value

    attention, expected = head.attention, []
    with torch.no_grad():
        logits = [
            head.classify.weight @ perceptron(head.rows, row) + head.classify.bias for row in x
        ]
        for i, near in enumerate(level.neighbours.tolist()):
            scores, values = [], []
            for j in near:
                if j == 30:
                    continue
                apart = (level.points[j] - level.points[i]) / level.radius
                edge = perceptron(attention.edge, torch.cat([apart, features[j] - features[i]]))
                change = perceptron(attention.difference, logits[j] - logits[i])
                hidden = perceptron(attention.merge, torch.cat([edge, change]))
                scores.append(attention.score.weight @ hidden)
                values.append(torch.cat([edge, logits[j]]))
            u = torch.zeros(16 + 3).double()
            for channel in range(len(u)):
                total = sum(float(score[channel].exp()) for score in scores)
                for score, value in zip(scores, values, strict=True):
                    u[channel] += score[channel].exp() / total * value[channel]
            expected.append(head.refine.weight @ torch.cat([logits[i], u]) + head.refine.bias)
        found = head(x, features, level)
    torch.testing.assert_close(found, torch.stack(expected))
