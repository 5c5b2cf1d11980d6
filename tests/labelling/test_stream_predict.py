"""Files that pass through the memory piece by piece: same labels, whatever happens in between."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from salanet import read, write
from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.engine import Runner, open_runner
from salanet.errors import FileError
from salanet.io.find import expand
from salanet.io.stream import open_stream
from salanet.labelling import point_store as point_store_module
from salanet.labelling.buffer import touching
from salanet.labelling.memory import Plan
from salanet.labelling.predict import PredictOptions, predict_file
from salanet.labelling.report import Report
from salanet.labelling.stream import Work
from salanet.labelling.workfolder import folder_of, work_folder

PLAN = Plan(chunk=7_000, group=5_000, tile=16_000_000)
ALL = PredictOptions(probabilities=True, confidence=True, entropy=True)
PHASES = ["summary", "sort", "ground", "cells", "network", "write"]


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def model(town_model: Path) -> Runner:
    return open_runner(town_model)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "town.laz"
    write(path, town(3, size=70, density=6))
    return path


def stream_file(
    model: Runner,
    path: Path,
    to: Path,
    options: PredictOptions = ALL,
    stop: tuple[str, int] | None = None,
    plan: Plan = PLAN,
) -> tuple[Report, dict[str, int]]:
    """Predict by way of the disk; killed when a phase has made so many steps."""
    steps: dict[str, int] = {}

    def progress(phase: str, done: int, total: int) -> None:
        assert 0 < done <= total
        steps[phase] = steps.get(phase, 0) + 1
        if stop == (phase, steps[phase]):
            raise Killed

    stream = open_stream(path, to)
    assert stream is not None
    return Work(model, stream, to, options, plan, progress).run()[0], steps


@pytest.fixture(scope="module")
def streamed(model: Runner, scan: Path) -> Path:
    """The result of an uninterrupted run."""
    to = scan.with_name("streamed.laz")
    report, steps = stream_file(model, scan, to)
    assert all(steps[phase] > 2 for phase in PHASES)
    assert all(report.phases[phase] > 0 for phase in PHASES)
    assert sum(report.classes.values()) == report.points == len(read(scan))
    return to


def test_as_if_in_memory(model: Runner, scan: Path, streamed: Path, tmp_path: Path) -> None:
    report = predict_file(model, scan, tmp_path / "whole.laz", ALL)
    whole, found = read(tmp_path / "whole.laz"), read(streamed)
    assert report.points == len(found)
    assert (whole.label == found.label).mean() >= 0.999
    assert len(np.unique(found.label)) >= 3
    named = {1: "car", 2: "ground", 4: "shrub", 5: "tree", 6: "building"}
    assert whole.class_names == found.class_names == named
    assert whole.source.file.vlrs == found.source.file.vlrs
    assert whole.arrays().keys() == found.arrays().keys()
    for name, array in whole.attributes.items():
        near = np.isclose(array, found.attributes[name], atol=0.02)
        assert near.mean() > 0.99, name
    one = replace(PLAN, tile=10**9)
    stream_file(model, scan, tmp_path / "one.laz", plan=one)
    again = read(tmp_path / "one.laz")
    assert (again.label == whole.label).all()
    for name, array in whole.attributes.items():
        np.testing.assert_allclose(again.attributes[name], array, atol=1e-4, err_msg=name)


def test_the_pieces_hardly_matter(model: Runner, scan: Path, streamed: Path) -> None:
    to = scan.with_name("other.laz")
    stream_file(model, scan, to, plan=Plan(20_000, 3_000, 16_000_000))
    assert to.read_bytes() == streamed.read_bytes()


@pytest.mark.parametrize("phase", PHASES)
def test_killed_and_resumed(
    model: Runner, scan: Path, streamed: Path, tmp_path: Path, phase: str
) -> None:
    to = tmp_path / "out.laz"
    with pytest.raises(Killed):
        stream_file(model, scan, to, stop=(phase, 2))
    assert not to.exists() and folder_of(to).is_dir()
    with pytest.raises(Killed):
        stream_file(model, scan, to, replace(ALL, resume=True), stop=(phase, 2))
    report, steps = stream_file(model, scan, to, replace(ALL, resume=True))
    assert report.remarks[0] == "continued what an earlier run left unfinished"
    assert to.read_bytes() == streamed.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.laz"]
    if phase == "write":
        assert "network" not in steps, "tiles that are done are not done again"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
@pytest.mark.parametrize("phase", PHASES)
def test_the_power_is_cut(
    model: Runner,
    scan: Path,
    streamed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
) -> None:
    """Of each file only what was flushed is there afterwards, under the name it had got."""
    to, flushed, fsync = tmp_path / "out.laz", dict[int, bytes](), os.fsync

    def note(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            flushed[os.fstat(handle).st_ino] = Path(f"/proc/self/fd/{handle}").read_bytes()
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    with pytest.raises(Killed):
        stream_file(model, scan, to, stop=(phase, 2))
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(flushed.get(path.stat().st_ino, b""))
    report, _ = stream_file(model, scan, to, replace(ALL, resume=True))
    assert report.remarks[0] == "continued what an earlier run left unfinished"
    assert not any("damaged" in remark for remark in report.remarks), "all was flushed"
    assert to.read_bytes() == streamed.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["out.laz"]


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b"\xff{"])
def test_any_damaged_piece_is_made_again(
    model: Runner, scan: Path, streamed: Path, tmp_path: Path, content: bytes
) -> None:
    """As a power cut leaves files that were not on the disk yet: empty, or full of zeros."""
    first, to = tmp_path / "first", tmp_path / "out.laz"
    with pytest.raises(Killed):
        stream_file(model, scan, to, stop=("write", 2))
    folder_of(to).rename(first)
    names = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    assert len(names) > 20
    kinds = {str(name).translate(str.maketrans("", "", "0123456789")): name for name in names}
    for name in kinds.values():
        shutil.copytree(first, folder_of(to))
        (folder_of(to) / name).write_bytes(content)
        report, _ = stream_file(model, scan, to, replace(ALL, resume=True))
        assert to.read_bytes() == streamed.read_bytes(), name
        anew = any("started anew" in remark for remark in report.remarks)
        again = any("were damaged: made again" in remark for remark in report.remarks)
        assert anew == (name.name == "identity.json"), name
        assert again == (name.name not in ("identity.json", "done")), name
        to.unlink()


def test_an_input_that_changes_under_the_run(model: Runner, scan: Path, tmp_path: Path) -> None:
    path, to = tmp_path / "a.laz", tmp_path / "out.laz"
    shutil.copy(scan, path)
    stream = open_stream(path, to)
    assert stream is not None

    def change(phase: str, done: int, total: int) -> None:
        if phase == "network" and done < total:
            os.utime(path, ns=(0, done))

    with pytest.raises(FileError, match=r"a\.laz: changed while it was read; run again"):
        Work(model, stream, to, ALL, PLAN, change).run()
    assert [path.name for path in tmp_path.iterdir()] == ["a.laz"], "no mixture, no leftovers"


def test_what_another_run_left_is_not_taken_up(model: Runner, scan: Path, tmp_path: Path) -> None:
    to = tmp_path / "out.laz"
    for options, remark in (
        (ALL, "removed the work folder of an unfinished run and started anew"),
        (
            replace(ALL, resume=True, entropy=False),
            "removed the work folder of another input, model or options and started anew",
        ),
    ):
        with pytest.raises(Killed):
            stream_file(model, scan, to, stop=("network", 2))
        assert stream_file(model, scan, to, options)[0].remarks[0] == remark
    report, _ = stream_file(model, scan, to, replace(ALL, resume=True))
    assert report.remarks[0] == "there was nothing to resume: started anew"


def test_two_runs_do_not_share_a_folder(model: Runner, scan: Path, tmp_path: Path) -> None:
    to = tmp_path / "out.laz"
    with work_folder(to, {}, False), pytest.raises(FileError, match="another run is at work"):
        stream_file(model, scan, to)
    assert not folder_of(to).exists()


def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    to = tmp_path / "out.laz"
    said = f"kept in {folder_of(to)}: resume goes on"
    with pytest.raises(KeyboardInterrupt, match=re.escape(said)), work_folder(to, {}, False):
        raise KeyboardInterrupt
    assert folder_of(to).is_dir()


def test_work_folders_are_no_input(tmp_path: Path) -> None:
    folder = tmp_path / ".a.laz.part"
    folder.mkdir()
    (folder / "facts.npz").touch()
    (tmp_path / "b.laz").touch()
    assert expand([tmp_path]) == [tmp_path / "b.laz"]


def test_kill_9(town_model: Path, scan: Path, tmp_path: Path) -> None:
    to, whole = tmp_path / "out.laz", tmp_path / "uninterrupted.laz"
    arguments = ["predict", str(scan), "-m", str(town_model), "--memory", "100MB"]
    assert main([*arguments, "-o", str(whole)]) == 0
    marks = folder_of(to) / "done"
    command = [sys.executable, "-m", "salanet.cli.main", *arguments, "-o", str(to)]
    process = subprocess.Popen(command, env=os.environ, stderr=subprocess.DEVNULL)
    while not (marks.exists() and "tile-" in marks.read_text()):
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not to.exists()
    assert main([*arguments, "-o", str(to), "--resume"]) == 0
    assert to.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.laz", "uninterrupted.laz"]


def test_a_full_disk(
    model: Runner, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(point_store_module, "put", full)
    with pytest.raises(FileError, match=r"out\.laz: cannot be made: No space left"):
        stream_file(model, scan, tmp_path / "out.laz")
    assert not [*tmp_path.iterdir()]


def test_no_room_is_found_before_the_work(
    model: Runner, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(FileError, match=r"needs 0\.0 GB of disk while it is made, 0\.0 GB are"):
        stream_file(model, scan, tmp_path / "out.laz")


def test_errors_leave_nothing(model: Runner, scan: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.las"
    write(cut, read(scan))
    stream = open_stream(cut, tmp_path / "out.las")
    assert stream is not None
    os.truncate(cut, cut.stat().st_size - 5_000)
    with pytest.raises(FileError, match=r"cut\.las: cut short"):
        Work(model, stream, tmp_path / "out.las", ALL, PLAN, lambda *_: None).run()
    assert [path.name for path in tmp_path.iterdir()] == ["cut.las"]


def test_no_seams_between_files(model: Runner, tmp_path: Path) -> None:
    cloud = town(8, size=120, density=6)
    whole = tmp_path / "whole.laz"
    write(whole, cloud)
    predict_file(model, whole, tmp_path / "whole.out.laz")
    merged = read(tmp_path / "whole.out.laz")
    middle = (cloud.xyz.min(axis=0) + cloud.xyz.max(axis=0)) / 2
    west = cloud.xyz[:, 0] < middle[0]
    paths = [tmp_path / "west.laz", tmp_path / "east.laz"]
    same = {}
    for path, side in zip(paths, (west, ~west), strict=True):
        write(path, cloud.rows(side))
    assert touching(model, paths[0], [*paths, tmp_path / "none.laz"]) == (paths[1],)
    for seen in (False, True):
        rates = []
        for path, other, side in zip(paths, paths[::-1], (west, ~west), strict=True):
            options = PredictOptions(neighbours=(other,) if seen else ())
            report = predict_file(model, path, tmp_path / "out.laz", options)
            found = read(tmp_path / "out.laz")
            assert len(found) == side.sum() == report.points
            rates.append((found.label == merged.label[side]).mean())
        same[seen] = min(rates)
    assert same[True] >= 0.999 and same[True] > same[False], same


def test_a_dry_run_says_how(
    town_model: Path, scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["predict", str(scan), "-m", str(town_model), "-o", str(tmp_path / "o.laz")]
    assert main([*arguments, "--memory", "100MB", "--dry-run"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "piece by piece with about 200 MB of memory" in said
    assert "100 MB of memory are too few: up to 200 MB are taken" in said
    assert main([*arguments, "--memory", "100MB", "--dry-run", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    kept = open_stream(scan, scan).count * 30  # the points, unpacked, of the least room there is
    assert report["plan"]["tile"] == 100_000_000 - kept and report["disk_bytes"] > 1e6
    assert not [*tmp_path.iterdir()]


def test_too_large_to_be_read_at_once(model: Runner, scan: Path, tmp_path: Path) -> None:
    options = PredictOptions(memory=10**8)
    with pytest.raises(FileError, match=r"town\.laz: \.laz to \.ply goes through the memory at"):
        predict_file(model, scan, tmp_path / "out.ply", options)
    write(tmp_path / "a.npz", read(scan))
    with pytest.raises(FileError, match=r"a\.npz: \.npz goes through the memory at once"):
        predict_file(model, tmp_path / "a.npz", tmp_path / "out.npz", options)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_damage_is_said_however_little_the_memory(
    model: Runner, scan: Path, tmp_path: Path
) -> None:
    options = PredictOptions(memory=10**6)
    path = tmp_path / "cut.laz"
    path.write_bytes(scan.read_bytes()[:-100])
    for to in ("out.laz", "out.ply"):
        with pytest.raises(FileError, match=r"cut\.laz: cut short: the table of compressed chunks"):
            predict_file(model, path, tmp_path / to, options)
    write(tmp_path / "a.ply", read(scan))
    (tmp_path / "cut.ply").write_bytes((tmp_path / "a.ply").read_bytes()[:-100])
    with pytest.raises(FileError, match=r"cut\.ply: cut short"):
        predict_file(model, tmp_path / "cut.ply", tmp_path / "out.ply", options)
    with pytest.raises(FileError, match=r"none\.laz: no such file"):
        predict_file(model, tmp_path / "none.laz", tmp_path / "out.laz", options)
    assert {p.name for p in tmp_path.iterdir()} == {"cut.laz", "a.ply", "cut.ply"}


def test_copc_keeps_its_tree_whole_and_piece_by_piece(
    model: Runner, scan: Path, tmp_path: Path
) -> None:
    copc = tmp_path / "a.copc.laz"
    write(copc, read(scan))
    predict_file(model, copc, tmp_path / "whole.copc.laz")
    stream_file(model, copc, tmp_path / "pieces.copc.laz", PredictOptions())
    predict_file(model, copc, tmp_path / "plain.laz")
    whole, pieces, plain = (
        read(tmp_path / name) for name in ("whole.copc.laz", "pieces.copc.laz", "plain.laz")
    )
    assert len(whole.arrays()) == len(pieces.arrays()) == len(plain.arrays())
    for name, values in plain.arrays().items():
        np.testing.assert_array_equal(whole.arrays()[name], values)
        same = (pieces.arrays()[name] == values).mean()
        assert same == 1 or (name == "label" and same > 0.999)
    np.testing.assert_array_equal(whole.xyz, plain.xyz)
    np.testing.assert_array_equal(pieces.xyz, plain.xyz)
    trees = [whole.source.tree, pieces.source.tree, read(copc).source.tree]
    assert trees[0] == trees[1] == trees[2] is not None


def test_missing_intensities_are_the_same_piece_by_piece(model: Runner, tmp_path: Path) -> None:
    cloud = town(3, size=40, density=6)
    assert cloud.intensity is not None
    cloud.intensity[cloud.xyz[:, 0] < np.median(cloud.xyz[:, 0])] = np.nan
    write(tmp_path / "a.ply", cloud)
    report = predict_file(model, tmp_path / "a.ply", tmp_path / "b.ply")
    assert any("intensity is NaN or infinite in 50% of" in line for line in report.remarks)
    streamed, _ = stream_file(model, tmp_path / "a.ply", tmp_path / "c.ply", PredictOptions())
    assert any("intensity is NaN or infinite in 50% of" in line for line in streamed.remarks)
    at_once, pieces = read(tmp_path / "b.ply"), read(tmp_path / "c.ply")
    assert (at_once.label == pieces.label).mean() > 0.999
    np.testing.assert_array_equal(at_once.intensity, cloud.intensity)
