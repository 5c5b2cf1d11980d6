"""From stored points to the cells a network sees, on disk, block after block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.adapt.alignment import Alignment
from salanet.cloud import PointCloud
from salanet.io.ahead import TOGETHER, side_by_side
from salanet.labelling.pieces import Part
from salanet.labelling.point_store import OWN, PointStore
from salanet.labelling.workfolder import put
from salanet.sampling import features
from salanet.sampling.blocks import EDGE, Blocks, Keys, block_keys
from salanet.sampling.cells import Cells, cell_features, to_cells
from salanet.sampling.ground import Ground
from salanet.sampling.terrain import terrain_arrays
from salanet.scenes import FLOOR_PERCENTILE


@dataclass
class CellStore:
    """Cells on disk, ordered by block: rows of float32, 3 coordinates and the features.

    Attributes:
        path: the file.
        width: numbers of a row.
        blocks: where they lie.
        starts: row of the first cell of each block, and the number of all rows: (B + 1,).
        own: blocks with points of the file itself.
        levels: how many cells each block has at every level of the network: (B, levels).
    """

    path: Path
    width: int
    blocks: Blocks
    starts: NDArray[np.int64]
    own: NDArray[np.bool_]
    levels: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.starts[-1])

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        row = 4 * self.width
        values = np.fromfile(self.path, np.float32, (stop - start) * self.width, offset=start * row)
        return values.reshape(-1, self.width)

    def spans(self, blocks: NDArray[np.int64]) -> list[tuple[int, int]]:
        """The rows of some blocks (ascending) as few ranges."""
        new = np.flatnonzero(np.diff(blocks) != 1) + 1
        first, last = np.r_[0, new], np.r_[new, len(blocks)] - 1
        begins, ends = self.starts[blocks[first]], self.starts[blocks[last] + 1]
        return [(int(a), int(b)) for a, b in zip(begins, ends, strict=True) if b > a]

    def lowest(self, size: int) -> float:
        """What `salanet.scenes.lowest` says of the heights of all cells."""
        place = (len(self) - 1) * FLOOR_PERCENTILE / 100
        count = int(place) + 2
        least = np.zeros(0, np.float32)
        for start in range(0, len(self), size):
            z = self.read(start, min(start + size, len(self)))[:, 2]
            least = np.sort(np.concatenate([least, z]))[:count]
        low, high = float(least[int(place)]), float(least[min(int(place) + 1, len(self) - 1)])
        return low + (high - low) * (place - int(place))


@dataclass(frozen=True)
class Group:
    """Consecutive blocks whose points become cells together.

    Attributes:
        number: counted from 0.
        blocks: which they are.
        spans: the rows of their points in each run.
        points: how many those are.
    """

    number: int
    blocks: Blocks
    spans: list[tuple[int, int]]
    points: int


@dataclass(frozen=True)
class Made:
    """The cells of a group.

    Attributes:
        rows: float32 (M, width) cells, ordered by block.
        held: how many each block has at every level.
        of_point: of each own run with points in the group its name, its first such row, and the
            cells of the rows from there on.
    """

    rows: NDArray[np.float32]
    held: NDArray[np.int64]
    of_point: list[tuple[str, int, NDArray[np.int64]]]


@dataclass
class CellWriter:
    """Makes a `CellStore` of stored points, in groups of consecutive blocks.

    Attributes:
        folder: where it goes.
        point_store: the points; gets to know the cell of each.
        alignment: how the model sees the file.
        names: features of the model.
        ground: under the points; None if no feature needs it.
        where: what errors call the file.
        depth: levels of the network.
    """

    folder: Path
    point_store: PointStore
    alignment: Alignment
    names: list[str]
    ground: Ground | None
    where: str
    depth: int

    def groups(self, points: int) -> Iterator[tuple[int, int, CellStore | None]]:
        """Work on groups of blocks, several at once of at most `points` together, or on one block.

        Yields:
            Points done, points in all, and the cells after the last group.
        """
        blocks, counts, own = self.point_store.blocks()
        ends = cuts(counts, max(points // TOGETHER, 1))
        places = [self._places(run, blocks.keys[ends[:-1]]) for run in self.point_store.runs]
        groups = [
            Group(
                g,
                blocks.part(first, last),
                [(int(at[g]), int(at[g + 1])) for at in places],
                int(counts[first:last].sum()),
            )
            for g, (first, last) in enumerate(pairwise(ends))
        ]
        if self.ground is not None:
            self.ground.derive()
        found = np.zeros((len(blocks), self.depth), np.int64)
        done, base = 0, 0
        made = side_by_side(self._made, groups, lambda group: group.points, points)
        for group, cells, (first, last) in zip(groups, made, pairwise(ends), strict=True):
            found[first:last] = self._held(group, cells, base)
            base += int(found[first:last, 0].sum())
            done += group.points
            store = None
            if last == len(blocks):
                starts = np.r_[0, np.cumsum(found[:, 0])]
                store = CellStore(self._path, self._row // 4, blocks, starts, own, found)
            yield done, int(counts.sum()), store

    def _made(self, group: Group) -> Made | None:
        """Its cells; None if they may be there from an earlier run."""
        known = self.point_store.pieces.load(self._index(group))
        return self._cells(group) if known is None else None

    def _held(self, group: Group, made: Made | None, base: int) -> NDArray[np.int64]:
        """See to it that a group is done; how many cells each block has at every level."""
        pieces, name = self.point_store.pieces, f"cells-{group.number}"
        if made is None:
            known = pieces.load(self._index(group))
            if known is not None and pieces.has(name, self._parts(group, base, known["held"])):
                return known["held"]
            made = self._cells(group)
        put(self._path, base * self._row, made.rows)
        for run, start, of_point in made.of_point:
            self.point_store.put_cells(run, start, of_point + base)
        pieces.add(name, self._parts(group, base, made.held))
        pieces.save(self._index(group), held=made.held)
        return made.held

    def _index(self, group: Group) -> Path:
        return self.folder / f"cells-{group.number}.npz"

    def _parts(self, group: Group, base: int, held: NDArray[np.int64]) -> list[Part]:
        """Where a group lies: its cells, and which of them each point is in."""
        stop = base + int(held[:, 0].sum())
        own = [
            self.point_store.cell_part(run, start, end)
            for run, (start, end) in zip(self.point_store.runs, group.spans, strict=True)
            if run.startswith(OWN)
        ]
        return [Part(self._path, base * self._row, stop * self._row), *own]

    @property
    def _path(self) -> Path:
        return self.folder / "cells"

    @property
    def _row(self) -> int:
        return 4 * (3 + features.width(self.names))

    def _places(self, run: str, starts: Keys) -> NDArray[np.int64]:
        """Where each group begins in a run, and the end."""
        keys, counts = self.point_store.held(run)
        rows = np.r_[0, np.cumsum(counts)]
        at: NDArray[np.int64] = rows[np.searchsorted(keys, starts)]
        places: NDArray[np.int64] = np.r_[at, rows[-1]]
        return places

    def _cells(self, group: Group) -> Made:
        cloud = self._points(group)
        if self.ground is not None:
            told = [name for name in features.required(self.names) if name not in cloud.attributes]
            cloud.attributes |= terrain_arrays(self.ground, cloud.xyz, told)
        keep = features.required(self.names)
        offset, grid = self.point_store.offset, self.alignment.grid
        cells = to_cells(cloud, grid, keep=keep, offset=offset, black=True, where=self.where)
        keys = block_keys(cloud.xyz - offset, grid)
        smallest = _distinct(keys)
        block = np.empty(len(cells.coord), np.int64)
        block[cells.of_point] = np.searchsorted(smallest, keys)
        order = np.argsort(block, kind="stable")
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        of_point, at = [], 0
        for run, (start, stop) in zip(self.point_store.runs, group.spans, strict=True):
            if run.startswith(OWN) and stop > start:
                of_point.append((run, start, rank[cells.of_point[at : at + stop - start]]))
            at += stop - start
        rows = np.concatenate([cells.coord, self._features(cells)], axis=1)
        held = np.zeros((len(group.blocks), self.depth), np.int64)
        np.add.at(held, group.blocks.of(smallest), self._levels(cells, block, len(smallest)))
        return Made(rows[order], held, of_point)

    def _levels(self, cells: Cells, block: NDArray[np.int64], blocks: int) -> NDArray[np.int64]:
        x, y, z = np.floor(cells.coord.T / self.alignment.grid).astype(np.int64) % EDGE
        codes = _distinct(((block * EDGE + x) * EDGE + y) * EDGE + z)
        held = [np.bincount(block, minlength=blocks)]  # rounding puts no cell elsewhere
        for _ in range(1, self.depth):
            codes = _distinct(_halved(codes))
            held.append(np.bincount(codes // EDGE**3, minlength=blocks))
        return np.stack(held, axis=1)

    def _points(self, group: Group) -> PointCloud:
        runs = zip(self.point_store.runs, group.spans, strict=True)
        spans = [(run, start, stop) for run, (start, stop) in runs if stop > start]
        arrays: dict[str, Any] = {
            name: np.concatenate([self.point_store.read(run, name, a, b) for run, a, b in spans])
            for name in self.point_store.columns
        }
        return PointCloud.of_arrays(arrays.pop("xyz"), arrays)

    def _features(self, cells: Cells) -> NDArray[np.float32]:
        # Heights above the lowest cell wait until that is known: until then they are z.
        cells.arrays["height"] = cells.coord[:, 2]
        return cell_features(
            cells, self.names, self.alignment.intensity_scale, self.alignment.grid, self.where
        )


def _distinct(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each code once, ascending; several times as fast as np.unique, which hashes them."""
    codes = np.sort(codes)
    return codes[np.r_[True, codes[1:] != codes[:-1]]]


def _halved(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cells twice as wide: (block, x, y, z) with x, y and z halved."""
    within = codes % EDGE**3
    # What leaves one place arrives as the highest bit of the next, where no halved one has any.
    kept = (EDGE // 2 - 1) * (EDGE * EDGE + EDGE + 1)
    return codes - within + ((within >> 1) & kept)


def cuts(counts: NDArray[np.int64], points: int) -> list[int]:
    """Where groups of at most `points` begin, and the end."""
    found, held = [0], 0
    for i, count in enumerate(counts.tolist()):
        if held and held + count > points:
            found.append(i)
            held = 0
        held += count
    return [*found, len(counts)]
