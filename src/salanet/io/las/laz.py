"""The compressed points of LAZ files, in and out, a few at a time.

LASzip compresses point by point in one go (1, before 2011), in chunks (2), or in chunks of layers
(3, point formats 6 to 10); all are read, and chunks are written.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple

import lazrs
import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError, FileError
from salanet.io.limits import check_layers, check_unpacked

CHUNKS_AT_ONCE = 20  # of 50,000 points each, the usual size; bounds the memory of compression
PARALLEL_CHUNK = 1 << 20  # larger chunks are decompressed one point after the other
POINTWISE = 1
LOSSY = (9, 10)  # point formats of which lazrs 0.8 mixes up the waveforms of several channels


class Chunk(NamedTuple):
    """Points that are compressed together: how many (0 if all chunks have the same number), and
    where their bytes are."""

    points: int
    at: int
    size: int


class Unpacker:
    """Reads compressed points one after the other.

    Args:
        path, file: the LAZ file, for errors and open.
        start: where its points begin.
        record: bytes of a point.
        count: of points that the header promises.
        laszip: the data of the record that describes the compression.

    Attributes:
        end: where the compressed part ends at the least.
        chunks: number of points, place and size in bytes of each chunk.

    Raises:
        FileError: the file is damaged, cut short, or promises more than it has room for.
    """

    def __init__(
        self, path: Path, file: IO[bytes], start: int, record: int, count: int, laszip: bytes
    ) -> None:
        self._path, self._record = path, record
        if int.from_bytes(laszip[:2], "little") == POINTWISE:
            file, laszip = _as_one_chunk(file, start, count, laszip)
            table_at, self.end = _table(path, file, 0, record), start + record
            start = 0
        else:
            table_at = _table(path, file, start, record)
            self.end = table_at + 8
        with _errors(path):
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
            self.chunks = [
                Chunk(points, int(end) - size, size)
                for end, (points, size) in zip(ends, table, strict=True)
            ]
            check_layers(path, file, laszip, record, ((c.at, c.size) for c in self.chunks))
            file.seek(start)
            small = chunk <= PARALLEL_CHUNK
            reader = lazrs.ParLasZipDecompressor if small else lazrs.LasZipDecompressor
            self._decompressor = reader(file, laszip)
            # So that a wrong count meets the end of the data before it fills memory.
            self._step = max(PARALLEL_CHUNK // chunk, 1) * chunk if small else PARALLEL_CHUNK

    def read(self, count: int) -> NDArray[np.uint8]:
        """The next points (count, record)."""
        points = np.empty((count, self._record), np.uint8)
        with _errors(self._path):
            for i in range(0, count, self._step):
                self._decompressor.decompress_many(points[i : i + self._step].reshape(-1))
        return points


def unpack(
    path: Path, file: IO[bytes], laszip: bytes, chunk: Chunk, points: NDArray[np.uint8]
) -> None:
    """Decompress one chunk, as an `Unpacker` found it, into an array (chunk.points, record)."""
    file.seek(chunk.at)
    packed = np.frombuffer(file.read(chunk.size), np.uint8)
    with _errors(path):
        table = [(chunk.points, chunk.size)]
        lazrs.decompress_points_with_chunk_table(packed, laszip, points.reshape(-1), table)


class Packer:
    """Appends points (n, record) to a file, compressed.

    Raises OSError if the system refuses a write, such as on a full disk.
    """

    def __init__(self, file: IO[bytes], laz: lazrs.LazVlr, lossy: bool) -> None:
        self._file, self._laz, self._start = file, laz, file.tell()
        self._hash = blake2b() if lossy else None
        self._count = 0
        with _refusals():
            self._compressor = lazrs.ParLasZipCompressor(file, laz)

    def append(self, points: NDArray[np.uint8]) -> None:
        step = self._laz.chunk_size() * CHUNKS_AT_ONCE
        with _refusals():
            for i in range(0, len(points), step):
                self._compressor.compress_many(points[i : i + step].reshape(-1))
        if self._hash is not None:
            self._hash.update(points)
        self._count += len(points)

    def finish(self) -> None:
        """Write what is left; DataError if the points cannot be read back as they were."""
        with _refusals():
            self._compressor.done()
        if self._hash is not None:
            self._check(self._hash.digest())
        self._file.seek(0, 2)

    def _check(self, expected: bytes) -> None:
        self._file.seek(self._start)
        decompressor = lazrs.LasZipDecompressor(self._file, self._laz.record_data())
        found = blake2b()
        for start in range(0, self._count, PARALLEL_CHUNK):
            size = min(PARALLEL_CHUNK, self._count - start) * self._laz.item_size()
            back = np.empty(size, np.uint8)
            decompressor.decompress_many(back)
            found.update(back)
        if found.digest() != expected:
            raise DataError("LAZ compression would damage these waveforms: write to .las instead")


def _as_one_chunk(
    file: IO[bytes], start: int, count: int, laszip: bytes
) -> tuple[IO[bytes], bytes]:
    """The rest of a file with points compressed in one go, as it would be in chunks.

    The bytes of the points are the same; only the place of the table of chunks is before them, and
    the table with one chunk behind. Returns the compressed part and the record that describes it.
    """
    size = file.seek(0, 2) - start
    record = struct.pack("<H", POINTWISE + 1) + laszip[2:12] + struct.pack("<I", count)
    record += laszip[16:]
    table = io.BytesIO()
    lazrs.write_chunk_table(table, [(count, size)], lazrs.LazVlr(record))
    parts = _Parts(struct.pack("<q", 8 + size), file, start, size, table.getvalue())
    return io.BufferedReader(parts), record


class _Parts(io.RawIOBase):
    """Bytes, a part of a file, and bytes again, read as one file."""

    def __init__(self, head: bytes, file: IO[bytes], start: int, size: int, tail: bytes) -> None:
        self._head, self._file, self._tail = head, file, tail
        self._start, self._behind, self._at = start, len(head) + size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._at, self._behind + len(self._tail))[whence]
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        at, wanted = self._at, len(buffer)
        if at < len(self._head):
            found = self._head[at : at + wanted]
        elif at < self._behind:
            self._file.seek(self._start + at - len(self._head))
            found = self._file.read(min(wanted, self._behind - at))
        else:
            found = self._tail[at - self._behind :][:wanted]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def _table(path: Path, file: IO[bytes], start: int, record: int) -> int:
    """Where the table of chunks begins."""
    size = file.seek(0, 2)
    file.seek(start)
    at = int.from_bytes(file.read(8), "little", signed=True)
    if at == -1:  # written as a stream
        file.seek(size - 8)
        at = int.from_bytes(file.read(8), "little", signed=True)
    if not start + 8 <= at <= size - 8:
        raise FileError(path, "cut short: the table of compressed chunks is missing")
    file.seek(at + 4)
    chunks = int.from_bytes(file.read(4), "little")
    if (chunks - 1) * record > at - start:  # a chunk opens with one plain record
        raise FileError(path, "damaged: the table of compressed chunks makes no sense")
    return at


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if isinstance(error, lazrs.LazrsError) or type(error).__name__ == "PanicException":
            raise FileError(path, f"damaged or cut short: {error}") from None
        raise


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except lazrs.LazrsError as error:  # does not say why
        raise OSError(f"{error}; is the disk full?") from error
