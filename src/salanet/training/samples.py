"""Training batches: pieces of scenes, changed at random, stacked, with their pyramid.

Every draw comes from a generator seeded with (seed, epoch, index of the sample), so a resumed run
sees exactly the batches it would have seen, and several processes together those of one alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salanet.models import Network
from salanet.pyramid import Pyramid
from salanet.sampling import features
from salanet.sampling.spheres import PotentialSampler, Sphere, SphereSampler
from salanet.scenes import Scene
from salanet.training.recipe import Recipe, Training

T = TypeVar("T")

# Batches made ahead of the step that uses them.
AHEAD = 2
# Index of the draw that starts an epoch's potentials; no sample has it.
BEFORE_FIRST = 2**32 - 1


class Batch:
    """Stacked clouds.

    Attributes:
        features: float32 (N, C).
        labels: int64 (N,), -1 = ignored.
        pyramid: of the points.
        heads: the model's head for each cloud; empty for scenes, whose model has one.
    """

    def __init__(
        self, features: Tensor, labels: Tensor, pyramid: Pyramid, heads: tuple[int, ...] = ()
    ) -> None:
        self.features = features
        self.labels = labels
        self.pyramid = pyramid
        self.heads = heads

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        return Batch(
            self.features.to(device), self.labels.to(device), self.pyramid.to(device), self.heads
        )


class Samples:
    """Draws the batches of a recipe from scenes.

    Args:
        recipe: its sampling and augmentation are used.
        scenes: labelled scenes.
        model: its pyramid is built.
        intensity_scale: the intensity that becomes 1.
        rank, processes: which of how many processes this is; they share out each epoch's samples.
    """

    def __init__(
        self,
        recipe: Recipe,
        scenes: Sequence[Scene],
        model: Network,
        intensity_scale: float,
        *,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        sampling = recipe.sampling
        assert sampling.shape != "whole"
        self.recipe = recipe
        self.scenes = scenes
        self.model = model
        self.intensity_scale = intensity_scale
        self.rank, self.processes = rank, processes
        self.sampler = SphereSampler(
            scenes,
            sampling.sphere_radius,
            limit=sampling.max_points,
            vertical=sampling.shape,
            balance=sampling.balance,
        )
        self.potentials = Potentials(self)

    def batches(self, first: int, last: int) -> Generator[Batch]:
        """The batches first..last-1, counted over all epochs, made ahead of use."""
        return ahead(map(self._job, range(first, last)), AHEAD)

    def _job(self, number: int) -> Callable[[], Batch]:
        return lambda: self.batch(*place_of(number, self.recipe.training, self.processes))

    def batch(self, epoch: int, number: int) -> Batch:
        """One batch: this process's share of batch `number` of `epoch`, both counted from 0."""
        own = share_of(number, self.recipe.training, self.rank, self.processes)
        drawn = [self.sample(epoch, index) for index in own]
        points, values, labels = zip(*drawn, strict=True)
        splits = torch.from_numpy(np.cumsum([0, *map(len, labels)]))
        return Batch(
            torch.from_numpy(np.concatenate(values)),
            torch.from_numpy(np.concatenate(labels)),
            self.model.pyramid(torch.from_numpy(np.concatenate(points)), splits),
        )

    def sample(
        self, epoch: int, index: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Points (N, 3) about the centre, features (N, C) and labels (N,) of one sample."""
        rng = self.generator(epoch, index)
        if self.recipe.sampling.centres == "potentials":
            sphere = self.potentials.draw(epoch, index, rng)
        else:
            sphere = self.sampler.draw(rng)
        scene = self.scenes[sphere.scene]
        rows = sphere.rows
        if self.recipe.augmentation.point_drop:
            rows = rows[self.recipe.augmentation.kept(len(rows), rng)]
        arrays = features.gather(scene, rows)
        centred = arrays["xyz"] - sphere.centre.astype(np.float32)
        arrays["xyz"] = self.recipe.augmentation.points(centred, rng)
        arrays = self.recipe.augmentation.attributes(arrays, rng)
        values = features.compute(
            self.recipe.model.features,
            intensity_scale=self.intensity_scale,
            where=str(scene.folder),
            **arrays,
        )
        assert scene.segment is not None
        return arrays["xyz"], values, scene.segment[rows].astype(np.int64)

    def generator(self, epoch: int, index: int) -> np.random.Generator:
        return np.random.default_rng((self.recipe.training.seed, epoch, index))


class Potentials:
    """Centres by potentials, which start afresh with each epoch.

    They depend on all draws of the epoch so far; a run resumed within an epoch repeats those.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.epoch, self.drawn = -1, 0

    def draw(self, epoch: int, index: int, rng: np.random.Generator) -> Sphere:
        if epoch != self.epoch or index < self.drawn:
            start = self.samples.generator(epoch, BEFORE_FIRST)
            self.sampler = PotentialSampler(self.samples.sampler, start)
            self.epoch, self.drawn = epoch, 0
        while self.drawn < index:
            self.sampler.draw(self.samples.generator(epoch, self.drawn))
            self.drawn += 1
        self.drawn += 1
        return self.sampler.draw(rng)


def place_of(number: int, training: Training, processes: int) -> tuple[int, int]:
    """The epoch of a batch counted over all epochs, and its number within it."""
    return divmod(number, training.accumulate * training.steps_per_epoch(processes))


def share_of(number: int, training: Training, rank: int, processes: int) -> range:
    """Which of an epoch's samples process `rank` takes for batch `number`: every n-th of n."""
    together = training.batch_size * processes
    return range(number * together + rank, (number + 1) * together, processes)


def ahead(jobs: Iterator[Callable[[], T]], count: int) -> Generator[T]:
    """Results of jobs in order, up to `count` of them computed beforehand in one thread."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        waiting: list[Future[T]] = []
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > count:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def class_counts(scenes: Sequence[Scene], classes: int) -> NDArray[np.int64]:
    """Labelled points of each class (classes,) over all scenes."""
    total = np.zeros(classes, dtype=np.int64)
    for scene in scenes:
        assert scene.segment is not None
        labels = np.asarray(scene.segment)
        total += np.bincount(labels[labels >= 0], minlength=classes)
    return total
