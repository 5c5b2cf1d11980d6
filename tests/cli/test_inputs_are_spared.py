"""No command writes its output over one of its inputs, by whatever name it is called."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.io import write


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(
    victim: Path, capsys: pytest.CaptureFixture[str], *arguments: str, why: str = "overwritten"
) -> None:
    before = victim.read_bytes()
    assert main([*arguments]) == 2
    errors = capsys.readouterr().err
    assert why in errors and errors.count("\n") == 1, errors
    assert victim.read_bytes() == before


def test_view(place: Path, town_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = town(1, size=24)
    write("scan.ply", cloud)
    write("true.ply", cloud)
    scan, true = place / "scan.ply", place / "true.ply"
    # Wrong suffixes as well, and these are said first where both are wrong.
    refused(scan, capsys, "view", "scan.ply", "--html", "scan.ply", why=".html")
    refused(scan, capsys, "view", "scan.ply", "--png", str(scan), why=".png")
    for name in ("link.html", "link.png", "link.HTM"):
        Path(name).symlink_to(scan)
        kind = "--png" if name.endswith("png") else "--html"
        refused(scan, capsys, "view", "./scan.ply", kind, name)
        refused(scan, capsys, "view", name.replace("link", "../" + place.name + "/link"),
                kind, name, "--columns", "x,y,z")  # fmt: skip
        refused(scan, capsys, "view", "true.ply", "--truth", "scan.ply", kind, name)
    Path("m.png").symlink_to(town_model)
    refused(town_model, capsys, "view", "true.ply", "-m", str(town_model), "--png", "m.png")
    folder = place / "tiles"
    folder.mkdir()
    shutil.copy(true, folder)
    Path("all.html").symlink_to("tiles/true.ply")
    refused(folder / "true.ply", capsys, "view", "tiles", "--together", "--html", "all.html")


def test_evaluate_and_table(
    place: Path, town_scenes: Path, town_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(town_model, "m.safetensors")
    model = place / "m.safetensors"
    given = ("evaluate", "-m", "m.safetensors", "--data", str(town_scenes))
    refused(model, capsys, *given, "-o", str(model))
    Path("link.json").symlink_to(model)
    refused(model, capsys, *given, "-o", "link.json")
    assert main([*given, "-o", "a.json"]) == 0
    capsys.readouterr()
    result = place / "a.json"
    refused(result, capsys, "evaluate", "--folds", "a.json", "-o", str(result))
    Path("report").mkdir()
    Path("report/report.html").symlink_to(result)
    refused(result, capsys, "evaluate", "--folds", "a.json", "--report", "report")
    refused(result, capsys, "table", "a.json", "--layout", "overview", "-o", "./a.json")


@pytest.mark.usefixtures("place")
def test_evaluate_finds_a_missing_folder_before_the_work(
    town_scenes: Path, town_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("evaluate", "-m", str(town_model), "--data", str(town_scenes))
    refused(town_model, capsys, *given, "-o", "none/a.json", why="none does not exist")


def test_submit(
    place: Path, town_scenes: Path, town_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(town_model, "m.safetensors")
    data = ("--data", str(town_scenes), "-m", "m.safetensors")
    refused(place / "m.safetensors", capsys, "submit", "m.safetensors", *data)
    Path("list.txt").write_text("scene0707_00\n")
    refused(place / "list.txt", capsys, "submit", "list.txt", *data, "--scans", "list.txt")


def test_export_knows_the_models_of_the_package(
    place: Path, town_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(town_model, "m.safetensors")
    half = ("--precision", "float16", "-o")
    Path("link.safetensors").hardlink_to("m.safetensors")
    refused(place / "m.safetensors", capsys, "export", "m.safetensors", *half, "link.safetensors")


def test_train(
    place: Path, town_scenes: Path, town_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = place / "recipe.yaml"
    recipe.write_text("# mine\nmodel: {width: 36}\n")
    given = ("train", "recipe.yaml", "--data", str(town_scenes), "--accelerator", "cpu")
    refused(recipe, capsys, *given, "-o", ".")
    run = place / "run"
    run.mkdir()
    shutil.copy(town_model, run / "best.safetensors")
    refused(run / "best.safetensors", capsys, *given, "-o", "run", "--from", "run/best.safetensors")


def test_a_folder_that_is_no_scene_is_not_replaced(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("scan.laz", town(1, size=24))
    notes = place / "out" / "train" / "scan" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("years of work")
    given = ("prepare", "files", "scan.laz", "out", "--classes", "ground=2,other=*")
    refused(notes, capsys, *given, "--workers", "1", why="not a prepared")
    notes.unlink()
    assert main([*given, "--workers", "1"]) == 0, "an empty folder is nobody's"
    shutil.rmtree(notes.parent)
    notes.parent.write_text("a file")
    refused(notes.parent, capsys, *given, "--workers", "1", why="not a prepared")


def test_a_missing_folder_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("scan.laz", town(1, size=24))
    scan = place / "scan.laz"
    missing = f"the folder {place / 'none' / 'sub'} does not exist"
    refused(scan, capsys, "predict", "scan.laz", "-m", "rooms", "-o", "none/sub/a.laz", why=missing)
    refused(scan, capsys, "view", "scan.laz", "--png", "none/sub/a.png", why=missing)
    refused(scan, capsys, "convert", "scan.laz", "none/sub/a.ply", why=missing)
    refused(scan, capsys, "export", "rooms", "-o", "none/sub/a.onnx", why=missing)
    refused(scan, capsys, "table", "--layout", "s3dis", "-o", "none/sub/a.md", why=missing)
