"""Exported graphs against the networks they come from, by ONNX Runtime."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from salanet.errors import ConfigError
from salanet.export import FlatNetwork, export, flat_inputs, save_float16, trace, verify
from salanet.export.folding import fold_norms
from salanet.export.onnx import convert
from salanet.export.smaller import SMALLEST, halve, quantise
from salanet.export.verify import sample_input
from salanet.models import Network, create_model
from salanet.models.files import KEY
from salanet.operators import OPERATORS, create_operator

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

CLASSES = ("ground", "tree", "house")


Shake = Callable[[torch.nn.Module], torch.nn.Module]


def network(**options: object) -> Network:
    torch.manual_seed(0)
    made = {"width": 18, "in_channels": 5, "classes": CLASSES} | options
    return create_model(**made).eval()


@pytest.fixture(scope="module")
def model(shaken: Shake) -> Network:
    made = network(metadata={"codes": [2, 5, 6]})
    shaken(made)
    return made


@pytest.fixture(scope="module")
def exported(model: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    export(model, path)
    return path


@pytest.mark.parametrize("points, seed", [(3000, 1), (500, 2), (1, 3)])
def test_agrees_on_clouds_of_any_size(
    model: Network, exported: Path, points: int, seed: int
) -> None:
    agreement = verify(model, exported, sample_input(model, points, seed))
    assert agreement.difference < 1e-4 and agreement.labels == 1


def test_the_graph_is_folded_and_factored(exported: Path) -> None:
    graph = onnx.load(exported).graph
    kinds = Counter(node.op_type for node in graph.node)
    assert "BatchNormalization" not in kinds and "ScatterElements" not in kinds
    # Each of the 10 aggregations multiplies its features once per support (Gemm, of matrices) and
    # the positions four times per neighbour (MatMul, of tensors); 30 dense maps are Gemm, too.
    assert kinds["MatMul"] == 4 * 10 and kinds["Gemm"] == 10 + 30
    made = {node.output[0]: node for node in graph.node}
    gathered = [made.get(node.input[0]) for node in graph.node if node.op_type == "GatherND"]
    padded = [made.get(node.input[0]) for node in gathered if node and node.op_type == "Pad"]
    assert sum(node is not None and node.op_type == "Gemm" for node in padded) == 10


def test_the_file_is_small_and_knows_its_classes(model: Network, exported: Path) -> None:
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    assert exported.stat().st_size < weights + 100_000
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    document = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    assert document["config"]["classes"] == list(CLASSES)
    assert document["metadata"]["codes"] == [2, 5, 6]
    shapes = {node.name: node.shape for node in session.get_inputs()}
    assert shapes["features"] == ["points_0", 5] and shapes["neighbours_0"] == ["points_0", 26]
    assert shapes["pool_0"] == ["points_1", 26] and shapes["upsample_0"] == ["points_0"]
    assert [node.name for node in session.get_outputs()] == ["logits"]


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_every_operator(name: str, shaken: Shake, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = network(width=18, in_channels=18)
    options = {"width": 18} if name == "sala_g4" else {}
    operator = shaken(create_operator(name, 18, 18, model.config.radius, **options))
    if name == "kpconv_deformable":
        torch.nn.init.normal_(operator.offsets.weight, 0, 0.05)

    def arguments(points: int) -> dict[str, torch.Tensor]:
        features, pyramid = sample_input(model, points, points)
        fine, coarse = pyramid.levels[:2]
        assert fine.pool is not None
        given = (coarse.points, fine.points, fine.pool, features)
        return dict(zip(("queries", "supports", "neighbours", "features"), given, strict=True))

    rows = ["queries", "supports", "queries", "supports"]
    with torch.inference_mode():
        wanted = {points: operator(*arguments(points).values()) for points in (600, 3000)}
    path = tmp_path / "operator.onnx"
    convert(fold_norms(operator), arguments(1000), rows, ["out"], name).save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    for points, expected in wanted.items():
        given = arguments(points)
        (found,) = session.run(None, {n: given[n].numpy() for n in names})
        torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=1e-5)


def test_torch_export(model: Network) -> None:
    program = trace(model)
    features, pyramid = sample_input(model, 700, seed=5)
    with torch.inference_mode():
        (found,) = program.module()(*flat_inputs(features, pyramid).values())
        expected = model(features, pyramid)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_model_is_left_alone_and_parts_have_a_head_each() -> None:
    model = network(width=8, classes=(), parts={"Chair": 4, "Lamp": 3})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flat = FlatNetwork(model).eval()
    assert flat.outputs == ["logits_Chair", "logits_Lamp"]
    features, pyramid = sample_input(model, 300)
    with torch.inference_mode():
        found = flat(*flat_inputs(features, pyramid).values())
        expected = model(features, pyramid)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_float16_halves_the_file(model: Network, exported: Path, tmp_path: Path) -> None:
    graph = onnx.load(exported)
    halve(graph)
    onnx.save(graph, tmp_path / "half.onnx")
    save_float16(model, tmp_path / "half.safetensors")
    for path in sorted(tmp_path.iterdir()):
        assert path.stat().st_size < 0.6 * exported.stat().st_size
        agreement = verify(model, path)
        assert 0 < agreement.difference < 0.05 and agreement.labels > 0.99


def test_weights_beyond_float16_are_refused(exported: Path, tmp_path: Path) -> None:
    big = network()
    big.get_parameter("encoder.input.linear.weight").data[0, 0] = 1e5
    with pytest.raises(ConfigError, match=r"encoder\.input\.linear\.weight reaches 100000"):
        save_float16(big, tmp_path / "half.safetensors")
    graph = onnx.load(exported)
    matrices = [t for t in graph.graph.initializer if len(t.dims) > 1]
    large = max(matrices, key=lambda t: np.prod(t.dims))
    values = onnx.numpy_helper.to_array(large).copy()
    values.flat[0] = np.nan
    large.CopyFrom(onnx.numpy_helper.from_array(values, large.name))
    with pytest.raises(ConfigError, match="reaches nan"):
        halve(graph)
    assert not list(tmp_path.iterdir())


def test_int8_is_calibrated(model: Network, exported: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="int8 needs scenes"):
        quantise(onnx.load(exported), ())
    clouds = [sample_input(model, 2000, seed) for seed in range(2)]
    quantised = quantise(onnx.load(exported), iter(clouds))
    small = tmp_path / "small.onnx"
    onnx.save(quantised, small)
    assert small.stat().st_size < 0.5 * exported.stat().st_size
    kinds = Counter(node.op_type for node in quantised.graph.node)
    assert kinds["QuantizeLinear"] and kinds["DequantizeLinear"]
    floats = [t for t in quantised.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert max(len(tensor.raw_data) for tensor in floats) < 4 * SMALLEST
    assert KEY in {entry.key for entry in quantised.metadata_props}
    assert verify(model, small).labels > 0.9


@pytest.mark.parametrize("name", ["gacnet", "pointcnn", "pointnet", "pointnet2", "randlanet"])
def test_networks_that_choose_their_points_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' cannot be exported"):
        export(network(network=name), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
