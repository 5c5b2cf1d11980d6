from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.atomic import (
    append_line,
    atomic_folder,
    atomic_path,
    read_lines,
    reason,
    remove_stale,
    temporary_name,
)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_the_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "scan.laz"
    target.write_text("old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".laz"
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names_in(tmp_path) == ["scan.laz"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_exception_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "scan.ply"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert names_in(tmp_path) == ["scan.ply"]


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(FileError, match=r"scan\.las: cannot write: No space left .*; free some"),
        atomic_path(tmp_path / "scan.las"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names_in(tmp_path) == []


def test_a_library_that_does_not_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = OSError("880 requested and 3 written")
    assert reason(silent, tmp_path) == "880 requested and 3 written"
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    assert reason(silent, tmp_path / "not" / "there").startswith("No space left on device; free")


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "scan.laz"
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    mine = temporary_name(target)
    dead = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{process.pid}-"))
    foreign = mine.with_name(re.sub(r"[0-9a-f]{8}-\d+", "00000000-1", mine.name))
    others = [mine, foreign, tmp_path / dead.name.replace("scan", "scan2"), tmp_path / ".scan.laz"]
    for path in (dead, *others):
        path.write_text("half")
    with atomic_path(target) as temporary:
        temporary.write_text("new")
    assert sorted(tmp_path.iterdir()) == sorted([target, *others])
    os.utime(foreign, (1, 1))  # of another machine, and long ago
    dead.mkdir()
    (dead / "inside").touch()
    remove_stale(target)
    assert sorted(tmp_path.iterdir()) == sorted([target, *(p for p in others if p != foreign)])


KILLED = """
import os, sys, threading, time
from pathlib import Path
import numpy as np
from salanet import io
from salanet.cloud import PointCloud
cloud = PointCloud(np.random.default_rng(0).random((400_000, 3)) * 1000)
print("ready", flush=True)
while True:
    io.write(sys.argv[1], cloud)
"""


@pytest.mark.parametrize("suffix", [".laz", ".ply", ".npz"])
def test_kill_9_in_the_middle_of_writing(tmp_path: Path, suffix: str) -> None:
    """What was there stays, nothing partial appears, the next run cleans up."""
    target = tmp_path / f"scan{suffix}"
    io.write(target, PointCloud(np.zeros((2, 3))))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, target], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    patience = time.monotonic() + 60
    while len(names_in(tmp_path)) < 2 and time.monotonic() < patience:
        time.sleep(0.001)
    process.kill()
    process.wait()
    process.stdout.close()
    assert len(names_in(tmp_path)) == 2
    assert len(io.read(target)) in (2, 400_000)
    io.write(target, PointCloud(np.ones((3, 3))))
    assert names_in(tmp_path) == [target.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_devices_and_folders_are_not_replaced(tmp_path: Path) -> None:
    for path, kind in ((Path("/dev/full"), "not a regular file"), (tmp_path, "a folder")):
        with pytest.raises(FileError, match=kind), atomic_path(path):
            raise AssertionError("not reached")
    assert Path("/dev/full").is_char_device()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(FileError, match="missing does not exist"),
        atomic_path(tmp_path / "missing" / "scan.las"),
    ):
        raise AssertionError("not reached")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_shows_before_the_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="Permission denied"), atomic_path(tmp_path / "scan.las"):
        raise AssertionError("not reached")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.las").write_text("old")
    link = tmp_path / "link.las"
    link.symlink_to("real.las")
    with atomic_path(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real.las").read_text() == "new"


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """A real SIGINT to a process that is in the middle of writing."""
    code = (
        "import os, signal, sys; from salanet.io.atomic import atomic_path\n"
        # Processes in the background inherit that it is ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'x' * 100000); os.kill(os.getpid(), signal.SIGINT)\n"
        "    import time; time.sleep(30)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "a.laz"], capture_output=True)
    assert result.returncode != 0
    assert b"KeyboardInterrupt" in result.stderr
    assert names_in(tmp_path) == []


def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is brought to the disk and what is renamed from now on, in order."""
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def note(handle: int) -> None:
        done.append(f"flush {Path(f'/proc/self/fd/{handle}').readlink().name}")
        fsync(handle)

    def renamed(path: Path, to: Path) -> Path:
        done.append(f"rename to {to.name}")
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", renamed)
    monkeypatch.setattr(Path, "rename", renamed)
    return done


on_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")


@on_linux
def test_contents_before_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = flushed(monkeypatch)
    with atomic_path(tmp_path / "a.las") as temporary:
        temporary.write_text("new")
    assert done == [f"flush {temporary.name}", "rename to a.las", f"flush {tmp_path.name}"]
    done.clear()
    with atomic_folder(tmp_path / "scene") as new:
        (new / "one").write_text("1")
    expected = ["flush one", f"flush {new.name}", "rename to scene", f"flush {tmp_path.name}"]
    assert done == expected


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "scene"
    with atomic_folder(target) as new:
        (new / "one").write_text("1")
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as new:
        (new / "two").write_text("2")
        raise KeyboardInterrupt
    assert names_in(target) == ["one"]
    with atomic_folder(target) as new:
        (new / "two").write_text("2")
    assert names_in(target) == ["two"] and names_in(tmp_path) == ["scene"]


def test_two_make_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's appears each time between what was there going and ours coming."""
    rename, target, others = Path.rename, tmp_path / "scene", 3

    def raced(self: Path, to: Path) -> Path:
        nonlocal others
        if to == target and others:
            others -= 1
            target.mkdir()
            (target / "theirs").touch()
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", raced)
    with atomic_folder(target) as new:
        (new / "ours").touch()
    assert names_in(tmp_path) == ["scene"] and names_in(target) == ["ours"]
    others = 1000
    with pytest.raises(OSError), atomic_folder(target) as new:
        (new / "ours").touch()
    assert names_in(tmp_path) == ["scene"] and names_in(target) == ["theirs"]


def test_interrupted_between_the_old_and_the_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = tmp_path / "scene", Path.rename
    target.mkdir()
    (target / "one").write_text("1")

    def once(path: Path, to: Path) -> Path:
        if to == target:
            monkeypatch.undo()
            raise KeyboardInterrupt
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", once)
    with pytest.raises(KeyboardInterrupt), atomic_folder(target) as new:
        (new / "two").write_text("2")
    assert names_in(target) == ["one"] and names_in(tmp_path) == ["scene"]


def test_lines_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert read_lines(path) == []
    append_line(path, "one")
    append_line(path, "two")
    with path.open("a") as file:
        file.write("thr")
    append_line(path, "four")
    assert read_lines(path) == ["one", "two", "thr", "four"]
