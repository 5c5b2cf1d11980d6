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
        """Work on groups of at most `points`, or of one block.

        Yields:
            Points done, points in all, and the cells after the last group.
        """
        blocks, counts, own = self.point_store.blocks()
        ends = cuts(counts, points)
        places = [self._places(run, blocks.keys[ends[:-1]]) for run in self.point_store.runs]
        found = np.zeros((len(blocks), self.depth), np.int64)
        done, base = 0, 0
        for g, (first, last) in enumerate(pairwise(ends)):
            spans = [at[g : g + 2] for at in places]
            found[first:last] = self._held(g, blocks.part(first, last), spans, base)
            base += int(found[first:last, 0].sum())
            done += int(counts[first:last].sum())
            store = None
            if last == len(blocks):
                starts = np.r_[0, np.cumsum(found[:, 0])]
                store = CellStore(self._path, self._row // 4, blocks, starts, own, found)
            yield done, int(counts.sum()), store

    def _held(
        self, g: int, blocks: Blocks, spans: list[NDArray[np.int64]], base: int
    ) -> NDArray[np.int64]:
        """See to it that a group is done; how many cells each block has at every level."""
        pieces, name = self.point_store.pieces, f"cells-{g}"
        index = self.folder / f"{name}.npz"
        known = pieces.load(index)
        if known is not None and pieces.has(name, self._parts(spans, base, known["held"])):
            return known["held"]
        rows, held = self._group(blocks, spans, base)
        put(self._path, base * self._row, rows)
        pieces.add(name, self._parts(spans, base, held))
        pieces.save(index, held=held)
        return held

    def _parts(
        self, spans: list[NDArray[np.int64]], base: int, held: NDArray[np.int64]
    ) -> list[Part]:
        """Where a group lies: its cells, and which of them each point is in."""
        stop = base + int(held[:, 0].sum())
        own = [
            self.point_store.cell_part(run, int(a), int(b))
            for run, (a, b) in zip(self.point_store.runs, spans, strict=True)
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

    def _group(
        self, blocks: Blocks, places: list[NDArray[np.int64]], base: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The cells of a group, ordered by block, and how many each block has at every level."""
        cloud = self._points(places)
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
        rank[order] = np.arange(len(order)) + base
        of_point, at = rank[cells.of_point], 0
        for run, (start, stop) in zip(self.point_store.runs, places, strict=True):
            if run.startswith(OWN) and stop > start:
                self.point_store.put_cells(run, int(start), of_point[at : at + stop - start])
            at += stop - start
        rows = np.concatenate([cells.coord, self._features(cells)], axis=1)
        held = np.zeros((len(blocks), self.depth), np.int64)
        np.add.at(held, blocks.of(smallest), self._levels(cells, block, len(smallest)))
        return rows[order], held

    def _levels(self, cells: Cells, block: NDArray[np.int64], blocks: int) -> NDArray[np.int64]:
        x, y, z = np.floor(cells.coord.T / self.alignment.grid).astype(np.int64) % EDGE
        codes = _distinct(((block * EDGE + x) * EDGE + y) * EDGE + z)
        held = [np.bincount(block, minlength=blocks)]  # rounding puts no cell elsewhere
        for _ in range(1, self.depth):
            codes = _distinct(_halved(codes))
            held.append(np.bincount(codes // EDGE**3, minlength=blocks))
        return np.stack(held, axis=1)

    def _points(self, places: list[NDArray[np.int64]]) -> PointCloud:
        point_store = self.point_store
        spans = [
            (r, int(a), int(b)) for r, (a, b) in zip(point_store.runs, places, strict=True) if b > a
        ]
        arrays: dict[str, Any] = {
            name: np.concatenate([point_store.read(run, name, a, b) for run, a, b in spans])
            for name in point_store.columns
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
