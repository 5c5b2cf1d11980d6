"""What all benchmarks share: resuming, dry runs, several processes, manifest, recipes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from miniatures import write_s3dis, write_scannet

from salanet.cli.main import main
from salanet.models import load
from salanet.scenes import Scene
from salanet.training import load_recipe

Writer = Callable[..., Path]
RECIPES = [f"s3dis-area{k}" for k in range(1, 7)] + ["scannet", "partnet"]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_s3dis(tmp_path_factory.mktemp("raw"), points=50)


def run(capsys: pytest.CaptureFixture, *arguments: object) -> dict[str, Any]:
    assert main(["prepare", "s3dis", *map(str, arguments), "--json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_dry_run_writes_nothing(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    report = run(capsys, raw, tmp_path / "s", "--dry-run")
    assert report["scenes"][0]["scene"] == "Area_1/conferenceRoom_1"
    assert {scene["action"] for scene in report["scenes"]} == {"prepare"}
    assert report["scenes"][0]["files"] == 8 and report["scenes"][0]["bytes"] > 1000
    assert main(["prepare", "s3dis", str(raw), str(tmp_path / "s"), "--dry-run"]) == 0
    assert "nothing is written" in capsys.readouterr().out
    assert not (tmp_path / "s").exists()


def test_what_is_complete_is_skipped(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "s"
    first = run(capsys, raw, out, "--workers", 1)
    assert not any(scene["skipped"] for scene in first["scenes"])
    manifest = (out / "manifest.json").read_text()
    again = run(capsys, raw, out, "--workers", 1)
    assert all(scene["skipped"] for scene in again["scenes"])
    assert again["remarks"] == first["remarks"] and again["checks"] == first["checks"]
    assert (out / "manifest.json").read_text() == manifest

    shutil.rmtree(out / "Area_4" / "lobby_1")
    path = raw / "Area_6" / "pantry_1" / "Annotations" / "chair_1.txt"
    text = path.read_bytes()
    path.write_bytes(text + text.splitlines(keepends=True)[0])
    try:
        third = run(capsys, raw, out, "--workers", 1)
    finally:
        path.write_bytes(text)
    made = [scene["scene"] for scene in third["scenes"] if not scene["skipped"]]
    assert made == ["Area_4/lobby_1", "Area_6/pantry_1"]
    other = run(capsys, raw, out, "--workers", 1, "--grid", 0.08)
    assert not any(scene["skipped"] for scene in other["scenes"])


def test_an_error_keeps_what_is_done(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = raw / "Area_5" / "office_19" / "Annotations" / "wall_1.txt"
    text = path.read_bytes()
    path.write_bytes(b"not a point\n")
    try:
        assert main(["prepare", "s3dis", str(raw), str(tmp_path / "s"), "--workers", "1"]) == 2
    finally:
        path.write_bytes(text)
    assert "line 1 has 3 columns" in capsys.readouterr().err
    report = run(capsys, raw, tmp_path / "s", "--workers", 1)
    assert [scene["skipped"] for scene in report["scenes"]] == [True] * 6 + [False] * 2


def test_processes_write_the_same(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one = run(capsys, raw, tmp_path / "one", "--workers", 1)
    two = run(capsys, raw, tmp_path / "two", "--workers", 2)
    assert one["scenes"] == two["scenes"] and one["remarks"] == two["remarks"]
    manifests = [
        json.loads((tmp_path / folder / "manifest.json").read_text()) for folder in ("one", "two")
    ]
    assert manifests[0] == manifests[1]


def test_manifest_and_verify(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "s"
    run(capsys, raw, out, "--workers", 1)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["dataset"] == "S3DIS v1.2" and len(manifest["scenes"]) == 8
    office = manifest["scenes"]["Area_1/office_1"]
    assert office["points"] == 400 and office["counts"]["clutter"] == 100
    assert set(office["files"]) >= {"coord.npy", "raw_to_nearest.npy", "scene.json"}
    assert len(office["sources"]["chair_1.txt"]) == 64

    report = run(capsys, raw, out, "--verify")
    assert report["damage"] == [] and report["checks"][0]["found"] == 2
    assert main(["prepare", "s3dis", str(raw), str(out), "--verify"]) == 0
    assert "files are as they were written" in capsys.readouterr().out

    color = out / "Area_1" / "office_1" / "color.npy"
    values = np.load(color)
    values[0, 0] ^= 1
    np.save(color, values)
    (out / "Area_2" / "storage_1" / "segment.npy").unlink()
    assert main(["prepare", "s3dis", str(raw), str(out), "--verify"]) == 2
    error = capsys.readouterr().err
    assert "color.npy: has changed (and 1 more)" in error


def test_verify_needs_a_manifest(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["prepare", "s3dis", str(raw), str(tmp_path), "--verify"]) == 2
    assert "run `salanet prepare` first" in capsys.readouterr().err
    (tmp_path / "manifest.json").write_text("[1]")
    assert main(["prepare", "s3dis", str(raw), str(tmp_path), "--verify"]) == 2
    assert "no manifest of format 1" in capsys.readouterr().err


def test_bad_grid(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["prepare", "s3dis", str(raw), str(tmp_path / "s"), "--grid", "-1"]) == 2
    assert "positive size" in capsys.readouterr().err


def test_a_room_without_colours_keeps_the_feature(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "raw" / "Area_1" / "office_1" / "Annotations"
    folder.mkdir(parents=True)
    (folder.parents[1] / "Area_1_alignmentAngle.txt").write_text("office_1 0\n")
    (folder / "wall_1.txt").write_text("0.1 0.1 0.1 0 0 0\n0.3 0.1 0.1 0 0 0\n")
    run(capsys, tmp_path / "raw", tmp_path / "s")
    scene = Scene.open(tmp_path / "s" / "Area_1" / "office_1")
    assert scene.color is not None and not scene.color.any()


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_parse(name: str) -> None:
    assert load_recipe(name).model.width == 36


def test_recipes_hold_the_papers_settings() -> None:
    area5, scannet, partnet = (load_recipe(n) for n in ("s3dis-area5", "scannet", "partnet"))
    assert area5.data.train_split == ("Area_1", "Area_2", "Area_3", "Area_4", "Area_6")
    assert area5.data.val_split == "Area_5"
    for k in range(1, 7):
        fold = load_recipe(f"s3dis-area{k}")
        assert {*fold.data.train_split, fold.data.val_split} == {f"Area_{i}" for i in range(1, 7)}
        assert fold.data.val_split == f"Area_{k}"
        assert fold.model_copy(update={"data": area5.data}) == area5
    assert area5.model.features == ("one", "rgb", "z")
    assert area5.model.neighbours == (26, 31, 38, 41, 39) and area5.model.radius_cells == 2.5
    changes = area5.augmentation
    assert (changes.rotation, changes.scale, changes.jitter) == (180, (0.7, 1.3), 0.001)
    assert (changes.mirror_x, changes.jitter_clip, changes.colour_drop) == (0.5, 0.05, 0.2)
    training = area5.training
    assert (training.optimiser, training.learning_rate, training.weight_decay) == (
        "sgd",
        0.01,
        1e-3,
    )
    assert (training.epochs, training.steps_per_epoch(), training.batch_size) == (600, 250, 8)
    assert (training.schedule, training.decay_epochs, training.clip) == ("exponential", 200, 10)
    assert area5.sampling.sphere_radius == 2 and area5.sampling.max_points == 15_000

    assert scannet.model.features == ("one", "rgb") and scannet.augmentation.scale == (0.9, 1.1)
    assert scannet.augmentation.colour_drop == 0.2 and scannet.training == area5.training

    assert partnet.model.features == ("one", "xyz") and partnet.model.bn_momentum == 0.01
    assert partnet.model.neighbours == (23, 38, 42, 40, 36)
    changes = partnet.augmentation
    assert (changes.rotation, changes.scale, changes.mirror_x) == (0, (0.8, 1.2), 0)
    training = partnet.training
    assert (training.optimiser, training.learning_rate, training.clip) == ("adamw", 0.00125, 0)
    assert (training.epochs, training.samples_per_epoch) == (300, 17119)
    assert partnet.sampling.shape == "whole"


@pytest.mark.parametrize(
    ("name", "write", "recipe"),
    [("s3dis", write_s3dis, "s3dis-area5"), ("scannet", write_scannet, "scannet")],
)
def test_train_reads_what_prepare_wrote(
    tmp_path: Path, name: str, write: Writer, recipe: str
) -> None:
    scenes = tmp_path / "scenes"
    assert main(["prepare", name, str(write(tmp_path / "raw", points=60)), str(scenes)]) == 0
    options = ["--epochs", "1", "--samples-per-epoch", "2", "--batch-size", "2", "--width", "8"]
    run = ["-o", str(tmp_path / "run"), "--accelerator", "cpu"]
    assert main(["train", recipe, "--data", str(scenes), *options, *run]) == 0
    model = load(tmp_path / "run" / "last.safetensors")
    assert model.config.grid == 0.04
    assert "non-commercial" in model.metadata["licence"]


def test_the_rate_falls_in_steps() -> None:
    from salanet.training.optimisation import learning_rate

    training = load_recipe("partnet").training
    rates = [learning_rate(training, epoch / 300) for epoch in (0, 89.9, 90, 179.9, 180, 300)]
    np.testing.assert_allclose(rates, np.array([1, 1, 0.1, 0.1, 0.01, 0.01]) * 0.00125)
