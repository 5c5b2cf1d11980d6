"""The terrain under a cloud: found from the points that have company, told for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.sampling.company import Company, Points
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


def height_above_terrain(
    xyz: Points, *, cell: float = CELL, window: float = WINDOW
) -> NDArray[np.float32]:
    """Height (N,) float32 of each point (N, 3) above the terrain, in metres, below it negative.

    See `salanet.sampling.ground.height_above_ground`, which lets lonely points take part. Raises
    DataError for NaN or infinite coordinates.
    """
    if len(xyz) == 0:
        return np.zeros(0, np.float32)
    if not np.isfinite(xyz).all():
        raise DataError("height above ground needs finite coordinates")
    return find_terrain(lambda: [xyz], len(xyz), cell=cell, window=window).heights(xyz)
