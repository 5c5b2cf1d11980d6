"""ScanNet from meshes, segments, groups and lists, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import plyfile
import pytest
from miniatures import AXIS_ALIGNMENT, write_scannet

from salanet.cli.main import main
from salanet.datasets import scannet
from salanet.scenes import Scene, find_scenes, open_scenes

POINTS = 400


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scannet(tmp_path_factory.mktemp("scannet") / "ScanNet", points=POINTS)


@pytest.fixture(scope="module")
def prepared(raw: Path) -> Path:
    assert main(["prepare", "scannet", str(raw), str(raw.parent / "scenes"), "--workers", "1"]) == 0
    return raw.parent / "scenes"


@pytest.fixture
def copy(raw: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / raw.name))


def run(capsys: pytest.CaptureFixture, *arguments: object) -> dict[str, Any]:
    assert main(["prepare", "scannet", *map(str, arguments), "--json", "--workers", "1"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def error(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main(["prepare", "scannet", *map(str, arguments), "--workers", "1"]) == 2
    return str(capsys.readouterr().err.strip().splitlines()[-1])


def vertices(raw: Path, scan: str) -> plyfile.PlyElement:
    folder = "scans_test" if scan == "scene0707_00" else "scans"
    return plyfile.PlyData.read(raw / folder / scan / f"{scan}_vh_clean_2.ply")["vertex"]


def test_splits(prepared: Path) -> None:
    names = [f"{f.parent.name}/{f.name}" for f in find_scenes(prepared)]
    assert names == [
        "test/scene0707_00", "train/scene0000_00", "train/scene0001_00", "val/scene0011_00"
    ]  # fmt: skip
    assert len(open_scenes(prepared, "train")) == 2


def test_labels_come_from_groups_of_segments(raw: Path, prepared: Path) -> None:
    scene = Scene.open(prepared / "train" / "scene0000_00")
    path = raw / "scans" / "scene0000_00" / "scene0000_00_vh_clean_2.0.010000.segs.json"
    segments = np.array(json.loads(path.read_text())["segIndices"])
    labels = scene.raw["segment"]
    names = {"floor": [3], "wall": [7, 12], "chair": [101], "table": [100]}
    for name, members in names.items():
        assert (labels[np.isin(segments, members)] == scene.classes.index(name)).all()
    assert (labels[segments == 40] == -1).all()  # in no group
    assert scene.meta["codes"][:5] == [1, 2, 3, 4, 5] and scene.meta["codes"][-1] == 39
    assert scene.meta["counts"]["wall"] == 2 * POINTS and scene.meta["counts"]["bed"] == 0


def test_the_later_label_wins_and_other_codes_are_ignored(prepared: Path) -> None:
    scene = Scene.open(prepared / "train" / "scene0001_00")
    assert scene.meta["counts"]["floor"] == 0  # "floor mat" (20) is over it
    # "table" is listed after 'monitor 24"' (40), whose segment it shares.
    assert scene.meta["counts"]["table"] == POINTS


def test_vertices_keep_their_order(raw: Path, prepared: Path) -> None:
    mesh = vertices(raw, "scene0011_00")
    scene = Scene.open(prepared / "val" / "scene0011_00")
    to_cell = scene.raw["to_cell"]
    assert len(to_cell) == mesh.count == len(scene.raw["segment"])
    xyz = np.stack([mesh[axis] for axis in "xyz"], axis=1)
    distance = np.abs(scene.coord[to_cell] + scene.offset - xyz).max()
    assert distance < 0.04
    one = np.bincount(to_cell)[to_cell] == 1
    rgb = np.stack([mesh[c] for c in ("red", "green", "blue")], axis=1)
    np.testing.assert_array_equal(scene.color[to_cell[one]], rgb[one])


def test_test_scans_have_no_labels(raw: Path, prepared: Path) -> None:
    scene = Scene.open(prepared / "test" / "scene0707_00")
    assert scene.segment is None and set(scene.raw) == {"to_cell", "to_nearest"}
    assert len(scene.raw["to_cell"]) == vertices(raw, "scene0707_00").count
    assert scene.meta["counts"] == {}


def test_alignment_is_an_option(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    report = run(capsys, raw, tmp_path / "s", "--align")
    assert report["remarks"] == ["test/scene0707_00: has no axisAlignment and stays as it is"]
    scene = Scene.open(tmp_path / "s" / "train" / "scene0000_00")
    matrix = np.array(AXIS_ALIGNMENT, float).reshape(4, 4)
    assert scene.meta["axis_alignment"] == matrix.tolist()
    mesh = vertices(raw, "scene0000_00")
    xyz = np.stack([mesh[axis] for axis in "xyz"], axis=1).astype(float)
    turned = np.stack([2 - xyz[:, 1], xyz[:, 0] - 1, xyz[:, 2] + 0.5], axis=1)
    cells = scene.coord[scene.raw["to_cell"]] + scene.offset
    assert np.abs(cells - turned).max() < 0.04


def test_counts_and_missing_scans(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    for split in ("train", "val", "test"):
        text = (raw / f"scannetv2_{split}.txt").read_text()
        (lists / f"scannetv2_{split}.txt").write_text(text + f"scene0{split[0] == 't'}99_00\n")
    (lists / "scannetv2_test.txt").write_text("scene0707_00\n")
    report = run(
        capsys, raw, tmp_path / "s", "--splits", lists, "--labels", raw / scannet.TABLE
    )  # fmt: skip
    assert report["remarks"] == [
        "1 scans of train are not there, such as scene0True99_00",
        "1 scans of val are not there, such as scene0False99_00",
    ]
    checks = {check["what"]: (check["found"], check["expected"]) for check in report["checks"]}
    assert checks == {
        "scenes of train": (2, 1201), "scenes of val": (1, 312), "scenes of test": (1, 100),
        "classes": (4, 20),
    }  # fmt: skip


def test_scans_of_no_list_are_left_out(copy: Path, capsys: pytest.CaptureFixture) -> None:
    (copy / "scannetv2_train.txt").write_text("scene0000_00\n")
    report = run(capsys, copy, copy.parent / "s")
    assert report["remarks"] == ["scene0001_00 is in none of the split lists and was left out"]
    assert len(report["scenes"]) == 3


def test_a_folder_of_test_scans_needs_no_lists(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(raw / "scans_test", tmp_path / "only" / "scans_test")
    report = run(capsys, tmp_path / "only", tmp_path / "s")
    assert [scene["scene"] for scene in report["scenes"]] == ["test/scene0707_00"]


def test_pointcept_scenes(prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for split, scan in (("train", "scene0000_00"), ("test", "scene0707_00")):
        scene = Scene.open(prepared / split / scan)
        folder = tmp_path / "pointcept" / split / scan
        folder.mkdir(parents=True)
        np.save(folder / "coord.npy", scene.coord)
        np.save(folder / "color.npy", scene.color)
        labels = np.full(len(scene), -1) if scene.segment is None else scene.segment
        np.save(folder / "segment20.npy", np.asarray(labels, np.int16))
    report = run(capsys, tmp_path / "pointcept", tmp_path / "s")
    names = [scene["scene"] for scene in report["scenes"]]
    assert names == ["train/scene0000_00", "test/scene0707_00"]
    assert Scene.open(tmp_path / "s" / "test" / "scene0707_00").segment is None
    again = Scene.open(tmp_path / "s" / "train" / "scene0000_00")
    before = Scene.open(prepared / "train" / "scene0000_00")
    np.testing.assert_array_equal(again.raw["segment"], before.segment)


def spoil(copy: Path, what: str) -> None:
    folder = copy / "scans" / "scene0000_00"
    segments = folder / "scene0000_00_vh_clean_2.0.010000.segs.json"
    groups = folder / "scene0000_00.aggregation.json"
    if what == "no lists":
        (copy / "scannetv2_train.txt").unlink()
    elif what == "two splits":
        (copy / "scannetv2_val.txt").write_text("scene0000_00\n")
    elif what == "no table":
        (copy / scannet.TABLE).unlink()
    elif what == "bad table":
        (copy / scannet.TABLE).write_text("id\tname\n1\twall\n")
    elif what == "unknown label":
        groups.write_text(groups.read_text().replace('"wall"', '"wal"'))
    elif what == "no label":
        groups.write_text('{"segGroups": [{"segments": [1]}]}')
    elif what == "no groups":
        groups.unlink()
    elif what == "groups damaged":
        groups.write_text("{")
    elif what == "segments short":
        segments.write_text('{"segIndices": [1, 2, 3]}')
    elif what == "mesh cut":
        mesh = folder / "scene0000_00_vh_clean_2.ply"
        mesh.write_bytes(mesh.read_bytes()[:2000])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no lists", "Tasks/Benchmark of ScanNet's repository"),
        ("two splits", "scene0000_00 is in train too"),
        ("no table", "with --labels"),
        ("bad table", "is no table with raw_category and nyu40id"),
        ("unknown label", "the label 'wal' is not in scannetv2-labels.combined.tsv"),
        ("no label", "has a group without label or segments"),
        ("no groups", "scene0000_00 is incomplete"),
        ("groups damaged", "is no JSON object with 'segGroups'"),
        ("segments short", "must give 2400 vertices a segment, not (3,)"),
        ("mesh cut", "cut short"),
    ],
)
def test_bad_scans(copy: Path, capsys: pytest.CaptureFixture, what: str, message: str) -> None:
    spoil(copy, what)
    assert message in error(capsys, copy, copy.parent / "s")


def test_no_scans(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert "holds no scans" in error(capsys, tmp_path, tmp_path / "s")
    assert "no such folder" in error(capsys, tmp_path / "nowhere", tmp_path / "s")


def test_classes_are_the_benchmarks() -> None:
    assert scannet.BENCHMARK.codes == (
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39
    )  # fmt: skip


def test_alignment_of_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "scene.txt"
    path.write_text("axisAlignment = 1 2 3\n")
    with pytest.raises(scannet.FileError, match="sixteen numbers"):
        scannet.axis_alignment(path)
