"""`salanet predict` on files that are not as the model expects, and without naming a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salanet import load, model_file, read, save, write
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.datasets.town import town


@pytest.fixture
def shipped(town_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with one model, trained on towns seen from the air."""
    folder = tmp_path / "weights"
    folder.mkdir()
    optional = ["intensity", "return_number", "number_of_returns"]
    more = {"domain": "airborne", "spacing": 0.36, "optional": optional}
    save(load(town_model), folder / "aerial.safetensors", more)
    monkeypatch.setattr(model_file, "FOLDER", folder)
    return folder


def predicted(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["predict", *map(str, arguments), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    return report


def test_feet(town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metres = town(9, size=24)
    feet = town(9, size=24)
    feet.xyz = feet.xyz / 0.3048
    write(tmp_path / "m.npz", metres)
    write(tmp_path / "ft.npz", feet)
    model = ["-m", town_model, "-o", tmp_path / "out.npz"]
    expected = predicted(capsys, tmp_path / "m.npz", *model)["classes"]
    report = predicted(capsys, tmp_path / "ft.npz", *model, "--units", "ft")
    assert "coordinates are in feet, as asked; scaled by 0.3048" in report["remarks"][0]
    difference = sum(abs(report["classes"][name] - expected[name]) for name in expected)
    assert difference < 0.05 * len(metres)
    assert (read(tmp_path / "out.npz").xyz == feet.xyz).all()


def test_y_up_and_larger_cells(
    town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = town(9, size=24)
    cloud.xyz = np.stack([cloud.xyz[:, 0], cloud.xyz[:, 2], -cloud.xyz[:, 1]], axis=1)
    write(tmp_path / "a.npz", cloud)
    arguments = [tmp_path / "a.npz", "-m", town_model, "--units", "m", "--up", "y"]
    report = predicted(capsys, *arguments, "--grid", "0.8")
    assert report["remarks"][0].startswith("y is up, as asked")
    assert report["remarks"][1].startswith("cells of 0.8 m, as asked")
    assert report["cells"] < predicted(capsys, *arguments)["cells"]
    labelled = read(tmp_path / "a.labelled.npz")
    assert (labelled.label == town(9, size=24).label).mean() > 0.7
    dry = predicted(capsys, *arguments, "--dry-run")
    assert dry["remarks"] == report["remarks"][:1]


def test_a_dry_run_says_what_the_run_would(
    town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = town(9, size=24)
    cloud.xyz = cloud.xyz / 0.3048
    write(tmp_path / "a.laz", cloud)
    model = ["-m", town_model, "--units", "ft"]
    for memory in ([], ["--memory", "100MB"]):
        dry = predicted(capsys, tmp_path / "a.laz", *model, "--dry-run", *memory)
        assert dry["remarks"][0].startswith("coordinates are in feet, as asked")
        found = predicted(capsys, tmp_path / "a.laz", *model, *memory)
        assert set(dry["remarks"]) <= set(found["remarks"])


def test_confidence_and_entropy(
    town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = town(9, size=24)
    cloud.attributes["entropy"] = np.arange(len(cloud), dtype=np.int32)
    write(tmp_path / "a.laz", cloud)
    report = predicted(
        capsys, tmp_path / "a.laz", "-m", town_model, "--confidence", "--entropy", "--probabilities"
    )
    found = read(tmp_path / "a.labelled.laz").attributes
    shares = np.stack([found[name] for name in found if name.startswith("p_")], axis=1)
    assert shares.shape[1] == 5
    np.testing.assert_array_equal(found["confidence"], shares.max(axis=1))
    assert found["entropy_1"].min() >= 0 and 0.1 < found["entropy_1"].max() <= 1
    assert (found["entropy"] == cloud.attributes["entropy"]).all()
    assert any("'entropy' is written as 'entropy_1'" in remark for remark in report["remarks"])


@pytest.mark.usefixtures("shipped")
def test_the_model_is_chosen_by_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a.laz", town(9, size=60))
    report = predicted(capsys, tmp_path / "a.laz")
    assert report["remarks"][0].startswith("taking the model aerial: this looks like a survey from")
    by_name = predicted(capsys, tmp_path / "a.laz", "-m", "aerial")
    assert by_name["classes"] == report["classes"]
    write(tmp_path / "bare.ply", PointCloud(town(9, size=60).xyz))
    report = predicted(capsys, tmp_path / "bare.ply")
    assert any("the model does without" in remark for remark in report["remarks"])
    box = np.random.default_rng(0).random((9000, 3)) * [4, 3, 2.5]
    write(tmp_path / "box.ply", PointCloud(box))
    assert main(["predict", str(tmp_path / "box.ply")]) == 2
    error = capsys.readouterr().err
    assert "box.ply: looks like rooms" in error and "of aerial (a survey from the air)" in error


def test_no_model_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(model_file, "FOLDER", tmp_path / "none")
    write(tmp_path / "a.laz", town(9, size=24))
    assert main(["predict", str(tmp_path / "a.laz")]) == 2
    message = "no models come with this installation: name one with -m MODEL.safetensors"
    assert message in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "a.laz"), "-m", "rooms"]) == 2
    assert "there is no model 'rooms'" in capsys.readouterr().err
