"""Cubic blocks of grid cells: how a cloud larger than the memory is put in order and cut up.

A block is `EDGE` cells wide and lies on the cells' own grid, so no cell is in two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError

EDGE = 32  # cells
BITS = 21  # of a key for each axis
MIDDLE = 1 << (BITS - 1)

Keys = NDArray[np.int64]


class BlockTile(NamedTuple):
    """Blocks a tile answers for, and blocks it sees, themselves included: ascending rows."""

    core: NDArray[np.int64]
    seen: NDArray[np.int64]


def block_keys(xyz: NDArray[np.float64], grid: float) -> Keys:
    """The block of each point (N, 3), as a number that is ordered by z, y, x.

    Raises DataError if the points reach too far for cells of this size.
    """
    keys = np.zeros(len(xyz), np.int64)
    for axis in (2, 1, 0):
        # As in the kernels: a cell is floor(p / grid), in float64.
        block = np.floor(np.floor(xyz[:, axis] / grid) / EDGE)
        if len(block) and not (block.min() >= -MIDDLE and block.max() < MIDDLE):
            raise DataError(f"coordinates reach too far for cells of {grid}")
        keys = (keys << BITS) | (block.astype(np.int64) + MIDDLE)
    return keys


def block_places(keys: Keys) -> NDArray[np.int64]:
    """Which block along x, y, z each key stands for: (N, 3)."""
    mask = (1 << BITS) - 1
    parts = [(keys >> (BITS * axis)) & mask for axis in range(3)]
    return np.stack(parts, axis=1) - MIDDLE


def blocks_around(keys: Keys, wanted: NDArray[np.bool_], blocks: int) -> NDArray[np.bool_]:
    """Which blocks are wanted, or at most so many blocks beside one that is, along each axis."""
    found = wanted.copy()
    for axis in range(3):
        asked = keys[found]
        for step in range(1, blocks + 1):
            shift = step << (BITS * axis)
            found |= np.isin(keys, asked + shift) | np.isin(keys, asked - shift)
    return found


def block_tiles(
    keys: Keys, costs: NDArray[Any], wanted: NDArray[np.bool_], limit: int, buffer: float
) -> Iterator[BlockTile]:
    """Cut blocks into tiles whose cores partition the wanted ones.

    A tile that costs more than `limit` is halved across the longest side of its core where both
    halves cost about as much, down to one block.

    Args:
        keys: of the blocks, ascending.
        costs: of seeing each, such as its cells.
        wanted: blocks that have to be in a core.
        limit: most a tile costs, wherever a single block allows it.
        buffer: how far a tile sees beyond its core, in cells.
    """
    places, reach = block_places(keys), buffer / EDGE
    stack = [(np.flatnonzero(wanted), np.arange(len(keys)))]
    while stack:
        core, near = stack.pop()
        if not len(core):
            continue
        low, high = places[core].min(axis=0), places[core].max(axis=0) + 1
        inside = np.minimum(places[near] + 1, high + reach) - np.maximum(places[near], low - reach)
        share = np.clip(inside, 0, 1).prod(axis=1)
        near, share = near[share > 0], share[share > 0]
        axis = int((high - low).argmax())
        if share @ costs[near] <= limit or high[axis] - low[axis] == 1:
            yield BlockTile(core, near)
            continue
        along = places[core, axis]
        held = np.cumsum(np.bincount(along - low[axis], costs[core]))
        cut = low[axis] + 1 + int(np.searchsorted(held[:-1], held[-1] / 2))
        left = along < min(cut, high[axis] - 1)
        stack += [(core[~left], near), (core[left], near)]
