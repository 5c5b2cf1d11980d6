"""The octree of a COPC file: which of its points belong to which node.

A COPC file is a LAZ file with its points in an octree, so that parts are read without the rest: a
node of the tree is a chunk of the LAZ. Pages of a hierarchy say which; a page may leave a branch
to another page. Nothing that they say is believed unless the LAZ has such a chunk, and no page or
chunk is read twice. Source: copc.io, version 1.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from salanet.errors import FileError
from salanet.io.las import binary
from salanet.io.las.laz import Chunk, unpack
from salanet.io.limits import check_unpacked

INFO_AT = 375 + 54  # the record with the facts of the tree is the first one
ENTRY = np.dtype([("key", "<i4", 4), ("at", "<u8"), ("size", "<i4"), ("points", "<i4")])
ELSEWHERE = -1  # points of a branch that another page describes
DEEPEST = 31  # levels that a key has bits for
WHOLE = "the whole of it may still be read, without a region or resolution"
Key = tuple[int, int, int, int]  # level; x, y, z in steps of the nodes of this level
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Tree:
    """Nodes in the order of their points in a file.

    Attributes:
        centre: of the root, in the file's units.
        half: of the root's side.
        spacing: between the root's points; it halves from level to level.
        nodes: of each node its key and how many points it has.
    """

    centre: tuple[float, float, float]
    half: float
    spacing: float
    nodes: list[tuple[Key, int]]


def is_copc(path: Path) -> bool:
    """Whether a file is COPC; False for what cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(589)
    except OSError:
        return False
    return head[:4] == b"LASF" and head[377:381] == b"copc"


def tree_of(path: Path, file: IO[bytes], reader: binary.Reader) -> Tree | None:
    """The tree of an open file; None if it is no COPC, or a damaged one."""
    if not is_copc(path):
        return None
    place = file.tell()
    try:
        return Octree(path, file, reader).tree()
    except FileError:
        return None
    finally:
        file.seek(place)


class Octree:
    """The tree of an open COPC file.

    Raises FileError if its hierarchy and its chunks do not agree.
    """

    def __init__(self, path: Path, file: IO[bytes], reader: binary.Reader) -> None:
        self._path, self._file = path, file
        self._size, self._record = path.stat().st_size, reader.las.points.shape[1]
        self._laszip, self._count = reader.laszip, reader.count
        self._chunks = {chunk.at: chunk for chunk in reader.chunks}
        file.seek(INFO_AT)
        info = struct.unpack("<5d2Q", file.read(56))
        half, self._spacing = info[3:5]
        self._low, self._side = np.array(info[:3]) - half, 2 * half
        self._root, self._pages = info[5:7], 0
        # A damaged one would leave points out in silence.
        if not (np.isfinite(info[:4]).all() and half > 0 and 0 <= self._spacing < np.inf):
            raise self._damaged("the facts of its octree make no sense")

    def points(self, bounds: Bounds | None, resolution: float | None) -> NDArray[np.uint8]:
        """The points (n, record size) of the nodes that touch a region, down to a resolution."""
        deepest = self._deepest(resolution)
        chunks = [
            chunk
            for key, chunk in self._nodes()
            if key[0] <= deepest and self._touches(key, bounds)
        ]
        chunks.sort(key=lambda chunk: chunk.at)  # the order of the file
        count = sum(chunk.points for chunk in chunks)
        check_unpacked(self._path, count * self._record)
        raw = np.empty((count, self._record), np.uint8)
        at = 0
        for chunk in chunks:
            unpack(self._path, self._file, self._laszip, chunk, raw[at : at + chunk.points])
            at += chunk.points
        return raw

    def tree(self) -> Tree:
        found = sorted(self._nodes(), key=lambda node: node[1].at)
        x, y, z = (self._low + self._side / 2).tolist()
        nodes = [(key, chunk.points) for key, chunk in found]
        return Tree((x, y, z), self._side / 2, self._spacing, nodes)

    def _deepest(self, resolution: float | None) -> int:
        """The last level that is needed; the spacing halves from one to the next."""
        if resolution is None or not self._spacing:
            return DEEPEST
        level, spacing = 0, self._spacing
        while spacing > resolution and level < DEEPEST:
            level, spacing = level + 1, spacing / 2
        return level

    def _nodes(self) -> list[tuple[Key, Chunk]]:
        """The nodes with points, all of them: otherwise some would be left out in silence."""
        entries = self._page(*self._root)
        pages, found = {self._root[0]}, dict[int, tuple[Key, Chunk]]()
        waiting: list[Key] = [(0, 0, 0, 0)]
        while waiting:
            key = waiting.pop()
            if key not in entries:
                continue
            at, size, points = entries[key]
            if points == ELSEWHERE:
                if at in pages:
                    raise self._damaged("pages of its hierarchy point to each other")
                pages.add(at)
                entries |= self._page(at, size)
                waiting.append(key)
                continue
            if points:
                chunk = self._chunks.get(at)
                if chunk != (points, at, size) or at in found:
                    raise self._damaged("its hierarchy promises points that are not there")
                found[at] = key, chunk
            if key[0] < DEEPEST:
                waiting += _children(key)
        missing = self._count - sum(chunk.points for _, chunk in found.values())
        if missing:
            raise self._damaged(f"its hierarchy leaves out {missing:,} of {self._count:,} points")
        return [*found.values()]

    def _page(self, at: int, size: int) -> dict[Key, tuple[int, int, int]]:
        """Place, bytes and points of each node of a page."""
        self._pages += size
        if not 0 <= size <= self._size - at or self._pages > self._size:
            raise self._damaged("a page of its hierarchy lies beyond the end of the file")
        self._file.seek(at)
        table = np.frombuffer(self._file.read(size // ENTRY.itemsize * ENTRY.itemsize), ENTRY)
        keys = map(tuple, table["key"].tolist())
        rest = zip(*(table[name].tolist() for name in ("at", "size", "points")), strict=True)
        return dict(zip(keys, rest, strict=True))

    def _touches(self, key: Key, bounds: Bounds | None) -> bool:
        if bounds is None:
            return True
        side = self._side / 2 ** key[0]
        x, y = self._low[:2] + side * np.array(key[1:3])
        return bool(
            x <= bounds[2] and x + side >= bounds[0] and y <= bounds[3] and y + side >= bounds[1]
        )

    def _damaged(self, why: str) -> FileError:
        return FileError(self._path, f"damaged: {why}; {WHOLE}")


def _children(key: Key) -> list[Key]:
    level, x, y, z = key
    return [(level + 1, 2 * x + (i & 1), 2 * y + (i >> 1 & 1), 2 * z + (i >> 2)) for i in range(8)]
