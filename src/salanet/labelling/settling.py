"""Islands of labels among stored cells, put right tile after tile; see `salanet.sampling.islands`.

The result is that of all cells at once: a tile sees as far as its labels depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.labelling.cell_store import CellStore
from salanet.labelling.pieces import Part, Pieces
from salanet.labelling.workfolder import put
from salanet.sampling.blocks import EDGE, BlockTile, block_tiles
from salanet.sampling.islands import reach, settled

FILE = "settled"
TYPE = np.dtype(np.int32)
SITE_BYTES, LABEL_BYTES = 1_200, 40  # of a cell in work; of each of its probabilities


class Rows(NamedTuple):
    """Some cells; see `salanet.sampling.islands.settled`."""

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None = None
    fixed: NDArray[np.bool_] | None = None

    def where(self, chosen: NDArray[np.bool_]) -> Rows:
        return Rows(*(None if array is None else array[chosen] for array in self))  # type: ignore[arg-type]

    @classmethod
    def concat(cls, parts: list[Rows]) -> Rows:
        columns = zip(*parts, strict=True)
        return cls(*(None if c[0] is None else np.concatenate(c) for c in columns))  # type: ignore[arg-type]


@dataclass
class Settling:
    """Puts the labels of all cells of own blocks right.

    Attributes:
        folder: where the result goes: `FILE`, a label of `TYPE` for each cell.
        pieces: which tiles are done.
        store: the cells.
        known: blocks that have labels.
        cell: size of a cell.
        rows: the cells from one number to another.
        labels: how many there are.
        size: most cells of an island.
        limit: bytes to take.
        closed: labels that nobody gets.
    """

    folder: Path
    pieces: Pieces
    store: CellStore
    known: NDArray[np.bool_]
    cell: float
    rows: Callable[[int, int], Rows]
    labels: int
    size: int
    limit: int
    closed: NDArray[np.bool_] | None = None

    def run(self) -> Iterator[tuple[int, int]]:
        """Work on the tiles that are not done yet; yields (cells done, cells in all)."""
        most = max(self.limit // (SITE_BYTES + LABEL_BYTES * self.labels), 1)
        sites = self.store.levels[:, 0]
        cut = block_tiles(self.store.blocks, sites, self.store.own, most, reach(self.size))
        tiles = [(tile, self._parts(tile)) for tile in cut]
        total, done = int(sites[self.store.own].sum()), 0
        for number, (tile, parts) in enumerate(tiles):
            if not self.pieces.has(f"{FILE}-{number}", parts):
                self._settle(tile)
                self.pieces.add(f"{FILE}-{number}", parts)
            done += int(sites[tile.core].sum())
            yield done, total

    def _settle(self, tile: BlockTile) -> None:
        store, read = self.store, list[tuple[NDArray[np.float32], Rows, NDArray[np.bool_]]]()
        buffer, edge = reach(self.size) * self.cell, EDGE * self.cell
        first, last = store.blocks.box(tile.core)
        low, high = first * edge - buffer, last * edge + buffer
        for start, stop in store.spans(tile.seen[self.known[tile.seen]]):
            xyz = store.read(start, stop)[:, :3]
            core = np.zeros(stop - start, bool)
            for a, b in store.spans(tile.core):
                core[max(a - start, 0) : max(b - start, 0)] = True
            near = core | ((xyz >= low) & (xyz <= high)).all(axis=1)
            read.append((xyz[near], self.rows(start, stop).where(near), core[near]))
        seen = Rows.concat([rows for _, rows, _ in read])
        found = settled(
            np.concatenate([xyz for xyz, _, _ in read]),
            seen.labels,
            self.cell,
            size=self.size,
            probabilities=seen.probabilities,
            fixed=seen.fixed,
            closed=self.closed,
        )
        found, at = found[np.concatenate([core for _, _, core in read])].astype(TYPE), 0
        for start, stop in store.spans(tile.core):
            put(self.folder / FILE, start * TYPE.itemsize, found[at : at + stop - start])
            at += stop - start

    def _parts(self, tile: BlockTile) -> list[Part]:
        path, size = self.folder / FILE, TYPE.itemsize
        return [Part(path, a * size, b * size) for a, b in self.store.spans(tile.core)]
