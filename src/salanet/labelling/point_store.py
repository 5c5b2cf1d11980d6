"""The points of a file on disk, in the order of blocks: what `salanet.labelling.stream` reads.

A run holds points that came together, sorted by block, one file for each array:

| file          | holds                                                              |
|---------------|--------------------------------------------------------------------|
| NAME.xyz      | float64 (n, 3), as the network is to see them                      |
| NAME.order    | uint32 (n,), which point of its piece each is; own runs only       |
| NAME.held     | bool (N,), which points of the piece keep their code; own runs     |
| NAME.former   | int32 (N,), the codes they have; own runs                          |
| NAME.ARRAY    | what features are made from                                        |
| NAME.npz      | blocks and their numbers of points; written last                   |
| cell          | the number of the cell of each own point, run after run            |

Own runs (`own-0`, ...) are the file's points, piece after piece; those that the network does not
see are left out, and wait in NAME.npz with the codes they get. Buffer runs (`buffer-0`, ...) are
points of neighbouring files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.labelling.decision import Own
from salanet.labelling.pieces import Part, Pieces
from salanet.labelling.workfolder import put
from salanet.sampling.blocks import Blocks, Counts, Keys, block_keys, gathered, summed

OWN, BUFFER = "own", "buffer"
CELL = np.dtype("<u4")
NONE = np.iinfo(CELL).max  # the cell of points that are left out


class PointStore:
    """The runs of one file.

    Args:
        folder: where they lie.
        pieces: which of them are done.
        grid: cell size of the blocks, in the units of the points.
        offset: what is taken off coordinates before they are put into cells.
    """

    def __init__(
        self, folder: Path, pieces: Pieces, grid: float, offset: NDArray[np.float64]
    ) -> None:
        self.folder, self.pieces, self.grid, self.offset = folder, pieces, grid, offset
        self._runs: set[str] = set()
        folder.mkdir(exist_ok=True)

    def has(self, run: str) -> bool:
        """Whether a run is there and sound."""
        index = self.pieces.load(self.folder / f"{run}.npz")
        if index is None:
            return False
        names = [str(text).split(":")[0] for text in index["names"]]
        found = self.pieces.has(run, self._parts(run, names))
        self._runs |= {run} if found else set()
        return found

    def add(self, run: str, cloud: PointCloud, own: Own | None = None) -> None:
        """Write a run; DataError if its points reach too far.

        Args:
            cloud: n points.
            own: what is known of the N points of the piece of the file they are from, so many of
                which are left out that n are not; None if n are all, and have no classes.
        """
        own = own or Own.plain(len(cloud))
        rows = np.flatnonzero(~own.out)
        keys = block_keys(cloud.xyz - self.offset, self.grid)
        order = np.argsort(keys, kind="stable")
        columns = {"xyz": cloud.xyz, **cloud.arrays()}
        for name, array in columns.items():
            array[order].tofile(self.folder / f"{run}.{name}")
        if run.startswith(OWN):
            rows[order].astype(np.uint32).tofile(self.folder / f"{run}.order")
            own.held.tofile(self.folder / f"{run}.held")
            own.former.astype(np.int32).tofile(self.folder / f"{run}.former")
        self.pieces.add(run, self._parts(run, [*columns]))
        blocks, counts = summed(keys[order], np.ones(len(keys), np.int64))
        self.pieces.save(
            self.folder / f"{run}.npz",
            blocks=blocks,
            counts=counts,
            out=np.flatnonzero(own.out),
            codes=own.codes,
            names=np.array([f"{n}:{a.dtype.str}:{_width(a)}" for n, a in columns.items()]),
        )
        self._runs.add(run)

    def _parts(self, run: str, names: list[str]) -> list[Part]:
        names = [*names, "order", "held", "former"] if run.startswith(OWN) else names
        return [Part.whole(self.folder / f"{run}.{name}") for name in names]

    @cached_property
    def runs(self) -> list[str]:
        """The names of all runs, own ones first and in order; ask when all have been added."""
        return sorted(self._runs, key=lambda run: (run.startswith(BUFFER), int(run.split("-")[1])))

    @property
    def own_runs(self) -> list[str]:
        return [run for run in self.runs if run.startswith(OWN)]

    @cached_property
    def _starts(self) -> dict[str, int]:
        """Which of all own points is the first of each own run."""
        counts = [int(self.index(run)["counts"].sum()) for run in self.own_runs]
        return dict(zip(self.own_runs, np.cumsum([0, *counts]).tolist(), strict=False))

    def index(self, run: str) -> dict[str, NDArray[Any]]:
        with np.load(self.folder / f"{run}.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    @cached_property
    def columns(self) -> dict[str, tuple[np.dtype[Any], int]]:
        """The type and width of each array."""
        parts = [str(text).split(":") for text in self.index(self.runs[0])["names"]]
        return {name: (np.dtype(kind), int(width)) for name, kind, width in parts}

    def held(self, run: str) -> tuple[Keys, Counts]:
        """The smallest blocks of a run, and their numbers of points."""
        with np.load(self.folder / f"{run}.npz", allow_pickle=False) as arrays:
            return arrays["blocks"], arrays["counts"]

    def blocks(self) -> tuple[Blocks, Counts, NDArray[np.bool_]]:
        """All blocks, their numbers of points, and whether some of those are own."""
        runs = [run for run in self.runs if len(self.held(run)[0])]
        blocks, counts = gathered(lambda: map(self.held, runs))
        own = np.zeros(len(blocks), bool)
        for run in runs:
            if run.startswith(OWN):
                own[blocks.of(self.held(run)[0])] = True
        return blocks, counts, own

    def __len__(self) -> int:
        return sum(int(self.index(run)["counts"].sum()) for run in self.runs)

    def xyz(self, size: int) -> Iterator[NDArray[np.float64]]:
        """All coordinates, at most `size` at once."""
        for run in self.runs:
            count = int(self.index(run)["counts"].sum())
            for start in range(0, count, size):
                yield self.read(run, "xyz", start, min(start + size, count))

    def read(self, run: str, name: str, start: int, stop: int) -> NDArray[Any]:
        """Some rows of an array."""
        kind, width = self.columns[name]
        array = np.fromfile(
            self.folder / f"{run}.{name}",
            kind,
            (stop - start) * width,
            offset=start * width * np.dtype(kind).itemsize,
        )
        return array.reshape(-1, width) if width > 1 else array

    def put_cells(self, run: str, start: int, cells: NDArray[Any]) -> None:
        """Write the cells of some rows of an own run."""
        part = self.cell_part(run, start, start + len(cells))
        put(part.path, part.start, np.ascontiguousarray(cells, CELL))

    def cell_part(self, run: str, start: int, stop: int) -> Part:
        """Where the cells of some rows of an own run are."""
        first, size = self._starts[run], CELL.itemsize
        return Part(self.folder / "cell", (first + start) * size, (first + stop) * size)

    def own(self, run: str) -> Own:
        """What is known of the points of an own piece, in the order of the file."""
        held = np.fromfile(self.folder / f"{run}.held", bool)
        former = np.fromfile(self.folder / f"{run}.former", np.int32)
        index, out = self.index(run), np.zeros(len(held), bool)
        out[index["out"]] = True
        return Own(out, index["codes"], held, former)

    def cells(self, run: str) -> NDArray[np.uint32]:
        """The cell of each point of an own piece, in the order of the file; NONE if left out."""
        order = np.fromfile(self.folder / f"{run}.order", np.uint32)
        found = np.full(len(order) + len(self.index(run)["out"]), NONE, CELL)
        if len(order):
            path, at, _ = self.cell_part(run, 0, len(order))
            found[order] = np.fromfile(path, CELL, len(order), offset=at)
        return found


def _width(array: NDArray[Any]) -> int:
    return int(np.prod(array.shape[1:]))
