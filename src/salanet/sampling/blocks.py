"""Cubic blocks of grid cells: how a cloud larger than the memory is put in order and cut up.

The smallest blocks are `EDGE` cells wide and lie on the cells' own grid, so no cell is in two of
them. Their numbers go along a Z-order curve, where eight that make one twice as wide follow each
other. So points that are sorted once are in order for blocks of any width, and a sparse cloud is
cut into few wide ones (`gathered`): what is kept of each block does not grow with the cloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError

EDGE = 32  # cells
BITS = 21  # of a key for each axis
MIDDLE = 1 << (BITS - 1)
FULL = 1024  # points of a block that is not made wider,
MOST = 1 << 15  # or more in a cloud of more than as many such blocks
STEPS = 2  # halvings of blocks at once
_HALF = 11  # bits that are looked up at once

Keys = NDArray[np.int64]
Counts = NDArray[np.int64]


class BlockTile(NamedTuple):
    """Blocks a tile answers for, and blocks it sees, themselves included: ascending rows."""

    core: NDArray[np.int64]
    seen: NDArray[np.int64]


@dataclass(frozen=True)
class Blocks:
    """Blocks of several widths, none within another.

    Attributes:
        keys: of the first smallest block in each (B,), ascending.
        widths: of each in smallest blocks (B,): powers of two.
    """

    keys: Keys
    widths: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, keys: Keys) -> NDArray[np.int64]:
        """Which one holds each of some smallest blocks, all of them held by one."""
        return np.searchsorted(self.keys, keys, side="right") - 1

    def part(self, first: int, last: int) -> Blocks:
        """Those from one to another."""
        return Blocks(self.keys[first:last], self.widths[first:last])

    @cached_property
    def low(self) -> NDArray[np.int64]:
        """Where each begins along x, y, z, in smallest blocks: (B, 3)."""
        return block_places(self.keys)

    @cached_property
    def high(self) -> NDArray[np.int64]:
        """Where each ends (B, 3)."""
        return self.low + self.widths[:, None]

    def box(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Least and greatest places (3,) of some."""
        return self.low[rows].min(axis=0), self.high[rows].max(axis=0)


def block_keys(xyz: NDArray[np.float64], grid: float) -> Keys:
    """The smallest block of each point (N, 3), as a number along the curve.

    Raises DataError if the points reach too far for cells of this size.
    """
    keys = np.zeros(len(xyz), np.int64)
    for axis in range(3):
        # As in the kernels: a cell is floor(p / grid), in float64.
        block = np.floor(np.floor(xyz[:, axis] / grid) / EDGE)
        if len(block) and not (block.min() >= -MIDDLE and block.max() < MIDDLE):
            raise DataError(f"coordinates reach too far for cells of {grid}")
        place = block.astype(np.int64) + MIDDLE
        keys |= _SPREAD[place & ((1 << _HALF) - 1)] << axis
        keys |= _SPREAD[place >> _HALF] << (axis + 3 * _HALF)
    return keys


def block_places(keys: Keys) -> NDArray[np.int64]:
    """Which smallest block along x, y, z each key stands for: (N, 3)."""
    places = np.zeros((len(keys), 3), np.int64)
    for axis in range(3):
        for bit in range(BITS):
            places[:, axis] |= ((keys >> (3 * bit + axis)) & 1) << bit
    return places - MIDDLE


def gathered(pieces: Callable[[], Iterable[tuple[Keys, Counts]]]) -> tuple[Blocks, Counts]:
    """The widest blocks of a cloud that hold no more than `FULL` points, or are the smallest.

    Args:
        pieces: gives keys of smallest blocks, ascending, and their numbers of points, at least one;
            a block may be in several. Called several times.

    Returns:
        The blocks that hold points, and how many.
    """
    none = np.zeros(0, np.int64)
    ends = [(int(keys[0]), int(keys[-1]), int(counts.sum())) for keys, counts in pieces()]
    if not ends:
        return Blocks(none, none), none
    least, greatest = min(end[0] for end in ends), max(end[1] for end in ends)
    full = max(FULL, sum(end[2] for end in ends) // MOST)
    level = -(-(least ^ greatest).bit_length() // 3)  # halvings of a block that holds everything
    crowded = np.array([least >> (3 * level)])
    found: list[tuple[NDArray[np.int64], ...]] = []
    while len(crowded):
        steps = min(STEPS, level)
        level -= steps
        keys, counts = _held(pieces(), crowded, level, steps)
        blocks = (keys << (3 * level), np.full(len(keys), level), counts)
        for up in range(1, steps):  # not as wide as those that are crowded
            blocks = _joined(*blocks, level + up, full)
        keys, levels, counts = blocks
        cut = (levels == level) & (counts > full) & (level > 0)
        crowded = keys[cut] >> (3 * level)
        found.append((keys[~cut], levels[~cut], counts[~cut]))
    keys, levels, counts = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = np.argsort(keys)
    return Blocks(keys[order], 1 << levels[order]), counts[order]


def summed(keys: Keys, counts: Counts) -> tuple[Keys, Counts]:
    """Each key once, ascending, and the sum of its counts."""
    order = np.argsort(keys, kind="stable")  # quick, where it is a few runs that ascend
    keys, counts = keys[order], counts[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]][: len(keys)])
    return keys[starts], np.add.reduceat(counts, starts) if len(keys) else counts


