"""Which points of a cloud have company, and which are strays, from a coarse occupancy.

One point 100 km away must decide nothing about the others: no offset, no terrain, no unit. So all
points are counted in coarse cubic cells, few enough that a cell holds `FILLING` points on average.
Occupied cells that touch are a group. A group is *lonely* if it holds next to nothing: its points
have no company. Points of lonely groups are *strays* if they lie farther from all company than
that reaches itself: more than a hair of the survey, such as returns from the clouds, invalid
measurements stored as 0 0 0, or values that stand for none.

Cells are numbered from the origin of the coordinates and get twice as wide whenever there are too
many of them. So the result does not depend on the order of the points, nor on the pieces they
come in, and the memory is bounded whatever their number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from salanet.components import components

FILLING = 64  # points of an average cell
FEWEST_CELLS, MOST_CELLS = 64, 1 << 17
FEW = 32  # points of a lonely group, at most
THIN, THIN_SHARE = 4, 0.002  # or points of its cells on average, and share of all points
SHARE = 0.01  # of all points, that may be lonely
SPOT, BULK = 8, 64  # cells of a lonely group with many points; as many times those of the largest
FINEST = 24  # cells start with 2^-24 units
REACH = 1 << 60  # finest cells from the origin: what lies farther is as far
BATCH = 1 << 16  # points at once; bounds the memory
FIRST = 1 << 12  # the first ones tell about how wide cells must be
# A cell's number is linear in its place, so that all neighbours lie at the same distances.
WEIGHTS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_STEPS = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)[14:]

Points = NDArray[np.floating[Any]]
Kind = TypeVar("Kind", bound=np.floating[Any])
Places = NDArray[np.int64]
Keys = NDArray[np.uint64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Company:
    """Where the points of a cloud have company.

    Attributes:
        shift: cells are 2^(shift - 24) units wide.
        low, high: int64 (3,), the least and greatest cells with company along x, y, z.
        lonely: uint64, the numbers of the lonely cells, ascending.
        home: float64 (2, 3), least and greatest coordinates of the points with company.
        bounds: float64 (2, 3), those of all points but strays.
        count: of the strays.
        nearest, farthest: their distances from home, in units.
        alone: how many other points have no company.
    """

    shift: int
    low: Places
    high: Places
    lonely: Keys
    home: NDArray[np.float64]
    bounds: NDArray[np.float64]
    count: int = 0
    nearest: float = 0.0
    farthest: float = 0.0
    alone: int = 0

    @classmethod
    def of(cls, xyz: Points) -> Company:
        """Of a cloud (N, 3) in memory."""
        return cls.of_pieces([xyz], len(xyz))

    @classmethod
    def of_pieces(cls, pieces: Iterable[Points], count: int) -> Company:
        """Of a cloud that comes in pieces (N, 3), about `count` points in all."""
        seen = Occupancy(count)
        for xyz in pieces:
            seen.add(xyz)
        return seen.company()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name, to be kept."""
        return {f"company_{name}": np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Company:
        """From what `arrays` gave, among others."""
        kept = {name: arrays[f"company_{name}"] for name in cls.__dataclass_fields__}
        found: dict[str, Any] = {name: a if a.ndim else a.item() for name, a in kept.items()}
        return cls(**found)

    def strays(self, xyz: Points) -> Mask:
        """Which points (N, 3) are strays, or not finite."""
        if not self.count:
            return np.logical_not(np.isfinite(xyz).all(axis=1))
        low, high = np.ldexp(np.stack(self._near).astype(np.float64), self.shift - FINEST)
        found: Mask = ~((xyz >= low) & (xyz < high)).all(axis=1)
        return found

    def holds(self, xyz: Points) -> Mask:
        """Which points (N, 3), finite, have company."""
        found = np.ones(len(xyz), bool)
        if not len(self.lonely):
            return found
        for part in _parts(len(xyz)):
            keys = _keys(_places(xyz[part], self.shift))
            at = np.searchsorted(self.lonely, keys)
            found[part] = self.lonely[np.minimum(at, len(self.lonely) - 1)] != keys
        return found

    def held(self, xyz: NDArray[Kind]) -> NDArray[Kind]:
        """Those of some points (N, 3), finite, that have company; all of them without a copy."""
        return xyz[self.holds(xyz)] if len(self.lonely) else xyz

    @property
    def _near(self) -> tuple[Places, Places]:
        """The cells that lie no farther from those with company than these reach: from, to."""
        width = (self.high - self.low).max() + 1
        return self.low - width, self.high + width + 1


class _Cells(NamedTuple):
    """Occupied cells by ascending number: places (3, n), points of each, least and greatest
    coordinates (3, n)."""

    keys: Keys
    places: Places
    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def coarser(self, steps: int) -> _Cells:
        places = self.places >> steps
        return _merged(self._replace(keys=_keys(places), places=places))


class Occupancy:
    """How many points are in each coarse cell; add all, then ask for the company.

    Args:
        count: number of points to come, or a little more.
    """

    def __init__(self, count: int) -> None:
        self._limit = min(max(count // FILLING, FEWEST_CELLS), MOST_CELLS)
        self._shift = 0
        none = np.zeros((3, 0))
        empty = np.zeros(0, np.int64)
        self._cells = _Cells(empty.astype(np.uint64), none.astype(np.int64), empty, none, none)

    def add(self, xyz: Points) -> None:
        """Count points (N, 3); those that are not finite are left out."""
        if not np.isfinite(xyz).all():
            xyz = xyz[np.isfinite(xyz).all(axis=1)]
        first = 0 if len(self._cells.keys) else min(FIRST, len(xyz))
        for part in (slice(first), *_parts(len(xyz), first)):
            if len(xyz[part]):
                self._merge(_runs(xyz[part], self._shift))

    def _merge(self, cells: _Cells) -> None:
        joined = (np.concatenate(pair, axis=-1) for pair in zip(self._cells, cells, strict=True))
        self._cells = _merged(_Cells(*joined))
        if len(self._cells.keys) > self._limit:
            places, steps = self._cells.places, range(FINEST + 36 - self._shift)
            fits = lambda step: _distinct(places >> step) <= self._limit  # noqa: E731
            self._widen(bisect_left(steps, True, key=fits))

    def _widen(self, steps: int) -> None:
        self._cells, self._shift = self._cells.coarser(steps), self._shift + steps

    def company(self) -> Company:
        """What has company; everything, where hardly anything has."""
        cells = self._cells
        total = int(cells.counts.sum())
        if not total:
            last, nowhere = np.full(3, REACH >> self._shift), np.zeros((2, 3))
            return Company(self._shift, -last, last, np.zeros(0, np.uint64), nowhere, nowhere)
        while True:
            few, spots = _lonely(self._cells)
            if self._cells.counts[few].sum() <= SHARE * total:
                return self._found(few, spots)
            self._widen(1)

    def _found(self, few: Mask, spots: Mask) -> Company:
        keys, places, counts, low, high = self._cells
        lonely = few | spots
        home = _box(low, high, ~lonely)
        first, last = places[:, ~lonely].min(axis=1), places[:, ~lonely].max(axis=1)
        found = Company(self._shift, first, last, keys[lonely], home, home)
        begin, end = (cell[:, None] for cell in found._near)
        far = ~((places >= begin) & (places < end)).all(axis=0)
        lonely = np.logical_or(few, spots & far)  # nearby, many points are company enough
        home = _box(low, high, ~lonely)
        with np.errstate(over="ignore"):
            below, above = home[0, :, None] - high[:, far], low[:, far] - home[1, :, None]
            apart = np.maximum(np.maximum(below, above), 0)
            distances = np.hypot(np.hypot(apart[0], apart[1]), apart[2])
        return Company(
            self._shift,
            first,
            last,
            keys[lonely],
            home,
            _box(low, high, np.logical_not(far)),
            int(counts[far].sum()),
            float(distances.min(initial=np.inf)) if far.any() else 0.0,
            float(distances.max(initial=0)),
            int(counts[lonely & ~far].sum()),
        )


def _lonely(cells: _Cells) -> tuple[Mask, Mask]:
    """Which cells are of groups of few or thinly spread points, and of groups of few cells."""
    group = _groups(cells.keys)
    points, sizes = np.bincount(group, cells.counts), np.bincount(group)
    total = points.sum()
    few = (points < THIN * sizes) & (points <= THIN_SHARE * total)
    few |= points <= min(FEW, SHARE * total)
    spots = sizes <= min(SPOT, sizes.max() // BULK)
    few[points.argmax()] = spots[points.argmax()] = False
    return few[group], spots[group]


def _groups(keys: Keys) -> NDArray[np.int64]:
    """The group of each cell; cells that touch, and be it by a corner, are of one."""
    ends = []
    for step in _keys(_STEPS.T):
        at = np.searchsorted(keys, keys + step)
        there = keys[np.minimum(at, len(keys) - 1)] == keys + step
        ends.append(np.stack([np.flatnonzero(there), at[there]]))
    start, stop = np.concatenate(ends, axis=1)
    return components(len(keys), start, stop)


def _runs(xyz: Points, shift: int) -> _Cells:
    """Cells of points that follow each other: far fewer than points, as scanners go along."""
    places = _places(xyz, shift)
    keys = _keys(places)
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    axes = np.ascontiguousarray(xyz.T, np.float64)
    return _Cells(
        keys[starts],
        places[:, starts],
        np.diff(np.r_[starts, len(keys)]),
        np.minimum.reduceat(axes, starts, axis=1),
        np.maximum.reduceat(axes, starts, axis=1),
    )


def _merged(cells: _Cells) -> _Cells:
    """Each cell once."""
    order = np.argsort(cells.keys, kind="stable")
    keys = cells.keys[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return _Cells(
        keys[starts],
        cells.places[:, order[starts]],
        np.add.reduceat(cells.counts[order], starts),
        np.minimum.reduceat(cells.low[:, order], starts, axis=1),
        np.maximum.reduceat(cells.high[:, order], starts, axis=1),
    )


def _distinct(places: Places) -> int:
    keys = np.sort(_keys(places))
    return 1 + int((keys[1:] != keys[:-1]).sum())


def _places(xyz: Points, shift: int) -> Places:
    """The cell (3, n) of each point along x, y, z."""
    reach = REACH >> shift
    with np.errstate(over="ignore"):
        scaled = np.ascontiguousarray(xyz.T, np.float64) * 2.0 ** (FINEST - shift)
    np.floor(scaled, out=scaled)
    return np.clip(scaled, -reach, reach, out=scaled).astype(np.int64)


def _keys(places: Places) -> Keys:
    """The numbers of cells (3, n), which hardly ever are those of two."""
    x, y, z = (axis.astype(np.uint64) for axis in places)
    keys: Keys = x * WEIGHTS[0] + y * WEIGHTS[1] + z * WEIGHTS[2]
    return keys


def _box(low: NDArray[np.float64], high: NDArray[np.float64], of: Any) -> NDArray[np.float64]:
    return np.stack([low[:, of].min(axis=1), high[:, of].max(axis=1)])


def _parts(count: int, first: int = 0) -> Iterable[slice]:
    return (slice(start, start + BATCH) for start in range(first, count, BATCH))
