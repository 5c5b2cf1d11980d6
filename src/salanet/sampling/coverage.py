"""Regular spheres that cover every point of a scene, for voting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.errors import ConfigError
from salanet.sampling.spheres import SphereIndex

SPACING = 0.95  # of voting spheres, in radii


def voting_spheres(
    index: SphereIndex, radius: float, *, votes: int = 2, limit: int | None = None
) -> list[NDArray[np.int64]]:
    """Regular overlapping spheres: the rows of each, so that every point lies in `votes` or more.

    Centres form a cubic lattice (square for cylinders). With a spacing below the radius, each
    point is within the radius of its two nearest lattice points, as the second nearest is at most
    one spacing away; more votes take a finer lattice. Spheres all of whose points are covered
    otherwise are left out, smallest first. Where `limit` (nearest points kept) leaves points
    short of votes, spheres around these points follow.
    """
    if not radius > 0 or votes < 1:
        raise ConfigError(f"voting needs a positive radius and votes, not {radius} and {votes}")
    count = np.zeros(len(index.coord), np.int64)
    spheres = []
    finer = min(1.0, (2 / votes) ** (1 / index.axes))
    for centre in _lattice(index, SPACING * radius * finer):
        rows = index.within(centre, radius, limit)
        if len(rows):
            spheres.append(rows)
            count[rows] += 1
    spheres = _needed(spheres, count, votes)
    for row in range(len(count)):
        while count[row] < votes:
            rows = index.within(index.coord[row], radius, limit)
            rows = rows if row in rows else np.sort(np.append(rows[:-1], row))  # many duplicates
            spheres.append(rows)
            count[rows] += 1
    return spheres


def _lattice(index: SphereIndex, spacing: float) -> NDArray[np.float64]:
    """Lattice points around the occupied cells, sorted."""
    points = np.asarray(index.coord[:, : index.axes], np.float64)
    reach = np.arange(-1, 3)
    steps = np.stack(np.meshgrid(*[reach] * index.axes, indexing="ij"), -1).reshape(-1, index.axes)
    occupied = np.unique(np.floor(points / spacing).astype(np.int64), axis=0)
    return np.unique((occupied[:, None] + steps).reshape(-1, index.axes), axis=0) * spacing


def _needed(
    spheres: list[NDArray[np.int64]], count: NDArray[np.int64], votes: int
) -> list[NDArray[np.int64]]:
    """The spheres without which a point would miss votes; lowers `count` by the others."""
    dropped = set()
    for number in sorted(range(len(spheres)), key=lambda number: len(spheres[number])):
        rows = spheres[number]
        if (count[rows] > votes).all():
            count[rows] -= 1
            dropped.add(number)
    return [rows for number, rows in enumerate(spheres) if number not in dropped]
