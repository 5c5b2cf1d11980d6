"""Files and folders appear under their final name whole, or not at all, whatever happens.

A power cut is worse than a kill: names reach the disk before contents do. So what a name or a line
promises is on the disk (`flush`) before the name or the line is.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from salanet.errors import FileError

ADVICE = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EFBIG: "write to a disk that takes files of this size, or split the input",
    errno.EACCES: "choose a folder you may write to",
    errno.EROFS: "choose a folder you may write to",
}
ALMOST_FULL = 1 << 20  # bytes left on a disk that is full
UNFLUSHABLE = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # folders, on some network file systems
TRIES = 8  # to put a folder where others of its name come and go
ABANDONED = 24 * 3600  # seconds after which a temporary file of another machine is nobody's


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path`; move it to `path` when the block succeeds.

    The temporary file is created at once, so a folder that cannot be written shows before the
    work is done; it has the same suffix as `path`. It is removed if the block raises anything,
    Ctrl-C included, and what was at `path` before then stays as it was. What a killed process
    left behind is removed by the next one that writes to `path`.

    Raises:
        FileError: the folder is missing or not writable, `path` is no regular file, or the
            system refuses a write inside the block (disk full, quota).
    """
    target = Path(path).resolve()  # through links: the file is replaced, not the link to it
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "not a regular file"
        raise FileError(path, f"cannot write here, this is {kind}")
    require_folder(path)
    remove_stale(target)
    temporary = temporary_name(target)
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        flush(temporary)
        temporary.replace(target)
        flush(target.parent)
    except OSError as error:
        raise FileError(path, f"cannot write: {reason(error, target.parent)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def private_folder(name: str) -> Iterator[Path]:
    """A temporary folder that only this user can enter; it is removed at the end of the block.

    What a killed process left behind under this name is removed first.
    """
    target = Path(tempfile.gettempdir()).resolve() / name
    remove_stale(target)
    folder = temporary_name(target)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; move it to `path` when the block succeeds.

    A folder at `path` is replaced; it stays if the block raises. Files within are flushed, those
    of folders within are not. Raises OSError if the system refuses.
    """
    remove_stale(path)
    new, former = temporary_name(path), [temporary_name(path) for _ in range(TRIES)]
    try:
        new.mkdir(parents=True)
        yield new
        for file in new.iterdir():
            flush(file)
        flush(new)
        for old in former:
            if path.exists():
                with suppress(FileNotFoundError):  # taken away just now
                    path.rename(old)
            try:
                new.rename(path)
                break
            except OSError:  # somebody else's has come there between the two
                if old is former[-1] or not path.exists():
                    raise
        flush(path.parent)
    finally:
        for old in reversed(former):
            if old.exists() and not path.exists():  # interrupted between the two
                old.rename(path)
            shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(new, ignore_errors=True)


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk: a power cut leaves them as they are."""
    if not path.is_dir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    elif os.name == "posix":  # elsewhere folders cannot be opened
        try:
            handle = os.open(path, os.O_RDONLY)
        except PermissionError:  # a folder to write into, not to look into
            return
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in UNFLUSHABLE:
                raise
        finally:
            os.close(handle)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, which need not exist; it is on the disk when this returns.

    What a killed run has left of a line is closed first, so that it spoils no other.
    """
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[str]:
    """The lines of a file, damaged ones as they come; none if there is no such file."""
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def require_folder(path: str | Path) -> None:
    """Raise FileError unless the folder that a file is to be written into exists."""
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise FileError(path, f"cannot write here, the folder {folder} does not exist")


def protect(path: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Raise FileError if writing to `path` would replace one of the inputs, whatever its name.

    Folders among the inputs, None, and what does not exist are passed over.
    """
    target = Path(path)
    if not target.is_file():
        return
    for source in (Path(one) for one in inputs if one):
        if source.is_file() and target.samefile(source):
            raise FileError(path, "is an input and would be overwritten; name another output")


def temporary_name(target: Path) -> Path:
    """A hidden name beside `target` that tells which process of which machine uses it.

    Beside it, so that moving it stays on one file system; with its suffix, which chooses formats.
    """
    mark = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return target.with_name(f".{target.stem[:100]}.{mark}{target.suffix}")


def remove_stale(target: Path) -> None:
    """Remove temporary files and folders for `target` whose process is no more."""
    pattern = re.compile(
        rf"\.{re.escape(target.stem[:100])}\.([0-9a-f]{{8}})-(\d+)-[0-9a-f]{{8}}"
        rf"{re.escape(target.suffix)}"
    )
    with suppress(OSError):
        for path in target.parent.iterdir():
            match = pattern.fullmatch(path.name)
            if match is None or not _abandoned(path, match[1], int(match[2])):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def reason(error: OSError, folder: Path) -> str:
    """Why the system refused to write into a folder, and what to do about it."""
    code = error.errno
    if code is None:  # NumPy and lazrs do not say
        with suppress(OSError):
            full = shutil.disk_usage(_existing(folder)).free < ALMOST_FULL
            code = errno.ENOSPC if full else None
    if code is None:
        return str(error)
    return f"{os.strerror(code)}; {ADVICE[code]}" if code in ADVICE else os.strerror(code)


def _existing(folder: Path) -> Path:
    return next((f for f in (folder, *folder.parents) if f.exists()), folder)


def _abandoned(path: Path, host: str, process: int) -> bool:
    """Whether its process is dead; where nobody can tell, whether it is a day old."""
    if host == _host() and os.name == "posix":
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is somebody else's
            return False
    return time.time() - path.stat().st_mtime > ABANDONED


def _host() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"
