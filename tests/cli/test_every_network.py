"""Every operator and every network through the command line: train, resume, evaluate, predict."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.models.networks import NETWORKS
from salanet.operators import OPERATORS
from salanet.training.run import Run

RECIPE = """
data: {dataset: generated town}
model: {width: 4, neighbours: [8, 8, 8, 8, 8], features: [one, intensity, returns]}
sampling: {shape: cylinder, sphere_radius: 4, max_points: 200}
training: {epochs: 1, samples_per_epoch: 2, batch_size: 2, optimiser: adamw}
"""
CASES = [
    *[("salanet", operator) for operator in OPERATORS],
    *[(network, "") for network in NETWORKS if network != "salanet"],
    ("kpfcnn", "kpconv_deformable"),
]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.laz"
    salanet.write(path, town(9, size=8))
    return path


@pytest.mark.parametrize(("network", "operator"), CASES, ids=["-".join(c) for c in CASES])
def test_trains_saves_loads_and_labels(
    network: str,
    operator: str,
    town_scenes: Path,
    scan: Path,
    tmp_path: Path,
) -> None:
    def salanet_does(*arguments: object) -> None:
        assert main([str(argument) for argument in arguments]) == 0

    (tmp_path / "tiny.yaml").write_text(RECIPE)
    data, run = ["--data", town_scenes], tmp_path / "run"
    which = ["--network", network, *(["--operator", operator] if operator else [])]
    train = ["train", tmp_path / "tiny.yaml", *data, *which, "-o", run, "--accelerator", "cpu"]
    salanet_does(*train)
    salanet_does(*train, "--resume", "--epochs", 2)
    assert [row["epoch"] for row in Run(run).read_metrics()] == ["1", "2"]

    (run / "checkpoint.pt").unlink()  # of KPFCNN, 170 MB
    path = run / "last.safetensors"
    config = salanet.load(path).config
    assert config.network == network
    assert config.operator == (operator or {"kpfcnn": "kpconv"}.get(network, ""))
    metadata = salanet.load(path).metadata
    assert metadata["training_data"] == "generated town"
    assert metadata["recipe"]["model"]["network"] == network
    assert metadata["codes"] and metadata["intensity_scale"] > 0
    assert set(metadata["validation"]["classes"]) == set(config.classes)

    salanet_does("evaluate", "-m", path, *data, "--split", "test", "-o", tmp_path / "result.json")
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["points"] == np.sum(result["confusion"]) > 1000
    assert result["parameters"] == sum(p.numel() for p in salanet.load(path).parameters())
    settled = f"{config.operator} (C=4)" if network == "salanet" else network
    deformable = " (kpconv_deformable)" if network == "kpfcnn" and operator else ""
    assert result["name"] == settled + deformable, "tables tell networks apart by their names"

    salanet_does("predict", scan, "-m", path, "-o", tmp_path / "out.laz", "--probabilities")
    labelled, before = salanet.read(tmp_path / "out.laz"), salanet.read(scan)
    assert np.array_equal(labelled.xyz, before.xyz)
    shares = np.stack([labelled.attributes[f"p_{name}"] for name in config.classes], axis=1)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    codes = np.array(metadata["codes"])
    assert np.array_equal(labelled.label, codes[shares.argmax(1)])
