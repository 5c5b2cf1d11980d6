"""Superpoint graphs against their definition."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from salanet.errors import ConfigError
from salanet.evaluation.scenes import Whole
from salanet.models import create_model, superpoint_graph
from salanet.models.spg import SPG, GatedCell, PartNet, edge_convolution
from salanet.models.superpoint_graph import SuperpointPyramid
from salanet.sampling.partition import Superpoints
from salanet.scenes import Scene


def model(**options: object) -> SPG:
    torch.manual_seed(0)
    made = create_model(**{"network": "spg", "in_channels": 4, "classes": tuple("abc")} | options)
    assert isinstance(made, SPG)
    return made


def test_parameters_of_the_authors_code() -> None:
    def linear(inputs: int, outputs: int, norm: bool = True, bias: bool = True) -> int:
        return inputs * outputs + outputs * bias + 2 * outputs * norm

    def chain(*widths: int) -> int:
        return sum(linear(i, o) for i, o in pairwise(widths))

    theirs = (
        chain(14, 64, 64, 128)
        + chain(128, 128, 64)
        + linear(64, 4, norm=False)
        + chain(14, 64, 64, 128, 128, 256)
        + chain(257, 256, 64)
        + linear(64, 32, norm=False)
        + linear(13, 32, norm=False)
        + linear(32, 128, norm=False)
        + linear(128, 64)
        + linear(64, 1024, norm=False, bias=False)
        + 2 * linear(32, 96, norm=False)
        + linear(32, 32, norm=False)
        + linear(11 * 32, 13, norm=False)
    )
    network = model(classes=tuple(f"class {i}" for i in range(13)))
    ours = sum(p.numel() for p in network.parameters())
    norms = [m.num_features for m in network.modules() if isinstance(m, nn.BatchNorm1d)]
    assert theirs == 279_409
    assert ours == theirs - (sum(norms) - 13) + 2 * 13
    assert abs(ours / theirs - 1) < 0.01


def test_edge_convolution_by_the_definition() -> None:
    torch.manual_seed(0)
    states = torch.randn(5, 4, dtype=torch.float64)
    edges = torch.tensor([[0, 1], [2, 1], [3, 1], [1, 0], [4, 3]])
    matrices = torch.randn(5, 4, 4, dtype=torch.float64)
    ours = edge_convolution(states, edges, matrices)
    for part in range(5):
        sent = []
        for (source, target), matrix in zip(edges.tolist(), matrices, strict=True):
            if target == part:
                h = states[source]
                sent.append([sum(h[a] * matrix[a, b] for a in range(4)) for b in range(4)])
        expected = torch.tensor(sent).double().mean(0) if sent else torch.zeros(4).double()
        torch.testing.assert_close(ours[part], expected, rtol=1e-6, atol=1e-12)


def test_gated_cell_by_the_definition() -> None:
    torch.manual_seed(1)
    cell = GatedCell(6).double()
    message, state = torch.randn(3, 6).double(), torch.randn(3, 6).double()

    def normalised(x: Tensor) -> Tensor:
        mean = sum(x) / len(x)
        var = sum((v - mean) ** 2 for v in x) / len(x)
        return (x - mean) / (var + 1e-5) ** 0.5

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    with torch.no_grad():
        ours = cell(message, state)
        for row in range(3):
            h = state[row]
            gate = cell.gate.weight @ h + cell.gate.bias
            m = torch.stack([sigmoid(g) * x for g, x in zip(gate, message[row], strict=True)])
            given = normalised(cell.input.weight @ m + cell.input.bias)
            kept = normalised(cell.hidden.weight @ h + cell.hidden.bias)
            for c in range(6):
                r = sigmoid(given[c] + kept[c])
                z = sigmoid(given[6 + c] + kept[6 + c])
                n = math.tanh(given[12 + c] + r * kept[12 + c])
                expected = (1 - z) * n + z * h[c]
                torch.testing.assert_close(ours[row, c], expected, rtol=1e-10, atol=1e-12)


def test_the_embedding_is_a_pointnet_of_each_part_alone() -> None:
    torch.manual_seed(2)
    net = PartNet(9, 0.1).double().eval()
    with torch.no_grad():
        net.turn.weight.normal_()
        rows, diameter = torch.randn(20, 9).double(), torch.rand(3, 1).double()
        parts = torch.tensor([0] * 5 + [1] * 12 + [2] * 3)[torch.randperm(20)]
        together = net(rows, parts, diameter)
        for part in range(3):
            mine = rows[parts == part]
            turn = net.turn(net.turn_part(net.turn_points(mine).amax(0, keepdim=True)))
            matrix = turn.view(2, 2) + torch.eye(2).double()
            turned = mine.clone()
            for i, row in enumerate(mine):
                turned[i, 0] = row[0] * matrix[0, 0] + row[1] * matrix[1, 0]
                turned[i, 1] = row[0] * matrix[0, 1] + row[1] * matrix[1, 1]
            whole = torch.cat([net.points(turned).amax(0), diameter[part]])
            torch.testing.assert_close(together[part], net.out(net.part(whole[None]))[0])


def some_parts(points: int = 90, parts: int = 4) -> tuple[np.ndarray, Superpoints]:
    rng = np.random.default_rng(0)
    cloud = rng.random((points, 3))
    numbers = (cloud[:, 0] * parts).astype(np.int32)
    return cloud, Superpoints(7 + 2 * numbers, rng.random((points, 4)).astype(np.float32))


def test_edges_and_their_features_by_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud, given = some_parts()
    pairs = np.array([[i, j] for i in range(90) for j in range(i + 1, 90) if (i * j) % 7 == 0])
    parts = (given.parts - 7) // 2
    pairs = pairs[parts[pairs[:, 0]] != parts[pairs[:, 1]]]
    monkeypatch.setattr(superpoint_graph, "_touching", lambda *_: pairs)
    graph = superpoint_graph.superpoint_graph([cloud], [given])
    assert graph.count == 4 and graph.parts.tolist() == parts.tolist()
    assert len(graph.edges) == 12, "both ways between any two"

    def shape(part: int) -> list[float]:
        mine = cloud[parts == part]
        a, b, c = sorted(np.linalg.eigvalsh(np.cov(mine.T)), reverse=True)
        return [a, (a * b) ** 0.5, (a * b * c) ** (1 / 3), len(mine)]

    for (source, target), found in zip(graph.edges.tolist(), graph.edge_features, strict=True):
        offsets = []
        for i, j in [*pairs, *pairs[:, ::-1]]:
            if parts[i] == source and parts[j] == target:
                offsets.append(cloud[i] - cloud[j])
        ratios = [math.log(a / b) for a, b in zip(shape(source), shape(target), strict=True)]
        middle = cloud[parts == source].mean(0) - cloud[parts == target].mean(0)
        expected = [*np.mean(offsets, 0), *np.std(offsets, 0), *ratios, *middle]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_nearest_neighbours_touch() -> None:
    # The graph of nearest neighbours is part of every Delaunay triangulation.
    cloud, given = some_parts(400)
    touching = superpoint_graph._touching(cloud, given.parts)
    assert (given.parts[touching[:, 0]] != given.parts[touching[:, 1]]).all()
    joined = {tuple(pair) for pair in touching.tolist()}
    assert len(joined) == len(touching)
    between = 0
    for i, point in enumerate(cloud):
        distance = np.linalg.norm(cloud - point, axis=1)
        distance[i] = np.inf
        j = int(distance.argmin())
        if given.parts[i] != given.parts[j]:
            between += 1
            assert (min(i, j), max(i, j)) in joined
    assert between > 20
    far = np.linalg.norm(cloud[touching[:, 0]] - cloud[touching[:, 1]], axis=1)
    assert np.median(far) < 0.3


def test_parts_are_embedded_by_some_of_their_points() -> None:
    cloud, given = some_parts(1200, 3)
    small = np.full(30, 99, np.int32)
    cloud = np.concatenate([cloud, np.random.default_rng(1).random((30, 3)) + 2])
    given = Superpoints(np.concatenate([given.parts, small]), np.zeros((1230, 4), np.float32))
    graph = superpoint_graph.superpoint_graph([cloud, cloud[:3]], [given, given.of(slice(0, 3))])
    counts = torch.bincount(graph.parts[graph.rows], minlength=graph.count)
    assert counts[:4].tolist() == [128, 128, 128, 0], "few points have no embedding"
    assert counts[4:].amax() >= 1, "but the largest part of a cloud has one"
    for place, part in enumerate(graph.owners[:3].tolist()):
        mine = graph.local[graph.embedded == place]
        np.testing.assert_allclose(mine.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose((mine.amax(0) - mine.amin(0)).amax(), 1, rtol=1e-5)
        assert (graph.parts[graph.rows[graph.embedded == place]] == part).all()


def test_all_points_of_a_part_get_its_logits() -> None:
    network = model().eval()
    points = torch.rand(300, 3)
    pyramid = network.pyramid(points)
    assert isinstance(pyramid, SuperpointPyramid)
    logits = network(torch.randn(300, 4), pyramid)
    for part in range(pyramid.graph.count):
        mine = logits[pyramid.graph.parts == part]
        assert torch.equal(mine, mine[:1].expand_as(mine))


def test_permuted_points_permute_the_result() -> None:
    network = model().eval().double()
    points, features = torch.rand(100, 3).double(), torch.randn(100, 4).double()
    order = torch.randperm(100)
    with torch.no_grad():
        expected = network(features, network.pyramid(points))[order]
        permuted = network(features[order], network.pyramid(points[order]))
    torch.testing.assert_close(permuted, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", ["line", "plane", "one place"])
def test_clouds_without_a_triangulation(shape: str) -> None:
    points = torch.rand(60, 3)
    points[:, 1:] *= {"line": 0, "plane": 1, "one place": 0}[shape]
    points[:, 2] = 0
    points *= shape != "one place"
    network = model().eval()
    assert network(torch.randn(60, 4), network.pyramid(points)).isfinite().all()


def test_scenes_keep_the_partition_that_evaluation_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coord = np.random.default_rng(0).random((200, 3))
    scene = Scene.write(
        tmp_path / "scene", coord=coord, offset=[0, 0, 0], classes=list("abc"), grid=0.04
    )
    network = model(in_channels=2, features=("one", "height")).eval()
    before = Whole().logits(network, scene)
    assert len(list((scene.folder / "partitions").iterdir())) == 1
    monkeypatch.setattr("salanet.models.spg.partition", lambda *_: pytest.fail("made again"))
    np.testing.assert_array_equal(Whole().logits(network, scene), before)


def test_options_of_the_partition() -> None:
    network = model(operator="", operator_options={"regularisation": 0.5})
    assert network.partition.regularisation == 0.5
    with pytest.raises(ConfigError, match="operator_options of spg"):
        model(operator="", operator_options={"groups": 2})
