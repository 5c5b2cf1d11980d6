"""Points → levels: neighbours, pooling and upsampling, for every stage of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from salanet import ops
from salanet.errors import DataError


@dataclass
class Level:
    """One resolution of B stacked clouds.

    Attributes:
        points: float32 (N, 3).
        splits: int64 (B + 1,) prefix offsets.
        radius: of the neighbourhoods, in the units of the points.
        neighbours: int32 (N, K), rows of this level, nearest first; N where missing.
        pool: int32 (N_next, K), rows of this level near each point of the next; None at the last.
        upsample: int32 (N,), the nearest row of the next level; None at the last.
    """

    points: Tensor
    splits: Tensor
    radius: float
    neighbours: Tensor
    pool: Tensor | None = None
    upsample: Tensor | None = None

    def to(self, device: torch.device | str) -> Level:
        """The same level with its tensors on ``device``; splits stay on the CPU."""
        return Level(
            self.points.to(device),
            self.splits,
            self.radius,
            self.neighbours.to(device),
            None if self.pool is None else self.pool.to(device),
            None if self.upsample is None else self.upsample.to(device),
        )


@dataclass
class Pyramid:
    """The levels of a batch, finest first."""

    levels: list[Level]

    def to(self, device: torch.device | str) -> Pyramid:
        """The same pyramid on ``device``."""
        return Pyramid([level.to(device) for level in self.levels])


def build(
    points: Tensor,
    splits: Tensor | None = None,
    *,
    grid: float,
    radius: float,
    neighbours: Sequence[int] = (26, 31, 38, 41, 39),
) -> Pyramid:
    """The levels of stacked clouds, one for each number of ``neighbours``.

    Level s searches within radius · 2^s; its points are the barycentres of those of level s - 1 in
    cells of grid · 2^s. Pooling into the next level uses this level's radius and number of
    neighbours. Each level's points are sorted once, for the neighbours, both poolings and both
    upsamplings they take part in.

    Args:
        points: float32 (N, 3), already subsampled to ``grid``.
        splits: int64 (B + 1,); None for one cloud.
        grid: cell size of ``points``, in their units.
        radius: at the first level, in the same units (the paper: 2.5 · grid).
        neighbours: K of each level.

    Raises:
        DataError: for points, splits or numbers that :mod:`salanet.ops` cannot work with.
    """
    if not neighbours:
        raise DataError("a pyramid needs the number of neighbours of at least one level")
    index = ops.PointIndex(points, splits)
    levels: list[Level] = []
    for depth, k in enumerate(neighbours):
        reach = radius * 2**depth
        level = Level(index.points, index.splits, reach, ops.radius_search(index, index, reach, k))
        levels.append(level)
        if depth + 1 < len(neighbours):
            coarser = ops.grid_subsample(index.points, grid * 2 ** (depth + 1), index.splits)
            coarse = ops.PointIndex(coarser.points, coarser.splits)
            level.pool = ops.radius_search(coarse, index, reach, k)
            level.upsample = ops.nearest(index, coarse)
            index = coarse
    return Pyramid(levels)
