"""ScanNet's benchmark submission: a zip with one text file per scan, one nyu40 id per vertex."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.errors import DataError, FileError
from salanet.io import atomic_path

# Same bytes for same predictions, whenever they are written.
EPOCH = (1980, 1, 1, 0, 0, 0)


def write_submission(
    path: Path, predictions: Iterable[tuple[str, ArrayLike]], vertices: Mapping[str, int]
) -> None:
    """Write ``SCAN.txt`` for every scan into a zip that appears only when complete and checked.

    Args:
        path: of the zip.
        predictions: scan and nyu40 id of each vertex (N,), in the order of the mesh's vertices.
        vertices: how many each scan of the benchmark has; all of them must be predicted.

    Raises:
        DataError: a scan is missing, unknown, twice there, or has another number of ids.
        FileError: the zip cannot be written.
    """
    done: set[str] = set()
    with (
        atomic_path(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for scan, ids in predictions:
            ids = np.asarray(ids)
            if scan in done or scan not in vertices:
                state = "predicted twice" if scan in done else "not in the benchmark's list"
                raise DataError(f"{scan} is {state}")
            if ids.shape != (vertices[scan],):
                raise DataError(
                    f"{scan} has {vertices[scan]:,} vertices but predictions {ids.shape}"
                )
            done.add(scan)
            text = "\n".join(map(str, ids.astype(np.int64).tolist())) + "\n"
            archive.writestr(_entry(f"{scan}.txt"), text)
        missing = sorted(vertices.keys() - done)
        if missing:
            raise DataError(
                f"{len(missing)} of {len(vertices)} scans have no prediction, such as {missing[0]}"
            )


def read_submission(path: Path) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """The scans of a submission and their ids (N,).

    Raises:
        FileError: it is no zip of ``SCAN.txt`` with one integer per line.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if "/" in name or not name.endswith(".txt"):
                    raise FileError(path, f"holds {name}; only SCAN.txt belong into a submission")
                lines = archive.read(name).split(b"\n")
                if lines and not lines[-1]:
                    lines.pop()
                yield name.removesuffix(".txt"), np.array([int(line) for line in lines], np.int64)
    except (OSError, zipfile.BadZipFile) as error:
        raise FileError(path, f"is no readable zip file ({error})") from error
    except ValueError as error:
        raise FileError(path, f"{name} does not hold one integer per line ({error})") from error


def check_submission(path: Path, vertices: Mapping[str, int], codes: Sequence[int]) -> int:
    """Compare a submission with the benchmark's list; returns the number of its lines.

    Args:
        path: of the zip.
        vertices: how many each scan has.
        codes: the ids of the classes.

    Raises:
        FileError: a scan is missing, unknown, twice there, has another number of lines, or an id
            that is no class.
    """
    lines: dict[str, int] = {}
    for scan, ids in read_submission(path):
        if scan in lines or len(ids) != vertices.get(scan):
            raise FileError(
                path, f"{scan}.txt has {len(ids)} lines for {vertices.get(scan, 'no')} vertices"
            )
        strange = np.setdiff1d(ids, codes)
        if len(strange):
            raise FileError(path, f"{scan}.txt holds the id {strange[0]}, which is no class")
        lines[scan] = len(ids)
    missing = sorted(vertices.keys() - lines.keys())
    if missing:
        raise FileError(path, f"lacks {len(missing)} scans, such as {missing[0]}")
    return sum(lines.values())


def class_of_ids(ids: ArrayLike, codes: Sequence[int]) -> NDArray[np.int64]:
    """The class index of nyu40 ids (N,); -1 for those of no class.

    >>> class_of_ids([1, 40, 14], [1, 2, 14]).tolist()
    [0, -1, 2]
    """
    wanted = np.asarray(codes)
    order = np.argsort(wanted)
    place = np.searchsorted(wanted[order], np.asarray(ids)).clip(max=len(wanted) - 1)
    index = order[place]
    return np.where(wanted[index] == ids, index, -1).astype(np.int64)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
