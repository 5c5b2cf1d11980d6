"""A file that changes while it is read would give a mixture of two."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from salanet.errors import FileError

State = tuple[int, int, int]


def states(paths: Iterable[Path]) -> dict[Path, State | None]:
    """What tells whether files change from now on; None for one that is not there."""
    return {path: _state(path) for path in paths}


def require_unchanged(before: dict[Path, State | None]) -> None:
    """Raise FileError unless files are what they were."""
    for path, state in before.items():
        if _state(path) != state:
            raise FileError(path, "changed while it was read; run again when it is complete")


def _state(path: Path) -> State | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
