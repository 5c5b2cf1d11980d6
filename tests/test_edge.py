"""The runtime without PyTorch: the labels of `salanet predict`, and no torch in the process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import salanet
from salanet import geometry
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.errors import ConfigError, DataError, FileError
from salanet.inference import segment
from salanet.ops import grid_subsample
from salanet.pyramid import build

SCRIPT = """
import sys
import numpy as np
from salanet.edge import Segmenter

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


def test_a_process_without_torch_labels_alike(
    town_model: Path, exported: Path, cloud: PointCloud, tmp_path: Path
) -> None:
    np.savez(tmp_path / "cloud.npz", **arguments(cloud))
    command = [sys.executable, "-c", SCRIPT, exported, tmp_path / "cloud.npz", tmp_path / "out.npy"]
    subprocess.run([str(part) for part in command], check=True)
    found = np.load(tmp_path / "out.npy")
    expected = segment(salanet.load(town_model).fold(), cloud)
    assert len(np.unique(found)) > 1
    assert (found == expected.labels).all()


def test_tiles_and_metadata(town_model: Path, exported: Path, cloud: PointCloud) -> None:
    from salanet.edge import Segmenter

    segmenter = Segmenter(exported)
    model = salanet.load(town_model).fold()
    assert segmenter.classes == list(model.config.classes)
    assert segmenter.codes == model.metadata["codes"]
    found = segmenter.predict(**arguments(cloud), tile_points=500)
    assert (found == segment(model, cloud, tile_points=500).labels).all()
    with pytest.raises(DataError, match="intensity"):
        segmenter.predict(cloud.xyz)
    with pytest.raises(DataError, match="holds no points"):
        segmenter.predict(np.zeros((0, 3)))


def test_other_files_are_refused(exported: Path, tmp_path: Path) -> None:
    import onnx

    from salanet.edge import KEY, Segmenter

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
    config = {"classes": [], "features": ["one"], "grid": 0.1, "radius_cells": 2.5}
    entry = proto.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps({"config": config, "metadata": {}})
    onnx.save(proto, tmp_path / "parts.onnx")
    with pytest.raises(ConfigError, match="object parts"):
        Segmenter(tmp_path / "parts.onnx")


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
