from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from salanet.errors import FileError
from salanet.io.atomic import atomic_path


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
        pytest.raises(FileError, match=r"scan\.las: cannot write: No space left on device"),
        atomic_path(tmp_path / "scan.las"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names_in(tmp_path) == []


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
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_bytes(b'x' * 100000); os.kill(os.getpid(), signal.SIGINT)\n"
        "    import time; time.sleep(30)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path / "a.laz"], capture_output=True)
    assert result.returncode != 0
    assert b"KeyboardInterrupt" in result.stderr
    assert names_in(tmp_path) == []
