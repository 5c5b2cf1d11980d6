"""What lies below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder and the folders below it, links followed, in no order.

    What is hidden, such as unfinished work, is left out. A folder that several links lead to, such
    as one above them, is walked once.
    """
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        status = Path(place).stat()
        identity = status.st_dev, status.st_ino
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        yield from (Path(place, name) for name in files if not name.startswith("."))
