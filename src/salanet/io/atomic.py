"""Files appear under their final name whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from salanet.errors import FileError


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path`; move it to `path` when the block succeeds.

    The temporary file is created at once, so a folder that cannot be written shows before the
    work is done; it has the same suffix as `path`. It is removed if the block raises anything,
    Ctrl-C included, and what was at `path` before then stays as it was.

    Raises:
        FileError: the folder is missing or not writable, `path` is no regular file, or the
            system refuses a write inside the block (disk full, quota).
    """
    target = Path(path).resolve()  # through links: the file is replaced, not the link to it
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "not a regular file"
        raise FileError(path, f"cannot write here, this is {kind}")
    if not target.parent.is_dir():
        raise FileError(path, f"cannot write here, the folder {target.parent} does not exist")
    temporary = target.with_name(f".{target.stem[:100]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise FileError(path, f"cannot write: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
