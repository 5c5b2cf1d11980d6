"""Cutting a cloud too large for one pass into overlapping tiles of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Tile(NamedTuple):
    """Rows of the points a tile sees (int64, ascending), and which of them it answers for."""

    rows: Tensor
    core: Tensor


def tiles(points: Tensor, limit: int, halo: float) -> Iterator[Tile]:
    """Cover a cloud with boxes whose cores partition it and whose halos overlap the neighbours'.

    A box with more than `limit` points, halo included, is halved across the longest side of its
    core at the median of the core's points. Boxes not wider than the halo are kept whole, since
    halving them would hardly shrink what they see.

    Args:
        points: (N, 3).
        limit: most points of a tile, wherever the halo allows it.
        halo: how far a tile sees beyond its core, in the points' units.

    Yields:
        Tiles with at least one core point. Every point is core in exactly one tile.
    """
    if len(points) == 0:
        return
    everything = torch.arange(len(points))
    stack = [(everything, torch.ones(len(points), dtype=torch.bool))]
    while stack:
        rows, core = stack.pop()
        inner = points[rows[core]]
        low, high = inner.amin(0), inner.amax(0)
        axis = int((high - low).argmax())
        if len(rows) <= limit or (high - low)[axis] <= halo:
            yield Tile(rows, core)
            continue
        cut = inner[:, axis].median()
        position = points[rows, axis]
        # The median is a point's own coordinate; `<` keeps both halves non-empty unless all
        # points share it, which the width excludes, or it is the lowest.
        if bool((inner[:, axis] < cut).any()):
            left = position < cut
        else:
            left = position <= cut
        for side, near in (
            (~left, position >= cut - halo),
            (left, position <= cut + halo),
        ):
            # The other sides of the box were trimmed to their halo when they were cut.
            stack.append((rows[near], (core & side)[near]))
