"""Points and features in, logits out: whole clouds, tiles, votes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salanet.engine.opening import as_runner
from salanet.engine.runner import Model
from salanet.errors import ConfigError
from salanet.sampling.boxes import TILE_POINTS, tiles

if TYPE_CHECKING:
    from salanet.sampling.partition import Superpoints

# Votes after the first turn by equal angles and take these scales in turn.
VOTE_SCALES = (1.0, 0.95, 1.05)

Array = NDArray[np.float32]
Progress = Callable[[int, int], None]


def point_logits(
    model: Model,
    points: Array,
    features: Array,
    *,
    votes: int = 1,
    tile_points: int = TILE_POINTS,
    progress: Progress | None = None,
    superpoints: Superpoints | None = None,
) -> Array:
    """Logits of every point, averaged over votes before any softmax (paper B.1).

    Clouds of at most `tile_points` points take one pass. Larger ones are cut into overlapping
    tiles; each keeps the logits of its core. The result is the same for any number of threads.

    Args:
        model: of scenes.
        points: float32 (N, 3), one per cell of the model's grid, N >= 1, relative to an origin
            as `salanet.scenes.choose_offset` gives.
        features: float32 (N, in_channels).
        votes: passes; the first sees the points as they are, the others rotated and scaled.
        tile_points: most points of one pass; bounds the memory. Networks may have a lower bound.
        progress: called with (points done, points in all) after each pass.
        superpoints: parts of the points, for a network that looks at them; else it finds them.

    Returns:
        float32 (N, classes).

    Raises:
        ConfigError: the scores are not finite.
    """
    runner = as_runner(model)
    logits = np.zeros((len(points), len(runner.config.classes)), np.float32)
    buffer = runner.buffer_radii * runner.config.radius
    tile_points = min(tile_points, runner.pass_points or tile_points)
    done = 0
    for rows, core in tiles(points, tile_points, buffer):
        seen, given = points[rows], features[rows]
        parts = None if superpoints is None else superpoints.of(rows)
        total = np.zeros((int(core.sum()), logits.shape[1]), np.float32)
        for vote in range(votes):
            total += runner.logits(given, runner.levels(turned(seen, vote, votes), parts))[core]
        logits[rows[core]] = finite(total) / np.float32(votes)
        done += len(total)
        if progress is not None:
            progress(done, len(points))
    return logits


def finite(logits: Array) -> Array:
    """The logits, if they can be compared.

    Raises ConfigError if any is NaN or infinite, as weights can make them that are damaged or of a
    training that diverged.
    """
    if not np.isfinite(logits).all():
        raise ConfigError(
            "the model's scores are not finite numbers: its weights are damaged, or its training "
            "diverged"
        )
    return logits


def turned(points: Array, vote: int, votes: int) -> Array:
    """The points as one vote sees them: turned about z by vote / votes of a circle, and scaled."""
    if vote == 0:
        return points
    angle = 2 * math.pi * vote / votes
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]], np.float32)
    return points @ (matrix * np.float32(VOTE_SCALES[vote % len(VOTE_SCALES)]))
