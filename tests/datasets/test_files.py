"""Preparing labelled files: splits, checks, what a scene holds, going on after an interruption."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
from laspy.vlrs.known import WktCoordinateSystemVlr

from salanet.datasets import files
from salanet.datasets.balance import balance, warnings
from salanet.datasets.classes import ClassMap
from salanet.datasets.files import (
    Settings,
    find_files,
    plan,
    prepare,
    prepare_file,
    suggest_classes,
)
from salanet.datasets.jobs import Job
from salanet.datasets.usable import foreign_units, left_out
from salanet.errors import ConfigError, DataError, FileError
from salanet.scenes import BELOW, Scene, open_scenes

SETTINGS = Settings(ClassMap.parse("ground=2,building=6,other=1/*,ignore=7"), 0.5)


def write_las(path: Path, codes: list[int], seed: int = 0, **extra: np.ndarray) -> Path:
    """A LAS file of one point per code, in a square of 5 m at UTM-like coordinates."""
    rng = np.random.default_rng(seed)
    header = laspy.LasHeader(point_format=6, version="1.4")
    header.scales, header.offsets = np.full(3, 0.01), np.array([770000, 6277000, 0])
    for name, values in extra.items():
        header.add_extra_dim(laspy.ExtraBytesParams(name, values.dtype))
    las = laspy.LasData(header)
    las.xyz = rng.uniform(0, 5, (len(codes), 3)) + np.array([770500.0, 6277500, 20])
    las.classification = np.array(codes, np.uint8)
    las.intensity = np.arange(len(codes)) * 10
    las.return_number = np.ones(len(codes), np.uint8)
    las.number_of_returns = np.full(len(codes), 2, np.uint8)
    for name, values in extra.items():
        las[name] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    las.write(str(path))
    return path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    source = write_las(tmp_path / "src" / "a.las", [2] * 300 + [6] * 80 + [64] * 15 + [7] * 5)
    return Job.of_file(source, "train", tmp_path / "scenes" / "train" / "a")


def test_a_scene_holds_everything(job: Job) -> None:
    result = prepare_file(job, SETTINGS)
    scene = Scene.open(job.folder)
    assert result.meta["left_out"] == {"not_finite": 0, "strays": 0, "flagged": 5}
    assert left_out([result]) == [
        "5 points of a.las are flagged as noise or withheld: left out of the scenes"
    ]
    assert (
        result.figures["points"] == 395
        and result.figures["cells"] == len(scene)
        and not result.skipped
    )
    assert result.counts == {"ground": 300, "building": 80, "other": 15}
    assert scene.classes == ["ground", "building", "other"] and scene.grid == 0.5
    assert scene.meta["codes"] == [2, 6, 1]
    assert scene.meta["provenance"]["sources"][0]["name"] == "a.las"
    assert sorted(scene.arrays) == [
        "height_above_ground",
        "height_above_lowest",
        "intensity",
        "number_of_returns",
        "return_number",
        "terrain_slope",
    ]
    assert scene.color is None
    raw = scene.raw["segment"]
    assert np.bincount(raw + 1).tolist() == [0, 300, 80, 15] and raw.dtype == np.int16
    # The way back: each raw point lies in the cell it is said to lie in.
    to_cell = scene.raw["to_cell"]
    assert to_cell.dtype == np.int32 and len(np.unique(to_cell)) == len(scene)
    xyz = np.asarray(laspy.read(job.source).xyz)[:395]
    means = np.stack([np.bincount(to_cell, xyz[:, i]) for i in range(3)], 1)
    means /= np.bincount(to_cell)[:, None]
    np.testing.assert_allclose(scene.coord + scene.offset, means, atol=1e-5)
    corner = (scene.offset + 0.5 * BELOW) / 8  # 16 cells of 0.5
    np.testing.assert_allclose(corner, np.rint(corner))


def test_complete_scenes_are_skipped_until_something_changes(job: Job) -> None:
    prepare_file(job, SETTINGS)
    assert prepare_file(job, SETTINGS).skipped
    other_grid = Settings(SETTINGS.classes, 0.7)
    assert not prepare_file(job, other_grid).skipped
    assert Scene.open(job.folder).grid == 0.7
    assert prepare_file(job, other_grid).skipped
    os.utime(job.source, (1, 1))
    assert not prepare_file(job, other_grid).skipped
    write_las(job.source, [2] * 10)
    again = prepare_file(job, other_grid)
    assert not again.skipped and again.figures["points"] == 10


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("coord.npy", b""),
        ("segment.npy", None),
        ("raw_to_cell.npy", None),
        ("scene.json", b""),
        ("scene.json", b'{"provenance": [], "settings": {"grid": 0.5}}'),
        ("scene.json", b"[1]"),
    ],
)
def test_a_damaged_scene_is_made_again(job: Job, name: str, content: bytes | None) -> None:
    prepare_file(job, SETTINGS)
    path = job.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-8] + b"\xff" * 8 if content is None else content)
    assert not prepare_file(job, SETTINGS).skipped
    assert path.read_bytes() == whole
    assert prepare_file(job, SETTINGS).skipped


@pytest.mark.parametrize("key", ["figures", "counts", "settings", "classes"])
def test_an_edited_header_is_made_again(job: Job, key: str) -> None:
    prepare_file(job, SETTINGS)
    path = job.folder / "scene.json"
    meta = json.loads(path.read_text())
    path.write_text(json.dumps(meta | {key: None}))
    assert not prepare_file(job, SETTINGS).skipped
    assert json.loads(path.read_text()) == meta


def test_a_source_that_changes_meanwhile_is_prepared_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    subsample = files._subsample

    def slow(*arguments: Any) -> Any:
        found = subsample(*arguments)
        write_las(job.source, [2] * 10)
        return found

    monkeypatch.setattr(files, "_subsample", slow)
    assert prepare_file(job, SETTINGS).figures["points"] == 395
    monkeypatch.undo()
    again = prepare_file(job, SETTINGS)
    assert not again.skipped and again.figures["points"] == 10


def test_a_scene_moves_with_its_split(job: Job, tmp_path: Path) -> None:
    prepare_file(job, SETTINGS)
    moved = Job.of_file(job.source, "test", tmp_path / "scenes" / "test" / "a")
    assert prepare_file(moved, SETTINGS).skipped
    assert not job.folder.exists() and moved.folder.exists()


def test_an_error_keeps_what_is_done_and_the_rest_goes_on_later(tmp_path: Path) -> None:
    for name in "acd":
        write_las(tmp_path / f"{name}.las", [2, 6])
    (tmp_path / "b.las").write_bytes(b"LASF, but not really")
    jobs = plan(find_files([tmp_path]), tmp_path / "out")
    with pytest.raises(FileError, match=r"b\.las"):
        prepare(jobs, SETTINGS)
    assert (tmp_path / "out" / "train" / "a").exists()
    assert not (tmp_path / "out" / "train" / "b").exists()
    write_las(tmp_path / "b.las", [1])
    seen = []
    results = prepare(jobs, SETTINGS, workers=2, done=seen.append)
    assert [r.job.folder.name for r in results] == ["a", "b", "c", "d"] and len(seen) == 4
    assert results[0].skipped and not results[1].skipped
    assert [scene.name for scene in open_scenes(tmp_path / "out", "train")] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("codes", "settings", "message"),
    [
        ([2, 5, 5], Settings(ClassMap.parse("ground=2"), 1), r"a\.las: label 5 \(2 points\)"),
        ([7, 7], SETTINGS, r"a\.las: all 2 points are flagged as noise"),
        ([2, 2], Settings(ClassMap.parse("a=3,ignore=2"), 1), r"a\.las: every label is ignored"),
        ([], SETTINGS, r"a\.las: .*no points"),
        ([2], Settings(SETTINGS.classes, 1, label_field="kind"), "no attribute 'kind' to take"),
        ([2], Settings(SETTINGS.classes, 1, keep=("nx",)), "no attribute 'nx' to keep"),
    ],
)
def test_bad_files(tmp_path: Path, codes: list[int], settings: Settings, message: str) -> None:
    source = write_las(tmp_path / "a.las", codes)
    with pytest.raises((DataError, FileError), match=message):
        prepare_file(Job.of_file(source, "train", tmp_path / "train" / "a"), settings)
    assert not (tmp_path / "train").exists()


def test_no_label_field_and_nan(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((4, 3)))
    with pytest.raises(DataError, match="has no labels; name the attribute"):
        prepare_file(Job.of_file(tmp_path / "a.npy", "train", tmp_path / "s"), SETTINGS)
    np.save(tmp_path / "a.npy", np.full((4, 3), np.nan))
    with pytest.raises(DataError, match=r"a\.npy: none of its 4 points has finite"):
        prepare_file(Job.of_file(tmp_path / "a.npy", "train", tmp_path / "s"), SETTINGS)


def test_labels_from_an_attribute(tmp_path: Path) -> None:
    source = write_las(tmp_path / "a.las", [0, 0, 0], kind=np.array([2, 6, 2], np.int16))
    job = Job.of_file(source, "train", tmp_path / "train" / "a")
    result = prepare_file(job, Settings(SETTINGS.classes, 1, label_field="kind", keep=("kind",)))
    assert result.counts == {"ground": 2, "building": 1, "other": 0}
    assert "kind" in Scene.open(job.folder).arrays
    source = write_las(tmp_path / "b.las", [0], kind=np.array([2.5]))
    with pytest.raises(DataError, match="whole-number"):
        prepare_file(
            Job.of_file(source, "train", tmp_path / "b"), Settings(SETTINGS.classes, 1, "kind")
        )


def test_one_point(tmp_path: Path) -> None:
    source = write_las(tmp_path / "a.las", [2])
    result = prepare_file(Job.of_file(source, "train", tmp_path / "train" / "a"), SETTINGS)
    assert result.figures["points"] == result.figures["cells"] == 1


STEMS = [Path(f"{stem}.laz") for stem in ("1_a", "1_b", "2_a", "2_b", "3_a")]


def test_splits_by_pattern() -> None:
    jobs = plan(STEMS, "out", test=["2_*"], val=["1_b", "3_?"])
    assert [j.split for j in jobs] == ["train", "val", "test", "test", "val"]
    assert jobs[2].folder == Path("out/test/2_a")


def test_splits_by_fraction_do_not_depend_on_order() -> None:
    splits = {j.source.stem: j.split for j in plan(STEMS, "out", test=["0.4"], val=["0.2"])}
    again = {j.source.stem: j.split for j in plan(STEMS[::-1], "out", test=["0.4"], val=["0.2"])}
    assert splits == again
    assert sorted(splits.values()) == ["test", "test", "train", "train", "val"]


def test_bad_splits() -> None:
    with pytest.raises(ConfigError, match=r"--test '9_\*' matches no file; there are 1_a, 1_b"):
        plan(STEMS, "out", test=["9_*"])
    with pytest.raises(ConfigError, match="'1_a' is in both test and val"):
        plan(STEMS, "out", test=["1_a"], val=["1_*"])
    with pytest.raises(ConfigError, match="nothing is left to train on"):
        plan(STEMS, "out", val=["*"])


def test_find_files(tmp_path: Path) -> None:
    for name in ("x/b.las", "x/y/a.las", "x/.hidden.las"):
        write_las(tmp_path / name, [2])
    (tmp_path / "x" / "notes.md").write_text("")
    assert [p.name for p in find_files([tmp_path / "x"])] == ["a.las", "b.las"]
    assert len(find_files([tmp_path / "x", tmp_path / "x" / "b.las"])) == 2  # once each
    with pytest.raises(FileError, match="no such file"):
        find_files([tmp_path / "z"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="holds no point cloud"):
        find_files([tmp_path / "empty"])
    write_las(tmp_path / "z" / "a.las", [2])
    with pytest.raises(ConfigError, match="would both become the scene 'a'"):
        find_files([tmp_path])


def test_warnings_on_rare_and_absent_classes(tmp_path: Path) -> None:
    write_las(tmp_path / "a.las", [2] * 3000 + [6] * 3)
    results = prepare(plan(find_files([tmp_path]), tmp_path / "out"), SETTINGS)
    assert balance(results, "train") == {"ground": 3000, "building": 3, "other": 0}
    found = warnings(results, SETTINGS.classes.names)
    assert found == [
        "train: only 3 points of class 'building' (0.100%)",
        "train: no point of class 'other'",
    ]


def test_suggestion(job: Job) -> None:
    text = suggest_classes(job.source)
    assert text == "ground=2,building=6,low noise=7,class 64=64"
    assert ClassMap.parse(text).codes == [2, 6, 7, 64]


def test_grid_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="grid"):
        Settings(SETTINGS.classes, 0)


def test_settings_are_json() -> None:
    assert json.loads(json.dumps(SETTINGS.record())) == SETTINGS.record()


def test_files_in_feet_are_warned_of(tmp_path: Path) -> None:
    header = laspy.LasHeader(version="1.4", point_format=6)
    header.scales = [0.001] * 3
    header.vlrs.append(WktCoordinateSystemVlr('PROJCS["Oregon",UNIT["foot",0.3048]]'))
    las = laspy.LasData(header)
    las.x, las.y, las.z = np.random.default_rng(0).random((3, 50)) * 9
    las.classification = np.full(50, 2)
    las.write(tmp_path / "a.laz")
    settings = Settings(ClassMap.parse("ground=2"), grid=0.5)
    job = Job.of_file(tmp_path / "a.laz", "train", tmp_path / "scenes" / "train" / "a")
    for _ in range(2):  # made, then found there
        (warning,) = foreign_units([prepare_file(job, settings)])
        assert warning.startswith("1 file is in foot by the reference system")


def test_a_stray_of_an_ignored_class_costs_no_precision(tmp_path: Path) -> None:
    """Coordinates of scenes are float32: half a metre, were they relative to 0 0 0."""
    source = write_las(tmp_path / "a.las", [2] * 3000 + [5] * 3)
    las = laspy.read(source)
    x, y, z = (np.array(axis) for axis in (las.x, las.y, las.z))
    for axis in (x, y, z):
        axis[-3:] = 0
    las.x, las.y, las.z = x, y, z
    las.write(str(source))
    settings = Settings(ClassMap.parse("ground=2,ignore=5"), grid=0.5)
    result = prepare_file(
        Job.of_file(source, "train", tmp_path / "scenes" / "train" / "a"), settings
    )
    scene = Scene.open(result.job.folder)
    assert (
        result.meta["left_out"] == {"not_finite": 0, "strays": 3, "flagged": 0}
        and result.figures["points"] == 3000
    )
    assert left_out([result]) == [
        "3 points of a.las lie far from all others: left out of the scenes"
    ]
    at = scene.raw["to_cell"]
    inside = (np.asarray(scene.coord, np.float64) + scene.offset)[at] - np.stack([x, y, z], 1)[:-3]
    assert np.abs(inside).max() < 0.5 and np.asarray(scene.coord).max() < 20
