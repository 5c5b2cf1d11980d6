"""The points of a file on disk, in the order of blocks: what `salanet.inference.stream` reads.

A run holds points that came together, sorted by block, one file for each array:

| file          | holds                                                              |
|---------------|--------------------------------------------------------------------|
| NAME.xyz      | float64 (n, 3), as the network is to see them                      |
| NAME.order    | uint32 (n,), which point of its piece each is; own runs only       |
| NAME.cell     | the number of its cell, own runs only, written later               |
| NAME.ARRAY    | what features are made from                                        |
| NAME.npz      | blocks and their numbers of points; written last                   |

Own runs (`own-0`, ...) are the file's points, piece after piece; those that the network does not
see are left out, and wait in NAME.npz with the codes they get. Border runs (`border-0`, ...) are
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
from salanet.inference.workfolder import put, save_arrays
from salanet.sampling.blocks import Keys, block_keys

OWN, BORDER = "own", "border"
CELL = np.dtype("<u4")
NONE = np.iinfo(CELL).max  # the cell of points that are left out


class Spool:
    """The runs of one file.

    Args:
        folder: where they lie.
        grid: cell size of the blocks, in the units of the points.
        offset: what is taken off coordinates before they are put into cells.
    """

    def __init__(self, folder: Path, grid: float, offset: NDArray[np.float64]) -> None:
        self.folder, self.grid, self.offset = folder, grid, offset
        folder.mkdir(exist_ok=True)

    def has(self, run: str) -> bool:
        return (self.folder / f"{run}.npz").exists()

    def add(
        self,
        run: str,
        cloud: PointCloud,
        out: NDArray[np.bool_] | None = None,
        codes: NDArray[np.int32] | None = None,
    ) -> None:
        """Write a run; DataError if its points reach too far.

        Args:
            cloud: n points.
            out: which points (N,) of the piece they are from are left out; none by default.
            codes: of those, int32 (N - n,).
        """
        out = np.zeros(len(cloud), bool) if out is None else out
        rows = np.flatnonzero(~out)
        keys = block_keys(cloud.xyz - self.offset, self.grid)
        order = np.argsort(keys, kind="stable")
        columns = {"xyz": cloud.xyz, **cloud.arrays()}
        for name, array in columns.items():
            array[order].tofile(self.folder / f"{run}.{name}")
        if run.startswith(OWN):
            rows[order].astype(np.uint32).tofile(self.folder / f"{run}.order")
            np.zeros(len(order), CELL).tofile(self.folder / f"{run}.cell")
        blocks, counts = np.unique(keys, return_counts=True)
        save_arrays(
            self.folder / f"{run}.npz",
            blocks=blocks,
            counts=counts,
            out=np.flatnonzero(out),
            codes=np.zeros(0, np.int32) if codes is None else codes,
            names=np.array([f"{n}:{a.dtype.str}:{_width(a)}" for n, a in columns.items()]),
        )

    @cached_property
    def runs(self) -> list[str]:
        """The names of all runs, own ones first and in order; ask when all have been added."""
        found: list[str] = []
        for kind in (OWN, BORDER):
            names = [path.stem for path in self.folder.glob(f"{kind}-*.npz")]
            found += sorted(names, key=lambda name: int(name.split("-")[1]))
        return found

    def index(self, run: str) -> dict[str, NDArray[Any]]:
        with np.load(self.folder / f"{run}.npz", allow_pickle=False) as arrays:
            return dict(arrays)

    @cached_property
    def columns(self) -> dict[str, tuple[np.dtype[Any], int]]:
        """The type and width of each array."""
        parts = [str(text).split(":") for text in self.index(self.runs[0])["names"]]
        return {name: (np.dtype(kind), int(width)) for name, kind, width in parts}

    def blocks(self) -> tuple[Keys, NDArray[np.int64], NDArray[np.bool_]]:
        """All blocks, ascending, their numbers of points, and whether some of those are own."""
        keys, counts, own = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool)
        for run in self.runs:
            index = self.index(run)
            more, at = np.unique(np.concatenate([keys, index["blocks"]]), return_inverse=True)
            all_counts = np.concatenate([counts, index["counts"]])
            mine = np.full(len(index["blocks"]), run.startswith(OWN))
            all_own = np.concatenate([own, mine])
            keys = more
            counts = np.bincount(at, all_counts, len(more)).astype(np.int64)
            own = np.bincount(at, all_own, len(more)) > 0
        return keys, counts, own

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
        types: dict[str, tuple[Any, int]] = {"order": (np.uint32, 1), "cell": (CELL, 1)}
        kind, width = types.get(name) or self.columns[name]
        array = np.fromfile(
            self.folder / f"{run}.{name}",
            kind,
            (stop - start) * width,
            offset=start * width * np.dtype(kind).itemsize,
        )
        return array.reshape(-1, width) if width > 1 else array

    def put_cells(self, run: str, start: int, cells: NDArray[Any]) -> None:
        """Write the cells of some rows."""
        data = np.ascontiguousarray(cells, CELL)
        put(self.folder / f"{run}.cell", start * CELL.itemsize, data)

    def cells(self, run: str) -> NDArray[np.uint32]:
        """The cell of each point of an own piece, in the order of the file; NONE if left out."""
        order = np.fromfile(self.folder / f"{run}.order", np.uint32)
        found = np.full(len(order) + len(self.index(run)["out"]), NONE, CELL)
        found[order] = np.fromfile(self.folder / f"{run}.cell", CELL)
        return found


def _width(array: NDArray[Any]) -> int:
    return int(np.prod(array.shape[1:]))
