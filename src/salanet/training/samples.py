"""Training batches: pieces of scenes, changed at random, stacked, with their pyramid.

Every draw comes from a generator seeded with (seed, epoch, index of the sample), so a resumed run
sees exactly the batches it would have seen, and several processes together those of one alone.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

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
from salanet.training.search import pyramid_of
from salanet.training.workers import ahead

# Batches within which the draws of one process may overtake each other.
IN_FLIGHT = 16
# Index of the draw that starts an epoch's potentials; no sample has it.
BEFORE_FIRST = 2**32 - 1


class Batch:
    """Stacked clouds.

    Attributes:
        features: float32 (N, C).
        labels: int64 (N,), -1 = ignored.
        pyramid: of the points.
        heads: the model's head for each cloud; empty for scenes, whose model has one.
        origin: where each cloud is from, to be told to people.
    """

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        pyramid: Pyramid,
        heads: tuple[int, ...] = (),
        origin: tuple[str, ...] = (),
    ) -> None:
        self.features = features
        self.labels = labels
        self.pyramid = pyramid
        self.heads = heads
        self.origin = origin

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Batch:
        if device.type == "cpu":
            return self
        return Batch(
            self.features.to(device),
            self.labels.to(device),
            self.pyramid.to(device),
            self.heads,
            self.origin,
        )


class Sample(NamedTuple):
    """Points (N, 3) about the centre, features (N, C), labels (N,), and where they are from."""

    points: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    origin: str


class Draws(ABC):
    """What draws batches, of scenes or of shapes: each process its own, made ahead of use."""

    recipe: Recipe
    model: Network
    processes: int
    on_device: bool

    @abstractmethod
    def batch(self, epoch: int, number: int) -> Batch:
        """One batch: this process's share of batch `number` of `epoch`, both counted from 0."""

    def batches(self, first: int, last: int, workers: int = 1) -> Generator[Batch]:
        """The batches first..last-1, counted over all epochs, made ahead of use."""
        return ahead(map(self._job, range(first, last)), workers)

    def _job(self, number: int) -> Callable[[], Batch]:
        return lambda: self.batch(*place_of(number, self.recipe.training, self.processes))


class Samples(Draws):
    """Draws the batches of a recipe from scenes.

    Args:
        recipe: its sampling and augmentation are used.
        scenes: labelled scenes.
        model: its pyramid is built.
        intensity_scale: the intensity that becomes 1.
        rank, processes: which of how many processes this is; they share out each epoch's samples.

    Attributes:
        on_device: leave the neighbours of batches to be searched on the device they go to.
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
        self.on_device = False
        self.sampler = SphereSampler(
            scenes,
            sampling.sphere_radius,
            limit=sampling.max_points,
            vertical=sampling.shape,
            balance=sampling.balance,
        )
        self.potentials = Potentials(self)

    def batch(self, epoch: int, number: int) -> Batch:
        own = share_of(number, self.recipe.training, self.rank, self.processes)
        drawn = [self.sample(epoch, index) for index in own]
        clouds, values, labels, origin = zip(*drawn, strict=True)
        points = torch.from_numpy(np.concatenate(clouds))
        splits = torch.from_numpy(np.cumsum([0, *map(len, labels)]))
        return Batch(
            torch.from_numpy(np.concatenate(values)),
            torch.from_numpy(np.concatenate(labels)),
            pyramid_of(self.model, points, splits, self.on_device),
            origin=origin,
        )

    def sample(self, epoch: int, index: int) -> Sample:
        """One sample: number `index` of `epoch`, both counted from 0."""
        if self.recipe.sampling.centres == "potentials":
            sphere, rng = self.potentials.draw(epoch, index)
        else:
            rng = self.generator(epoch, index)
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
        x, y, z = sphere.centre + scene.offset
        origin = f"{scene.name} around ({x:.1f}, {y:.1f}, {z:.1f}), epoch {epoch}, sample {index}"
        return Sample(arrays["xyz"], values, scene.segment[rows].astype(np.int64), origin)

    def generator(self, epoch: int, index: int) -> np.random.Generator:
        return np.random.default_rng((self.recipe.training.seed, epoch, index))


class Potentials:
    """Centres by potentials, which start afresh with each epoch.

    Each depends on all draws of the epoch before it, those of other processes too. They are made
    in order whichever thread asks first; a run resumed within an epoch repeats them.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples
        self.lock = threading.Lock()
        self.courses: dict[int, Course] = {}

    def draw(self, epoch: int, index: int) -> tuple[Sphere, np.random.Generator]:
        """A sphere, and the generator it was drawn from for what is still to be drawn."""
        with self.lock:
            course = self.courses.get(epoch)
            if course is None or (index < course.drawn and index not in course.ready):
                course = Course(self.samples, epoch)
                # Of two threads one may still be in the epoch before.
                self.courses = {n: c for n, c in self.courses.items() if n == epoch - 1}
                self.courses[epoch] = course
            return course.draw(index)


class Course:
    """The draws of one epoch, in order."""

    def __init__(self, samples: Samples, epoch: int) -> None:
        self.samples, self.epoch = samples, epoch
        self.sampler = PotentialSampler(samples.sampler, samples.generator(epoch, BEFORE_FIRST))
        self.drawn = 0
        self.ready: dict[int, tuple[Sphere, np.random.Generator]] = {}

    def draw(self, index: int) -> tuple[Sphere, np.random.Generator]:
        together = self.samples.recipe.training.batch_size * self.samples.processes
        while self.drawn <= index:
            rng = self.samples.generator(self.epoch, self.drawn)
            self.ready[self.drawn] = self.sampler.draw(rng), rng
            self.ready.pop(self.drawn - IN_FLIGHT * together, None)
            self.drawn += 1
        return self.ready.pop(index)


def place_of(number: int, training: Training, processes: int) -> tuple[int, int]:
    """The epoch of a batch counted over all epochs, and its number within it."""
    return divmod(number, training.accumulate * training.steps_per_epoch(processes))


def share_of(number: int, training: Training, rank: int, processes: int) -> range:
    """Which of an epoch's samples process `rank` takes for batch `number`: every n-th of n."""
    together = training.batch_size * processes
    return range(number * together + rank, (number + 1) * together, processes)


def class_counts(scenes: Sequence[Scene], classes: int) -> NDArray[np.int64]:
    """Labelled points of each class (classes,) over all scenes."""
    total = np.zeros(classes, dtype=np.int64)
    for scene in scenes:
        assert scene.segment is not None
        labels = np.asarray(scene.segment)
        total += np.bincount(labels[labels >= 0], minlength=classes)
    return total
