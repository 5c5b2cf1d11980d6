"""How well points fit the ground that was found: how much they scatter about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST = 1 << 16  # cells that are looked at, spread evenly
FEWEST = 4  # points of a cell that tell its scatter,
ENOUGH = 20  # and cells that tell the cloud's
SMOOTHEST = 10  # percent of the cells: grass and undergrowth are not noise


@dataclass(frozen=True)
class Quality:
    """How well points fit the ground that was found.

    Attributes:
        scatter: of points of the ground about it in metres; NaN: unknown.
        below: share of all points that lie far below it (`salanet.sampling.ground.DEEP`).
    """

    scatter: float = math.nan
    below: float = 0.0


UNKNOWN = Quality()


class Scatter:
    """Sums over cells of a raster, to which points near the ground are added piece by piece."""

    def __init__(self, cells: int) -> None:
        self._every = max(1, -(-cells // MOST))
        self._count, self._total, self._squares = np.zeros((3, -(-cells // self._every)))

    def add(self, cells: NDArray[np.int64], heights: NDArray[np.float64]) -> None:
        """Heights (N,) above the ground in cells (N,), in metres."""
        chosen = cells % self._every == 0
        at, heights = cells[chosen] // self._every, heights[chosen]
        size = len(self._count)
        self._count += np.bincount(at, minlength=size)
        self._total += np.bincount(at, heights, size)
        self._squares += np.bincount(at, np.square(heights), size)

    def value(self) -> float:
        """Standard deviation within the smoothest cells in metres; NaN if too few tell.

        Surveys from the air have 0.01 to 0.03, and as much as noise of that size was added.
        """
        told = self._count >= FEWEST
        if np.count_nonzero(told) < ENOUGH:
            return float("nan")
        count, total = self._count[told], self._total[told]
        variance = (self._squares[told] - np.square(total) / count) / (count - 1)
        return float(np.sqrt(max(np.percentile(variance, SMOOTHEST), 0)))
