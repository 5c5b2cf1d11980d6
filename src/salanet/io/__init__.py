"""Files → PointCloud → files. The suffix chooses the format; each format is one module.

A cloud remembers the file it came from (`PointCloud.source`); written in the same format again,
only what was changed in between differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError, SalaNetError
from salanet.io.atomic import atomic_path
from salanet.io.unchanged import require_unchanged, states

MESHES = (".obj", ".glb", ".gltf")
FORMATS = {
    **dict.fromkeys([".las", ".laz"], "las.clouds"),
    ".ply": "ply",
    ".pcd": "pcd",
    ".e57": "e57",
    ".ptx": "ptx",
    **dict.fromkeys(MESHES, "mesh"),
    **dict.fromkeys([".npy", ".npz"], "npz"),
    **dict.fromkeys([".xyz", ".csv", ".txt", ".asc", ".pts"], "text"),
}
SUFFIXES = tuple(FORMATS)
WRITABLE = tuple(suffix for suffix in SUFFIXES if suffix not in (".e57", ".ptx", *MESHES))

__all__ = [
    "MESHES",
    "SUFFIXES",
    "WRITABLE",
    "atomic_path",
    "read",
    "reading",
    "require_writable",
    "scan_count",
    "write",
]


def read(path: str | Path, *, columns: str | None = None, scan: int | None = None) -> PointCloud:
    """Read a point cloud; the suffix chooses the format (`SUFFIXES`).

    Args:
        path: the file.
        columns: names for the columns of a text file or a plain .npy, as in "x,y,z,r,g,b,label";
            "_" keeps a column without using it. Left out, a header or the number of columns
            decides (see `salanet.io.text`).
        scan: only the scan of this number, from 0, of a file with several (E57).

    Returns:
        The points in the order of the file. NaN coordinates pass: whoever computes with them
        calls `PointCloud.require_finite`.

    Raises:
        FileError: missing, empty, damaged, cut short, or not what its suffix says.
        MissingExtraError: the format needs a package that is not installed.
    """
    path = Path(path)
    module = _module(path)
    with reading(path):
        if scan is None:
            cloud: PointCloud = module.read(path, columns)
        elif hasattr(module, "scan_count"):
            cloud = module.read(path, columns, scan)
        else:
            raise FileError(path, f"a {path.suffix} file has no scans to choose from")
    if not len(cloud):
        raise FileError(path, "holds no points")
    return cloud


def scan_count(path: str | Path) -> int:
    """How many scans a file holds: 1 unless it is an E57. Raises as `read` does."""
    path = Path(path)
    module = _module(path)
    with reading(path):
        return int(module.scan_count(path)) if hasattr(module, "scan_count") else 1


def scan_numbers(path: str | Path) -> list[int]:
    """The numbers of the scans of a file that have points: 0 alone unless it is an E57.

    Raises as `read` does.
    """
    path = Path(path)
    module = _module(path)
    with reading(path):
        return list(module.scan_numbers(path)) if hasattr(module, "scan_numbers") else [0]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever NumPy, zipfile or laspy stumble over in a bad file into a FileError."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise FileError(path, "this is a folder" if path.is_dir() else "not a regular file")
        if size == 0:
            raise FileError(path, "the file is empty")
        before = states([path])
        yield
        require_unchanged(before)
    except FileNotFoundError:
        raise FileError(path, "no such file") from None
    except SalaNetError:
        raise
    except MemoryError as error:
        said = " ".join(str(error).split())[:200]
        wanted = f" ({said})" if said else ""
        raise FileError(
            path, f"there is not enough memory to read it{wanted}: split it into tiles"
        ) from None
    except OSError as error:
        raise FileError(path, f"cannot read: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"damaged, or not a {path.suffix} file ({reason})") from error


def write(
    path: str | Path, cloud: PointCloud, *, label_codes: Sequence[int] | None = None
) -> list[str]:
    """Write a point cloud whole or not at all; the suffix chooses the format (`WRITABLE`).

    Args:
        path: the file; an existing one is replaced at the end.
        cloud: the points, with everything its source format knows of them.
        label_codes: the code to store for each value of `cloud.label` (class i → label_codes[i]);
            None stores the labels as they are.

    Returns:
        Remarks, one line each, on what the format could not hold as it was; mostly none.

    Raises:
        FileError: unknown or read-only suffix, or the file cannot be written.
        DataError: values the format cannot hold, a label without a code, no points.
    """
    path = Path(path)
    require_writable(path)
    module = _module(path)
    cloud.check()
    if not len(cloud):
        raise DataError("there are no points to write")
    if label_codes is not None and cloud.label is not None:
        codes = np.asarray(label_codes, dtype=np.int32)
        if cloud.label.min() < 0 or cloud.label.max() >= len(codes):
            raise DataError(
                f"labels go from {cloud.label.min()} to {cloud.label.max()}, "
                f"there are codes for 0 to {len(codes) - 1}"
            )
        names = {int(codes[i]): n for i, n in cloud.class_names.items() if 0 <= i < len(codes)}
        cloud = replace(cloud, label=codes[cloud.label], class_names=names)
    with atomic_path(path) as temporary:
        remarks: list[str] = module.write(temporary, cloud)
        if path.name.lower().endswith(".copc.laz"):
            from salanet.io.las import clouds, copc

            remarks += copc.make(temporary, clouds.kept_tree(cloud))
    return remarks


def require_writable(path: Path, source: Path | None = None) -> None:
    """Raise FileError unless files of this suffix can be written.

    `source` is the file whose points are to be written, where it is known: COPC cannot hold those
    of every LAS file.
    """
    _module(path)
    if path.suffix.lower() not in WRITABLE:
        better = ".ply, which keeps faces," if path.suffix.lower() in MESHES else ".laz or .ply"
        raise FileError(path, f"{path.suffix} is read only; write to {better} instead")
    if source is not None and source.suffix.lower() in (".las", ".laz"):
        from salanet.io.las import binary, copc

        if copc.named(path) and source.is_file():
            with reading(source), source.open("rb") as file:
                head = binary.read_head(source, file, source.stat().st_size)
            if why := copc.unfit(head):
                raise FileError(path, f"{why}: write .laz instead")


def _module(path: Path) -> Any:
    name = FORMATS.get(path.suffix.lower())
    if name is None:
        kind = f"unknown suffix '{path.suffix}'" if path.suffix else "no suffix"
        raise FileError(path, f"{kind}; known are {' '.join(SUFFIXES)}")
    return import_module(f"salanet.io.{name}")
