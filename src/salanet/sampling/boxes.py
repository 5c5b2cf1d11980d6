"""Cutting a cloud too large for one pass into overlapping tiles of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Points per pass; a C = 36 network takes about 2 kB for each.
TILE_POINTS = 250_000
# How far tiles see beyond their core, in radii of the finest level: one neighbourhood of the
# coarsest level and one of the level before it. The network could see twice as far; what lies
# there changes fewer than one label in a thousand.
BUFFER_RADII = 24


class Tile(NamedTuple):
    """Rows of the points a tile sees (ascending), and which of them it answers for."""

    rows: NDArray[np.int64]
    core: NDArray[np.bool_]


def tiles(points: NDArray[Any], limit: int, buffer: float) -> Iterator[Tile]:
    """Cover a cloud with boxes whose cores partition it and whose buffers overlap the neighbours'.

    A box with more than `limit` points, buffer included, is halved across the longest side of its
    core at the median of the core's points. Boxes not wider than the buffer are kept whole, since
    halving them would hardly shrink what they see.

    Args:
        points: (N, 3).
        limit: most points of a tile, wherever the buffer allows it.
        buffer: how far a tile sees beyond its core, in the points' units.

    Yields:
        Tiles with at least one core point. Every point is core in exactly one tile.
    """
    if len(points) == 0:
        return
    stack = [(np.arange(len(points)), np.ones(len(points), bool))]
    while stack:
        rows, core = stack.pop()
        inner = points[rows[core]]
        low, high = inner.min(0), inner.max(0)
        axis = int((high - low).argmax())
        if len(rows) <= limit or (high - low)[axis] <= buffer:
            yield Tile(rows, core)
            continue
        along = inner[:, axis]
        middle = (len(along) - 1) // 2
        cut = np.partition(along, middle)[middle]
        position = points[rows, axis]
        # The median is a point's own coordinate; `<` keeps both halves non-empty unless all
        # points share it, which the width excludes, or it is the lowest.
        if bool((along < cut).any()):
            left = position < cut
        else:
            left = position <= cut
        # The other sides of the box were trimmed to their buffer when they were cut.
        for side, near in ((~left, position >= cut - buffer), (left, position <= cut + buffer)):
            stack.append((rows[near], (core & side)[near]))
