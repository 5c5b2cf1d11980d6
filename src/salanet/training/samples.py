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

from salanet.errors import ConfigError
from salanet.models import Network
from salanet.models.network import Partitioned
from salanet.pyramid import Pyramid
from salanet.sampling import features
from salanet.sampling.partition import Superpoints, stacked_superpoints
from salanet.sampling.scene_partition import scene_partition
from salanet.sampling.spheres import PotentialSampler, Sphere, SphereSampler
from salanet.scenes import Scene
from salanet.training.density import Cells, shares
from salanet.training.recipe import Recipe, Training
from salanet.training.search import pyramid_of
from salanet.training.workers import ahead

# Batches within which the draws of one process may overtake each other.
IN_FLIGHT = 16
# Tells the generator of what is mixed from those of the samples.
MIXING = 1
# Index of the draw that starts an epoch's potentials; no sample has it.
BEFORE_FIRST = 2**32 - 1


class Batch:
    """Stacked clouds.

    Attributes:
        features: float32 (N, C).
        labels: int64 (N,), -1 = ignored.
        pyramid: of the points.
        unions: int64 (N,), number of the union of classes that a point is of, -1 = of none; None
            where no scene has any. Points of a union have the label -1.
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
        unions: Tensor | None = None,
    ) -> None:
        self.unions = unions
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
            None if self.unions is None else self.unions.to(device),
        )


class Sample(NamedTuple):
    """Points (N, 3) about the centre, features (N, C), labels (N,), and where they are from.

    Labels from the number of classes on are unions of classes, numbered over all scenes. The parts
    of the points are None where the network does not look at any, or finds them itself.
    """

    points: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    origin: str
    superpoints: Superpoints | None = None


def joined(samples: Sequence[Sample]) -> Sample:
    """Samples in one place; of networks that look at no parts of the points."""
    return Sample(
        np.concatenate([s.points for s in samples]),
        np.concatenate([s.features for s in samples]),
        np.concatenate([s.labels for s in samples]),
        "; ".join(s.origin for s in samples),
    )


class Unions:
    """The different unions of classes that points of the scenes may be of.

    Attributes:
        members: the class indices of each union.
        tables: for each scene, what its labels become: -1, the classes, then unions of `members`.
    """

    def __init__(self, scenes: Sequence[Scene]) -> None:
        classes = len(scenes[0].classes) if scenes else 0
        self.classes = classes
        self.members: list[tuple[int, ...]] = sorted({tuple(u) for s in scenes for u in s.unions})
        self.tables = [
            np.array(
                [*range(classes), *(classes + self.members.index(tuple(u)) for u in s.unions), -1],
                np.int64,
            )
            for s in scenes
        ]

    def of(self, scene: int, labels: NDArray[np.integer]) -> NDArray[np.int64]:
        """The labels of a scene with unions numbered over all scenes."""
        return labels.astype(np.int64) if not self.members else self.tables[scene][labels]

    def split(self, labels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Labels with unions as -1, and the unions beside them."""
        if not self.members:
            return labels, None
        union = labels - self.classes
        return labels.where(union < 0, -1), union.where(union >= 0, -1)


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
        return lambda: self.numbered(number)

    def numbered(self, number: int) -> Batch:
        """A batch counted over all epochs."""
        return self.batch(*place_of(number, self.recipe.training, self.processes))


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
            shares=shares(scenes, sampling.shares),
        )
        self.cells = None
        if sampling.cells:
            drop = recipe.augmentation.point_drop
            self.cells = Cells(scenes, sampling.cells, self.grid, drop, sampling.cell_spread)
            self.sampler.limit = None  # of what is thinned after
        self.unions = Unions(scenes)
        self.scales = [intensity_scale] * len(scenes)
        if recipe.model.intensity == "own":
            self.scales = [
                features.intensity_scale_of([s.arrays[n] for n in ("intensity",) if n in s.arrays])
                for s in scenes
            ]
        self.partitions: list[Superpoints] | None = None
        if isinstance(model, Partitioned) and sampling.mix:
            raise ConfigError("sampling.mix: this network looks at parts of one scene")
        if isinstance(model, Partitioned) and self.cells is None:
            self.partitions = [scene_partition(s, model.partition) for s in scenes]
        self.potentials = Potentials(self)

    def batch(self, epoch: int, number: int) -> Batch:
        own = share_of(number, self.recipe.training, self.rank, self.processes)
        drawn = [self.sample(epoch, index) for index in own]
        if self.recipe.sampling.mix:
            drawn = self.mixed(
                drawn, np.random.default_rng((self.recipe.training.seed, epoch, own[0], MIXING))
            )
        clouds, values, labels, origin, parts = zip(*drawn, strict=True)
        points = torch.from_numpy(np.concatenate(clouds))
        splits = torch.from_numpy(np.cumsum([0, *map(len, labels)]))
        known, unions = self.unions.split(torch.from_numpy(np.concatenate(labels)))
        return Batch(
            torch.from_numpy(np.concatenate(values)),
            known,
            pyramid_of(self.model, points, splits, self.on_device, stacked_superpoints(parts)),
            origin=origin,
            unions=unions,
        )

    def sample(self, epoch: int, index: int) -> Sample:
        """One sample: number `index` of `epoch`, both counted from 0."""
        augmentation = self.recipe.augmentation
        if self.recipe.sampling.centres == "potentials":
            sphere, rng = self.potentials.draw(epoch, index)
            cell, share = None, 1.0
        else:
            rng = self.generator(epoch, index)
            number, centre = self.sampler.centre(rng)
            cell, share = self.cells.draw(number, rng) if self.cells else (None, 1.0)
            reach = None if cell is None else self.sampler.radius * cell / self.grid
            sphere = self.sampler.at(number, centre, reach)
        scene = self.scenes[sphere.scene]
        rows = sphere.rows
        parts = None
        if self.cells and cell is not None:
            near = scene.coord[rows]
            rows = rows[self.cells.kept(sphere.scene, near, share, rng, augmentation.lines)]
        elif augmentation.point_drop:
            rows = rows[augmentation.kept(len(rows), rng)]
        if self.partitions is not None:
            parts = self.partitions[sphere.scene].of(rows)
        arrays = features.gather(scene, rows)
        arrays["xyz"] = arrays["xyz"] - sphere.centre.astype(np.float32)
        assert scene.segment is not None
        labels = self.unions.of(sphere.scene, scene.segment[rows])
        arrays = augmentation.measured(arrays, rng)
        if self.cells and cell is not None:
            most, axes = self.recipe.sampling.max_points, self.sampler.indices[0].axes
            arrays, labels = self.cells.thin(arrays, labels, cell, most, axes)
        zoom = 1.0 if cell is None else self.grid / cell
        arrays["xyz"] = augmentation.points(arrays["xyz"] * np.float32(zoom), rng)
        scale = self.scales[sphere.scene]
        arrays = augmentation.attributes(arrays, rng, scale)
        arrays = augmentation.terrain(arrays, zoom, rng)
        values = features.compute(
            self.recipe.model.features,
            intensity_scale=scale,
            cell_size=cell or scene.grid,
            where=str(scene.folder),
            **arrays,
        )
        x, y, z = sphere.centre + scene.offset
        origin = f"{scene.name} around ({x:.1f}, {y:.1f}, {z:.1f}), epoch {epoch}, sample {index}"
        return Sample(arrays["xyz"], values, labels, origin, parts)

    def mixed(self, drawn: list[Sample], rng: np.random.Generator) -> list[Sample]:
        """Every two samples as one cloud with the recipe's probability, each about its centre.

        What stands where the other's things do has company that says nothing about its class
        (Nekrasov et al., Mix3D, 3DV 2021).
        """
        pairs = [drawn[i : i + 2] for i in range(0, len(drawn), 2)]
        together = rng.random(len(pairs)) < self.recipe.sampling.mix
        merged: list[Sample] = []
        for pair, one in zip(pairs, together, strict=True):
            merged += [joined(pair)] if one else pair
        return merged

    @property
    def grid(self) -> float:
        return self.model.config.grid

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
        self.epochs: dict[int, DrawnEpoch] = {}

    def draw(self, epoch: int, index: int) -> tuple[Sphere, np.random.Generator]:
        """A sphere, and the generator it was drawn from for what is still to be drawn."""
        with self.lock:
            one = self.epochs.get(epoch)
            if one is None or (index < one.drawn and index not in one.ready):
                one = DrawnEpoch(self.samples, epoch)
                # Of two threads one may still be in the epoch before.
                self.epochs = {n: c for n, c in self.epochs.items() if n == epoch - 1}
                self.epochs[epoch] = one
            return one.draw(index)


class DrawnEpoch:
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
        total += np.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes)
    return total
