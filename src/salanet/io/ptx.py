"""PTX, text of Leica and others: scans one after the other, each a grid with a pose of its own.

A scan begins with its columns, its rows, four lines about the scanner and a 4 × 4 matrix that
takes its points, as rows, to the frame that all share. A point has x y z intensity, or these and
r g b. Places of the grid where the scanner saw nothing are 0 0 0: they are left out. `scan` is the
number of the scan. There is no writer: the format has no place for labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io import rows

HEAD = 10  # lines before the points of a scan
WIDTHS = {4: None, 7: slice(4, 7)}  # numbers of a point, and where its colours are
FLOAT = np.dtype(np.float64)


@dataclass
class PtxSource:
    """Name and points of each scan, and what could not be read as it is, one line each."""

    scans: list[tuple[str, int]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def read(path: Path, columns: str | None = None, scan: int | None = None) -> PointCloud:
    """The points of all scans, or of the scan of that number alone.

    Raises FileError, with the line number, if the file is no PTX, or has no such scan.
    """
    if columns is not None:
        raise FileError(path, "the columns of a PTX are known; leave columns out")
    lines, places = _scans(path)
    if scan is not None and not 0 <= scan < len(places):
        raise FileError(path, f"has no scan {scan}; its {len(places)} scans are numbered from 0")
    source = PtxSource()
    numbers = range(len(places)) if scan is None else [scan]
    tables = [_table(path, lines, *places[i], i, source) for i in numbers]
    if len({table.shape[1] for table in tables}) > 1:
        raise FileError(path, "some scans have colours and others none: read them one by one")
    whole = np.concatenate(tables)
    colours = WIDTHS[whole.shape[1]]
    counts = [len(table) for table in tables]
    return PointCloud(
        whole[:, :3],
        rgb=None if colours is None else _colours(path, whole[:, colours]),
        intensity=whole[:, 3].astype(np.float32),
        attributes={"scan": np.repeat(np.array(numbers, np.uint16), counts)},
        source=source,
    )


def scan_count(path: Path) -> int:
    """How many scans a file has; raises as `read` does."""
    return len(_scans(path)[1])


def _scans(path: Path) -> tuple[list[str], list[tuple[int, int]]]:
    """The lines of a file; where the points of each scan begin, and their number."""
    lines = path.read_bytes().decode("latin-1").rstrip().splitlines()
    found: list[tuple[int, int]] = []
    at = 0
    while at < len(lines):
        size = lines[at : at + 2]
        if len(size) < 2 or not all(word.strip().isdecimal() for word in size):
            raise FileError(path, f"line {at + 1}: no PTX, or no columns and rows of another scan")
        count = int(size[0]) * int(size[1])
        if at + HEAD + count > len(lines):
            raise FileError(path, f"cut short: no room for the {count} points of scan {len(found)}")
        found.append((at + HEAD, count))
        at += HEAD + count
    return lines, found


def _table(
    path: Path, lines: list[str], at: int, count: int, number: int, source: PtxSource
) -> NDArray[np.float64]:
    """The points of one scan (n, 4 or 7) that the scanner saw, in the frame of all."""
    matrix = _numbers(path, lines, at - 4, 4, 4)
    width = len(lines[at].split()) if count else 4
    if width not in WIDTHS:
        raise FileError(path, f"line {at + 1} has {width} columns; points of a PTX have 4 or 7")
    found = _numbers(path, lines, at, count, width)
    seen = found[:, :3].any(axis=1)
    if not seen.all():
        blind = f"{(~seen).sum():,} places without a point are left out"
        source.remarks.append(f"scan {number}: {blind}")
    found = found[seen]
    found[:, :3] = found[:, :3] @ matrix[:3, :3] + matrix[3, :3]
    source.scans.append((f"scan {number}", len(found)))
    return found


def _numbers(path: Path, lines: list[str], at: int, count: int, width: int) -> NDArray[np.float64]:
    places = range(at + 1, at + 1 + count)
    parsed = rows.parse(path, lines[at : at + count], [FLOAT] * width, None, places)
    return np.stack(parsed, axis=1)


def _colours(path: Path, stored: NDArray[np.float64]) -> NDArray[np.uint8]:
    if not ((stored >= 0) & (stored <= 255)).all():
        raise FileError(path, "damaged: colours of a PTX go from 0 to 255")
    return np.rint(stored).astype(np.uint8)
