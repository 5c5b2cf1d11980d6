"""Samples of many densities: a cell size drawn for each, the geometry brought to the network's."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.geometry import subsample
from salanet.sampling.survey import survey
from salanet.scenes import Scene

# Points between which cells are drawn: no finer than this part of their distance, and for sparse
# scenes no coarser than that many times it.
FINEST, COARSEST = 0.7, 1.6
LABELS = "labels"


class Cells:
    """Draws cell sizes and thins samples to them.

    Args:
        scenes: what samples are cut from; finer than the cells.
        sizes: least and largest cell size in metres.
        point_drop: largest share of a sample's points left out; never so many that cells stand
            alone.
    """

    def __init__(
        self, scenes: Sequence[Scene], sizes: tuple[float, float], point_drop: float
    ) -> None:
        self.point_drop = point_drop
        self.spacing = [
            survey(PointCloud(scene.coord.astype(np.float64))).spacing for scene in scenes
        ]
        self.ranges = [
            (max(sizes[0], FINEST * apart), max(sizes[1], COARSEST * apart))
            for apart in self.spacing
        ]

    def draw(self, scene: int, rng: np.random.Generator) -> float:
        """The cell size of a sample, even on a logarithmic scale."""
        return float(np.exp(rng.uniform(*np.log(self.ranges[scene]))))

    def kept(
        self, scene: int, cell: float, count: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Rows of the points that stay, in order: other densities for cells of this size."""
        least = max(1 - self.point_drop, (self.spacing[scene] * FINEST / cell) ** 2)
        share = np.exp(rng.uniform(np.log(min(least, 1)), 0))
        rows = np.flatnonzero(rng.random(count) < share)
        return rows if len(rows) else np.arange(min(count, 1))

    def thin(
        self,
        arrays: dict[str, NDArray[Any]],
        labels: NDArray[np.integer],
        cell: float,
        limit: int,
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """One point for each cell: mean arrays, the label of most; the `limit` nearest to 0.

        `arrays` hold "xyz" (N, 3) about the sample's centre, and further ones of N rows.
        """
        found = subsample(
            arrays["xyz"].astype(np.float64),
            cell,
            features={name: a for name, a in arrays.items() if name != "xyz"},
            labels={LABELS: labels},
        )
        rows: NDArray[np.int64] | slice = slice(None)
        if len(found.points) > limit:
            distance = np.square(found.points[:, :2]).sum(1)
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
