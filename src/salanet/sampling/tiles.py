"""Regular pieces that cover every point: tiles for inference, spheres for voting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.errors import ConfigError
from salanet.sampling.spheres import SphereIndex

SPACING = 0.95  # of voting spheres, in radii


class Tile(NamedTuple):
    """Rows (int64, ascending) of a tile with its margin; `core` marks those it answers for."""

    rows: NDArray[np.int64]
    core: NDArray[np.bool_]


def tiles(xyz: ArrayLike, size: float, margin: float = 0.0) -> Iterator[Tile]:
    """Square tiles of side `size` in x and y, each with the points within `margin` around it.

    Every point of xyz (N, 3) is core of exactly one tile, that of ``floor(xy / size)``, in order
    of x then y; empty tiles are left out. Memory beyond the points: one int64 array and a tile.

    Raises ConfigError unless 0 <= margin <= size and size > 0.
    """
    if not size > 0 or not 0 <= margin <= size:
        raise ConfigError(
            f"tiles need a positive size and a margin up to it, not {size} and {margin}"
        )
    xy = np.asarray(xyz)[:, :2]
    if len(xy) == 0:
        return
    key = np.floor(xy / size).astype(np.int64)
    order = np.lexsort((key[:, 1], key[:, 0]))
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(ordered, axis=0) != 0).any(axis=1)])
    groups = np.split(order, starts[1:])  # views of `order`, each ascending
    of_key = {tuple(k): group for k, group in zip(ordered[starts].tolist(), groups, strict=True)}
    for (i, j), core in of_key.items():
        around = [
            of_key[i + di, j + dj]
            for di in (-1, 0, 1)
            for dj in (-1, 0, 1)
            if (di or dj) and margin and (i + di, j + dj) in of_key
        ]
        rows = np.concatenate([core, *(_near(xy, rows, (i, j), size, margin) for rows in around)])
        rows = np.sort(rows)
        yield Tile(rows, np.isin(rows, core, assume_unique=True))


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


def _near(
    xy: NDArray[np.floating],
    rows: NDArray[np.int64],
    key: tuple[int, int],
    size: float,
    margin: float,
) -> NDArray[np.int64]:
    """Rows within the box of a tile grown by the margin."""
    low = np.array(key) * size - margin
    high = (np.array(key) + 1) * size + margin
    return rows[((xy[rows] >= low) & (xy[rows] < high)).all(axis=1)]


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
