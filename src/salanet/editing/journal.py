"""The edits of a file, each on the disk before it counts; one editor at a time.

A line is a checksum and JSON. The first tells which version of which file is edited. What a killed
process has left of a last line was never confirmed, and is cut off.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any

from salanet.errors import FileError
from salanet.io.atomic import flush, reason

SUFFIX = ".edits"
VERSION = 1
Entry = dict[str, Any]


def journal_of(path: Path) -> Path:
    """Where the edits of a file are kept."""
    path = path.resolve()
    return path.with_name(path.name + SUFFIX)


def digest_of(path: Path) -> str:
    """Of the contents of a file. Raises FileError if it cannot be read."""
    found = blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    except OSError as error:
        raise FileError(path, f"cannot read: {error.strerror or error}") from error
    return found.hexdigest()


class Journal:
    """The journal at a path, which is locked until `close`, or until the process is no more.

    Args:
        path: of the journal; made if it is not there.
        file: what is edited, for errors.

    Attributes:
        about: what the first line says; empty in a new journal.
        entries: those that were there when it was opened.

    Raises:
        FileError: another process has it, it is damaged, or the system refuses.
    """

    def __init__(self, path: Path, file: Path) -> None:
        self.path, self._writing = path, Lock()
        try:
            self._file = path.open("ab+")
        except OSError as error:
            raise FileError(path, f"cannot write: {reason(error, path.parent)}") from error
        try:
            if not _lock(self._file.fileno()) or not self._there():
                raise FileError(file, "is being edited by another `salanet edit`; end that first")
            lines = self._read()
        except BaseException:
            self._file.close()
            raise
        self.about: Entry = lines[0] if lines else {}
        self.entries: list[Entry] = lines[1:]

    def begin(self, about: Entry) -> None:
        """Write the first line of a new journal; one without edits is begun anew."""
        self._file.truncate(0)
        self.about = {"version": VERSION, **about}
        self.append(self.about)
        flush(self.path.parent)

    def append(self, entry: Entry) -> None:
        """Add an entry; it is on the disk when this returns.

        Raises FileError if the system refuses; then nothing was added.
        """
        text = json.dumps(entry, separators=(",", ":")).encode()
        with self._writing:
            end = self._file.seek(0, os.SEEK_END)
            try:
                self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                self._reopen(end)
                why = reason(error, self.path.parent)
                raise FileError(self.path, f"cannot write: {why}; nothing was changed") from error

    def close(self) -> None:
        """Let others have it. A journal without edits is removed."""
        if self._file.closed:
            return
        empty = not self.entries and self._file.seek(0, os.SEEK_END) == self._end_of_first()
        if empty and sys.platform != "win32":
            self.path.unlink(missing_ok=True)
        self._file.close()
        if empty and sys.platform == "win32":  # where an open file has to stay
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def _there(self) -> bool:
        """Whether it still has its name: whoever had it may have removed it just now."""
        return self.path.exists() and os.path.samestat(
            os.fstat(self._file.fileno()), self.path.stat()
        )

    def _end_of_first(self) -> int:
        self._file.seek(0)
        return len(self._file.readline())

    def _reopen(self, end: int) -> None:
        """Forget what could not be written, in the buffer too."""
        os.ftruncate(self._file.fileno(), end)
        handle = os.dup(self._file.fileno())  # which keeps the lock
        with suppress(OSError):  # it tries to write what is left
            self._file.close()
        os.ftruncate(handle, end)
        self._file = os.fdopen(handle, "ab+")

    def _read(self) -> list[Entry]:
        """The sound lines; what follows the last one is cut off, unless others follow that."""
        self._file.seek(0)
        found: list[Entry] = []
        sound = 0
        for line in self._file:
            entry = _parsed(line)
            if entry is None:
                break
            found.append(entry)
            sound += len(line)
        self._file.seek(sound)
        rest = self._file.read()
        if b"\n" in rest[:-1]:
            raise FileError(
                self.path, f"is damaged after {max(len(found) - 1, 0):,} edits: move it away"
            )
        if rest:
            self._file.truncate(sound)
            os.fsync(self._file.fileno())
        if found and found[0].get("version") != VERSION:
            raise FileError(self.path, "was written by another version of SalaNet: move it away")
        return found


def _parsed(line: bytes) -> Entry | None:
    check, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or check != b"%08x" % zlib.crc32(text):
        return None
    entry = json.loads(text)
    return entry if isinstance(entry, dict) else None


def _lock(handle: int) -> bool:
    """Take the lock of an open file; False if another process has it. It ends with the process."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(handle, 1 << 40, os.SEEK_SET)  # beyond what is read
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
