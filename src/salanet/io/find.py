"""Point clouds by name, folder and pattern."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from salanet.errors import FileError
from salanet.io import SEARCHED, SUFFIXES
from salanet.io.walk import files_below


def expand(paths: Sequence[Path], skip: str = "") -> list[Path]:
    """The files meant: folders searched recursively, patterns such as 'tiles/*.laz' matched.

    A folder is not searched for OBJ and glTF (`salanet.io.SEARCHED`); patterns find them.

    Args:
        paths: files, folders, and patterns that the shell has not matched.
        skip: leave files out of folders and patterns whose name holds this, such as results.

    Raises:
        FileError: a folder or pattern with no point cloud in it. A missing file is left to whoever
            opens it.
    """
    found: list[Path] = []
    for path in paths:
        known = SUFFIXES
        if path.is_dir():
            inside, known = sorted(files_below(path)), SEARCHED
        elif not path.exists() and glob.has_magic(str(path)):
            inside = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
        else:
            found.append(path)
            continue
        clouds = [
            file
            for file in inside
            if file.suffix.lower() in known
            and not file.name.startswith(".")
            and not (skip and skip in file.name)
            and file.is_file()
        ]
        if not clouds:
            raise FileError(path, f"no point cloud here ({' '.join(known)})")
        found += clouds
    return list(dict.fromkeys(found))
