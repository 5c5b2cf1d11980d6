"""The folder beside a result that holds what has been done of it, so that a run can resume."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from salanet.errors import FileError, SalaNetError
from salanet.io.atomic import atomic_path, flush

ENDS = 1 << 20  # bytes at both ends of a file that identify it
IDENTITY = "identity.json"


def folder_of(to: Path) -> Path:
    """The work folder of a result."""
    return to.with_name(f".{to.name}.part")


@contextmanager
def work_folder(
    to: Path, identity: dict[str, Any], resume: bool
) -> Iterator[tuple[Path, list[str]]]:
    """Make the work folder of a result, or take up the one a killed run left.

    It is removed when the block ends, or raises what the user can put right. A run that is killed
    or interrupted leaves it.

    Args:
        identity: everything the work depends on, as JSON knows it.
        resume: take up what is there; else, and where it belongs to other work, it is removed.

    Gives the folder and remarks. Raises FileError if another run is at work in it.
    """
    folder, remarks = folder_of(to), []
    described = json.dumps(identity).encode()
    if folder.exists():
        with _claimed(folder, to):
            if resume and _is(folder / IDENTITY, described):
                remarks.append("continued what an earlier run left unfinished")
            else:
                why = "of another input, model or options" if resume else "of an unfinished run"
                remarks.append(f"removed the work folder {why} and started anew")
                shutil.rmtree(folder)
    elif resume:
        remarks.append("there was nothing to resume: started anew")
    folder.mkdir(exist_ok=True)
    with _claimed(folder, to):
        try:
            with atomic_path(folder / IDENTITY) as temporary:
                temporary.write_bytes(described)
            flush(folder.parent)
            yield folder, remarks
        except (SalaNetError, OSError):
            shutil.rmtree(folder, ignore_errors=True)
            raise
        except KeyboardInterrupt as interrupt:
            interrupt.args = (
                f"interrupted; what is done is kept in {folder}: resume goes on with it, and a "
                "run without removes it",
            )
            raise
        shutil.rmtree(folder)


@contextmanager
def _claimed(folder: Path, to: Path) -> Iterator[None]:
    with locked(folder) as alone:
        if not alone:
            raise FileError(to, "another run is at work on this result")
        yield


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Keep other processes and threads out; gives whether none of them is in.

    The system ends the lock of a process that is killed. Where it knows no locks, nobody is kept
    out. `path` is a folder, or a file that is made.
    """
    try:
        import fcntl
    except ImportError:  # not on this system
        yield True
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT)
    try:
        alone = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
        except OSError:  # a file system without locks
            pass
        yield alone
    finally:
        os.close(handle)


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def identity_of(path: Path) -> dict[str, Any]:
    """What tells a file from another version of itself, without reading all of it."""
    status = path.stat()
    return {
        "path": str(path.resolve()),
        "bytes": status.st_size,
        "modified": status.st_mtime_ns,
        "ends": _ends(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns),
    }


@lru_cache(maxsize=100_000)  # each tile is asked for by all tiles around it
def _ends(path: Path, size: int, _modified: int, _changed: int) -> str:
    with path.open("rb") as file:
        ends = blake2b(file.read(ENDS))
        file.seek(max(size - ENDS, 0))
        ends.update(file.read(ENDS))
    return ends.hexdigest()


def check_space(to: Path, needed: int) -> None:
    """Raise FileError unless the disk has room for the work."""
    free = shutil.disk_usage(to.parent).free
    if free < needed:
        raise FileError(
            to,
            f"needs {needed / 1e9:.1f} GB of disk while it is made, {free / 1e9:.1f} GB are free; "
            "write to another disk",
        )


def put(path: Path, at: int, data: Any) -> None:
    """Write bytes at a place of a file, which need not exist."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
        file.seek(at)
        rest = memoryview(data).cast("B")
        while len(rest):
            rest = rest[file.write(rest) :]
