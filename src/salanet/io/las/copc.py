"""COPC written: a LAZ file whose chunks are the nodes of an octree.

Source: copc.io, version 1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import lazrs
import numpy as np

from salanet.errors import DataError
from salanet.io.atomic import temporary_name
from salanet.io.las import binary
from salanet.io.las.binary import LasFile, Vlr
from salanet.io.las.octree import ENTRY, Key, Tree
from salanet.io.las.planting import Cube, Raw, plant

SUFFIX = ".copc.laz"
FORMATS = (6, 7, 8)
HEADER = 375  # bytes: the facts of the tree come right behind
INFO = "<5d2Q2d88x"
TIME_AT = 22  # where these formats have the time
PIECE = 1 << 18  # points at once
OTHER_ORDER = "the points are in the order of the file's tree, not in that of the source"


def named(path: Path) -> bool:
    """Whether a name promises COPC."""
    return path.name.lower().endswith(SUFFIX)


def unfit(file: LasFile) -> str | None:
    """Why a LAS file cannot become COPC; None if it can."""
    if file.format not in FORMATS:
        return f"COPC has point formats 6 to 8, this file has {file.format}"
    if file.header[binary.MINOR.at] != 4 or len(file.header) != HEADER:
        return "COPC has the header of LAS 1.4, this file another one"
    return None


def make(path: Path, tree: Tree | None) -> list[str]:
    """Make COPC of a complete LAZ file, in its place.

    Args:
        path: the file.
        tree: which of its points, in their order, belong to which node; None to plant one, and to
            bring the points into its order.

    Returns:
        Remarks, one line each.

    Raises:
        DataError: COPC cannot hold such points.
    """
    new = temporary_name(path)
    try:
        with path.open("rb") as file, new.open("wb+") as to:
            reader = binary.Reader(path, file)
            why = unfit(reader.las)
            if why is not None:
                raise DataError(f"{why}: write .laz instead")
            if tree is not None and sum(points for _, points in tree.nodes) == reader.count:
                nodes = _as_before(reader, tree)
                remarks = list[str]()
            else:
                cube = Cube.around(reader.las, lambda: _pieces(path))
                shape = reader.count, reader.las.get(binary.RECORD_SIZE)
                nodes = plant(cube, shape, lambda: _pieces(path), path)
                tree, remarks = cube.tree([]), [OTHER_ORDER]
            _write(to, reader.las, tree, nodes)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return remarks


def _as_before(reader: binary.Reader, tree: Tree) -> Iterator[tuple[Key, Raw]]:
    for key, points in tree.nodes:
        yield key, reader.read(points)


def _pieces(path: Path) -> Iterator[Raw]:
    with path.open("rb") as file:
        reader = binary.Reader(path, file)
        for start in range(0, reader.count, PIECE):
            yield reader.read(min(PIECE, reader.count - start))


def _write(to: IO[bytes], las: LasFile, tree: Tree, nodes: Iterable[tuple[Key, Raw]]) -> None:
    """Write a file: `las` without its points, and the nodes of a tree in any order."""
    record = las.get(binary.RECORD_SIZE)
    extra = record - binary.RECORD_SIZES[las.format]
    packed = lazrs.LazVlr.new_for_compression(las.format, extra, True)
    others = [vlr for vlr in las.vlrs if vlr.key != binary.LASZIP]
    laszip = Vlr.new(*binary.LASZIP, b"by laszip of LAStools", packed.record_data())
    info = Vlr.new(binary.COPC, 1, b"COPC info", bytes(struct.calcsize(INFO)))
    start = HEADER + len(las.gap) + sum(len(v.head + v.data) for v in (info, laszip, *others))
    to.write(bytes(start))
    to.flush()
    keys, times = list[Key](), np.array([np.inf, -np.inf])
    compressor = lazrs.ParLasZipCompressor(to, packed)
    for some in _batches(nodes):
        keys += [key for key, _ in some]
        for _, points in some:
            time = np.ascontiguousarray(points[:, TIME_AT : TIME_AT + 8]).view("<f8")
            times[:] = np.fmin(times[0], time.min()), np.fmax(times[1], time.max())
        try:
            compressor.compress_chunks([points.reshape(-1) for _, points in some])
        except lazrs.LazrsError as error:  # does not say why
            raise OSError(f"{error}; is the disk full?") from error
    compressor.done()

    entries = np.zeros(len(keys), ENTRY)
    to.seek(start)
    table = np.array(lazrs.read_chunk_table(to, packed), np.int64).reshape(-1, 2)
    entries["key"], entries["points"], entries["size"] = keys, table[:, 0], table[:, 1]
    entries["at"] = start + 8 + np.cumsum(table[:, 1]) - table[:, 1]
    pages = np.sort(entries, order="key").tobytes()
    end = to.seek(0, 2)
    las.set(binary.EVLRS_AT, end)
    las.set(binary.EVLR_COUNT, las.get(binary.EVLR_COUNT) + 1)
    head = struct.pack("<2x16sHQ32s", binary.COPC, 1000, len(pages), b"COPC hierarchy")
    to.write(head + pages + las.tail)

    facts = (*tree.centre, tree.half, tree.spacing, end + len(head), len(pages), *times)
    info = info._replace(data=struct.pack(INFO, *facts))
    las.set(binary.VLR_COUNT, len(others) + 2)
    las.set(binary.POINTS_AT, start)
    las.set(binary.FORMAT, las.format | binary.COMPRESSED)
    to.seek(0)
    to.write(las.header)
    for vlr in (info, laszip, *others):
        to.write(vlr.head + vlr.data)
    to.write(las.gap)


def _batches(nodes: Iterable[tuple[Key, Raw]]) -> Iterator[list[tuple[Key, Raw]]]:
    """Several nodes at a time, for several processors."""
    batch, count = list[tuple[Key, Raw]](), 0
    for key, points in nodes:
        batch.append((key, points))
        count += len(points)
        if count >= PIECE:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch
