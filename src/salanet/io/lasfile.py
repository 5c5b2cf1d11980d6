"""The bytes of a LAS or LAZ file: header, records and points, taken apart and put together.

Everything that is not understood stays as bytes, so that what is read is what is written.
Sizes promised by a header are checked against the file before memory is asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import lazrs
import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError, FileError
from salanet.io import laz

HEADER_SIZES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375, 5: 393}
RECORD_SIZES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # by point format
COMPRESSED = 0x80


class Field(NamedTuple):
    """A number in the header: where and how it is stored."""

    at: int
    kind: str


ENCODING = Field(6, "H")
MINOR = Field(25, "B")
HEADER_SIZE, POINTS_AT, VLR_COUNT = Field(94, "H"), Field(96, "I"), Field(100, "I")
FORMAT, RECORD_SIZE = Field(104, "B"), Field(105, "H")
OLD_COUNT, OLD_RETURNS = Field(107, "I"), Field(111, "5I")
SCALES, OFFSETS, BOUNDS = Field(131, "3d"), Field(155, "3d"), Field(179, "6d")
WAVEFORMS_AT, EVLRS_AT, EVLR_COUNT = Field(227, "Q"), Field(235, "Q"), Field(243, "I")
COUNT, RETURNS = Field(247, "Q"), Field(255, "15Q")


class Vlr(NamedTuple):
    """A variable length record: its 54-byte head and its data."""

    head: bytes
    data: bytes

    @property
    def key(self) -> tuple[bytes, int]:
        return self.head[2:18].rstrip(b"\0"), int.from_bytes(self.head[18:20], "little")

    @classmethod
    def new(cls, user: bytes, record: int, description: bytes, data: bytes) -> Vlr:
        if len(data) > 0xFFFF:
            raise DataError("too many attributes for the header of a LAS file")
        return cls(struct.pack("<2x16sHH32s", user, record, len(data), description), data)


LASZIP, COPC = (b"laszip encoded", 22204), b"copc"


@dataclass
class LasFile:
    header: bytearray
    vlrs: list[Vlr]
    gap: bytes  # between the records and the points
    points: NDArray[np.uint8]  # (N, record size)
    tail: bytes  # behind the points: extended records, waveforms
    tail_at: int

    def get(self, field: Field) -> Any:
        values = struct.unpack_from("<" + field.kind, self.header, field.at)
        return values[0] if len(values) == 1 else values

    def set(self, field: Field, *values: Any) -> None:
        struct.pack_into("<" + field.kind, self.header, field.at, *values)

    @property
    def format(self) -> int:
        return self.get(FORMAT) & 0x3F

    @property
    def compressed(self) -> bool:
        return bool(self.get(FORMAT) & 0xC0)

    def records(self) -> dict[tuple[bytes, int], bytes]:
        """The data of every record, extended ones included, by user and number."""
        found = {vlr.key: vlr.data for vlr in self.vlrs}
        if self.get(MINOR) >= 4 and self.tail:
            at = self.get(EVLRS_AT) - self.tail_at
            for _ in range(self.get(EVLR_COUNT)):
                head = Vlr(self.tail[at : at + 60], b"")
                end = at + 60 + int.from_bytes(head.head[20:28], "little")
                found[head.key] = self.tail[at + 60 : end]
                at = end
        return found


class Reader:
    """The points of an open LAS or LAZ file, one after the other.

    Attributes:
        las: the file without its points.
        count: number of points, at least 1.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        size = path.stat().st_size
        self._path, self._file = path, file
        self.las = las = read_head(path, file, size)
        self.count = las.get(OLD_COUNT)
        if las.get(MINOR) >= 4:
            self.count = las.get(COUNT) or self.count
        if not self.count:
            raise FileError(path, "holds no points")
        start, record = las.get(POINTS_AT), las.get(RECORD_SIZE)
        las.points = np.empty((0, record), np.uint8)
        self._packed = _unpacker(path, file, las, self.count) if las.compressed else None
        end = self._packed.end if self._packed else start + self.count * record
        if end > size:
            room = (size - start) // record
            raise FileError(path, f"cut short: room for {room} of the {self.count} points promised")
        las.tail_at = _first_behind(path, las, end, size)
        if not self._packed:
            las.tail_at = end
        place = file.tell()
        file.seek(las.tail_at)
        las.tail = file.read()
        _check_tail(path, las)
        file.seek(place if self._packed else start)

    def read(self, count: int) -> NDArray[np.uint8]:
        """The next points (count, record size); no more than there are left."""
        if self._packed:
            return self._packed.read(count)
        record = self.las.points.shape[1]
        points = np.fromfile(self._file, np.uint8, count * record)
        if len(points) < count * record:
            raise FileError(self._path, "became shorter while it was read")
        return points.reshape(count, record)


def read(path: Path) -> LasFile:
    """Raises FileError if the file is damaged, cut short, or its header promises too much."""
    with path.open("rb") as file:
        reader = Reader(path, file)
        reader.las.points = reader.read(reader.count)
    return reader.las


