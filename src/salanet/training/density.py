"""Samples of many densities: a cell size drawn for each, the geometry brought to the network's."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.geometry import subsample
from salanet.sampling.cells import filled_cell
from salanet.sampling.summary import summarise
from salanet.scenes import Scene

UNTHINNED = 1 / 3  # of the samples keep all their points
LINES_APART = 4.0  # times as far as the points would be, if these were spread evenly
LABELS = "labels"


class Cells:
    """Draws densities and the cells that go with them, and thins samples to those.

    A sample is as dense as its scene or, after leaving out points, anything down to what the
    largest cells are for; its cells are about those that a file of that density will get
    (`filled_cell`). What is sparser from the start gets cells larger than asked for.

    Args:
        scenes: what samples are cut from; finer than the cells.
        sizes: least and largest cell size in metres.
        grid: the network's own cells.
        point_drop: largest share of a sample's points left out.
        spread: how much finer and coarser than `filled_cell` the cells of a sample may be.

    Attributes:
        ranges: least and largest cells of each scene.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        sizes: tuple[float, float],
        grid: float,
        point_drop: float,
        spread: tuple[float, float] = (0.85, 1.25),
    ) -> None:
        self.grid = grid
        self.spread = finer, coarser = spread
        self.spacing = [
            summarise(PointCloud(scene.coord.astype(np.float64))).spacing for scene in scenes
        ]
        thinnest = 1 / np.sqrt(1 - point_drop)
        most = [sizes[1] / coarser / filled_cell(apart, 0.0) for apart in self.spacing]
        self.thinner = [float(np.clip(times, 1, thinnest)) for times in most]
        self.ranges = [
            (
                max(sizes[0], finer * filled_cell(apart, grid)),
                coarser * filled_cell(apart * times, grid),
            )
            for apart, times in zip(self.spacing, self.thinner, strict=True)
        ]

    def draw(self, scene: int, rng: np.random.Generator) -> tuple[float, float]:
        """The cell size of a sample, and the share of its points that stay."""
        times = 1.0
        if rng.random() >= UNTHINNED:  # even on a logarithmic scale
            times = float(np.exp(rng.uniform(0, np.log(self.thinner[scene]))))
        size = filled_cell(self.spacing[scene] * times, self.grid)
        size *= float(np.exp(rng.uniform(*np.log(self.spread))))
        return max(size, self.ranges[scene][0]), 1 / times**2

    def kept(
        self,
        scene: int,
        xyz: NDArray[np.floating],
        share: float,
        rng: np.random.Generator,
        lines: float = 0.0,
    ) -> NDArray[np.int64]:
        """Rows of the points (N, 3) that stay, in order; at least one of any.

        A `share` of them: any, or with probability `lines` those of parallel strips, as scanners
        measure lines that are farther apart than the points along them.
        """
        stays = np.ones(len(xyz), bool)
        if lines and share < 1 and rng.random() < lines:
            width = share ** rng.random()  # of the strips, over how far apart they are
            apart = self.spacing[scene] / np.sqrt(share) * rng.uniform(1, LINES_APART)
            towards = rng.uniform(0, np.pi)
            along = xyz[:, :2] @ np.array([np.cos(towards), np.sin(towards)]) / apart
            stays = (along + rng.random()) % 1 < width
            share /= width
        rows = np.flatnonzero(stays & (rng.random(len(xyz)) < share))
        return rows if len(rows) else np.arange(min(len(xyz), 1))

    def thin(
        self,
        arrays: dict[str, NDArray[Any]],
        labels: NDArray[np.integer],
        cell: float,
        limit: int,
        axes: int = 2,
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """One point for each cell: mean arrays, the label of most; the `limit` nearest to 0.

        `arrays` hold "xyz" (N, 3) about the sample's centre, and further ones of N rows. What is
        nearest is measured along the first `axes` of x, y and z.
        """
        found = subsample(
            arrays["xyz"].astype(np.float64),
            cell,
            features={name: a for name, a in arrays.items() if name != "xyz"},
            labels={LABELS: labels},
        )
        rows: NDArray[np.int64] | slice = slice(None)
        if len(found.points) > limit:
            distance = np.square(found.points[:, :axes]).sum(1)
            rows = np.sort(np.argsort(distance, kind="stable")[:limit])
        thinned: dict[str, NDArray[Any]] = {n: a[rows] for n, a in found.features.items()}
        thinned["xyz"] = found.points[rows].astype(np.float32)
        return thinned, found.labels[LABELS][rows].astype(np.int64)


def shares(scenes: Sequence[Scene], patterns: dict[str, float]) -> list[float] | None:
    """How often each scene is drawn, see `Sampling.shares`; None for all points alike."""
    if not patterns:
        return None

    def factor(name: str) -> float:
        matching = [value for pattern, value in patterns.items() if fnmatchcase(name, pattern)]
        return matching[0] if matching else 1.0

    return [factor(scene.name) * float(np.sqrt(len(scene))) for scene in scenes]
