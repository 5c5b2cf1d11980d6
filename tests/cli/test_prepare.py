"""`salanet prepare files` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet.cli.main import main
from salanet.scenes import open_scenes

CLASSES = "ground=2,building=6,other=*"


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    """Three labelled tiles as NPZ files."""
    folder = tmp_path / "tiles"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("t1", "t2", "u1"):
        np.savez(
            folder / f"{name}.npz",
            xyz=rng.uniform(0.01, 3.99, (5000, 3)),
            label=rng.choice([1, 2, 6], 5000).astype(np.int32),
        )
    return folder


def run(*arguments: object) -> int:
    return main(["prepare", "files", *map(str, arguments)])


def test_prepare_then_again(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "scenes"
    arguments = (tiles, out, "--classes", CLASSES, "--grid", "0.5", "--test", "u*", "--json")
    assert run(*arguments, "--licence", "CC0") == 0
    report = json.loads(capsys.readouterr().out)
    assert [s["split"] for s in report["scenes"]] == ["train", "train", "test"]
    assert sum(report["counts"]["train"].values()) == 10_000
    assert report["warnings"] == []
    scenes = open_scenes(out, "train")
    assert [s.name for s in scenes] == ["t1", "t2"]
    assert scenes[0].meta["provenance"]["licence"] == "CC0"
    assert run(*arguments, "--licence", "CC0") == 0
    assert all(s["skipped"] for s in json.loads(capsys.readouterr().out)["scenes"])


def test_table(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(tiles, tmp_path / "s", "--classes", CLASSES, "--val", "t2") == 0
    out = capsys.readouterr().out
    assert "ground" in out and "train" in out and "val" in out and "3 scenes in" in out


def test_dry_run_writes_nothing(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "scenes"
    assert run(tiles, out, "--classes", CLASSES, "--dry-run", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [s["action"] for s in report["scenes"]] == ["prepare"] * 3 and not out.exists()
    assert run(tiles, out, "--classes", CLASSES, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "nothing is written" in out and "building" in out


def test_blocks(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "scenes"
    arguments = (tiles, out, "--classes", CLASSES, "--grid", "0.1", "--block", "1")
    shares = ("--val", "0.25", "--test", "0.125")
    assert run(*arguments, *shares, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["blocks"] == {"train": 30, "val": 12, "test": 6} and not out.exists()
    assert run(*arguments, *shares, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == plan["counts"] and report["area"] == plan["area"]
    assert report["area"]["val"] == pytest.approx(12, rel=0.1)
    assert sum(s["points"] for s in report["scenes"]) == 15_000
    assert run(*arguments, *shares) == 0
    assert "area, blocks of 1" in capsys.readouterr().out


def test_scenes_of_other_runs_are_mentioned(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "scenes"
    run(tiles, out, "--classes", CLASSES)
    run(tiles / "t1.npz", out, "--classes", CLASSES)
    assert "warning: 2 other scenes lie in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "ground=2,other=1"], "label 6"),
        (["--classes", "nowhere.yaml"], "nowhere.yaml"),
        (["--classes", CLASSES, "--grid", "-1"], "grid"),
        (["--classes", CLASSES, "--test", "zzz*"], "'zzz*' matches no file"),
        (["--classes", CLASSES, "--block", "0.1"], "--block must be larger than the grid of 0.4"),
        (
            ["--classes", CLASSES, "--block", "2", "--test", "u*"],
            "--test is a fraction of the area",
        ),
        (["--classes", CLASSES, "--block", "9", "--test", "0.2"], "use a smaller --block"),
        (["--classes", "ground=2", "--dry-run"], "label 1 ("),
        ([], "--classes 'unclassified=1,ground=2,building=6'"),
    ],
)
def test_user_errors(
    tiles: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    options: list[str],
    message: str,
) -> None:
    assert run(tiles, tmp_path / "scenes", *options) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("salanet prepare: ") and message in error
    assert not (tmp_path / "scenes").exists()


def test_unwritable_destination(tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(tiles, tmp_path / "file", "--classes", CLASSES) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_what_to_prepare(capsys: pytest.CaptureFixture) -> None:
    assert main(["prepare"]) == 0
    assert "files" in capsys.readouterr().out
    assert main(["prepare", "moon"]) == 2
    assert "cannot prepare 'moon'" in capsys.readouterr().err
    assert main(["prepare", "files", "only-one"]) == 2
    assert "folder to write" in capsys.readouterr().err


def test_ign_recipe_on_a_real_tile(
    ign_tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    recipe = Path(__file__).resolve().parents[2] / "recipes" / "classes" / "ign-lidar-hd.yaml"
    source = ign_tiles / "77060_627760.laz"
    assert run(source, tmp_path / "s", "--classes", recipe, "--test", "77060_*", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["scenes"][0]["points"] == 59606
    assert report["counts"]["test"]["ground"] == 21975
    (scene,) = open_scenes(tmp_path / "s", "test")
    assert scene.color is None  # the RGB fields are zero
    height = scene.arrays["height_above_ground"][scene.segment == 0]
    assert np.abs(height).mean() < 0.05


def test_an_unreadable_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No progress bar above it where nobody watches."""
    (tmp_path / "a.laz").touch()
    to = str(tmp_path / "scenes")
    assert main(["prepare", "files", str(tmp_path / "a.laz"), to, "--classes", "ground=2"]) == 2
    errors = capsys.readouterr().err
    assert "the file is empty" in errors and errors.count("\n") == 1


@pytest.mark.parametrize("more", [[], ["--block", "1", "--val", "0.3"], ["--dry-run"]])
def test_files_without_labels_are_left_out(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture, more: list[str]
) -> None:
    np.savez(tiles / "a1.npz", xyz=np.random.default_rng(1).uniform(0, 4, (500, 3)))
    arguments = (tiles, tmp_path / "s", "--grid", "0.5", *more)
    assert run(*arguments, "--classes", "ground=2,building=6,ignore=1", "--json") == 0
    said = capsys.readouterr()
    assert "left out: " in said.err and "a1.npz: has no labels" in said.err
    names = {Path(s["source"]).stem for s in json.loads(said.out)["scenes"]}
    assert names == {"t1", "t2", "u1"}
    assert run(*arguments) == 2
    assert "t1.npz holds, for example, --classes" in capsys.readouterr().err
    for name in ("t1", "t2", "u1"):
        (tiles / f"{name}.npz").unlink()
    assert run(*arguments, "--classes", CLASSES) == 2
    assert "a1.npz: has no labels" in capsys.readouterr().err
    assert run(*arguments) == 2
    assert "none of the 1 files has labels" in capsys.readouterr().err


def test_a_file_whose_labels_are_all_ignored_is_left_out(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    np.savez(tiles / "a1.npz", xyz=np.ones((9, 3)), label=np.full(9, 99))
    assert run(tiles, tmp_path / "s", "--classes", f"{CLASSES},ignore=99") == 0
    assert "a1.npz: every label is ignored" in capsys.readouterr().err


def test_points_without_coordinates_are_left_out(
    tiles: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with np.load(tiles / "t1.npz") as found:
        arrays = dict(found)
    arrays["xyz"][::10] = np.nan
    np.savez(tiles / "t1.npz", **arrays)
    assert run(tiles, tmp_path / "s", "--classes", CLASSES, "--grid", "0.5") == 0
    said = "500 points of t1.npz have NaN or infinite coordinates: left out of the scenes"
    assert said in capsys.readouterr().err
    assert np.isfinite(open_scenes(tmp_path / "s", "train")[0].coord).all()
