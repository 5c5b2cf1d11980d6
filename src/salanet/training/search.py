"""Where the neighbours of a batch are searched: by the workers beforehand, or on the device."""

from __future__ import annotations

import time
from typing import Any, Protocol

import torch
from torch import Tensor

from salanet.models import Network
from salanet.models.network import pyramid_of as built
from salanet.pyramid import Pyramid
from salanet.sampling.partition import Superpoints
from salanet.training.workers import lone_threads

# Times of each place; the first one compiles kernels and does not count.
REPEATS = 3


class Draws(Protocol):
    """What the place is chosen for."""

    model: Network

    def batch(self, epoch: int, number: int) -> Any: ...


class Unsearched(Pyramid):
    """Points whose pyramid is built where they are brought to."""

    def __init__(
        self,
        model: Network,
        points: Tensor,
        splits: Tensor,
        superpoints: Superpoints | None = None,
    ) -> None:
        super().__init__([])
        self.model, self.points, self.splits = model, points, splits
        self.superpoints = superpoints

    def to(self, device: torch.device | str) -> Pyramid:
        return built(self.model, self.points.to(device), self.splits, self.superpoints)


def pyramid_of(
    model: Network,
    points: Tensor,
    splits: Tensor,
    on_device: bool,
    superpoints: Superpoints | None = None,
) -> Pyramid:
    """The pyramid of a batch, built now or on the device it is brought to."""
    if on_device:
        return Unsearched(model, points, splits, superpoints)
    return built(model, points, splits, superpoints)


def faster_on_device(samples: Draws, device: torch.device, workers: int) -> bool:
    """Whether the device builds a batch's pyramid sooner than so many workers do; measured.

    What workers do costs the step nothing as long as they keep up with it; a device that needs
    less time than they do keeps up better.

    Args:
        samples: the first batch is measured.
        device: of the step; the CPU's own work is the workers'.
        workers: how many threads make batches.
    """
    if device.type == "cpu":
        return False
    finest, cpu = samples.batch(0, 0).pyramid.levels[0], torch.device("cpu")
    job = (samples.model, finest.points, finest.splits)
    with lone_threads(1) as alone:
        by_worker = alone.submit(_seconds, *job, cpu).result()
    return _seconds(*job, device) < by_worker / workers


def _seconds(model: Network, points: Tensor, splits: Tensor, device: torch.device) -> float:
    """The least time to build the pyramid on a device, the way there included."""
    times = []
    for _ in range(1 + REPEATS):
        begun = time.perf_counter()
        Unsearched(model, points, splits).to(device)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
    return min(times[1:])
