"""PointASNL against its definition."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from salanet.models import create_model
from salanet.models.layers import Dense
from salanet.models.pointasnl import (
    AdaptiveSampling,
    NonLocal,
    PointASNL,
    PointConvolution,
    Repulsion,
    kept,
)
from salanet.models.selection import farthest_points


def settled(module: nn.Module) -> nn.Module:
    """In float64, for inference, with statistics that are none of the initial ones."""
    module = module.double().eval()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d):
            with torch.no_grad():
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
                layer.weight.normal_()
                layer.bias.normal_()
    return module


def dense(layer: Dense, x: Tensor) -> Tensor:
    """One row (C,) through a linear map, a batch norm, and a ReLU if it has one."""
    norm = layer.norm
    y = layer.linear.weight @ x
    y = (y - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
    return y.clamp_min(0) if layer.relu else y


def attention(query: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    scores = [math.exp(float(query @ key) / math.sqrt(len(query))) for key in keys]
    return sum(s * v for s, v in zip(scores, values, strict=True)) / sum(scores)


def test_adaptive_sampling_by_the_definition() -> None:
    torch.manual_seed(0)
    channels, k = 3 + 5, 4
    layer = settled(AdaptiveSampling(channels, 0.1))
    groups = torch.randn(6, k, channels, dtype=torch.float64)
    with torch.no_grad():
        moved, features = layer(groups)
        for m, group in enumerate(groups):
            rows = [torch.cat([row[:3] - group[0, :3], row]) for row in group]
            both = [dense(layer.key_value, row) for row in rows]
            keys, values = [b[:32] for b in both], [b[32:] for b in both]
            scores = []
            for row in rows:
                seen = attention(dense(layer.query, row), keys, values)
                scores.append(dense(layer.weigh[1], dense(layer.weigh[0], seen)))
            for column in range(1 + channels):
                weight = [math.exp(s[column]) for s in scores]
                weight = [w / sum(weight) for w in weight]
                mine = group[:, :3] if column == 0 else group[:, column - 1]
                mean = sum(w * x for w, x in zip(weight, mine, strict=True))
                ours = moved[m] if column == 0 else features[m, column - 1]
                torch.testing.assert_close(ours, mean, rtol=1e-10, atol=1e-12)


def test_nonlocal_attention_by_the_definition() -> None:
    torch.manual_seed(1)
    layer = settled(NonLocal(6, 9, 5, 0.1))
    features = torch.randn(14, 6, dtype=torch.float64)
    sampled = torch.randn(5, 9, dtype=torch.float64)
    of, among = torch.tensor([0, 3, 5]), torch.tensor([0, 10, 14])
    with torch.no_grad():
        ours = layer(sampled, features, of, among)
        for i in range(5):
            cloud = features[:10] if i < 3 else features[10:]
            both = [dense(layer.key_value, f) for f in cloud]
            query = dense(layer.query, sampled[i])
            seen = attention(query, [b[:32] for b in both], [b[32:] for b in both])
            expected = dense(layer.project, seen)
            torch.testing.assert_close(ours[i], expected, rtol=1e-10, atol=1e-12)


def test_point_convolution_by_the_definition() -> None:
    torch.manual_seed(2)
    layer = settled(PointConvolution(4, 7, 0.1))
    offset = torch.randn(5, 6, 3, dtype=torch.float64)
    features = torch.randn(5, 6, 4, dtype=torch.float64)
    with torch.no_grad():
        ours = layer(offset, features)
        for i in range(5):
            total = torch.zeros(4, 32, dtype=torch.float64)
            for j in range(6):
                weight = dense(layer.weigh, offset[i, j])
                for channel in range(4):
                    total[channel] += features[i, j, channel] * weight
            expected = dense(layer.dense, total.flatten())
            torch.testing.assert_close(ours[i], expected, rtol=1e-10, atol=1e-12)


def test_repulsion_by_the_definition() -> None:
    torch.manual_seed(3)
    # The second cloud lies closer than the term reaches, the first hardly.
    points = torch.cat([torch.rand(30, 3), torch.rand(40, 3) * 0.05, torch.rand(1, 3)]).double()
    points[69] = 1.0
    splits = torch.tensor([0, 30, 70, 71])
    layer = Repulsion().train()
    layer(points, splits)
    ours = layer.regularisation()
    terms = []
    for cloud in (points[:30], points[30:70], points[70:]):
        size = max(float(p.norm()) for p in cloud)
        for i, own in enumerate(cloud):
            others = [float((own - p).norm()) / size for j, p in enumerate(cloud) if j != i]
            near = [d for d in sorted(others)[:4] if d < 0.07]
            near += [1e-6] * (4 - len(near))
            terms += [0.07 - d * math.exp(-((d / 0.03) ** 2)) for d in near]
    assert ours.item() == pytest.approx(0.01 * sum(terms) / len(terms), rel=1e-6)
    assert layer.regularisation().item() == 0
    layer.eval()(points, splits)
    assert layer.regularisation().item() == 0


def model(**options: object) -> PointASNL:
    torch.manual_seed(0)
    made = create_model(
        **{"network": "pointasnl", "in_channels": 4, "classes": tuple("abc")} | options
    )
    assert isinstance(made, PointASNL)
    return made


def test_parameters_of_the_authors_code() -> None:
    def conv(inputs: int, outputs: int, norm: bool = True) -> int:
        return inputs * outputs + outputs + 2 * outputs * norm

    def abstraction(c: int, widths: list[int], adaptive: bool) -> int:
        grouped, total = c + 3, 0
        if adaptive:
            inner = max(32, grouped // 2)
            total += conv(grouped + 3, 2 * inner) + conv(grouped + 3, inner)
            total += conv(inner, 32) + conv(32, 1 + grouped)
        inner = max(32, c // 2)
        total += conv(c, 2 * inner) + conv(grouped, inner) + conv(inner, widths[2])
        total += conv(grouped + 3, widths[2]) + conv(grouped + 3, widths[0])
        total += conv(widths[0], widths[1]) + conv(3, 32) + conv(32 * widths[1], widths[2])
        return total + conv(widths[2], widths[2])

    def decoding(below: int, skip: int, widths: list[int]) -> int:
        total, last = conv(3, 32) + conv(32 * (below + 3), widths[0]), widths[0] + skip
        for width in widths[1:]:
            total, last = total + conv(last, width), width
        return total

    theirs = (
        abstraction(3, [32, 32, 64], True)
        + abstraction(64, [64, 64, 128], True)
        + abstraction(128, [128, 128, 256], False)
        + abstraction(256, [256, 256, 512], False)
        + decoding(512, 256, [512, 512])
        + decoding(512, 128, [256, 256])
        + decoding(256, 64, [256, 128])
        + decoding(128, 3, [128, 128, 128])
        + conv(128, 128)
        + conv(128, 13, norm=False)
    )
    network = model(in_channels=3, classes=tuple(f"class {i}" for i in range(13)))
    ours = sum(p.numel() for p in network.parameters())
    biases = sum(m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm1d))
    assert theirs == 22_428_329 == ours + biases
    assert abs(ours / theirs - 1) < 0.01


def test_slices_of_the_decoder_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    network = model().eval()
    points, features = torch.rand(100, 3), torch.randn(100, 4)
    with torch.no_grad():
        whole = network(features, network.pyramid(points))
        monkeypatch.setattr("salanet.models.pointasnl.ROWS", 7)
        torch.testing.assert_close(network(features, network.pyramid(points)), whole)


def test_far_points_matter() -> None:
    network = model().eval()
    points, features = torch.rand(300, 3), torch.randn(300, 4)
    points[250:, 0] += 100
    changed = features.clone()
    changed[250:] += 1
    with torch.no_grad():
        here = network(features, network.pyramid(points))[:250]
        there = network(changed, network.pyramid(points))[:250]
    assert ((here - there).abs().amax(1) > 1e-6).all()


def test_splits_without_a_search() -> None:
    splits = torch.tensor([0, 40, 40, 41, 55])
    _, expected = farthest_points(torch.rand(55, 3), splits, 8)
    assert kept(splits, 8).tolist() == expected.tolist()
