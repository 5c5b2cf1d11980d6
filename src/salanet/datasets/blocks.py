"""A split by area: squares of the ground, each whole in train, val or test.

Blocks count from the origin of the coordinates, so files that overlap or touch agree on them. A
block's share is the ground that labelled points cover in it, in small squares.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.files import Settings, labels_of
from salanet.datasets.jobs import SPLITS, Job, run_labelled
from salanet.datasets.usable import usable
from salanet.errors import ConfigError, DataError, NoLabelsError
from salanet.scenes import BELOW

Block = tuple[int, int]
SQUARES = 8  # small squares along the side of a block, at most
FARTHEST = 1 << 52  # cells from the origin that float64 still tells apart
SHOWN = 8


@dataclass(frozen=True)
class Part:
    """The blocks of one file that belong to one split.

    Attributes:
        cells: grid cells along a block's side.
        blocks: the file's blocks in val or test; those of the split, or for train those left out.
        inverse: the part is everything but `blocks`.
    """

    cells: int
    blocks: frozenset[Block]
    inverse: bool

    def holds(self, xy: NDArray[np.float64], grid: float) -> NDArray[np.bool_]:
        """Which of the places (M, 2) are in the part."""
        blocks, of_place = _blocks(xy, grid, self.cells)
        inside = [(block in self.blocks) != self.inverse for block in blocks]
        return np.array(inside, bool)[of_place]

    def record(self) -> dict[str, Any]:
        return {"cells": self.cells, "inverse": self.inverse, "blocks": sorted(self.blocks)}


@dataclass(frozen=True)
class Contents:
    """What a file holds, before anything is written.

    Attributes:
        points: their number, without those that are left out.
        areas: covered ground by block, in square units; blocks without labelled points left out.
        counts: int64 (classes,) labelled points by block.
        unknown: points of each label code that is not in the class map.
    """

    source: Path
    points: int
    areas: dict[Block, float]
    counts: dict[Block, NDArray[np.int64]]
    unknown: Counter[int]


def count(
    files: Sequence[Path],
    settings: Settings,
    cells: int | None,
    *,
    workers: int = 1,
    done: Callable[[Contents], None] | None = None,
    skipped: Callable[[NoLabelsError], None] | None = None,
) -> list[Contents]:
    """Read every file and count; one block for all if `cells` is None.

    Files without labels are left out, and `skipped` gets to know why. Raises DataError with all the
    labels that the class map lacks, NoLabelsError if no file has any.
    """
    work = partial(count_file, settings=settings, cells=cells)
    found = run_labelled(work, files, workers=workers, done=done, skipped=skipped)
    _require_known(found)
    return found


def count_file(source: Path, settings: Settings, cells: int | None) -> Contents:
    where = str(source)
    cloud, _ = usable(settings.read(source), settings, where)
    labels = labels_of(cloud, settings.label_field, where)
    known, unknown = settings.classes.split_unknown(labels)
    segment = settings.classes.encode(labels[known], where)
    xy = cloud.xyz[known][segment >= 0, :2]
    segment = segment[segment >= 0]
    side = cells or 1
    if np.abs(xy).max(initial=0) / settings.grid > FARTHEST:
        raise DataError(f"{where}: reaches too far for cells of {settings.grid:g}")
    classes = len(settings.classes.names)
    blocks, of_point = _blocks(xy if cells else np.zeros_like(xy), settings.grid, side)
    table = np.bincount(of_point * classes + segment, minlength=len(blocks) * classes)
    small = max(side // SQUARES, 1)
    squares, first = np.unique(_packed(_index(xy, settings.grid, small)), return_index=True)
    areas = np.bincount(of_point[first], minlength=len(blocks)) * (small * settings.grid) ** 2
    counts = table.reshape(-1, classes) if len(squares) else np.zeros((0, classes), np.int64)
    return Contents(
        source,
        len(cloud),
        dict(zip(blocks, areas.tolist(), strict=True)),
        dict(zip(blocks, counts, strict=True)),
        unknown,
    )


def plan_blocks(
    contents: Sequence[Contents],
    destination: str | Path,
    cells: int,
    *,
    val: float,
    test: float,
    seed: int = 0,
) -> list[Job]:
    """Jobs for the parts of every file; no block is in two splits.

    Raises ConfigError: fractions that leave nothing, fewer blocks than splits.
    """
    areas: dict[Block, float] = {}
    for one in contents:
        for block, area in one.areas.items():
            areas[block] = max(area, areas.get(block, 0.0))
    splits = assign(areas, val=val, test=test, seed=seed)
    jobs = []
    for one in contents:
        mine = {split: {b for b in one.areas if splits[b] == split} for split in SPLITS}
        for split in SPLITS:
            if mine[split]:
                train = split == "train"
                blocks = frozenset(mine["val"] | mine["test"] if train else mine[split])
                folder = Path(destination) / split / one.source.stem
                jobs.append(Job.of_file(one.source, split, folder, Part(cells, blocks, train)))
    return jobs


def assign(
    areas: Mapping[Block, float], *, val: float, test: float, seed: int = 0
) -> dict[Block, str]:
    """A split for every block, so that val and test get their fractions of the area.

    The same blocks in any order, and the same seed, give the same splits.
    """
    if min(val, test) < 0 or val + test >= 1:
        raise ConfigError(f"--val {val:g} and --test {test:g} leave nothing to train on")
    wanted = [(split, share) for split, share in (("test", test), ("val", val)) if share]
    if len(areas) <= len(wanted):
        raise ConfigError(
            f"the labelled points cover {len(areas)} blocks, too few for "
            f"{len(wanted) + 1} splits: use a smaller --block"
        )
    free = sorted(areas, key=lambda b: hashlib.sha256(f"{seed},{b[0]},{b[1]}".encode()).digest())
    total, splits = sum(areas.values()), dict.fromkeys(areas, "train")
    for left, (split, share) in zip(range(len(wanted), 0, -1), wanted, strict=True):
        chosen: list[Block] = []
        have = 0.0
        for block in free:
            if have + areas[block] / 2 <= share * total and len(chosen) + left < len(free):
                chosen.append(block)
                have += areas[block]
        chosen = chosen or free[:1]
        splits |= dict.fromkeys(chosen, split)
        free = [block for block in free if splits[block] == "train"]
    return splits


def block_cells(block: float, grid: float) -> int:
    """Whole grid cells along the side of a block, so that none is cut."""
    cells = round(block / grid) if 0 < block < float("inf") else 0
    if cells < 1:
        raise ConfigError(f"--block must be larger than the grid of {grid:g}, not {block:g}")
    return cells


def _require_known(contents: Iterable[Contents]) -> None:
    """Raise DataError with every label that the class map lacks, over all files."""
    codes: Counter[int] = Counter()
    files: dict[int, list[Path]] = {}
    for one in contents:
        codes.update(one.unknown)
        for code in one.unknown:
            files.setdefault(code, []).append(one.source)
    if not codes:
        return
    said = [
        f"{code} ({count:,} points in {len(files[code])} files, such as {files[code][0]})"
        for code, count in sorted(codes.items())[:SHOWN]
    ]
    more = f" and {len(codes) - SHOWN} more" if len(codes) > SHOWN else ""
    raise DataError(
        f"label {', '.join(said)}{more} not in the class map; give each to a class, put it under "
        "'ignore', or give one class the catch-all '*'"
    )


def _blocks(
    xy: NDArray[np.float64], grid: float, cells: int
) -> tuple[list[Block], NDArray[np.int64]]:
    """The different blocks of places (N, 2), and the one each place is in."""
    index = _index(xy, grid, cells)
    _, first, inverse = np.unique(_packed(index), return_index=True, return_inverse=True)
    return [(int(x), int(y)) for x, y in index[first]], inverse.reshape(-1)


def _index(xy: NDArray[np.float64], grid: float, cells: int) -> NDArray[np.int64]:
    return np.floor_divide(np.floor(xy / grid + BELOW).astype(np.int64), cells)


def _packed(index: NDArray[np.int64]) -> NDArray[Any]:
    """One value for both numbers, for sorting."""
    if not len(index):
        return np.zeros(0, np.int64)
    low, high = index.min(axis=0), index.max(axis=0)
    wide = int(high[1] - low[1]) + 1
    if int(high[0] - low[0] + 1) * wide < 1 << 62:
        packed: NDArray[np.int64] = (index[:, 0] - low[0]) * wide + (index[:, 1] - low[1])
        return packed
    return np.ascontiguousarray(index).view([("x", np.int64), ("y", np.int64)]).reshape(-1)
