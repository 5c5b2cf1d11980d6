"""Which pieces of the work in a folder are done, and whether they still are what was written.

`done` has a line for each piece, its name and a digest. A piece is on the disk before its line is;
one that a power cut, or anything else, has damaged since does not fit its digest, and is not done.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.io.atomic import append_line, flush, read_lines

NAME = "done"
WINDOW = 1 << 20  # bytes read at once


class Part(NamedTuple):
    """The bytes of a file from `start` to `stop`."""

    path: Path
    start: int
    stop: int

    @classmethod
    def whole(cls, path: Path) -> Part:
        return cls(path, 0, path.stat().st_size if path.is_file() else 0)


class Pieces:
    """The pieces in a folder.

    A piece is parts of files, those of one file together. What this process has found sound, or
    written itself, is not looked at again.

    Attributes:
        damaged: names of pieces that were done once, and are no more what they were.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        lines = (line.partition(" ") for line in read_lines(self._path))
        self._digests = {name: digest for name, _, digest in lines}
        self._sound: set[str] = set()
        self._lock = Lock()  # of the file: pieces may be made in threads
        self.damaged: set[str] = set()

    def has(self, name: str, parts: Sequence[Part]) -> bool:
        """Whether a piece is done, and its parts are as they were written."""
        if name not in self._sound and name in self._digests:
            try:
                sound = _digest(parts) == self._digests[name]
            except OSError:  # not there, or cut short
                sound = False
            (self._sound if sound else self.damaged).add(name)
        return name in self._sound

    def add(self, name: str, parts: Sequence[Part]) -> None:
        """Note that a piece is done."""
        files = dict.fromkeys(part.path for part in parts)
        for path in (*files, *dict.fromkeys(path.parent for path in files)):
            flush(path)
        digest = _digest(parts)
        with self._lock:
            append_line(self._path, f"{name} {digest}")
            self._digests[name] = digest
            self._sound.add(name)

    def load(self, path: Path) -> dict[str, NDArray[Any]] | None:
        """The arrays that `save` has written there; None if they are not there, or damaged."""
        if not self.has(path.name, [Part.whole(path)]):
            return None
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def save(self, path: Path, **arrays: Any) -> None:
        """Write arrays to an .npz, which is a piece of its own."""
        np.savez(path, **arrays)
        self.add(path.name, [Part.whole(path)])


def _digest(parts: Sequence[Part]) -> str:
    """Of names, places and contents. Raises OSError if they are not there."""
    found = blake2b(digest_size=16)
    for path, of_file in groupby(parts, lambda part: part.path):
        with path.open("rb") as file:
            for _, at, stop in of_file:
                found.update(f"{path.name} {at} {stop} ".encode())
                file.seek(at)
                while at < stop:
                    data = file.read(min(stop - at, WINDOW))
                    if not data:
                        raise OSError(f"{path} is cut short")
                    found.update(data)
                    at += len(data)
    return found.hexdigest()
