"""Points and features in, logits out: whole clouds, tiles, votes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from salanet.models import Network
from salanet.models.network import pyramid_of
from salanet.sampling.boxes import TILE_POINTS, tiles
from salanet.sampling.partition import Superpoints

# Votes after the first turn by equal angles and take these scales in turn.
VOTE_SCALES = (1.0, 0.95, 1.05)

Progress = Callable[[int, int], None]


def point_logits(
    model: Network,
    points: Tensor,
    features: Tensor,
    *,
    votes: int = 1,
    tile_points: int = TILE_POINTS,
    progress: Progress | None = None,
    superpoints: Superpoints | None = None,
) -> Tensor:
    """Logits of every point, averaged over votes before any softmax (paper B.1).

    Clouds of at most `tile_points` points take one pass. Larger ones are cut into overlapping
    tiles; each keeps the logits of its core. The result is the same for any number of threads.

    Args:
        model: a scene model; its training mode is restored afterwards.
        points: float32 (N, 3), one per cell of the model's grid, N >= 1, relative to an origin
            as `salanet.scenes.choose_offset` gives.
        features: float32 (N, in_channels).
        votes: passes; the first sees the points as they are, the others rotated and scaled.
        tile_points: most points of one pass; bounds the memory. Networks may have a lower bound.
        progress: called with (points done, points in all) after each pass.
        superpoints: parts of the points, for a network that looks at them; else it finds them.

    Returns:
        float32 (N, classes), on the CPU.
    """
    device = next(model.parameters()).device
    logits = torch.zeros(len(points), len(model.config.classes))
    halo = model.halo_radii * model.config.radius
    tile_points = min(tile_points, model.pass_points or tile_points)
    done = 0
    with evaluating(model), torch.inference_mode():
        for tile in tiles(points.numpy(), tile_points, halo):
            rows, core = torch.from_numpy(tile.rows), torch.from_numpy(tile.core)
            seen, given = points[rows], features[rows].to(device)
            total = torch.zeros(int(core.sum()), logits.shape[1])
            for vote in range(votes):
                parts = None if superpoints is None else superpoints.of(tile.rows)
                pyramid = pyramid_of(model, turned(seen, vote, votes), None, parts).to(device)
                total += model(given, pyramid)[core.to(device)].float().cpu()
            logits[rows[core]] = total / votes
            done += len(total)
            if progress is not None:
                progress(done, len(points))
    return logits


def turned(points: Tensor, vote: int, votes: int) -> Tensor:
    """The points as one vote sees them: turned about z by vote / votes of a circle, and scaled."""
    if vote == 0:
        return points
    angle = 2 * math.pi * vote / votes
    cos, sin = math.cos(angle), math.sin(angle)
    matrix = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return points @ (matrix * VOTE_SCALES[vote % len(VOTE_SCALES)])


@contextmanager
def evaluating(model: Network) -> Iterator[None]:
    """Evaluation mode inside the block, the former mode after it."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
