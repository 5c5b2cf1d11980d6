"""Some points of a LAS or LAZ file in a file of their own, each with its number in the first.

The number (uint64) follows the record of a point. In LAZ it takes next to no room, and neither
does what nobody wants of a record, and is 0.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from salanet.io.las import binary, clouds
from salanet.io.las.clouds import LasSource

NUMBER = np.dtype("<u8")
BLOCK = 50_000  # points, as many as LAZ has in a chunk

Records = NDArray[np.uint8]
Numbers = NDArray[np.integer[Any]]


class RowWriter:
    """Writes points piece by piece; use `finish` at the end.

    Args:
        file: open for writing and reading, empty.
        source: the file they come from.
        compress: as LAZ.
    """

    def __init__(self, file: IO[bytes], source: LasSource, compress: bool) -> None:
        first = source.file
        points = np.empty((0, first.points.shape[1] + NUMBER.itemsize), np.uint8)
        header = bytearray(first.header)
        self._las = replace(first, header=header, vlrs=[], gap=b"", points=points, tail=b"")
        if self._las.has(binary.EVLR_COUNT):
            self._las.set(binary.EVLR_COUNT, 0)
        self._writer = binary.Writer(file, self._las, compress)
        self._count = 0

    def append(self, records: Records, numbers: Numbers) -> None:
        """Write points (n, record size) and their numbers (n,), which never fall."""
        tails = numbers.astype(NUMBER).view(np.uint8).reshape(-1, NUMBER.itemsize)
        self._writer.append(np.concatenate([records, tails], axis=1))
        self._count += len(records)

    def finish(self) -> None:
        """Write what is left; see `salanet.io.las.binary.Writer`. There must be a point."""
        new = self._las.has(binary.COUNT)
        self._las.set(binary.COUNT if new else binary.OLD_COUNT, self._count)
        self._writer.finish()


class RowReader:
    """Reads what `RowWriter` wrote, from the first point on.

    Raises FileError if the file is damaged or cut short.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._reader = binary.Reader(path, file)
        self._left, self._rows = self._reader.count, self._reader.las.points

    def until(self, number: int) -> tuple[Records, Numbers]:
        """The next points, as they were appended, whose numbers are below one."""
        held = [self._rows]
        while self._left and (not len(held[-1]) or _numbers(held[-1][-1:])[0] < number):
            count = min(BLOCK, self._left)
            held.append(self._reader.read(count))
            self._left -= count
        rows = np.concatenate(held)
        numbers = _numbers(rows)
        cut = int(np.searchsorted(numbers, number))
        self._rows = rows[cut:]
        return rows[:cut, : -NUMBER.itemsize], numbers[:cut]


def _numbers(rows: Records) -> Numbers:
    return np.ascontiguousarray(rows[:, -NUMBER.itemsize :]).view(NUMBER)[:, 0]


def only(source: LasSource, names: Collection[str]) -> Records:
    """The records of a source (N, record size), 0 but for coordinates and the arrays named."""
    record = source.record()
    wanted = {"X", "Y", "Z", *names} | ({*clouds.COLOURS} if "rgb" in names else set())
    wanted |= {source.label} if "label" in names else set()
    parts = record.sub_fields_dict  # of a byte that several dimensions share
    fields = {parts[name][0] if name in parts else name for name in wanted}
    kept = np.zeros_like(source.file.points)
    to = kept.view(source.format.dtype())[:, 0]
    for name in fields & {*record.array.dtype.names}:
        to[name] = record.array[name]
    return kept
