"""Training samples: the points of a scene within a sphere (or an upright cylinder).

Centres are drawn at random over points, or by potentials: every draw raises the potential of the
points it covers by Tukey's weight ``(1 - d²/R²)²``, and the next centre is the point that has the
least, so all places are seen about equally often. A share of either may be balanced over classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.errors import ConfigError, DataError
from salanet.scenes import Scene

Vertical = Literal["sphere", "cylinder"]
INITIAL_POTENTIAL = 1e-3
CENTRE_NOISE = 0.1  # of the radius; 0.2 m for the paper's spheres of 2 m


class Sphere(NamedTuple):
    """One draw: which scene, its rows (int64, ascending), and the centre (3,) float64."""

    scene: int
    rows: NDArray[np.int64]
    centre: NDArray[np.float64]


class SphereIndex:
    """Finds the points near a centre; in a cylinder, z does not count (airborne scans)."""

    def __init__(self, coord: ArrayLike, vertical: Vertical = "sphere") -> None:
        if vertical not in ("sphere", "cylinder"):
            raise ConfigError(f"vertical must be 'sphere' or 'cylinder', not '{vertical}'")
        self.coord = np.asarray(coord)
        self.axes = 2 if vertical == "cylinder" else 3

    @cached_property
    def tree(self) -> Any:
        # Built on first use: a large training set opens at once, and unused scenes cost nothing.
        from scipy.spatial import cKDTree  # of the extra `train`

        return cKDTree(self.coord[:, : self.axes], balanced_tree=False, compact_nodes=False)

    def distances(self, rows: NDArray[np.int64], centre: ArrayLike) -> NDArray[np.float64]:
        """Distance of rows to a centre, horizontal for cylinders."""
        difference = self.coord[rows, : self.axes] - np.asarray(centre, float)[: self.axes]
        length: NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
        return length

    def within(
        self, centre: ArrayLike, radius: float, limit: int | None = None
    ) -> NDArray[np.int64]:
        """Rows with distance < radius, ascending; if more than `limit`, the nearest of them."""
        centre = np.asarray(centre, float)
        found = self.tree.query_ball_point(centre[: self.axes], radius, return_sorted=True)
        rows = np.asarray(found, np.int64)
        distance = self.distances(rows, centre)
        inside = distance < radius
        rows, distance = rows[inside], distance[inside]
        if limit is not None and len(rows) > limit:
            rows = np.sort(rows[np.argsort(distance, kind="stable")[:limit]])
        return rows


class SphereSampler:
    """Draws spheres from scenes.

    Args:
        scenes: what to draw from; empty scenes are never drawn.
        radius: of the sphere, in the scenes' units.
        limit: most points of a sample; the nearest to the centre are kept. None = all.
        vertical: "sphere", or "cylinder" of infinite height for airborne scans.
        balance: probability that the centre is a point of a class drawn uniformly among the
            classes present, instead of any point.
        shares: how often each scene is drawn, relative to the others; None: all points alike.

    Raises DataError if there is no point at all, or balance asks for labels a scene lacks.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        radius: float,
        *,
        limit: int | None = None,
        vertical: Vertical = "sphere",
        balance: float = 0.0,
        shares: Sequence[float] | None = None,
    ) -> None:
        if not radius > 0:
            raise ConfigError(f"the radius of spheres must be positive, not {radius}")
        if not 0 <= balance <= 1:
            raise ConfigError(f"balance must lie between 0 and 1, not {balance}")
        self.scenes, self.radius, self.limit, self.balance = list(scenes), radius, limit, balance
        self.starts = np.cumsum([0, *map(len, self.scenes)])
        if self.starts[-1] == 0:
            raise DataError("there are no points to sample spheres from")
        self.indices = [SphereIndex(scene.coord, vertical) for scene in self.scenes]
        self.members = self._members() if balance and shares is None else []
        self.shares = None
        if shares is not None:
            weights = np.where(np.diff(self.starts) > 0, shares, 0.0)
            self.shares = weights / weights.sum()

    def draw(self, rng: np.random.Generator) -> Sphere:
        """One sphere around a random point (uniform over all points, or balanced over classes)."""
        return self.at(*self.centre(rng))

    def centre(self, rng: np.random.Generator) -> tuple[int, NDArray[np.floating]]:
        """A scene and one of its points to draw around."""
        if self.shares is not None:
            scene = int(rng.choice(len(self.scenes), p=self.shares))
            row = self._row_of(scene, rng)
            return scene, self.scenes[scene].coord[row]
        if self.is_balanced(rng):
            members = self.members_of_some_class(rng)
            point = int(members[rng.integers(len(members))])
        else:
            point = int(rng.integers(self.starts[-1]))
        scene, row = self.place(point)
        return scene, self.scenes[scene].coord[row]

    def _row_of(self, scene: int, rng: np.random.Generator) -> int:
        """A row of one scene, any or balanced over the classes it holds."""
        if not self.is_balanced(rng):
            return int(rng.integers(len(self.scenes[scene])))
        classes = self._of_class[scene]
        rows = classes[rng.integers(len(classes))]
        return int(rows[rng.integers(len(rows))])

    @cached_property
    def _of_class(self) -> list[list[NDArray[np.int64]]]:
        """For each scene the rows of each class in it; of all points where it holds none."""
        found = []
        for scene in self.scenes:
            segment = np.asarray(scene.segment)
            present = np.unique(segment[segment >= 0])
            rows = [np.flatnonzero(segment == one) for one in present]
            found.append(rows or [np.arange(len(segment))])
        return found

    def is_balanced(self, rng: np.random.Generator) -> bool:
        """Whether the next centre is to be balanced over classes; draws only if that may be."""
        return bool(self.balance) and rng.random() < self.balance

    def members_of_some_class(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Points, numbered over all scenes, of a class drawn uniformly."""
        return self.members[rng.integers(len(self.members))]

    def place(self, point: int) -> tuple[int, int]:
        """Scene and row of a point numbered over all scenes."""
        scene = int(np.searchsorted(self.starts, point, side="right")) - 1
        return scene, point - int(self.starts[scene])

    def at(self, scene: int, centre: ArrayLike, radius: float | None = None) -> Sphere:
        """The sphere of one scene around a given centre, in the frame of its `coord`."""
        centre = np.asarray(centre, np.float64)
        rows = self.indices[scene].within(centre, radius or self.radius, self.limit)
        return Sphere(scene, rows, centre)

    def _members(self) -> list[NDArray[np.int64]]:
        """Global point numbers of each class that occurs."""
        for scene in self.scenes:
            if scene.segment is None:
                raise DataError(f"{scene.folder}: no segment.npy, so classes cannot be balanced")
        labels = np.concatenate([scene.segment for scene in self.scenes])
        order = np.argsort(labels, kind="stable")
        present, first = np.unique(labels[order], return_index=True)
        groups = np.split(order, first[1:])
        members = [group for label, group in zip(present, groups, strict=True) if label >= 0]
        if not members:
            raise DataError("every point of the scenes is ignored: nothing to balance")
        return members


class PotentialSampler:
    """Draws spheres where least has been drawn before (KPConv's rule, the paper's protocol).

    A balanced draw takes the point of least potential among those of a class drawn uniformly.
    """

    def __init__(self, sampler: SphereSampler, rng: np.random.Generator) -> None:
        self.sampler = sampler
        starts = sampler.starts
        self.all = rng.uniform(0, INITIAL_POTENTIAL, starts[-1])
        self.potentials = np.split(self.all, starts[1:-1])  # views, one for each scene
        self.least = [potential.min(initial=np.inf) for potential in self.potentials]

    def draw(self, rng: np.random.Generator) -> Sphere:
        """The sphere at the point of least potential, its centre moved by N(0, radius / 10)."""
        scene, row = self._least(rng)
        radius = self.sampler.radius
        noise = np.clip(rng.normal(0, CENTRE_NOISE * radius, 3), -radius / 2, radius / 2)
        sphere = self.sampler.at(scene, self.sampler.scenes[scene].coord[row] + noise)
        distance = self.sampler.indices[scene].distances(sphere.rows, sphere.centre)
        potential = self.potentials[scene]
        potential[sphere.rows] += (1 - (distance / radius) ** 2) ** 2
        # Also when the limit left it out: or the same centre would be drawn for ever.
        if row not in sphere.rows:
            potential[row] += 1
        self.least[scene] = potential.min()
        return sphere

    def _least(self, rng: np.random.Generator) -> tuple[int, int]:
        """Scene and row of the next centre."""
        if self.sampler.is_balanced(rng):
            members = self.sampler.members_of_some_class(rng)
            return self.sampler.place(int(members[np.argmin(self.all[members])]))
        scene = int(np.argmin(self.least))
        return scene, int(np.argmin(self.potentials[scene]))
