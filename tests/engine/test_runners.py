"""The runtime without PyTorch: the labels of `salanet predict`, and no torch in the process.

Both ways: ONNX Runtime on an exported graph, NumPy and the fused kernels on the weights.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file

import salanet
from salanet import geometry
from salanet.cloud import PointCloud
from salanet.datasets.rooms import generate
from salanet.datasets.town import town
from salanet.engine import Segmenter, open_runner, point_logits, segment
from salanet.engine.aggregations import AGGREGATIONS
from salanet.engine.native_runner import NativeRunner
from salanet.engine.network import SalaNetwork
from salanet.engine.segmentation import cloud_input
from salanet.errors import ConfigError, DataError, FileError, MissingExtraError
from salanet.export import save_float16
from salanet.export.verify import sample_input
from salanet.model_file import KEY
from salanet.models import create_model
from salanet.models.runner import TorchRunner
from salanet.ops import grid_subsample
from salanet.pyramid import build

SCRIPT = """
import sys
import numpy as np
from salanet.engine import Segmenter

given = dict(np.load(sys.argv[2]))
np.save(sys.argv[3], Segmenter(sys.argv[1]).predict(**given))
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def exported(town_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    from salanet.cli.main import main

    path = tmp_path_factory.mktemp("edge") / "model.onnx"
    assert main(["export", str(town_model), "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def cloud() -> PointCloud:
    made = town(9, size=24)
    made.xyz += [770000, 6277000, 120]
    return made


def arguments(cloud: PointCloud) -> dict[str, np.ndarray]:
    names = ("return_number", "number_of_returns")
    given = {name: cloud.attributes[name] for name in names}
    assert cloud.intensity is not None
    return {"xyz": cloud.xyz, "intensity": cloud.intensity, **given}


@pytest.fixture(params=["onnx", "safetensors"])
def path(request: pytest.FixtureRequest, town_model: Path) -> Path:
    if request.param == "safetensors":
        return town_model
    found: Path = request.getfixturevalue("exported")
    return found


def test_a_process_without_torch_labels_alike(
    town_model: Path, path: Path, cloud: PointCloud, tmp_path: Path
) -> None:
    np.savez(tmp_path / "cloud.npz", **arguments(cloud))
    command = [sys.executable, "-c", SCRIPT, path, tmp_path / "cloud.npz", tmp_path / "out.npy"]
    subprocess.run([str(part) for part in command], check=True)
    found = np.load(tmp_path / "out.npy")
    expected = segment(salanet.load(town_model).fold(), cloud)
    assert len(np.unique(found)) > 1
    assert (found == expected.labels).all()


def test_tiles_and_metadata(town_model: Path, path: Path, cloud: PointCloud) -> None:
    segmenter = Segmenter(path)
    model = salanet.load(town_model).fold()
    assert segmenter.classes == list(model.config.classes)
    assert segmenter.codes == model.metadata["codes"]
    found = segmenter.predict(**arguments(cloud), tile_points=500)
    assert (found == segment(model, cloud, tile_points=500).labels).all()
    with pytest.raises(DataError, match="intensity"):
        segmenter.predict(cloud.xyz)
    with pytest.raises(DataError, match="holds no points"):
        segmenter.predict(np.zeros((0, 3)))


def test_other_graphs_are_refused(exported: Path, tmp_path: Path) -> None:
    import onnx

    with pytest.raises(FileError, match="no such model"):
        Segmenter(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(FileError, match="not a readable ONNX file"):
        Segmenter(tmp_path / "text.onnx")
    proto = onnx.load(exported)
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / "foreign.onnx")
    with pytest.raises(FileError, match="not one that"):
        Segmenter(tmp_path / "foreign.onnx")
    config = {"parts": {"Chair": 4}, "features": ["one"], "in_channels": 1, "grid": 0.1}
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps({"config": config, "metadata": {}})
    onnx.save(proto, tmp_path / "parts.onnx")
    with pytest.raises(ConfigError, match="object parts"):
        Segmenter(tmp_path / "parts.onnx")


def test_other_weights_are_refused(town_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_text("no tensors")
    with pytest.raises(FileError, match="not a readable safetensors file"):
        Segmenter(path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(FileError, match="not a SalaNet model"):
        Segmenter(path)
    with safe_open(town_model, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = file.metadata()
    del tensors["encoder.first.weight"]
    save_file(tensors, path, header)
    with pytest.raises(FileError, match=r"weights do not fit.*encoder\.first\.weight"):
        Segmenter(path)
    options = {"in_channels": 1, "features": ["one"], "width": 8}
    salanet.save(create_model(parts={"Chair": 4}, **options), path)
    with pytest.raises(ConfigError, match="object parts"):
        Segmenter(path)


def test_what_has_no_kernels_needs_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, xyz = tmp_path / "model.safetensors", np.random.default_rng(0).uniform(0, 3, (50, 3))
    common = {"classes": ("a", "b"), "in_channels": 1, "features": ["one"], "width": 8}
    for odd, why in (
        ({"operator": "kpconv_deformable"}, "'kpconv_deformable' has no native kernels"),
        ({"operator_options": {"lift": 4096}}, "no perceptrons of this size"),
        ({"network": "pointnet"}, "the network 'pointnet' has no native kernels"),
        ({"neighbours": (300,) * 5}, "at most 255 neighbours"),
    ):
        salanet.save(create_model(**common, **odd), path)
        found = open_runner(path)
        assert isinstance(found, TorchRunner) and len(segment(found, PointCloud(xyz)).labels) == 50
        with monkeypatch.context() as patch:
            patch.setattr("salanet.engine.opening.find_spec", lambda _: None)
            with pytest.raises(MissingExtraError, match=rf"{why}.*salanet\[train\]"):
                open_runner(path)
    with pytest.raises(ConfigError, match="device 'moon'"):
        open_runner("rooms", "moon")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "neighbour", "groups": 3},
        {"reduction": "sum", "assignment": "hard"},
        {"positional": False, "assignment": "none", "lift": 4},
        {"reduction": "half", "centre": True, "temperature": 0.5},
        {"reduction": "mean", "norm": "neighbour"},
    ],
    ids=str,
)
@pytest.mark.parametrize("points", [1, 3000])
def test_the_native_network_is_that_of_the_tensors(
    options: dict[str, object],
    points: int,
    shaken: Callable[[torch.nn.Module], torch.nn.Module],
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    model = create_model(in_channels=4, classes=("a", "b", "c"), width=12, operator_options=options)
    shaken(model)
    salanet.save(model, tmp_path / "model.safetensors")
    tensors, pyramid = sample_input(model, points)
    with torch.inference_mode():
        expected = model(tensors, pyramid).numpy()
    with safe_open(tmp_path / "model.safetensors", "np") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    network = SalaNetwork(weights, model.config)
    levels = geometry.pyramid(
        pyramid.levels[0].points.numpy(),
        grid=model.config.grid,
        radius=model.config.radius,
        neighbours=model.config.neighbours,
    )
    np.testing.assert_allclose(network(tensors.numpy(), levels), expected, atol=2e-5, rtol=1e-5)


OTHERS = [
    ("pseudo_grid", {"influence": "gaussian", "points": 7}),
    ("kpconv", {"closest": True, "slope": 0.1, "influence": "constant"}),
    ("spherical", {"bins": [4, 2, 3], "multiplier": 1}),
]


@pytest.mark.parametrize(
    "operator, options", [*((name, {}) for name in AGGREGATIONS), *OTHERS], ids=str
)
def test_every_native_operator_is_that_of_the_tensors(
    operator: str,
    options: dict[str, object],
    shaken: Callable[[torch.nn.Module], torch.nn.Module],
    tmp_path: Path,
) -> None:
    """Logits of a generated surface, and labels of a generated room."""
    torch.manual_seed(0)
    model = create_model(
        in_channels=4,
        features=("one", "rgb"),
        classes=("a", "b", "c"),
        width=16,
        operator=operator,
        operator_options=options,
    )
    shaken(model)
    with torch.no_grad():  # every class is some point's
        model.head[1].bias -= model(*sample_input(model, 2000)).mean(0)
    salanet.save(model, tmp_path / "model.safetensors")
    native, tensors = open_runner(tmp_path / "model.safetensors"), TorchRunner(model)
    assert isinstance(native, NativeRunner)
    for points in (1, 2000):
        features, pyramid = sample_input(model, points)
        given = features.numpy(), pyramid.levels[0].points.numpy()
        found, expected = (r.logits(given[0], r.levels(given[1])) for r in (native, tensors))
        np.testing.assert_allclose(found, expected, atol=2e-5, rtol=1e-5)
    room = generate(5, points=15_000)
    labels = [segment(runner, room, alignment=None).labels for runner in (native, tensors)]
    assert (labels[0] == labels[1]).mean() >= 0.9999 and len(np.unique(labels[0])) > 1


def test_half_the_weights_label_alike(town_model: Path, cloud: PointCloud, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_float16(salanet.load(town_model), half)
    assert half.stat().st_size < 0.75 * town_model.stat().st_size  # narrow: many small tensors
    found = Segmenter(half).predict(**arguments(cloud))
    assert (found == segment(salanet.load(half).fold(), cloud).labels).all()
    whole = Segmenter(town_model).predict(**arguments(cloud))
    assert (found == whole).mean() > 0.995


def test_a_real_tile(ign_tiles: Path, town_model: Path, exported: Path) -> None:
    cloud = salanet.read(ign_tiles / "77060_627755.laz")
    part = PointCloud(
        cloud.xyz[:20_000],
        intensity=cloud.intensity[:20_000],
        attributes={name: array[:20_000] for name, array in cloud.attributes.items()},
    )
    model = salanet.load(town_model).fold()
    seen = cloud_input(model, part, "tile")
    expected = point_logits(model, seen.points, seen.features)
    for path in (town_model, exported):
        found = Segmenter(path).logits(seen.points, seen.features)
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert (found.argmax(1) == expected.argmax(1)).mean() > 0.9999


@pytest.mark.parametrize("points", [1, 4000])
def test_numpy_geometry_is_that_of_the_tensors(points: int) -> None:
    rng = np.random.default_rng(points)
    xyz = rng.uniform(-3, 3, (points, 3)).astype(np.float32)
    colour = rng.integers(0, 256, (points, 3), dtype=np.uint8)
    label = rng.integers(-1, 3, points).astype(np.int16)
    ours = geometry.subsample(xyz, 0.5, {"c": colour}, {"l": label})
    theirs = grid_subsample(
        torch.from_numpy(xyz),
        0.5,
        features={"c": torch.from_numpy(colour)},
        labels={"l": torch.from_numpy(label)},
    )
    assert (ours.points == theirs.points.numpy()).all()
    assert (ours.cells == theirs.cells.numpy()).all()
    assert (ours.features["c"] == theirs.features["c"].numpy()).all()
    assert (ours.labels["l"] == theirs.labels["l"].numpy()).all()

    options = {"grid": 0.5, "radius": 1.25, "neighbours": (7, 8, 9)}
    levels = geometry.pyramid(ours.points, **options)
    for mine, other in zip(levels, build(theirs.points, **options).levels, strict=True):
        for name, array in mine._asdict().items():
            tensor = getattr(other, name)
            assert (array is None) == (tensor is None), name
            assert array is None or (array == tensor.numpy()).all(), name
