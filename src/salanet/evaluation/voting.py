"""The paper's protocol: overlapping spheres over each scene, augmented votes, mean logits."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salanet.adapt.alignment import intensity_scale
from salanet.engine.runner import require_scenes
from salanet.engine.segmentation import require_grid
from salanet.engine.votes import Progress
from salanet.errors import ConfigError
from salanet.models import Network
from salanet.models.network import Partitioned, pyramid_of
from salanet.models.runner import evaluating
from salanet.sampling import features
from salanet.sampling.augment import Augmentation
from salanet.sampling.coverage import voting_spheres
from salanet.sampling.scene_partition import scene_partition
from salanet.sampling.spheres import SphereIndex, Vertical
from salanet.scenes import Scene

# Points per pass: as many spheres as fit, at least one.
PASS_POINTS = 100_000
# Spheres that see each point in each vote.
OVERLAP = 2


@dataclass(frozen=True)
class Voting:
    """Votes over regular overlapping spheres.

    Each vote passes over all spheres of a scene, which together hold every point at least twice.
    The first vote sees the scene as it is; the others see each sphere turned, scaled, mirrored
    and jittered as in training, but with its colours. A point's logits are averaged over all
    spheres and votes before the argmax.

    The random numbers of a sphere follow from the seed, the scene's name, the vote and the
    sphere's number alone: neither the order of scenes nor `pass_points` changes the result.

    Attributes:
        radius: of the spheres in the scenes' units, as in training.
        shape: sphere, or cylinder.
        max_points: of a sphere; the nearest to its centre are kept.
        augmentation: of the votes after the first.
        votes: passes over the scene.
        seed: of all random numbers.
        pass_points: most points of one pass, wherever a single sphere has no more.
    """

    radius: float
    shape: Vertical = "sphere"
    max_points: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    votes: int = 20
    seed: int = 0
    pass_points: int = PASS_POINTS

    @classmethod
    def of(cls, model: Network, *, votes: int, seed: int = 0) -> Voting:
        """With the spheres and the augmentation the model was trained with.

        Raises:
            ConfigError: the model does not say how it was trained.
        """
        sampling = recipe_of(model, "sampling")
        return cls(
            radius=sampling["sphere_radius"],
            shape=sampling["shape"],
            max_points=sampling["max_points"],
            augmentation=augmentation_of(model),
            votes=votes,
            seed=seed,
        )

    def logits(
        self, model: Network, scene: Scene, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Mean logits float32 (N, classes) of the scene's cells.

        Args:
            model: a scene model; its training mode is restored afterwards.
            scene: on the model's grid.
            progress: called with (sphere points done, sphere points in all) after each pass.

        Raises:
            FileError: the scene's grid is not the model's.
            DataError: the scene lacks an attribute that the model needs.
        """
        require_grid(model, scene)
        names = require_scenes(model.config)
        device = next(model.parameters()).device
        spheres = self.spheres(scene)
        total = torch.zeros(len(scene), len(model.config.classes))
        count = torch.zeros(len(scene), 1)
        scale = intensity_scale(model, scene.arrays.get("intensity"))
        partition = None
        if isinstance(model, Partitioned):
            partition = scene_partition(scene, model.partition)
        done, everything = 0, self.votes * sum(map(len, spheres))
        with evaluating(model), torch.inference_mode():
            for vote in range(self.votes):
                for numbers in together([len(rows) for rows in spheres], self.pass_points):
                    rows = torch.from_numpy(np.concatenate([spheres[i] for i in numbers]))
                    seen = [self.view(scene, spheres[i], vote, i) for i in numbers]
                    values = [
                        features.compute(
                            names,
                            intensity_scale=scale,
                            cell_size=scene.grid,
                            where=str(scene.folder),
                            **arrays,
                        )
                        for arrays in seen
                    ]
                    points, splits = stacked([arrays["xyz"] for arrays in seen])
                    parts = None if partition is None else partition.of(rows.numpy())
                    pyramid = pyramid_of(model, points, splits, parts)
                    given = torch.from_numpy(np.concatenate(values)).to(device)
                    total.index_add_(0, rows, model(given, pyramid.to(device)).float().cpu())
                    count.index_add_(0, rows, torch.ones(len(rows), 1))
                    done += len(rows)
                    if progress is not None:
                        progress(done, everything)
        return (total / count).numpy()

    def spheres(self, scene: Scene) -> list[NDArray[np.int64]]:
        """The rows of each sphere; every row of the scene is in two of them or more."""
        index = SphereIndex(scene.coord, self.shape)
        return voting_spheres(index, self.radius, votes=OVERLAP, limit=self.max_points)

    def view(
        self, scene: Scene, rows: NDArray[np.int64], vote: int, number: int
    ) -> dict[str, NDArray[Any]]:
        """The arrays of a sphere as one vote sees them, about the middle of its points."""
        arrays = features.gather(scene, rows)
        xyz = arrays["xyz"]
        xyz = xyz - (xyz.min(0) + xyz.max(0)) / 2
        if vote:
            xyz = self.augmentation.points(xyz, stream(self.seed, scene.name, vote, number))
        return arrays | {"xyz": xyz}

    def describe(self) -> dict[str, Any]:
        """What a result says of it."""
        return {
            "name": "voting",
            "votes": self.votes,
            "radius": self.radius,
            "shape": self.shape,
            "max_points": self.max_points,
            "overlap": OVERLAP,
            "augmentation": self.augmentation.model_dump(mode="json"),
            "seed": self.seed,
        }


def recipe_of(model: Network, section: str) -> dict[str, Any]:
    """A section of the recipe a model was trained with; ConfigError if it does not say."""
    recipe = model.metadata.get("recipe")
    if not isinstance(recipe, dict) or section not in recipe:
        raise ConfigError(
            "the model does not say how it was trained (spheres and augmentation), which voting "
            "repeats; use --protocol whole"
        )
    found: dict[str, Any] = recipe[section]
    return found


def augmentation_of(model: Network) -> Augmentation:
    """The augmentation a model was trained with, of its points alone."""
    known = recipe_of(model, "augmentation")
    attributes = ("colour_drop", "intensity_jitter", "intensity_drop", "returns_drop")
    known = known | dict.fromkeys(attributes, 0.0)
    return Augmentation.model_validate(known)


def stream(seed: int, name: str, vote: int, number: int) -> np.random.Generator:
    """The random numbers of one piece in one vote."""
    return np.random.default_rng((seed, zlib.crc32(name.encode()), vote, number))


def together(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Consecutive numbers of pieces that pass together: at most `most` points, or one piece."""
    group: list[int] = []
    points = 0
    for number, size in enumerate(sizes):
        if group and points + size > most:
            yield group
            group, points = [], 0
        group.append(number)
        points += size
    if group:
        yield group


def stacked(clouds: Sequence[NDArray[np.floating]]) -> tuple[Tensor, Tensor]:
    """Points float32 (N, 3) and splits int64 (B + 1,) of a batch of clouds."""
    points = np.concatenate(clouds).astype(np.float32, copy=False)
    return torch.from_numpy(points), torch.from_numpy(np.cumsum([0, *map(len, clouds)]))
