"""What a sample of a cloud tells of the whole: reference system, spacing, shape, empty attributes.

Lengths are in the file's units; what they mean is for `salanet.adapt.alignment` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import geometry
from salanet.cloud import PointCloud
from salanet.company import Company, Occupancy
from salanet.io import crs
from salanet.sampling.features import NEUTRAL, usable
from salanet.sampling.ground import WINDOW, height_above_ground
from salanet.sampling.noise import flagged

SAMPLE = 50_000
# Median distance to the nearest of points spread at random over a surface of density 1.
NEAREST = 0.47
# Neighbours of a point, for the plane through them: more where noise hides the planes of few.
NEIGHBOURS = (20, 60, 180)
PLANES = 3000  # points whose planes are looked at
FLAT = 0.14  # of a patch: deviation from its plane over its width
PLANAR = 0.1  # share of flat patches that is enough
STRAYS = 0.5  # percent of the points at either end that do not count for the size
COLUMN = 8  # spacings: the width of a column of points seen from above
THIN = 12.0  # units between the points of a sample
TALL = 2.0  # least height above ground of what `tallness` is about


@dataclass(frozen=True)
class Summary:
    """A sample of a cloud and what its file says.

    Attributes:
        points: number of points of the whole cloud, those that are not finite left out.
        xyz: float64 (n, 3), finite, with company, spread evenly over the whole.
        crs: the file's reference system, if it names one.
        upright: the format itself says that z points up (LAS).
        arrays: n values of every attribute, by name; what features are made of is of their kind.
        company: where the points of the whole have company; None if nobody looked.
        y_up, metric: the format itself says that y points up, that coordinates are metres (glTF).
        flagged: how many points the file itself flags as noise; they are not in the sample.
        not_finite: how many others have NaN or infinite coordinates; nor are they.
    """

    points: int
    xyz: NDArray[np.float64]
    crs: crs.Crs | None
    upright: bool
    arrays: dict[str, NDArray[Any]]
    company: Company | None = None
    flagged: int = 0
    not_finite: int = 0
    y_up: bool = False
    metric: bool = False

    @cached_property
    def spacing(self) -> float:
        """Distance between neighbouring points of the whole cloud: 1 / sqrt(density of a surface).

        From the nearest neighbours in the sample; NaN if they tell nothing.
        """
        if len(self.xyz) < 2:
            return float("nan")
        rows = geometry.neighbours(self.xyz, self.xyz, 2)
        apart = np.linalg.norm(self.xyz[rows] - self.xyz[:, None], axis=2)
        nearest = apart.max(axis=1)  # the other is the point itself, or as near
        nearest = nearest[nearest > 0]
        if not len(nearest):
            return float("nan")
        thinned = np.sqrt(len(self.xyz) / self.points)
        return float(np.median(nearest) / NEAREST * thinned)

    @cached_property
    def size(self) -> NDArray[np.float64]:
        """Extent along x, y, z without strays."""
        if not len(self.xyz):
            return np.zeros(3)
        low, high = np.percentile(self.xyz, [STRAYS, 100 - STRAYS], axis=0)
        size: NDArray[np.float64] = high - low
        return size

    @cached_property
    def normals(self) -> NDArray[np.float64]:
        """Absolute unit normals (m, 3) of the flat ones among patches spread over the cloud."""
        flat = np.zeros((0, 3))
        centres = self.xyz[:: max(1, len(self.xyz) // PLANES)]
        for neighbours in NEIGHBOURS:
            if len(self.xyz) < 10 * neighbours:
                break
            near = geometry.neighbours(self.xyz, centres, neighbours)
            patches = self.xyz[near] - self.xyz[near].mean(axis=1, keepdims=True)
            spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", patches, patches))
            # The direction of least spread is the normal.
            flat = np.abs(axes[spread[:, 0] <= FLAT**2 * spread[:, 1], :, 0])
            if len(flat) >= PLANAR * len(centres):
                break
        return flat

    @cached_property
    def closed(self) -> float:
        """How far points above one another reach over the whole height, in the median of the
        places seen from above: near 1 in rooms, near 0 in a scan from the air."""
        height = self.size[2]
        area = self.size[0] * self.size[1]
        if not (height > 0 and area > 0):
            return 0.0
        cell = np.sqrt(area / len(self.xyz)) * COLUMN
        at = np.floor((self.xyz[:, :2] - self.xyz[:, :2].min(axis=0)) / cell).astype(np.int64)
        keys = at[:, 0] * (at[:, 1].max() + 1) + at[:, 1]
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
        z = self.xyz[order, 2]
        reach = np.maximum.reduceat(z, starts) - np.minimum.reduceat(z, starts)
        return float(np.median(reach) / height)

    @cached_property
    def tallness(self) -> float:
        """The height above ground that 2 % of what stands on the ground exceeds.

        0 if the sample is too thin to tell slopes from buildings.
        """
        cell = self.spacing * np.sqrt(self.points / max(len(self.xyz), 1))
        if not cell < THIN:
            return 0.0
        cell = max(cell, 1.0)
        above = height_above_ground(self.xyz, cell=cell, window=max(WINDOW, 3 * cell))
        above = above[above > TALL]
        return float(np.percentile(above, 98)) if len(above) else 0.0

    def missing(self, name: str) -> float:
        """The share of the points whose value is NaN or infinite."""
        return 1 - float(np.isfinite(self.arrays[name]).mean()) if self._has(name) else 0.0

    def zero(self, name: str) -> float:
        """The share of the points whose value is 0, as of a field that nobody filled."""
        rows = self.arrays[name].reshape(len(self.xyz), -1) if self._has(name) else np.ones((1, 1))
        return float((rows == 0).all(axis=1).mean())

    def empty(self, name: str) -> bool:
        """Whether the file has an attribute, but in no point a value that is not 0."""
        return self._has(name) and not np.nan_to_num(self.arrays[name], posinf=0, neginf=0).any()

    def _has(self, name: str) -> bool:
        return name in self.arrays and len(self.xyz) > 0


def summarise(cloud: PointCloud, points: int | None = None) -> Summary:
    """Look at a cloud, or at an even sample of one of `points` points."""
    return summarise_pieces([cloud], len(cloud), points)


def summarise_pieces(
    pieces: Iterable[PointCloud], count: int, points: int | None = None
) -> Summary:
    """Look at a cloud given piece by piece, `count` points in all.

    The result is that of `summary` for the whole, as far as the pieces have its attributes.
    """
    sampler, source = Sampler(count), None
    for piece in pieces:
        source = piece.source if source is None else source
        sampler.add(piece)
    return sampler.summary(source, points)


class Sampler:
    """Takes an even sample of a cloud that is shown to it piece by piece.

    Args:
        count: number of points in all.
    """

    def __init__(self, count: int) -> None:
        self._rows = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))
        self._count, self._done, self._flagged, self.not_finite = count, 0, 0, 0
        self._occupancy = Occupancy(count)
        self._samples: list[PointCloud] = []

    def add(self, piece: PointCloud) -> None:
        """Look at the next points."""
        noise = flagged(piece)
        self._flagged += int(noise.sum())
        rest = piece.xyz[~noise] if noise.any() else piece.xyz
        self.not_finite += int((~np.isfinite(rest).all(axis=1)).sum())
        self._occupancy.add(rest)
        begin, end = np.searchsorted(self._rows, [self._done, self._done + len(piece)])
        rows = self._rows[begin:end] - self._done
        self._samples.append(piece.rows(rows[~noise[rows]]))
        self._done += len(piece)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that was found, as arrays by name; `restored` takes them."""
        none = PointCloud(np.zeros((0, 3)))
        columns = [{"xyz": s.xyz, **s.arrays()} for s in self._samples or [none]]
        names = [name for name in columns[0] if all(name in c for c in columns)]
        sample = {f"a_{name}": np.concatenate([c[name] for c in columns]) for name in names}
        counts = {"count": self._count, "flagged": self._flagged, "not_finite": self.not_finite}
        about = {name: np.array(value) for name, value in counts.items()}
        return sample | about | self._occupancy.company().arrays()

    def summary(self, source: Any, points: int | None = None) -> Summary:
        """What was found; `source` is that of the pieces, `points` the number it stands for."""
        return restored(self.arrays(), source, points)


def restored(arrays: Mapping[str, NDArray[Any]], source: Any, points: int | None = None) -> Summary:
    """The summary of a `Sampler`, from its arrays."""
    company = Company.from_arrays(arrays)
    sample = {n.removeprefix("a_"): a for n, a in arrays.items() if n.startswith("a_")}
    xyz = sample.pop("xyz")
    kept = np.isfinite(xyz).all(axis=1)
    kept[kept] = company.holds(xyz[kept])
    return Summary(
        points=max((points or int(arrays["count"])) - int(arrays["not_finite"]), 1),
        xyz=xyz[kept],
        crs=getattr(source, "crs", None),
        upright=getattr(source, "upright", False),
        arrays={
            name: sample[name][kept]
            for name in sorted(sample)
            if name not in NEUTRAL or usable(name, sample[name])
        },
        company=company,
        flagged=int(arrays["flagged"]),
        not_finite=int(arrays["not_finite"]),
        y_up=getattr(source, "y_up", False),
        metric=getattr(source, "metric", False),
    )
