"""Results in the place of their inputs: nothing is lost at any moment, and the way back."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salanet
from salanet import Rules, read, write
from salanet.datasets.town import town
from salanet.errors import ConfigError, FileError
from salanet.labelling.inplace import STAGE, backup_of, put_in_place
from salanet.labelling.watch import Watch


class Killed(BaseException):
    pass


def scan(path: Path, seed: int = 5, east: float = 0.0) -> Path:
    cloud = town(seed, size=24, density=6)
    cloud.xyz += np.array([650_000.0 + east, 6_860_000, 100]) - np.floor(cloud.xyz.min(axis=0))
    assert cloud.label is not None
    cloud.label[:] = np.where(np.arange(len(cloud)) % 9 == 0, 9, 1)
    cloud.class_names = {}
    write(path, cloud)
    os.utime(path, ns=(10**18, 10**18))
    return path


def label(*paths: Path, **more: Any) -> list[salanet.Report]:
    return salanet.label(paths, None, "aerial", in_place=True, units="m", **more)


@pytest.mark.parametrize("memory", [None, "100MB"])
@pytest.mark.parametrize("suffix", [".las", ".laz", ".copc.laz", ".ply", ".pcd", ".npz", ".csv"])
def test_there_and_back(tmp_path: Path, suffix: str, memory: str | None) -> None:
    if memory and suffix in (".pcd", ".npz", ".csv"):
        pytest.skip("these go through the memory at once")
    path = scan(tmp_path / f"a{suffix}")
    path.chmod(0o640)
    former, before = path.read_bytes(), path.stat()
    (other,) = salanet.label(path, tmp_path / f"o{suffix}", "aerial", units="m", memory=memory)
    expected = other.output.read_bytes()
    other.output.unlink()
    (report,) = label(path, memory=memory)
    backup = tmp_path / f"a{suffix}.backup"
    assert path.read_bytes() == expected != former
    assert backup.read_bytes() == former and report.backup == backup == backup_of(path)
    assert report.output == report.input == path
    assert f"the former file is kept as {backup}" in report.remarks
    assert report.json()["backup"] == str(backup)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {p.name for p in tmp_path.iterdir()} == {path.name, backup.name}
    assert salanet.restore(path) == [path]
    assert path.read_bytes() == former
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("step", ["before the backup", "before the result", "after the result"])
def test_killed_between_any_two_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, links: bool
) -> None:
    path = scan(tmp_path / "a.laz")
    former, link, replace = path.read_bytes(), os.link, Path.replace

    def linked(source: Path, to: Path) -> None:
        if step == "before the backup":
            raise Killed
        if not links:
            raise PermissionError(1, "no links on this disk")
        link(source, to)

    def replaced(source: Path, to: Path) -> Path:
        ours = source.parent.name == STAGE and to == path
        if ours and step == "before the result":
            raise Killed
        found = replace(source, to)
        if ours:
            raise Killed
        return found

    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(Path, "replace", replaced)
    with pytest.raises(Killed):
        label(path)
    monkeypatch.setattr(os, "link", link if links else linked)
    monkeypatch.setattr(Path, "replace", replace)
    if step == "before the backup":
        assert path.read_bytes() == former and not backup_of(path).exists()
        monkeypatch.setattr(os, "link", link)
    else:
        assert backup_of(path).read_bytes() == former
    (report,) = label(path, resume=True)
    assert report.skipped, "what is made is not made again"
    assert path.read_bytes() != former == backup_of(path).read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"a.laz", "a.laz.backup"}
    assert salanet.restore(path) == [path] and path.read_bytes() == former
    assert [*tmp_path.iterdir()] == [path]


def test_restored_when_only_the_backup_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scan(tmp_path / "a.laz")
    former = path.read_bytes()

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Path, "replace", killed)
    (tmp_path / "result.laz").write_bytes(b"new")
    with pytest.raises(Killed):
        put_in_place(tmp_path / "result.laz", path)
    monkeypatch.undo()
    assert path.samefile(backup_of(path))
    assert salanet.restore(path) == [path]
    assert path.read_bytes() == former and not backup_of(path).exists()


def test_killed_while_it_was_labelled(tmp_path: Path) -> None:
    class Stop(Watch):
        def progress(self, *told: object) -> None:
            if "write" in told:
                raise KeyboardInterrupt

    paths = [scan(tmp_path / "a.laz"), scan(tmp_path / "b.laz", 6, east=24)]
    former = [path.read_bytes() for path in paths]
    with pytest.raises(KeyboardInterrupt):
        label(*paths, memory="100MB", watch=Stop())
    assert [path.read_bytes() for path in paths] == former
    assert not any(backup_of(path).exists() for path in paths)
    reports = label(*paths, memory="100MB", resume=True)
    assert reports[0].remarks[0] == "continued what an earlier run left unfinished"
    assert [backup_of(path).read_bytes() for path in paths] == former
    names = {"a.laz", "a.laz.backup", "b.laz", "b.laz.backup"}
    assert {p.name for p in tmp_path.iterdir()} == names


def test_neighbours_are_seen_as_they_were(tmp_path: Path) -> None:
    names = ("a.laz", "b.laz")
    paths = [scan(tmp_path / name, 5 + i, east=24.0 * i) for i, name in enumerate(names)]
    salanet.label(paths, tmp_path / "out", "aerial", units="m")
    expected = [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())]
    reports = label(*paths)
    assert [path.read_bytes() for path in paths] == expected
    assert [report.output for report in reports] == paths
    assert all(any("neighbouring" in r for r in report.remarks) for report in reports)
    again = label(*paths, resume=True)
    assert [report.skipped for report in again] == [True, True]
    assert [path.read_bytes() for path in paths] == expected
    assert salanet.restore(tmp_path) == paths


def test_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    good, bad = scan(tmp_path / "a.laz"), tmp_path / "b.laz"
    bad.write_bytes(good.read_bytes()[:-500])
    damaged = bad.read_bytes()
    first, second = label(good, bad)
    assert first.backup and second.error and second.output == bad
    assert bad.read_bytes() == damaged
    assert {p.name for p in tmp_path.iterdir()} == {"a.laz", "a.laz.backup", "b.laz"}


def test_a_backup_is_never_overwritten(tmp_path: Path) -> None:
    path = scan(tmp_path / "a.laz")
    former = path.read_bytes()
    label(path)
    labelled = path.read_bytes()
    with pytest.raises(FileError, match=r"labelled in place before: .*a\.laz\.backup has the form"):
        label(path)
    (tmp_path / "result.laz").write_bytes(b"new")
    with pytest.raises(FileError, match="has another version of it already"):
        put_in_place(tmp_path / "result.laz", path)
    assert (path.read_bytes(), backup_of(path).read_bytes()) == (labelled, former)


def test_what_changed_meanwhile_stays(tmp_path: Path) -> None:
    """An input that changes after its result was made, and a result that somebody corrects."""
    path = scan(tmp_path / "a.laz")

    class Change(Watch):
        def ends(self, report: salanet.Report) -> None:
            if not report.error:
                os.utime(report.input)

    former = path.read_bytes()
    (report,) = label(path, watch=Change())
    assert "changed while it was read" in report.error
    assert path.read_bytes() == former and not backup_of(path).exists()
    label(path)
    write(path, read(path))
    corrected = path.read_bytes()
    with pytest.raises(FileError, match="was changed after it was labelled, which would be lost"):
        salanet.restore(path)
    assert path.read_bytes() == corrected
    path.rename(tmp_path / "mine.laz")
    assert salanet.restore(path) == [path] and path.read_bytes() == former


def test_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path, link = scan(tmp_path / "data" / "a.laz"), tmp_path / "link.laz"
    link.symlink_to(path)
    former = path.read_bytes()
    with pytest.raises(ConfigError, match="two of the inputs are the same file"):
        label(link, path)
    (report,) = label(link)
    assert report.backup == backup_of(path) and link.is_symlink()
    assert read(link).label is not None and path.read_bytes() != former
    salanet.restore(link)
    assert path.read_bytes() == former and link.is_symlink()


def test_refused(tmp_path: Path) -> None:
    path = scan(tmp_path / "a.laz")
    with pytest.raises(ConfigError, match="have the names of their files"):
        salanet.label(path, tmp_path / "b.laz", "aerial", in_place=True)
    with pytest.raises(FileError, match="no such file"):
        label(tmp_path / "none.laz")
    (tmp_path / "a.ptx").write_text("x")
    with pytest.raises(FileError, match="read only"):
        label(tmp_path / "a.ptx")
    with pytest.raises(FileError, match=r"a\.laz: has no backup"):
        salanet.restore(path)
    with pytest.raises(FileError, match="no file here has a backup"):
        salanet.restore(tmp_path)
    with pytest.raises(ConfigError, match="no class is called"):
        label(path, rules=Rules("watr"))
    (report,) = label(path, dry_run=True)
    assert report.output == path
    assert {p.name for p in tmp_path.iterdir()} == {"a.laz", "a.ptx"}
