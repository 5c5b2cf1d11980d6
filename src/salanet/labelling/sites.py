"""From stored points with labels to sites on disk: one for each label in each occupied cell."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.labelling.cell_store import CellStore, cuts
from salanet.labelling.point_store import PointStore
from salanet.labelling.settling import TYPE, Rows
from salanet.labelling.workfolder import put
from salanet.sampling.blocks import EDGE, Blocks, block_keys

CODE, FIXED = "code", "fixed"  # arrays of the points, and files of sites


class Sites:
    """The sites of stored points, which get to know the one of each point.

    Args:
        folder: where they go.
        point_store: points of one file with `CODE`, int32, and `FIXED`, uint8: the code stays.
        codes: all codes that occur, rising; the labels of sites are places in it.
    """

    def __init__(self, folder: Path, point_store: PointStore, codes: NDArray[np.int32]) -> None:
        self._folder, self._points, self._codes = folder, point_store, codes
        self._blocks, self._counts, self._own = point_store.blocks()
        self._held = np.zeros(len(self._blocks), np.int64)

    def make(self, points: int) -> Iterator[tuple[int, int]]:
        """Make them, of at most so many points at once, or those of one block.

        Yields:
            Points done, and points in all.
        """
        done = base = 0
        for first, last in pairwise(cuts(self._counts, points)):
            spans = [self._span(run, first, last) for run in self._points.runs]
            base += self._group(self._blocks.part(first, last), spans, first, base)
            done += int(self._counts[first:last].sum())
            yield done, int(self._counts.sum())

    def store(self) -> CellStore:
        """Where they lie, when all are made."""
        starts = np.r_[0, np.cumsum(self._held)]
        path = self._folder / "cells"
        return CellStore(path, 3, self._blocks, starts, self._own, self._held[:, None])

    def rows(self, start: int, stop: int) -> Rows:
        """The labels of sites from one number to another, and which of them are to stay."""
        labels = np.fromfile(self._folder / CODE, TYPE, stop - start, offset=start * TYPE.itemsize)
        fixed = np.fromfile(self._folder / FIXED, np.uint8, stop - start, offset=start)
        return Rows(labels.astype(np.int64), None, fixed.astype(bool))

    def _span(self, run: str, first: int, last: int) -> tuple[int, int]:
        """The rows of some blocks in a run."""
        keys, counts = self._points.held(run)
        rows, starts = np.r_[0, np.cumsum(counts)], self._blocks.keys
        begin = np.searchsorted(keys, starts[first])
        end = np.searchsorted(keys, starts[last]) if last < len(starts) else len(keys)
        return int(rows[begin]), int(rows[end])

    def _group(self, blocks: Blocks, spans: list[tuple[int, int]], first: int, base: int) -> int:
        """Make the sites of some blocks, the first of which has the number `base`; how many."""
        xyz, codes, held = (self._read(name, spans) for name in ("xyz", CODE, FIXED))
        local, cell = xyz - self._points.offset, self._points.grid
        smallest, block = np.unique(block_keys(local, cell), return_inverse=True)
        x, y, z = np.floor(local.T / cell).astype(np.int64) % EDGE
        labels = np.searchsorted(self._codes, codes)
        keys = ((block * EDGE + x) * EDGE + y) * EDGE + z
        keys = keys * len(self._codes) + labels
        order = np.argsort(keys, kind="stable")
        new = np.r_[True, np.diff(keys[order]) != 0]
        starts = np.flatnonzero(new)
        sizes = np.diff(np.r_[starts, len(order)])
        middles = np.add.reduceat(local[order], starts, axis=0) / sizes[:, None]
        put(self._folder / "cells", 12 * base, middles.astype(np.float32))
        at = order[starts]
        put(self._folder / CODE, TYPE.itemsize * base, labels[at].astype(TYPE))
        put(self._folder / FIXED, base, np.minimum.reduceat(held[order], starts))
        site = np.empty(len(order), np.int64)
        site[order] = base + np.cumsum(new) - 1
        done = 0
        for run, (start, stop) in zip(self._points.runs, spans, strict=True):
            if stop > start:
                self._points.put_cells(run, start, site[done : done + stop - start])
            done += stop - start
        of_block = blocks.of(smallest)[block[at]]
        self._held[first : first + len(blocks)] = np.bincount(of_block, minlength=len(blocks))
        return len(starts)

    def _read(self, name: str, spans: list[tuple[int, int]]) -> NDArray[Any]:
        runs = zip(self._points.runs, spans, strict=True)
        return np.concatenate([self._points.read(run, name, a, b) for run, (a, b) in runs])
