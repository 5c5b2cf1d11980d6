"""The bytes of a LAS or LAZ file: header, records and points, taken apart and put together.

Everything that is not understood stays as bytes, so that what is read is what is written.
Sizes promised by a header are checked against the file before memory is asked for.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import lazrs
import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError, FileError
from salanet.io.las import laz

HEADER_SIZES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375, 5: 393}
EXTENDED = 60  # bytes of the head of an extended record
RECORD_SIZES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # by point format
COMPRESSED = 0x80
# Bytes of the table of chunks behind which so many extended records are looked for.
LONGEST_TABLE, MOST_LOOKED_FOR = 1 << 12, 1 << 8


class Field(NamedTuple):
    """Numbers in the header: where, how, and since which LAS 1.x they are stored."""

    at: int
    kind: str
    since: int = 0


ENCODING = Field(6, "H")
MINOR = Field(25, "B")
HEADER_SIZE, POINTS_AT, VLR_COUNT = Field(94, "H"), Field(96, "I"), Field(100, "I")
FORMAT, RECORD_SIZE = Field(104, "B"), Field(105, "H")
OLD_COUNT, OLD_RETURNS = Field(107, "I"), Field(111, "5I")
SCALES, OFFSETS, BOUNDS = Field(131, "3d"), Field(155, "3d"), Field(179, "6d")
WAVEFORMS_AT, EVLRS_AT, EVLR_COUNT = Field(227, "Q", 3), Field(235, "Q", 4), Field(243, "I", 4)
COUNT, RETURNS = Field(247, "Q", 4), Field(255, "15Q", 4)


class Vlr(NamedTuple):
    """A variable length record: its head, of 54 bytes or, extended, 60, and its data."""

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
    remarks: list[str] = field(default_factory=list)  # on what is not as the header says

    def has(self, field: Field) -> bool:
        """Whether the header of this version has it; some writers end it too early."""
        end = field.at + struct.calcsize("<" + field.kind)
        return self.header[MINOR.at] >= field.since and end <= len(self.header)

    def get(self, field: Field) -> Any:
        """The number or numbers of a field; 0 where the header has none."""
        header = self.header if self.has(field) else bytes(HEADER_SIZES[5])
        values = struct.unpack_from("<" + field.kind, header, field.at)
        return values[0] if len(values) == 1 else values

    def set(self, field: Field, *values: Any) -> None:
        """Only where `has` says so."""
        struct.pack_into("<" + field.kind, self.header, field.at, *values)

    @property
    def format(self) -> int:
        return int(self.get(FORMAT)) & 0x3F

    @property
    def compressed(self) -> bool:
        return bool(self.get(FORMAT) & 0xC0)

    def records(self) -> dict[tuple[bytes, int], bytes]:
        """The data of every record, extended ones included, by user and number."""
        return {vlr.key: vlr.data for vlr in (*self.vlrs, *self.extended())}

    def extended(self) -> list[Vlr]:
        """The extended records; ValueError if they run beyond the end."""
        found: list[Vlr] = []
        at = self.get(EVLRS_AT) - self.tail_at
        for _ in range(self.get(EVLR_COUNT)):
            head = self.tail[at : at + EXTENDED]
            end = at + EXTENDED + int.from_bytes(head[20:28], "little")
            if at < 0 or len(head) < EXTENDED or end > len(self.tail):
                raise ValueError("extended records beyond the end")
            found.append(Vlr(head, self.tail[at + EXTENDED : end]))
            at = end
        return found

    def replace_extended(self, records: list[Vlr]) -> None:
        """Have these extended records instead; what lies behind them moves along."""
        if records == (before := self.extended()):
            return
        at = self.get(EVLRS_AT) - self.tail_at
        end = at + sum(len(head) + len(data) for head, data in before)
        new = b"".join(head + data for head, data in records)
        if self.get(WAVEFORMS_AT) >= self.tail_at + end:
            self.set(WAVEFORMS_AT, self.get(WAVEFORMS_AT) + len(new) - (end - at))
        self.tail = self.tail[:at] + new + self.tail[end:]
        self.set(EVLR_COUNT, len(records))


class Reader:
    """The points of an open LAS or LAZ file, one after the other.

    Attributes:
        las: the file without its points.
        count: number of points, at least 1.
        laszip, chunks: the record that describes the compression, and the compressed pieces; both
            are empty in LAS.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        size = path.stat().st_size
        self._path, self._file = path, file
        self.las = las = read_head(path, file, size)
        self.count = las.get(COUNT) or las.get(OLD_COUNT)
        if not self.count:
            raise FileError(path, "holds no points")
        start, record = las.get(POINTS_AT), las.get(RECORD_SIZE)
        las.points = np.empty((0, record), np.uint8)
        self._packed = _unpacker(path, file, las, self.count) if las.compressed else None
        self.laszip = next((vlr.data for vlr in las.vlrs if vlr.key == LASZIP), b"")
        self.chunks = self._packed.chunks if self._packed else []
        end = self._packed.end if self._packed else start + self.count * record
        if end > size:
            room = (size - start) // record
            raise FileError(path, f"cut short: room for {room} of the {self.count} points promised")
        place = file.tell()
        _find_extended(file, las, end)
        las.tail_at = _first_behind(path, las, end, size)
        if not self._packed:
            las.tail_at = end
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
    if not HEADER_SIZES[0] <= header <= points_at <= size:
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
    _check_scales(path, las)
    return las


