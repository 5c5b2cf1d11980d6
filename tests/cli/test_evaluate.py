"""`salanet evaluate`: figures over original points, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet.cli.main import main
from salanet.evaluation import Confusion
from salanet.scenes import open_scenes


def test_figures_cover_every_original_point(
    town_scenes: Path, town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "result.json"
    arguments = ["-m", str(town_model), "--data", str(town_scenes), "-o", str(output)]
    assert main(["evaluate", *arguments]) == 0
    text = capsys.readouterr().out
    assert "building" in text and "mIoU" in text
    value = json.loads(output.read_text())
    (scene,) = open_scenes(town_scenes, "test")
    assert value["points"] == len(scene.raw["segment"]) > len(scene)
    confusion = Confusion(list(value["classes"]), value["confusion"])
    assert confusion.mean_iou == pytest.approx(value["miou"])
    truth = np.bincount(scene.raw["segment"], minlength=5)
    assert (confusion.counts.sum(1) == truth).all()
    assert value["oa"] > 0.7, "ground and the rest are told apart after a moment"
    assert value["protocol"]["points"] == "original"
    assert value["trained"]["seed"] == 0
    assert value["versions"]["salanet"]


def test_json_on_stdout_is_json_alone(
    town_scenes: Path, town_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-m", str(town_model), "--data", str(town_scenes), "--split", "val", "--json"]
    assert main(["evaluate", *arguments, "--votes", "2"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["protocol"]["votes"] == 2 and list(value["scenes"]) == ["town-2"]


def test_voting_repeats_the_spheres_of_the_training(
    town_scenes: Path, town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "result.json"
    arguments = ["-m", str(town_model), "--data", str(town_scenes), "-o", str(output)]
    assert main(["evaluate", *arguments, "--protocol", "voting", "--votes", "2"]) == 0
    value = json.loads(output.read_text())
    assert "voting, 2 vote(s)" in capsys.readouterr().out
    assert value["protocol"]["shape"] == "cylinder" and value["protocol"]["radius"] == 8
    assert value["name"] == "sala (C=8)" and value["parameters"] > 10_000
    assert value["points_per_second"] == pytest.approx(value["points"] / value["seconds"], rel=0.1)


def test_what_does_not_fit_the_model(
    town_scenes: Path, town_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(data: Path, message: str, *more: str, model: Path = town_model) -> None:
        assert main(["evaluate", "-m", str(model), "--data", str(data), *more]) == 2
        errors = capsys.readouterr().err
        assert message in errors and errors.count("\n") == 1

    def changed(name: str, **values: object) -> Path:
        folder = tmp_path / name / "test" / "scene"
        folder.mkdir(parents=True)
        (source,) = open_scenes(town_scenes, "test")
        for file in source.folder.glob("*.npy"):
            (folder / file.name).write_bytes(file.read_bytes())
        meta = json.loads((source.folder / "scene.json").read_text())
        (folder / "scene.json").write_text(json.dumps(meta | values))
        return tmp_path / name

    refused(town_scenes, "it has test, train, val", "--split", "all")
    refused(changed("grid", grid=0.3), "cells of 0.3, but the model works on 0.5")
    refused(changed("classes", classes=["a", "b", "c", "d", "e"]), "the classes a, b, c, d, e")
    unlabelled = changed("unlabelled")
    (unlabelled / "test" / "scene" / "segment.npy").unlink()
    refused(unlabelled, "no labels")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(town_model.read_bytes()[:100])
    refused(town_scenes, "not a readable safetensors file", model=broken)
    refused(town_scenes, "no such model file", model=tmp_path / "none.safetensors")
