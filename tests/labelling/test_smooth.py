"""`salanet.smooth` and `salanet smooth`: files of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet import Rules, read, write
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.errors import ConfigError, DataError, FileError
from salanet.labelling.report import Report

SUFFIXES = [".las", ".laz", ".copc.laz", ".ply", ".pcd", ".npz", ".xyz"]
STANDARD = {2: "ground", 5: "high vegetation", 6: "building", 7: "low noise", 9: "water"}
SIDE, STEP = 60, 0.25
ORIGIN = np.array([650_000.0, 6_860_000.0, 100.0])


@pytest.fixture(scope="module")
def planted() -> PointCloud:
    """Ground, and beside it a roof 5 m up; islands of others in both, noise and water among it."""
    rng = np.random.default_rng(0)
    x, y = (a.ravel() for a in np.meshgrid(np.arange(SIDE), np.arange(SIDE)))
    xyz = np.stack([x * STEP, y * STEP, np.where(x < 30, 0.0, 5.0)], axis=1)
    xyz[:, :2] += rng.uniform(-0.08, 0.08, (len(xyz), 2))
    label = np.where(x < 30, 2, 6).astype(np.int32)
    islands = rng.choice(len(xyz), 60, replace=False)
    label[islands] = rng.choice([2, 5, 6], 60)
    label[rng.choice(len(xyz), 20, replace=False)] = 7
    label[rng.choice(len(xyz), 10, replace=False)] = 9
    label[rng.choice(len(xyz), 10, replace=False)] = 0
    order = rng.permutation(len(xyz))
    cloud = PointCloud((xyz + ORIGIN).round(3)[order], label=label[order])
    cloud.intensity = rng.integers(0, 2000, len(xyz)).astype(np.float32)
    return cloud


@pytest.fixture(scope="module")
def files(planted: PointCloud, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("planted")

    def of(suffix: str) -> Path:
        path = folder / f"a{suffix}"
        if not path.exists():
            cloud = planted.rows(np.arange(len(planted)))
            cloud.class_names = {} if suffix.endswith(("las", "laz")) else STANDARD
            write(path, cloud)
        return path

    return of


def smooth(
    path: Path, to: Path, rules: Rules | None = None, **more: object
) -> tuple[PointCloud, PointCloud, Report]:
    (report,) = salanet.smooth(path, to, rules=rules, **more)  # type: ignore[arg-type]
    before, after = read(path), read(to)
    assert before.label is not None and after.label is not None
    pairs, counts = np.unique(np.stack([before.label, after.label], 1), axis=0, return_counts=True)
    changes = {(o, n): c for o, row in report.changes.items() for n, c in row.items()}
    assert changes == dict(zip(map(tuple, pairs.tolist()), counts.tolist(), strict=True))
    return before, after, report


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_islands_in_files_of_every_kind(
    files: Callable[[str], Path], tmp_path: Path, suffix: str
) -> None:
    before, after, report = smooth(files(suffix), tmp_path / f"o{suffix}")
    x = before.xyz[:, 0] - ORIGIN[0]
    truth = np.where(x < 29.5 * STEP, 2, 6)
    untouched = np.isin(before.label, [7, 0])
    assert untouched.sum() > 20
    np.testing.assert_array_equal(after.label[untouched], before.label[untouched])
    np.testing.assert_array_equal(after.label[~untouched], truth[~untouched])
    np.testing.assert_array_equal(after.xyz, before.xyz)
    assert after.arrays().keys() == before.arrays().keys()
    for name, array in before.arrays().items():
        if name != "label":
            np.testing.assert_array_equal(after.arrays()[name], array, err_msg=name)
    assert after.class_names == before.class_names
    assert report.points == len(before) and report.changes[9].keys() == {2, 6}


@pytest.mark.parametrize("suffix", [".laz", ".ply"])
def test_in_any_memory(
    files: Callable[[str], Path],
    tmp_path: Path,
    suffix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    smooth(files(suffix), tmp_path / f"whole{suffix}")
    plan = "salanet.labelling.memory.FEWEST_AT_ONCE"
    monkeypatch.setattr(plan, 300)
    monkeypatch.setattr("salanet.labelling.memory.LEAST_ROOM", 400_000)
    steps: list[tuple[str, int, int]] = []

    class Watch(salanet.labelling.watch.Watch):
        def progress(self, _: Path, phase: str, done: int, total: int) -> None:
            steps.append((phase, done, total))

    smooth(files(suffix), tmp_path / f"pieces{suffix}", memory=1, watch=Watch())
    for phase in ("sort", "cells", "smooth", "write"):
        done = [(d, t) for p, d, t in steps if p == phase]
        assert len(done) > 3 and done[-1][0] == done[-1][1], phase
    whole, pieces = tmp_path / f"whole{suffix}", tmp_path / f"pieces{suffix}"
    assert whole.read_bytes() == pieces.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [pieces.name, whole.name]


X, Y = ORIGIN[0] + 5.0005, ORIGIN[1] - 1
AREA = f"POLYGON(({X} {Y}, {X + 90} {Y}, {X + 90} {Y + 90}, {X} {Y + 90}, {X} {Y}))"


@pytest.mark.parametrize("suffix", [".laz", ".ply", ".npz"])
def test_rules(files: Callable[[str], Path], tmp_path: Path, suffix: str) -> None:
    path, to = files(suffix), tmp_path / f"o{suffix}"
    before, after, _ = smooth(path, to, Rules("auto,water,5"))
    kept = np.isin(before.label, [5, 9])
    assert (after.label[kept] == before.label[kept]).all()
    assert (after.label[~kept] != before.label[~kept]).any()
    assert not np.isin(after.label[~kept], [5, 9]).any()

    before, after, _ = smooth(path, to, Rules(only="5,7"))
    moved = after.label != before.label
    assert {*before.label[moved].tolist()} == {5, 7}
    assert not np.isin(after.label, [5, 7]).any()

    before, after, _ = smooth(path, to, Rules(within=AREA))
    moved = after.label != before.label
    assert moved.any() and (before.xyz[moved, 0] > X).all()
    west = (before.xyz[:, 0] < X) & (before.label == 5)
    assert west.any() and (after.label[west] == 5).all()

    before, after, _ = smooth(path, to, Rules("none"))
    assert not np.isin(after.label[before.label == 7], [7]).any()


def test_flagged_points_stay(planted: PointCloud, tmp_path: Path) -> None:
    cloud = planted.rows(np.arange(len(planted)))
    cloud.attributes["withheld"] = (cloud.label == 5).astype(np.uint8)
    write(tmp_path / "a.las", cloud)
    before, after, _ = smooth(tmp_path / "a.las", tmp_path / "b.las")
    assert (after.label[before.label == 5] == 5).all()
    np.testing.assert_array_equal(after.attributes["withheld"], before.attributes["withheld"])


def test_in_place_and_back(files: Callable[[str], Path], tmp_path: Path) -> None:
    path = tmp_path / "a.laz"
    path.write_bytes(files(".laz").read_bytes())
    (report,) = salanet.smooth(path, in_place=True)
    assert report.backup == path.with_name("a.laz.backup") and report.output == path
    assert path.read_bytes() != files(".laz").read_bytes()
    with pytest.raises(FileError, match="labelled in place before"):
        salanet.smooth(path, in_place=True)
    assert main(["smooth", str(path), "--restore"]) == 0
    assert path.read_bytes() == files(".laz").read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["a.laz"]


def test_command(
    files: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, to = files(".laz"), tmp_path / "o.laz"
    assert main(["smooth", str(path), "-o", str(to), "--dry-run"]) == 0
    assert not to.exists() and "would be written to" in capsys.readouterr().out
    assert main(["smooth", str(path), "-o", str(to), "--size", "3", "--cell", "0.25"]) == 0
    said = capsys.readouterr().out
    assert "took the class of what is around them" in said and "-> 6" in said
    assert main(["smooth", str(path), "-o", str(to), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    moved = sum(n for o, row in report["changes"].items() for c, n in row.items() if o != c)
    assert report["changed"] == moved > 40 and "classes" not in report
    bad = tmp_path / "bad.laz"
    bad.write_bytes(b"LASF")
    arguments = ["smooth", str(path), str(bad), "-o", str(tmp_path / "several"), "--json"]
    assert main(arguments) == 2
    good, failed = json.loads(capsys.readouterr().out)
    assert good["changed"] == moved and "bad.laz" in failed["error"]


def test_what_makes_no_sense(files: Callable[[str], Path], tmp_path: Path) -> None:
    path, to = files(".laz"), tmp_path / "o.laz"
    for wrong in ({"size": 0}, {"size": 1000}, {"cell": 0.0}, {"cell": float("nan")}):
        with pytest.raises(ConfigError):
            salanet.smooth(path, to, **wrong)  # type: ignore[arg-type]
    for rules in (Rules(into="a"), Rules("all"), Rules(min_confidence=0.5)):
        with pytest.raises(ConfigError, match="smoothing knows"):
            salanet.smooth(path, to, rules=rules)
    with pytest.raises(ConfigError, match="no class is called 'pond'"):
        salanet.smooth(path, to, rules=Rules("pond"))
    plain = PointCloud(np.random.default_rng(0).normal(size=(50, 3)))
    write(tmp_path / "plain.ply", plain)
    with pytest.raises(FileError, match="has no classes"):
        salanet.smooth(tmp_path / "plain.ply")
    plain.label = np.arange(50, dtype=np.int32) * 9
    many = PointCloud(np.random.default_rng(0).normal(size=(999, 3)))
    many.label = np.arange(999, dtype=np.int32)
    write(tmp_path / "many.ply", many)
    with pytest.raises(DataError, match="these are no classes"):
        salanet.smooth(tmp_path / "many.ply")
    assert not [p for p in tmp_path.iterdir() if "smoothed" in p.name]


def test_no_class_anywhere(tmp_path: Path) -> None:
    cloud = PointCloud(np.random.default_rng(0).normal(size=(50, 3)).round(3))
    cloud.label = np.zeros(50, np.int32)
    write(tmp_path / "a.las", cloud)
    _, after, report = smooth(tmp_path / "a.las", tmp_path / "b.las")
    assert report.changes == {0: {0: 50}} and (after.label == 0).all()
