"""What is learned: classes of scenes, or parts of shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from salanet.datasets.partnet import Shapes
from salanet.errors import ConfigError, DataError
from salanet.evaluation import Confusion, PartScores, evaluate, evaluate_shapes
from salanet.models import Network
from salanet.sampling import features
from salanet.scenes import Scene
from salanet.training.finetune import adopt, check_parent
from salanet.training.optimisation import class_weights
from salanet.training.processes import Processes
from salanet.training.recipe import Recipe
from salanet.training.samples import Draws, Samples, Unions, class_counts
from salanet.training.setup import check_scene, model_for, model_for_shapes
from salanet.training.shapes import ShapeSamples, part_names


class Task(Protocol):
    """The data of a training and how a model does on it."""

    def model(self) -> Network:
        """A new network for the data."""

    def names(self, model: Network) -> list[str]:
        """Of the labels that batches hold."""

    def weights(self) -> Tensor | None:
        """Of the classes in the loss; None = equal."""

    def absent(self) -> list[str]:
        """Classes that no training point has."""

    def unions(self) -> list[tuple[int, ...]]:
        """Of classes, where labels leave open which of them a point is."""

    def samples(self, model: Network, rank: int, processes: int) -> Draws:
        """Training batches of one of several processes."""

    def evaluate(
        self, model: Network, processes: Processes, passes: Callable[..., None]
    ) -> Confusion | PartScores:
        """Figures on the validation data, shared out by the processes; `passes` is called often."""


class SceneTask:
    """A class for every point of a scene.

    Raises:
        ConfigError, DataError, FileError: the scenes cannot be trained on with this recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        scenes: Sequence[Scene],
        validation: Sequence[Scene],
        parent: Network | None = None,
    ) -> None:
        self.recipe, self.scenes, self.validation, self.parent = recipe, scenes, validation, parent
        if recipe.sampling.shape == "whole":
            raise ConfigError("sampling.shape: whole shapes are PartNet's; scenes need sphere")
        for scene in scenes:
            check_scene(scene, recipe)
        for scene in validation:
            check_scene(scene, recipe, judged=True)
        self.intensity_scale = features.intensity_scale_of(
            [scene.arrays["intensity"] for scene in scenes if "intensity" in scene.arrays]
        )
        if parent:
            if recipe.sampling.cells is None:
                check_parent(parent, [scene.grid for scene in scenes], parts=False)
            self.intensity_scale = float(parent.metadata["intensity_scale"])  # type: ignore[arg-type]

    def model(self) -> Network:
        model = model_for(self.recipe, self.scenes, self.intensity_scale)
        if self.parent:
            adopt(model, self.parent)
        return model

    def names(self, model: Network) -> list[str]:
        return list(model.config.classes)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Labelled training points of each class."""
        return class_counts(self.scenes, len(self.scenes[0].classes))

    def weights(self) -> Tensor | None:
        if self.counts.sum() == 0:
            raise DataError("no point of the training scenes is labelled")
        training = self.recipe.training
        return class_weights(self.counts, training.class_weights, training.effective_beta)

    def absent(self) -> list[str]:
        pairs = zip(self.scenes[0].classes, self.counts, strict=True)
        return [name for name, count in pairs if count == 0]

    def unions(self) -> list[tuple[int, ...]]:
        return Unions(self.scenes).members

    def samples(self, model: Network, rank: int, processes: int) -> Samples:
        return Samples(
            self.recipe,
            self.scenes,
            model,
            self.intensity_scale,
            rank=rank,
            processes=processes,
        )

    def evaluate(
        self, model: Network, processes: Processes, passes: Callable[..., None]
    ) -> Confusion:
        own = self.validation[processes.rank :: processes.count]
        pooled = Confusion(model.config.classes)
        for found in processes.gather(evaluate(model, own, passes=passes)):
            pooled += found
        return pooled


class ShapeTask:
    """A part for every point of a shape, one head per category.

    Raises:
        ConfigError: the recipe is not for shapes.
        DataError: the recipe's features need more than coordinates.
    """

    def __init__(
        self,
        recipe: Recipe,
        shapes: Sequence[Shapes],
        validation: Sequence[Shapes],
        parent: Network | None = None,
    ) -> None:
        self.recipe, self.shapes, self.validation, self.parent = recipe, shapes, validation, parent
        if recipe.sampling.shape != "whole":
            raise ConfigError("sampling.shape: PartNet's shapes are sampled whole")
        if recipe.training.class_weights != "none" or recipe.training.lovasz:
            raise ConfigError(
                "training.class_weights, training.lovasz: the loss of parts has neither"
            )
        features.require(recipe.model.features, (), str(shapes[0].folder))
        if parent:
            check_parent(parent, [one.grid for one in shapes], parts=True)

    def model(self) -> Network:
        model = model_for_shapes(self.recipe, self.shapes)
        if self.parent:
            adopt(model, self.parent)
        return model

    def names(self, model: Network) -> list[str]:
        return part_names(model)

    def weights(self) -> None:
        return None

    def absent(self) -> list[str]:
        return []

    def unions(self) -> list[tuple[int, ...]]:
        return []

    def samples(self, model: Network, rank: int, processes: int) -> ShapeSamples:
        return ShapeSamples(self.recipe, self.shapes, model, rank=rank, processes=processes)

    def evaluate(
        self, model: Network, processes: Processes, passes: Callable[..., None]
    ) -> PartScores:
        own = self.validation[processes.rank :: processes.count]
        pooled = PartScores({one.category: one.part_count for one in self.validation})
        found = evaluate_shapes(model, own, progress=passes)
        for scores in processes.gather(found):
            pooled.confusions |= scores.confusions
            pooled.shapes |= scores.shapes
        return pooled


def task_for(
    recipe: Recipe, data: Sequence[Any], validation: Sequence[Any], parent: Network | None = None
) -> Task:
    """The task that suits the data: `Scene` or `Shapes`; its model starts from the parent."""
    if data and isinstance(data[0], Shapes):
        return ShapeTask(recipe, data, validation, parent)
    return SceneTask(recipe, data, validation, parent)
