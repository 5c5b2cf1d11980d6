"""An octree for the points of a LAZ file of any size, as COPC wants it.

The root has one point of each of 128 x 128 x 128 cells, its children one of each of theirs among
what is left, and so on; a node that few points reach takes them all. Files that do not fit into
memory are cut into cubes of the tree first: no cell of a level above reaches over their faces, so
each cube chooses its own points for every level.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.io.atomic import remove_stale, temporary_name
from salanet.io.las import binary
from salanet.io.las.binary import LasFile
from salanet.io.las.octree import Key, Tree

BITS = 21  # of each axis in a code
CELL_BITS = 7  # a node has 128 cells along each axis
LAST = BITS - CELL_BITS  # level
FEW = 50_000  # points that a node takes whole
AT_ONCE = 1 << 20  # points in memory

Raw = NDArray[np.uint8]
Codes = NDArray[np.uint64]
Pieces = Callable[[], Iterator[Raw]]


@dataclass(frozen=True)
class Cube:
    """Where the tree is: places become codes, whose bits choose child after child.

    Attributes:
        low: least corner, in the file's units.
        side: of the root.
        scales, offsets: of the file's integers.
    """

    low: NDArray[np.float64]
    side: float
    scales: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @classmethod
    def around(cls, file: LasFile, pieces: Pieces) -> Cube:
        """The cube around all points of a file."""
        low, high = np.full(3, np.iinfo(np.int64).max), np.full(3, np.iinfo(np.int64).min)
        for points in pieces():
            xyz = _integers(points)
            low, high = np.minimum(low, xyz.min(axis=0)), np.maximum(high, xyz.max(axis=0))
        scales, offsets = (np.array(file.get(f)) for f in (binary.SCALES, binary.OFFSETS))
        ends = np.sort(np.stack([low, high]) * scales + offsets, axis=0)
        # A little more than the points need, so that rounding leaves none of them outside.
        side = float((ends[1] - ends[0]).max() + 2 * np.abs(scales).max())
        return cls(ends.mean(axis=0) - side / 2, side, scales, offsets)

    def codes(self, points: Raw) -> Codes:
        """The codes (n,) of points (n, record size)."""
        xyz = _integers(points) * self.scales + self.offsets
        steps = np.floor((xyz - self.low) / self.side * (1 << BITS))
        x, y, z = np.clip(steps, 0, (1 << BITS) - 1).astype(np.uint64).T
        code: Codes = _spread(x) | _spread(y) << np.uint64(1) | _spread(z) << np.uint64(2)
        return code

    def tree(self, nodes: list[tuple[Key, int]]) -> Tree:
        x, y, z = (self.low + self.side / 2).tolist()
        return Tree((x, y, z), self.side / 2, self.side / (1 << CELL_BITS), nodes)


def plant(
    cube: Cube, shape: tuple[int, int], pieces: Pieces, to: Path, at_once: int = AT_ONCE
) -> Iterator[tuple[Key, Raw]]:
    """The nodes of a tree with their points (n, record size), each node once.

    Args:
        cube: of the points.
        shape: how many points, and the record size.
        pieces: gives all of them in arrays (n, record size) of any length; called twice.
        to: temporary files lie beside this path.
        at_once: points in memory, about.
    """
    if shape[0] <= at_once:
        points = np.concatenate([*pieces()])
        yield from _nodes(points, cube.codes(points), 0)
        return
    remove_stale(to)
    folder = temporary_name(to)
    folder.mkdir()
    try:
        starts, levels = _cut(cube, pieces, at_once)
        _distribute(cube, pieces, starts, folder)
        shared: dict[Key, Path] = {}
        for number, level in enumerate(levels):
            points = _taken(folder / f"{number}", shape[1])
            for key, some in _nodes(points, cube.codes(points), level):
                if key[0] >= level:
                    yield key, some
                    continue
                shared[key] = folder / "-".join(map(str, key))
                with shared[key].open("ab") as file:
                    file.write(some)
        for key, path in shared.items():
            yield key, _taken(path, shape[1])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _nodes(points: Raw, codes: Codes, level: int) -> Iterator[tuple[Key, Raw]]:
    """The nodes of the points of one cube, which is a node of `level`, and their parts of those
    above it, all of which other cubes have points of too."""
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    for here in range(LAST + 1):
        if not len(codes):
            return
        node = codes >> np.uint64(3 * (BITS - here))
        first = np.flatnonzero(np.diff(node, prepend=node[:1] + np.uint64(1)))
        sizes = np.diff(first, append=len(node))
        whole = (sizes <= FEW) & (here >= level) | (here == LAST)
        taken = np.repeat(whole, sizes)
        taken |= _one_of_each(codes >> np.uint64(3 * (LAST - here)))
        for begin, size in zip(first.tolist(), sizes.tolist(), strict=True):
            rows = order[begin : begin + size][taken[begin : begin + size]]
            yield _key(here, int(node[begin])), points[np.sort(rows)]
        order, codes = order[~taken], codes[~taken]


def _one_of_each(cells: Codes) -> NDArray[np.bool_]:
    """One point of each cell, wherever in it; points (n,) lie cell by cell."""
    first = np.flatnonzero(np.diff(cells, prepend=cells[:1] + np.uint64(1)))
    sizes = np.diff(first, append=len(cells)).astype(np.uint64)
    # Always the first would be a corner of each cell.
    chosen = (cells[first] * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)) % sizes
    taken = np.zeros(len(cells), bool)
    taken[first + chosen.astype(np.int64)] = True
    return taken


def _cut(cube: Cube, pieces: Pieces, at_once: int) -> tuple[Codes, list[int]]:
    """Cubes of at most `at_once` points, or of the last level that one can have: their first
    codes, in order, and their levels."""
    cells, counts = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for points in pieces():
        found, number = np.unique(cube.codes(points) >> _shift(CELL_BITS), return_counts=True)
        cells, inverse = np.unique(np.concatenate([cells, found]), return_inverse=True)
        counts = np.bincount(inverse, np.concatenate([counts, number])).astype(np.int64)
    chosen: list[tuple[int, int]] = []
    for level in range(CELL_BITS + 1):
        nodes, inverse = np.unique(cells >> np.uint64(3 * (CELL_BITS - level)), return_inverse=True)
        small = np.bincount(inverse, counts, len(nodes)) <= at_once
        small |= level == CELL_BITS
        chosen += [(int(node) << int(_shift(level)), level) for node in nodes[small]]
        cells, counts = cells[~small[inverse]], counts[~small[inverse]]
    chosen.sort()
    return np.array([code for code, _ in chosen], np.uint64), [level for _, level in chosen]


def _distribute(cube: Cube, pieces: Pieces, starts: Codes, folder: Path) -> None:
    """Write the points of each cube to a file of its own."""
    for points in pieces():
        owner = np.searchsorted(starts, cube.codes(points), side="right") - 1
        order = np.argsort(owner, kind="stable")
        bounds = np.searchsorted(owner[order], np.arange(len(starts) + 1))
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            with (folder / f"{number}").open("ab") as file:
                file.write(points[order[bounds[number] : bounds[number + 1]]])


def _taken(path: Path, record: int) -> Raw:
    """The points of a temporary file, which goes."""
    points = np.fromfile(path, np.uint8).reshape(-1, record)
    path.unlink()
    return points


def _integers(points: Raw) -> NDArray[np.int64]:
    """X, Y, Z (n, 3) as they are stored."""
    return np.ascontiguousarray(points[:, :12]).view("<i4").astype(np.int64)


def _shift(levels: int) -> np.uint64:
    return np.uint64(3 * (BITS - levels))


def _spread(steps: Codes) -> Codes:
    """Two zeros behind each of 21 bits."""
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        steps = (steps | steps << np.uint64(shift)) & np.uint64(mask)
    return steps


def _key(level: int, node: int) -> Key:
    x, y, z = (
        sum((node >> (3 * bit + axis) & 1) << bit for bit in range(level)) for axis in range(3)
    )
    return level, x, y, z
