"""The terrain under a cloud: found from the points that have company, told for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from salanet.company import Company, Points
from salanet.errors import DataError
from salanet.sampling.ground import CELL, WINDOW, Ground, find_ground


def find_terrain(
    pieces: Callable[[], Iterable[Points]],
    count: int,
    *,
    cell: float = CELL,
    window: float = WINDOW,
) -> Ground:
    """The terrain of a cloud that comes in pieces, whose lonely points decide nothing.

    Args:
        pieces: gives all the points, finite, in arrays (N, 3) of any length; called four times.
        count: number of points in all.
        cell, window: see `salanet.sampling.ground.find_ground`.
    """
    company = Company.of_pieces(pieces(), count)
    low, high = company.home

    def held() -> Iterable[Points]:
        return filter(len, (company.held(xyz) for xyz in pieces()))

    return find_ground(held, low, high, cell=cell, window=window)


# What the terrain tells of each point, by the names that features know.
TOLD: dict[str, Callable[[Ground, Points], NDArray[np.float32]]] = {
    "height_above_ground": Ground.heights,
    "height_above_lowest": Ground.above_lowest,
    "terrain_slope": Ground.slopes,
}


def terrain_arrays(
    ground: Ground, xyz: Points, names: Iterable[str]
) -> dict[str, NDArray[np.float32]]:
    """Those of `names` that the terrain tells of points (N, 3): float32 (N,) each."""
    return {name: TOLD[name](ground, xyz) for name in names if name in TOLD}


def terrain_of(xyz: Points) -> Ground:
    """The terrain of a whole cloud (N, 3), N >= 1.

    Raises DataError for NaN or infinite coordinates.
    """
    if not np.isfinite(xyz).all():
        raise DataError("the terrain needs finite coordinates")
    return find_terrain(lambda: [xyz], len(xyz))
