"""Model files that are cut short, foreign or do not fit: an error that names the file, no crash."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import salanet
from salanet.engine import Segmenter
from salanet.errors import ConfigError, FileError
from salanet.model_file import FOLDER, KEY

ROOMS = FOLDER / "rooms.safetensors"


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    with safe_open(ROOMS, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@pytest.fixture(scope="module")
def document() -> dict[str, dict[str, object]]:
    with safe_open(ROOMS, "np") as file:
        found: dict[str, dict[str, object]] = json.loads(file.metadata()[KEY])
    return found


SHAPES = {
    "half the rows": lambda a: a[: len(a) // 2],
    "twice the rows": lambda a: np.concatenate([a, a]),
    "half the columns": lambda a: a[..., : a.shape[-1] // 2],
    "no rows": lambda a: a[:0],
    "flat": lambda a: a.reshape(-1),
    "deeper": lambda a: a[None],
    "one number": lambda a: a.reshape(-1)[:1],
}


@pytest.mark.parametrize("change", SHAPES)
@pytest.mark.parametrize("part", ["input", "first", "strided.0", "up.0", "head"])
def test_weights_of_other_shapes(
    part: str,
    change: str,
    tensors: dict[str, np.ndarray],
    document: dict[str, dict[str, object]],
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.safetensors"
    for name in (name for name in tensors if f".{part}." in f".{name}"):
        if tensors[name].ndim == 0:  # a counter of batches, which nothing reads
            continue
        other = np.ascontiguousarray(SHAPES[change](tensors[name]))
        if other.shape == tensors[name].shape:
            continue
        save_file(tensors | {name: other}, path, {KEY: json.dumps(document)})
        with pytest.raises(FileError, match=r"model\.safetensors: its weights do not fit"):
            Segmenter(path)


@pytest.mark.parametrize("share", [0, 1e-6, 1e-3, 0.5, 1 - 1e-6])
def test_cut_short(share: float, tmp_path: Path) -> None:
    whole = ROOMS.read_bytes()
    path = tmp_path / "model.safetensors"
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(FileError, match=r"model\.safetensors: not a readable safetensors file"):
        Segmenter(path)


def test_graphs_cut_short_or_of_other_inputs(
    town_model: Path, document: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 6])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 6])
    node = helper.make_node("Identity", ["features"], ["out"])
    model = helper.make_model(helper.make_graph([node], "other", [value], [out]))
    model.opset_import[0].version, model.ir_version = 17, 8
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(document)
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    with pytest.raises(FileError, match="has 6 outputs for 13 classes"):
        Segmenter(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = "colours"
    onnx.save(model, path)
    with pytest.raises(FileError, match=r"weights do not fit.*colours"):
        Segmenter(path)
    whole = path.read_bytes()
    for size in (0, 1, len(whole) // 2):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match=r"model\.onnx: "):
            Segmenter(path)
    path.write_bytes(town_model.read_bytes())
    with pytest.raises(FileError, match="not a readable ONNX file"):
        Segmenter(path)


@pytest.mark.parametrize(
    "part, key, values",
    [
        ("config", "grid", (None, "wide", 0, -1, float("nan"), [])),
        ("config", "radius_cells", (None, 0, -2.5, float("nan"), {})),
        ("config", "neighbours", (None, 3, [], [26, 31], [26.5] * 5, ["a"] * 5, [0] * 5)),
        ("config", "features", (None, 3, [], ["smell"], ["one"])),
        ("config", "classes", (3, ["a"])),
        ("config", "operator_options", (None, 3, [1], {"assignment": "vague"})),
        ("metadata", "codes", (3, 1.5)),
    ],
)
def test_damaged_descriptions(
    part: str,
    key: str,
    values: tuple[object, ...],
    tensors: dict[str, np.ndarray],
    document: dict[str, dict[str, object]],
    tmp_path: Path,
) -> None:
    path = tmp_path / "model.safetensors"
    for value in values:
        changed = document | {part: document[part] | {key: value}}
        save_file(tensors, path, {KEY: json.dumps(changed)})
        with pytest.raises(FileError, match=r"model\.safetensors: "):
            Segmenter(path)


@pytest.mark.parametrize("memory", [None, "100MB"])
def test_scores_that_are_not_finite(
    memory: str | None, tensors: dict[str, np.ndarray], document: dict, tmp_path: Path
) -> None:
    """Weights that are finite, and too large to be worked with: no labels, in no way."""
    path, cloud = tmp_path / "m.safetensors", tmp_path / "a.las"
    huge = {n: np.full_like(a, 6e4) if a.ndim == 2 else a for n, a in tensors.items()}
    save_file(huge, path, {KEY: json.dumps(document)})
    xyz = np.random.default_rng(0).uniform(0, 2, (2000, 3))
    salanet.write(cloud, salanet.PointCloud(xyz))
    with pytest.raises(ConfigError, match="scores are not finite"):
        salanet.label(cloud, tmp_path / "out.las", path, units="m", memory=memory)
    assert not (tmp_path / "out.las").exists()
    segmenter = Segmenter(path)
    with pytest.raises(ConfigError, match="scores are not finite"):
        segmenter.predict(xyz)
    features = np.ones((50, segmenter.config.in_channels), np.float32)
    with pytest.raises(ConfigError, match="scores are not finite"):
        segmenter.logits(xyz[:50], features)
