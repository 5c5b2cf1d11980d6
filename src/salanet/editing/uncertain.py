"""Places where a model was unsure of many points, the largest first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.components import components
from salanet.view.points import Points

UNSURE = 0.5  # entropy, or 1 - confidence, from which a point is unsure
FEWEST = 10  # points of a place
MOST = 1000  # places
FILLING = 24  # points of the cloud in an average cell that has any
STEPS = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)[14:]


@dataclass(frozen=True)
class Patch:
    """Unsure points that lie together.

    Attributes:
        rows: int64 (n,), of the points.
        middle: (3,), of them.
        radius: of a ball that holds nearly all of them.
    """

    rows: NDArray[np.int64]
    middle: NDArray[np.float64]
    radius: float


def patches(points: Points, unsure: NDArray[np.float32], side: float) -> list[Patch]:
    """Group the unsure points: those in cells that touch are one patch.

    Args:
        points: all that are looked at.
        unsure: float32 by row, from 0 to 1.
        side: of the cells, in the units of the points.
    """
    chosen = np.flatnonzero(unsure[points.rows] > UNSURE)
    if not len(chosen):
        return []
    xyz = points.xyz[chosen]
    cells = np.floor((xyz - xyz.min(axis=0)) / side).astype(np.int64) + 1
    size = cells.max(axis=0) + 2
    flat = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    keys, cell_of = np.unique(flat, return_inverse=True)
    steps = (STEPS[:, 0] * size[1] + STEPS[:, 1]) * size[2] + STEPS[:, 2]
    edges = []
    for step in steps:
        at = np.minimum(np.searchsorted(keys, keys + step), len(keys) - 1)
        start = np.flatnonzero(keys[at] == keys + step)
        edges.append(np.stack([start, at[start]]))
    start, stop = np.concatenate(edges, axis=1)
    patch_of = components(len(keys), start, stop)[cell_of]
    order = np.argsort(patch_of, kind="stable")
    sizes = np.bincount(patch_of)
    parts = np.split(order, np.cumsum(sizes)[:-1])
    found = []
    for number in np.argsort(-sizes, kind="stable")[:MOST].tolist():
        if sizes[number] < FEWEST:
            break
        own = xyz[parts[number]]
        middle = own.mean(axis=0)
        away = np.sqrt(((own - middle) ** 2).sum(axis=1))
        rows = points.rows[chosen[parts[number]]]
        found.append(Patch(rows, middle, float(np.percentile(away, 95)) + side))
    return found
