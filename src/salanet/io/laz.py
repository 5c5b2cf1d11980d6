"""The compressed points of LAZ files, in and out, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO

import lazrs
import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError, FileError
from salanet.io.limits import check_layers, check_unpacked

CHUNKS_AT_ONCE = 20  # of 50,000 points each, the usual size; bounds the memory of compression
PARALLEL_CHUNK = 1 << 20  # larger chunks are decompressed one point after the other
LOSSY = (9, 10)  # point formats of which lazrs 0.8 mixes up the waveforms of several channels


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

    Raises:
        FileError: the file is damaged, cut short, or promises more than it has room for.
    """

    def __init__(
        self, path: Path, file: IO[bytes], start: int, record: int, count: int, laszip: bytes
    ) -> None:
        self._path, self._record = path, record
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
            places = [(int(end) - n, n) for end, (_, n) in zip(ends, table, strict=True)]
            check_layers(path, file, laszip, record, places)
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