def _held(
    pieces: Iterable[tuple[Keys, Counts]], parents: Keys, level: int, steps: int
) -> tuple[Keys, Counts]:
    """The blocks of a level, and their points, in some that are wider by so many halvings."""
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for smallest, held in pieces:
        parent = smallest >> (3 * (level + steps))
        at = np.minimum(np.searchsorted(parents, parent), len(parents) - 1)
        inside = parents[at] == parent
        some, more = summed(smallest[inside] >> (3 * level), held[inside])
        keys, counts = summed(np.concatenate([keys, some]), np.concatenate([counts, more]))
    return keys, counts


def _joined(
    keys: Keys, levels: NDArray[np.int64], counts: Counts, level: int, full: int
) -> tuple[Keys, NDArray[np.int64], Counts]:
    """Blocks of a level in the place of narrower ones, where they hold few enough points."""
    wide = keys >> (3 * level)
    first = np.r_[True, wide[1:] != wide[:-1]]
    starts = np.flatnonzero(first)
    sums = np.repeat(np.add.reduceat(counts, starts), np.diff(np.r_[starts, len(keys)]))
    join = sums <= full
    kept = first | ~join
    keys, levels = np.where(join, wide << (3 * level), keys), np.where(join, level, levels)
    return keys[kept], levels[kept], np.where(join, sums, counts)[kept]


def blocks_around(blocks: Blocks, wanted: NDArray[np.bool_], cells: float) -> NDArray[np.bool_]:
    """Which blocks are wanted, or come within so many cells of the box around those that are."""
    if wanted.all() or not wanted.any():
        return wanted
    low, high = blocks.box(np.flatnonzero(wanted))
    reach = cells / EDGE
    near = (blocks.low < high + reach) & (blocks.high > low - reach)
    found: NDArray[np.bool_] = wanted | (near.all(axis=1) & (cells > 0))
    return found


def block_tiles(
    blocks: Blocks, costs: NDArray[Any], wanted: NDArray[np.bool_], limit: int, buffer: float
) -> Iterator[BlockTile]:
    """Cut blocks into tiles whose cores partition the wanted ones.

    A tile that costs more than `limit` is halved across the longest side of its core where both
    halves cost about as much, down to one block.

    Args:
        blocks: all there are.
        costs: of seeing each, such as its cells.
        wanted: blocks that have to be in a core.
        limit: most a tile costs, wherever a single block allows it.
        buffer: how far a tile sees beyond its core, in cells.
    """
    reach = buffer / EDGE
    stack = [(np.flatnonzero(wanted), np.arange(len(blocks)))]
    while stack:
        core, near = stack.pop()
        if not len(core):
            continue
        low, high = blocks.box(core)
        inside = np.minimum(blocks.high[near], high + reach)
        inside -= np.maximum(blocks.low[near], low - reach)
        share = np.clip(inside / blocks.widths[near, None], 0, 1).prod(axis=1)
        near, share = near[share > 0], share[share > 0]
        if share @ costs[near] <= limit or len(core) == 1:
            yield BlockTile(core, near)
            continue
        left = _half(blocks.low[core], high - low, costs[core])
        stack += [(core[~left], near), (core[left], near)]


def _half(
    low: NDArray[np.int64], size: NDArray[np.int64], costs: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which of several blocks are in the first half of what all cost, across their longest side."""
    apart = (low != low[0]).any(axis=0)  # blocks side by side along an axis, or all in a row
    axis = int(np.where(apart, size, -1).argmax())
    places, at = np.unique(low[:, axis], return_inverse=True)
    held = np.cumsum(np.bincount(at, costs))
    cut = 1 + int(np.searchsorted(held[:-1], held[-1] / 2))
    left: NDArray[np.bool_] = at < min(cut, len(places) - 1)
    return left


def _spread() -> NDArray[np.int64]:
    """All numbers of `_HALF` bits with two zeros between their bits."""
    numbers = np.arange(1 << _HALF)
    return sum(((numbers >> bit) & 1) << (3 * bit) for bit in range(_HALF))  # type: ignore[return-value]


_SPREAD = _spread()
