"""Miniature benchmarks through the command line: raw files to the paper's tables."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import write_partnet, write_s3dis, write_scannet

import salanet.io
from salanet.cli.main import main
from salanet.datasets.partnet import CATEGORIES
from salanet.datasets.scannet import BENCHMARK
from salanet.scenes import Scene, open_scenes

TINY = (
    "--width 8 --neighbours 8 8 8 8 8 --epochs 1 --samples-per-epoch 8 --batch-size 4 "
    "--learning-rate 0.005 --validate-every 1 --accelerator cpu"
)


def salanet_does(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def train(folder: Path, data: Path, recipe: str, *options: object) -> Path:
    """A shipped recipe, made tiny."""
    run = folder / "run"
    salanet_does("train", recipe, "--data", data, "-o", run, *TINY.split(), *options)
    return run / "last.safetensors"


def evaluate(model: Path, data: Path, output: Path, *options: object) -> dict[str, Any]:
    salanet_does("evaluate", "-m", model, "--data", data, "-o", output, *options)
    value: dict[str, Any] = json.loads(output.read_text())
    assert value["seconds"] > 0 and value["points_per_second"] > 0
    return value


def ours(capsys: pytest.CaptureFixture[str], layout: str, *results: Path) -> list[dict[str, str]]:
    """The rows of a table that are ours."""
    capsys.readouterr()
    salanet_does("table", *results, "--layout", layout, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["whose"] for row in rows] == sorted((r["whose"] for r in rows), reverse=True)
    return [row for row in rows if row["whose"] == "ours"]


def test_s3dis(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "scenes"
    salanet_does("prepare", "s3dis", write_s3dis(tmp_path, points=150), data, "--workers", 1)
    options = ("--max-points", 600, "--centres", "potentials")
    model = train(tmp_path, data, "s3dis-area5", *options)
    voted = tmp_path / "voted.json"
    value = evaluate(model, data, voted, "--split", "Area_5", "--protocol", "voting", "--votes", 2)
    assert value["protocol"] | {"name": "voting", "votes": 2, "radius": 2} == value["protocol"]
    rooms = open_scenes(data, "Area_5")
    assert value["points"] == sum(len(room.raw["segment"]) for room in rooms) == 2 * 8 * 150
    assert sum(map(sum, value["confusion"])) == value["points"]
    folds = []
    for area in range(1, 7):
        folds.append(tmp_path / f"area{area}.json")
        whole = evaluate(model, data, folds[-1], "--split", f"Area_{area}")
        assert whole["protocol"]["name"] == "whole"
    merged = tmp_path / "6fold.json"
    salanet_does("evaluate", "--folds", *folds, "-o", merged)
    total = json.loads(merged.read_text())
    parts = [json.loads(path.read_text())["confusion"] for path in folds]
    assert total["confusion"] == np.sum(parts, 0).tolist()
    assert total["points"] == 8 * 8 * 150

    (row,) = ours(capsys, "s3dis", voted)
    assert row["mIoU"] == f"{100 * value['miou']:.1f}" and row["ceiling"] != "-"
    assert row["source"] == "voted.json (Area_5, voting, 2 votes)"
    (row,) = ours(capsys, "s3dis-6fold", merged)
    assert row["OA"] == f"{100 * total['oa']:.1f}"
    (row,) = ours(capsys, "overview", voted, merged)
    assert row["S3DIS A5"] != "-" and row["S3DIS 6F"] == f"{100 * total['miou']:.1f}"
    (row,) = ours(capsys, "efficiency", voted)
    assert float(row["GMACs"]) > 0 and float(row["Memory (MB)"]) > 0
    (row,) = ours(capsys, "ablations", voted)
    assert row["method"].startswith("sala (C=8) (")
    assert main(["table", str(folds[0]), "--layout", "s3dis"]) == 2
    assert "is of Area_1; Table 5 is of Area_5" in capsys.readouterr().err
    assert main(["evaluate", "--folds", str(folds[0]), str(folds[0])]) == 2
    assert "Area_1" in capsys.readouterr().err


def test_scannet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw, data = write_scannet(tmp_path / "raw", points=150), tmp_path / "scenes"
    salanet_does("prepare", "scannet", raw, data, "--workers", 1)
    model = train(tmp_path, data, "scannet", "--max-points", 600)
    results = []
    for protocol in ("whole", "voting"):
        results.append(tmp_path / f"{protocol}.json")
        options = ("--split", "val", "--protocol", protocol, "--votes", 2)
        value = evaluate(model, data, results[-1], *options)
        labels = Scene.open(data / "val" / "scene0011_00").raw["segment"]
        assert 0 < value["points"] == (labels >= 0).sum() < len(labels), "unlabelled: left out"
    rows = ours(capsys, "scannet", *results)
    assert [row["source"].split(" (")[0] for row in rows] == ["whole.json", "voting.json"]
    assert all("(val, " in row["source"] for row in rows)

    # The test scans, for the server: line by line in the order of the mesh's vertices.
    archive = tmp_path / "submission.zip"
    scans = ("--scans", raw / "scannetv2_test.txt", "--meshes", raw / "scans_test")
    salanet_does("submit", archive, "-m", model, "--data", data, "--votes", 1, *scans)
    with zipfile.ZipFile(archive) as found:
        assert found.namelist() == ["scene0707_00.txt"]
        ids = np.array(found.read("scene0707_00.txt").split(), int)
    mesh = salanet.io.read(raw / "scans_test/scene0707_00/scene0707_00_vh_clean_2.ply")
    assert len(ids) == len(mesh) and set(ids) <= set(BENCHMARK.codes)
    scene = Scene.open(data / "test" / "scene0707_00")
    distance = np.linalg.norm(mesh.xyz[:, None] - (scene.coord + scene.offset), axis=2)
    nearest = distance.argmin(1)
    same = np.equal.outer(nearest, nearest)
    assert all(len(set(ids[rows])) == 1 for rows in same[:50]), "a cell's vertices share its class"

    # Scored as a submission, the validation scans give the figures of `evaluate`.
    salanet_does("submit", archive, "-m", model, "--data", data, "--split", "val", "--votes", 2)
    capsys.readouterr()
    salanet_does("submit", archive, "--data", data, "--split", "val")
    assert f"mIoU {100 * value['miou']:.2f}" in capsys.readouterr().out

    def refused(message: str, *arguments: object) -> None:
        command = ["submit", archive, "--data", data, *arguments]
        assert main([str(argument) for argument in command]) == 2
        assert message in capsys.readouterr().err

    refused("scene0011_00.txt has", "--split", "test")
    refused("1 scans are missing", "--scans", raw / "scannetv2_val.txt")
    refused("holds no scene0707_00", "--meshes", raw / "scans")


def test_partnet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("h5py")
    parts = {name: category.parts for name, category in CATEGORIES.items()}
    raw = write_partnet(tmp_path, categories=parts, shapes=2, points=96)
    data = tmp_path / "shapes"
    salanet_does("prepare", "partnet", raw, data, "--workers", 1)
    model = train(tmp_path, data, "partnet", "--samples-per-epoch", 16)
    results = []
    for protocol, votes in (("whole", 1), ("voting", 3)):
        results.append(tmp_path / f"{protocol}.json")
        value = evaluate(model, data, results[-1], "--protocol", protocol, "--votes", votes)
        assert value["protocol"]["votes"] == votes
        assert list(value["categories"]) == list(CATEGORIES)
        chair = value["categories"]["Chair"]
        assert len(chair["parts"]) == 38 and 38 in chair["absent_parts"]
        assert value["points"] < 17 * 96, "part 0 is left out"
    (whole, voted) = ours(capsys, "partnet", *results)
    assert voted["mpIoU"] == f"{100 * value['miou']:.1f}" and "3 votes" in voted["source"]
    assert whole["source"] == "whole.json (test, whole, 1 vote)"
    assert len(ours(capsys, "partnet-summary", *results)) == 2
    for wrong in ("s3dis", "overview", "efficiency"):
        assert main(["table", str(results[0]), "--layout", wrong]) == 2
    for style in ("markdown", "latex"):
        salanet_does("table", *results, "--layout", "partnet", "--format", style)
    assert "ours & sala (C=8)" in capsys.readouterr().out
