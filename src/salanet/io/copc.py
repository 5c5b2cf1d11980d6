"""Part of a COPC file: a region of it, at a resolution.

A COPC file is a LAZ file with its points in an octree, so that parts are read without the rest: a
node of the tree is a chunk of the LAZ. Pages of a hierarchy say which; a page may leave a branch
to another page. Nothing that they say is believed unless the LAZ has such a chunk, and no page or
chunk is read twice. Source: copc.io, version 1.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError
from salanet.io import las, lasfile, reading
from salanet.io.laz import Chunk, unpack
from salanet.io.limits import check_unpacked

INFO_AT = 375 + 54  # the record with the facts of the tree is the first one
ENTRY = np.dtype([("key", "<i4", 4), ("at", "<u8"), ("size", "<i4"), ("points", "<i4")])
ELSEWHERE = -1  # points of a branch that another page describes
DEEPEST = 31  # levels that a key has bits for
WHOLE = "the whole of it may still be read, without a region or resolution"
Key = tuple[int, int, int, int]  # level; x, y, z in steps of the nodes of this level
Bounds = tuple[float, float, float, float]


def parse_bounds(text: str) -> Bounds:
    """Bounds from 'xmin,ymin,xmax,ymax'; ConfigError for anything else."""
    try:
        left, low, right, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--bounds {text}: write xmin,ymin,xmax,ymax") from None
    return left, low, right, high


def is_copc(path: Path) -> bool:
    """Whether a file is COPC; False for what cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(589)
    except OSError:
        return False
    return head[:4] == b"LASF" and head[377:381] == b"copc"


def read_part(
    path: Path, bounds: Bounds | None = None, resolution: float | None = None
) -> PointCloud:
    """Read part of a COPC file.

    Args:
        path: the file.
        bounds: least x and y, greatest x and y; None for everything.
        resolution: the distance between points that is enough, in the file's units; None for all.

    Returns:
        The points, with all that a LAZ file of them needs.

    Raises:
        FileError: the file is not COPC, is damaged, or has no points there.
        ConfigError: bounds that hold nothing, or a resolution that is not positive.
    """
    if bounds is not None and not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise ConfigError(f"bounds {bounds}: give least x, least y, greatest x, greatest y")
    if resolution is not None and not 0 < resolution < np.inf:
        raise ConfigError(f"resolution {resolution}: must be positive")
    if not path.is_file():
        raise FileError(path, "no such file")
    if not is_copc(path):
        raise FileError(path, "only parts of COPC files can be read by region or resolution")
    with reading(path), path.open("rb") as stream:
        reader = lasfile.Reader(path, stream)  # finds what is damaged or cut short, too
        raw = Octree(path, stream, reader).points(bounds, resolution)
    source = las.source_of(replace(reader.las, points=raw))
    cloud = las.to_cloud(source)
    if bounds is not None:
        x, y = cloud.xyz[:, 0], cloud.xyz[:, 1]
        inside = (x >= bounds[0]) & (x <= bounds[2]) & (y >= bounds[1]) & (y <= bounds[3])
        source = replace(source, file=replace(source.file, points=raw[inside]))
        cloud = las.to_cloud(source)
    if not len(cloud):
        raise FileError(path, "has no points in this region")
    las.count_returns(source.file, source.record())
    low, high = cloud.xyz.min(axis=0), cloud.xyz.max(axis=0)
    source.file.set(lasfile.BOUNDS, *np.stack([high, low], axis=1).reshape(-1))
    return cloud


class Octree:
    """The tree of an open COPC file.

    Raises FileError if its hierarchy and its chunks do not agree.
    """

    def __init__(self, path: Path, file: IO[bytes], reader: lasfile.Reader) -> None:
        self._path, self._file = path, file
        self._size, self._record = path.stat().st_size, reader.las.points.shape[1]
        self._laszip, chunks = reader.laszip, reader.chunks
        self._chunks = {chunk.at: chunk for chunk in chunks}
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
        chunks = [*self._nodes(bounds, self._deepest(resolution))]
        # In the order of the file, which is that of the whole.
        chunks.sort(key=lambda chunk: chunk.at)
        count = sum(chunk.points for chunk in chunks)
        check_unpacked(self._path, count * self._record)
        raw = np.empty((count, self._record), np.uint8)
        at = 0
        for chunk in chunks:
            unpack(self._path, self._file, self._laszip, chunk, raw[at : at + chunk.points])
            at += chunk.points
        return raw

    def _deepest(self, resolution: float | None) -> int:
        """The last level that is needed; the spacing halves from one to the next."""
        if resolution is None or not self._spacing:
            return DEEPEST
        level, spacing = 0, self._spacing
        while spacing > resolution and level < DEEPEST:
            level, spacing = level + 1, spacing / 2
        return level

    def _nodes(self, bounds: Bounds | None, deepest: int) -> Iterator[Chunk]:
        """The chunks of the nodes with points in a region, down to a level."""
        entries = self._page(*self._root)
        pages, chunks = {self._root[0]}, set[int]()
        waiting: list[Key] = [(0, 0, 0, 0)]
        while waiting:
            key = waiting.pop()
            if key not in entries or not self._touches(key, bounds):
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
                if chunk != (points, at, size) or at in chunks:
                    raise self._damaged("its hierarchy promises points that are not there")
                chunks.add(at)
                yield Chunk(points, at, size)
            if key[0] < deepest:
                waiting += _children(key)

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