def read_head(path: Path, file: IO[bytes], size: int) -> LasFile:
    start = file.read(HEADER_SIZES[5])
    if start[:4] != b"LASF":
        raise FileError(path, "not a LAS or LAZ file")
    minor = start[MINOR.at] if len(start) >= HEADER_SIZES[0] else -1
    las = LasFile(bytearray(start), [], b"", np.empty((0, 0), np.uint8), b"", 0)
    if start[24:25] != b"\1" or minor not in HEADER_SIZES:
        raise FileError(path, "cut short, or of an unknown LAS version")
    header, points_at = las.get(HEADER_SIZE), las.get(POINTS_AT)
    if not HEADER_SIZES[minor] <= header <= points_at <= size:
        raise FileError(path, "cut short: the LAS header points beyond the end of the file")
    if las.format >= len(RECORD_SIZES):
        raise FileError(path, f"LAS point format {las.format} is not known")
    if las.get(RECORD_SIZE) < RECORD_SIZES[las.format]:
        raise FileError(path, "damaged: point records smaller than their format")
    file.seek(0)
    head = file.read(points_at)
    at = header
    for _ in range(las.get(VLR_COUNT)):
        data_at = at + 54
        end = data_at + int.from_bytes(head[at + 20 : at + 22], "little")
        if end > points_at:
            raise FileError(path, "damaged: its variable length records run into the points")
        las.vlrs.append(Vlr(head[at:data_at], head[data_at:end]))
        at = end
    las.header, las.gap = bytearray(head[:header]), head[at:]
    return las


def _unpacker(path: Path, file: IO[bytes], las: LasFile, count: int) -> laz.Unpacker:
    laszip = next((vlr.data for vlr in las.vlrs if vlr.key == LASZIP), None)
    if laszip is None:
        raise FileError(path, "damaged: compressed points without the record that describes them")
    return laz.Unpacker(path, file, las.get(POINTS_AT), las.get(RECORD_SIZE), count, laszip)


def _first_behind(path: Path, las: LasFile, end: int, size: int) -> int:
    """Where the part behind the points begins; the end of the file if there is none."""
    starts = [size]
    minor = las.get(MINOR)
    if minor >= 4 and las.get(EVLR_COUNT):
        starts.append(las.get(EVLRS_AT))
    if minor >= 3 and las.get(ENCODING) & 2 and end <= las.get(WAVEFORMS_AT) < size:
        starts.append(las.get(WAVEFORMS_AT))
    if min(starts) < end or max(starts) > size:
        raise FileError(path, "cut short or damaged: its extended records are missing")
    return min(starts)


def _check_tail(path: Path, las: LasFile) -> None:
    """Walk the extended records. Those of COPC describe chunks that a rewrite dissolves: drop."""
    if las.get(MINOR) < 4 or not las.get(EVLR_COUNT):
        return
    kept: list[bytes] = []
    begin = at = las.get(EVLRS_AT) - las.tail_at
    for _ in range(las.get(EVLR_COUNT)):
        end = at + 60 + int.from_bytes(las.tail[at + 20 : at + 28], "little")
        if at + 60 > len(las.tail) or end > len(las.tail):
            raise FileError(path, "cut short: its extended records are incomplete")
        if las.tail[at + 2 : at + 18].rstrip(b"\0") != COPC:
            kept.append(las.tail[at:end])
        at = end
    las.vlrs = [vlr for vlr in las.vlrs if vlr.key[0] != COPC]
    las.tail = b"".join([las.tail[:begin], *kept, las.tail[at:]])
    las.set(EVLR_COUNT, len(kept))


class Writer:
    """Writes a LAS or LAZ file piece by piece; use `finish` at the end.

    Args:
        file: open for writing and reading, empty.
        las: header and records; its header is brought up to date with the sizes of its parts.
        compress: as LAZ.
    """

    def __init__(self, file: IO[bytes], las: LasFile, compress: bool) -> None:
        self._file, self._las = file, las
        record = las.points.shape[1]
        vlrs = [vlr for vlr in las.vlrs if vlr.key != LASZIP]
        packed = lazrs.LazVlr.new_for_compression(las.format, record - RECORD_SIZES[las.format])
        if compress:
            place = next((i for i, vlr in enumerate(las.vlrs) if vlr.key == LASZIP), len(vlrs))
            description = b"by laszip of LAStools"
            vlrs.insert(place, Vlr.new(*LASZIP, description, packed.record_data()))
        self._vlrs = vlrs
        las.set(HEADER_SIZE, len(las.header))
        las.set(VLR_COUNT, len(vlrs))
        las.set(FORMAT, las.format | (COMPRESSED if compress else 0))
        las.set(RECORD_SIZE, record)
        body = b"".join([*(vlr.head + vlr.data for vlr in vlrs), las.gap])
        las.set(POINTS_AT, len(las.header) + len(body))
        file.write(las.header + body)
        file.flush()
        self._packer = laz.Packer(file, packed, las.format in laz.LOSSY) if compress else None

    def append(self, points: NDArray[np.uint8]) -> None:
        """Write points (n, record size)."""
        points = np.ascontiguousarray(points)
        if self._packer:
            self._packer.append(points)
        else:
            self._file.write(points)

    def finish(self) -> None:
        """Write what follows the points, and the header with its final values."""
        las, file = self._las, self._file
        if self._packer:
            self._packer.finish()
        moved = file.tell() - las.tail_at
        for field, since in ((WAVEFORMS_AT, 3), (EVLRS_AT, 4)):
            if las.get(MINOR) >= since and las.get(field) >= las.tail_at and las.tail:
                las.set(field, las.get(field) + moved)
        las.tail_at += moved
        file.write(las.tail)
        file.seek(0)
        file.write(las.header)


def write(path: Path, las: LasFile, compress: bool) -> None:
    """Write `las`; its header is brought up to date with the sizes of its parts."""
    with path.open("wb+") as file:
        writer = Writer(file, las, compress)
        writer.append(las.points)
        writer.finish()
