"""An operator, a network, a feature and a data set of somebody's own, as a module enters them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch

import salanet
from salanet.datasets.benchmark import Benchmark, Job, Plan, Raw, prepare_scene
from salanet.datasets.own import DATASETS
from salanet.models import Network
from salanet.models.networks import NETWORKS
from salanet.operators import OPERATORS, Operator
from salanet.sampling.features import FEATURES, Feature


class Mean(Operator):
    """The mean of all neighbours, then one linear map."""

    def __init__(self, in_channels: int, out_channels: int, radius: float, *, scale: float = 1.0):
        super().__init__(in_channels, out_channels, radius)
        self.scale, self.weight = scale, torch.nn.Linear(in_channels, out_channels)

    def forward(self, queries, supports, neighbours, features):  # type: ignore[no-untyped-def]  # noqa: ARG002
        present = neighbours < len(supports)
        rows = features[torch.where(present, neighbours, 0).long()] * present[..., None]
        mean = rows.sum(1) / present.sum(1, keepdim=True).clamp(min=1)
        return torch.relu(self.weight(mean * self.scale))

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:  # noqa: ARG002
        return queries * (k + self.out_channels) * self.in_channels

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        return self.macs_per_neighbour(queries, supports, k)


class Alone(Network):
    """Each point by itself."""

    def __init__(self, config, metadata=None):  # type: ignore[no-untyped-def]
        super().__init__(config, metadata)
        self.lift = torch.nn.Linear(config.in_channels, config.width)
        self.add_heads(partial(torch.nn.Linear, config.width))

    def embed(self, features, pyramid):  # type: ignore[no-untyped-def]  # noqa: ARG002
        return torch.relu(self.lift(features))


def brightness(arrays):  # type: ignore[no-untyped-def]
    return np.log1p(arrays["intensity"]) + 0 * arrays["z"]


def read(job: Job) -> Raw:
    cloud = salanet.read(job.files[0])
    assert cloud.label is not None
    return Raw(cloud, np.where(cloud.label == 2, 0, 1).astype(np.int16))


BENCHMARK = Benchmark("Mine 1.0", "here", "free", ("ground", "other"), (2, 1), ((9, 9, 9),) * 2)


def plan(source: Path, destination: Path, grid: float | None) -> Plan:
    settings = {"dataset": BENCHMARK.name, "grid": grid or 0.5}
    jobs = [
        Job(f"{split}/{path.stem}", (path,), destination / split / path.stem)
        for path, split in zip(sorted(source.glob("*.laz")), ("train", "val", "test"), strict=False)
    ]
    keep = ("intensity",)
    work = partial(prepare_scene, benchmark=BENCHMARK, settings=settings, read=read, keep=keep)
    return Plan(BENCHMARK, settings, jobs, work)


OPERATORS["mean_of_all"] = Mean
NETWORKS["alone"] = Alone
FEATURES["brightness"] = Feature(brightness, ("brightness",), ("intensity",))
DATASETS["mine"] = plan
