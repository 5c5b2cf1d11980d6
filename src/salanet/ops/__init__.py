"""The operations on point clouds that everything else is built on.

Each has a plain PyTorch reference, which defines it and runs anywhere, and a native kernel.
:func:`backend` overrides the choice between them.
"""

from __future__ import annotations

from salanet.ops.aggregation import (
    PositionMLP,
    neighbour_max,
    pair_moments,
    position_moments,
    sala_aggregate,
)
from salanet.ops.dispatch import backend, current_backend, threads
from salanet.ops.grid_subsample import grid_subsample
from salanet.ops.nearest import nearest
from salanet.ops.point_index import PointIndex
from salanet.ops.radius_search import radius_search
from salanet.ops.subsampled import GridSubsample

__all__ = [
    "GridSubsample",
    "PointIndex",
    "PositionMLP",
    "backend",
    "current_backend",
    "grid_subsample",
    "nearest",
    "neighbour_max",
    "pair_moments",
    "position_moments",
    "radius_search",
    "sala_aggregate",
    "threads",
]