def _check_scales(path: Path, las: LasFile) -> None:
    """Raise FileError unless the header can turn stored integers into coordinates."""
    for axis, scale, offset in zip("xyz", las.get(SCALES), las.get(OFFSETS), strict=True):
        if not 0 < abs(scale) < np.inf or not np.isfinite(offset):
            raise FileError(
                path,
                f"damaged: its header has the scale {scale} and the offset {offset} for {axis}, "
                f"which is lost so; have the right ones written there (scales are mostly 0.01 or "
                "0.001)",
            )


def _unpacker(path: Path, file: IO[bytes], las: LasFile, count: int) -> laz.Unpacker:
    laszip = next((vlr.data for vlr in las.vlrs if vlr.key == LASZIP), None)
    if laszip is None:
        raise FileError(path, "damaged: compressed points without the record that describes them")
    return laz.Unpacker(path, file, las.get(POINTS_AT), las.get(RECORD_SIZE), count, laszip)


def _find_extended(file: IO[bytes], las: LasFile, end: int) -> None:
    """Put right where the extended records are, which some writers leave out of the header.

    Args:
        end: where the points end; in LAZ it may be a little later.
    """
    count, at = las.get(EVLR_COUNT), las.get(EVLRS_AT)
    if not count or at >= end:
        return
    file.seek(end)
    found = _extended_in(file.read(), count, las.compressed)
    if found is None:
        las.set(EVLR_COUNT, 0)
        las.remarks.append(f"its header promises {count:,} extended records that are not there")
    else:
        las.set(EVLRS_AT, end + found)
        las.remarks.append(
            f"its header has byte {at} for the place of its {count:,} extended records: they are "
            "taken from behind the points"
        )


def _extended_in(tail: bytes, count: int, search: bool) -> int | None:
    """Where `count` extended records begin in bytes, at their beginning or, if they have to be
    looked for, where they fill the rest."""
    if search and count > MOST_LOOKED_FOR:
        return None
    for begin in range(min(len(tail), LONGEST_TABLE) if search else 1):
        at = begin
        for _ in range(count):
            at += EXTENDED + int.from_bytes(tail[at + 20 : at + 28], "little")
            if at > len(tail):
                break
        if at == len(tail) or (at < len(tail) and not search):
            return begin
    return None


def _first_behind(path: Path, las: LasFile, end: int, size: int) -> int:
    """Where the part behind the points begins; the end of the file if there is none."""
    starts = [size]
    if las.get(EVLR_COUNT):
        starts.append(las.get(EVLRS_AT))
    if las.get(ENCODING) & 2 and end <= las.get(WAVEFORMS_AT) < size:
        starts.append(las.get(WAVEFORMS_AT))
    if max(starts) > size:
        raise FileError(path, "cut short or damaged: its extended records are missing")
    return min(starts)


def _check_tail(path: Path, las: LasFile) -> None:
    """Walk the extended records. Those of COPC describe chunks that a rewrite dissolves: drop."""
    try:
        extended = las.extended()
    except ValueError:
        raise FileError(path, "cut short: its extended records are incomplete") from None
    las.vlrs = [vlr for vlr in las.vlrs if vlr.key[0] != COPC]
    las.replace_extended([record for record in extended if record.key[0] != COPC])


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
        for place in (WAVEFORMS_AT, EVLRS_AT):
            if las.get(place) >= las.tail_at and las.tail:
                las.set(place, las.get(place) + moved)
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
