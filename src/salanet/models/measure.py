"""How long a network takes on this machine, and how much memory."""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from salanet.extensions import use_all, used
from salanet.model_config import ModelConfig
from salanet.models.networks import create_network
from salanet.ops import grid_subsample


@dataclass(frozen=True)
class Measurement:
    """Of one cloud, at inference, with batch norms folded.

    Attributes:
        points: in the cloud.
        threads: PyTorch's.
        geometry_ms: median time to build the pyramid.
        network_ms: median time of the network on it.
        peak_bytes: memory beyond what the process held before, at most, while doing both; None
            where the system does not tell (elsewhere than on Linux).
    """

    points: int
    threads: int
    geometry_ms: float
    network_ms: float
    peak_bytes: int | None


def measure(config: ModelConfig, points: int = 15000, repeats: int = 7) -> Measurement:
    """Run a network on `surface_cloud(points)` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, use_all, (used(),)) as pool:
        return pool.apply(_measure, (config, points, repeats))


def _measure(config: ModelConfig, points: int, repeats: int) -> Measurement:
    torch.manual_seed(0)
    model = create_network(config).fold()
    cloud = surface_cloud(points, config.grid)
    features = torch.randn(points, config.in_channels)
    with torch.inference_mode():
        forget_peak()
        before = memory("VmRSS")
        pyramid = model.pyramid(cloud)
        model(features, pyramid)
        peak = memory("VmHWM")
        geometry_ms = _median_ms(lambda: model.pyramid(cloud), repeats)
        network_ms = _median_ms(lambda: model(features, pyramid), repeats)
    return Measurement(
        points=points,
        threads=torch.get_num_threads(),
        geometry_ms=geometry_ms,
        network_ms=network_ms,
        peak_bytes=None if before is None or peak is None else peak - before,
    )


def surface_cloud(points: int, grid: float) -> Tensor:
    """The corner of a room: floor and two walls, one point in each cell of `grid` metres.

    Returns:
        float32 (points, 3), the same every time.
    """
    generator = torch.Generator().manual_seed(0)
    side = 1.3 * grid * (points / 3) ** 0.5
    places = torch.rand(3, 8 * points, 3, generator=generator) * side
    for axis in range(3):
        places[axis, :, axis] = 0.3 * grid
    cells = grid_subsample(places.flatten(0, 1), grid).points
    nearest = cells.norm(dim=1).argsort(stable=True)[:points]
    assert len(nearest) == points
    return cells[nearest.sort().values]


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def forget_peak() -> None:
    """Let the kernel count the peak memory from now on."""
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")


def memory(field: str) -> int | None:
    """A field of the process's status, in bytes."""
    if sys.platform != "linux":
        return None
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    return None
