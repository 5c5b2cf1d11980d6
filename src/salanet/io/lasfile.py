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
from salanet.io.limits import check_layers, check_unpacked

HEADER_SIZES = {0: 227, 1: 227, 2: 227, 3: 235, 4: 375, 5: 393}
RECORD_SIZES = (20, 28, 26, 34, 57, 63, 30, 36, 38, 59, 67)  # by point format
COMPRESSED = 0x80
CHUNKS_AT_ONCE = 20  # of 50,000 points each, the usual size; bounds the memory of compression
LOSSY = (9, 10)  # lazrs 0.8 mixes up waveforms of several scanner channels
PARALLEL_CHUNK = 1 << 20  # larger chunks are decompressed one point after the other


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


def read(path: Path) -> LasFile:
    """Raises FileError if the file is damaged, cut short, or its header promises too much."""
    size = path.stat().st_size
    with path.open("rb") as file:
        las = _read_head(path, file, size)
        count, record = las.get(OLD_COUNT), las.get(RECORD_SIZE)
        if las.get(MINOR) >= 4:
            count = las.get(COUNT) or count
        if not count:
            raise FileError(path, "holds no points")
        start = las.get(POINTS_AT)
        if las.get(FORMAT) & 0xC0:
            las.points, end = _decompress(path, file, las, count, size)
            las.tail_at = _first_behind(path, las, end, size)
        else:
            end = start + count * record
            if end > size:
                room = (size - start) // record
                raise FileError(path, f"cut short: room for {room} of the {count} points promised")
            file.seek(start)
            las.points = np.fromfile(file, np.uint8, count * record).reshape(count, record)
            _first_behind(path, las, end, size)
            las.tail_at = end
        file.seek(las.tail_at)
        las.tail = file.read()
    _check_tail(path, las)
    return las


def _read_head(path: Path, file: IO[bytes], size: int) -> LasFile:
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


def _decompress(
    path: Path, file: IO[bytes], las: LasFile, count: int, size: int
) -> tuple[NDArray[np.uint8], int]:
    """The points of a LAZ file, and where its compressed part ends at the least."""
    start, record = las.get(POINTS_AT), las.get(RECORD_SIZE)
    laszip = next((vlr.data for vlr in las.vlrs if vlr.key == LASZIP), None)
    if laszip is None:
        raise FileError(path, "damaged: compressed points without the record that describes them")
    file.seek(start)
    table_at = int.from_bytes(file.read(8), "little", signed=True)
    if table_at == -1:  # written as a stream
        file.seek(size - 8)
        table_at = int.from_bytes(file.read(8), "little", signed=True)
    if not start + 8 <= table_at <= size - 8:
        raise FileError(path, "cut short: the table of compressed chunks is missing")
    file.seek(table_at + 4)
    chunks = int.from_bytes(file.read(4), "little")
    if (chunks - 1) * record > table_at - start:  # a chunk opens with one plain record
        raise FileError(path, "damaged: the table of compressed chunks makes no sense")
    try:
        vlr = lazrs.LazVlr(laszip)
        file.seek(start)
        table = lazrs.read_chunk_table(file, vlr)
        chunk = vlr.chunk_size()
        if vlr.uses_variable_size_chunks():
            room, chunk = sum(n for n, _ in table), max((n for n, _ in table), default=0)
        else:
            room = chunk * len(table)
        if vlr.item_size() != record or sum(n for _, n in table) > table_at - start - 8:
            raise FileError(path, "damaged: the description of its compressed points is wrong")
        if count > room:
            raise FileError(path, f"cut short: room for {room} of the {count} points promised")
        check_unpacked(path, count * record)
        ends = start + 8 + np.cumsum([n for _, n in table])
        check_layers(
            path,
            file,
            laszip,
            record,
            [(int(e) - n, n) for e, (_, n) in zip(ends, table, strict=True)],
        )
        points = np.empty((count, record), np.uint8)
        file.seek(start)
        small = chunk <= PARALLEL_CHUNK
        reader = lazrs.ParLasZipDecompressor if small else lazrs.LasZipDecompressor
        decompressor = reader(file, laszip)
        # Piece by piece, so that a wrong count meets the end of the data before it fills memory.
        step = max(PARALLEL_CHUNK // chunk, 1) * chunk if small else PARALLEL_CHUNK
        for i in range(0, count, step):
            decompressor.decompress_many(points[i : i + step].reshape(-1))
    except BaseException as error:
        if isinstance(error, lazrs.LazrsError) or type(error).__name__ == "PanicException":
            raise FileError(path, f"damaged or cut short: {error}") from None
        raise
    return points, table_at + 8


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


def _check_compressed(file: IO[bytes], las: LasFile, laz: Any, points: NDArray[np.uint8]) -> None:
    file.seek(las.get(POINTS_AT))
    back = np.empty(points.size, np.uint8)
    lazrs.LasZipDecompressor(file, laz.record_data()).decompress_many(back)
    if not np.array_equal(back, points.reshape(-1)):
        raise DataError("LAZ compression would damage these waveforms: write to .las instead")


def _compress(file: IO[bytes], laz: lazrs.LazVlr, points: NDArray[np.uint8]) -> None:
    """Append the points; OSError if the system refuses a write, such as on a full disk."""
    step = laz.chunk_size() * CHUNKS_AT_ONCE
    try:
        compressor = lazrs.ParLasZipCompressor(file, laz)
        for i in range(0, len(points), step):
            compressor.compress_many(points[i : i + step].reshape(-1))
        compressor.done()
    except lazrs.LazrsError as error:  # does not say why
        raise OSError(f"{error}; is the disk full?") from error


def write(path: Path, las: LasFile, compress: bool) -> None:
    """Write `las`; its header is brought up to date with the sizes of its parts."""
    record = las.points.shape[1]
    vlrs = [vlr for vlr in las.vlrs if vlr.key != LASZIP]
    laz = lazrs.LazVlr.new_for_compression(las.format, record - RECORD_SIZES[las.format])
    if compress:
        place = next((i for i, vlr in enumerate(las.vlrs) if vlr.key == LASZIP), len(vlrs))
        description = b"by laszip of LAStools"
        vlrs.insert(place, Vlr.new(*LASZIP, description, laz.record_data()))
    las.set(HEADER_SIZE, len(las.header))
    las.set(VLR_COUNT, len(vlrs))
    las.set(FORMAT, las.format | (COMPRESSED if compress else 0))
    las.set(RECORD_SIZE, record)
    body = b"".join([*(vlr.head + vlr.data for vlr in vlrs), las.gap])
    las.set(POINTS_AT, len(las.header) + len(body))
    points = np.ascontiguousarray(las.points)
    with path.open("wb+") as file:
        file.write(las.header + body)
        if compress:
            _compress(file, laz, points)
            if las.format in LOSSY:
                _check_compressed(file, las, laz, points)
            file.seek(0, 2)
        else:
            points.tofile(file)
        moved = file.tell() - las.tail_at
        for field, since in ((WAVEFORMS_AT, 3), (EVLRS_AT, 4)):
            if las.get(MINOR) >= since and las.get(field) >= las.tail_at and las.tail:
                las.set(field, las.get(field) + moved)
        las.tail_at += moved
        file.write(las.tail)
        file.seek(0)
        file.write(las.header)
