"""Whole shapes through a network with one head per category."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salanet.datasets.partnet import Shapes
from salanet.errors import ConfigError, FileError
from salanet.evaluation.partnet import PartScores, predicted_parts
from salanet.evaluation.voting import PASS_POINTS, augmentation_of, stacked, stream
from salanet.models import Network
from salanet.models.runner import evaluating
from salanet.sampling import features
from salanet.sampling.augment import NONE, Augmentation


@dataclass(frozen=True)
class ShapeVotes:
    """Votes over augmented shapes, logits averaged (paper B.3).

    The first vote sees each shape as it is. The random numbers of a shape follow from the seed,
    its category, the vote and its number there.

    Attributes:
        votes: passes over each shape.
        augmentation: of the votes after the first.
        seed: of all random numbers.
    """

    votes: int = 1
    augmentation: Augmentation = field(default_factory=lambda: NONE)
    seed: int = 0

    @classmethod
    def of(cls, model: Network, *, votes: int, seed: int = 0) -> ShapeVotes:
        """With the augmentation the model was trained with; ConfigError if it does not say."""
        return cls(votes, augmentation_of(model), seed)

    def logits(self, model: Network, shapes: Shapes, numbers: Sequence[int]) -> Tensor:
        """Mean logits float32 (len(numbers), P, parts) of some shapes, on the CPU."""
        device = next(model.parameters()).device
        names = features.normalise_names(model.config.features)
        total = torch.zeros(len(numbers), shapes.points.shape[1], shapes.part_count)
        with evaluating(model), torch.inference_mode():
            for vote in range(self.votes):
                seen = [self.view(shapes, number, vote) for number in numbers]
                values = np.concatenate([features.compute(names, xyz=xyz) for xyz in seen])
                pyramid = model.pyramid(*stacked(seen)).to(device)
                given = torch.from_numpy(values).to(device)
                embedded = model.embed(given, pyramid)
                found = model.classify(head_of(model, shapes.category), embedded, given, pyramid)
                total += found.float().cpu().view(total.shape)
        return total / self.votes

    def view(self, shapes: Shapes, number: int, vote: int) -> NDArray[np.float32]:
        """A shape (P, 3) as one vote sees it."""
        points = np.array(shapes.points[number], np.float32)
        if vote == 0:
            return points
        return self.augmentation.points(points, stream(self.seed, shapes.category, vote, number))

    def describe(self) -> dict[str, Any]:
        """What a result says of it."""
        if self.votes == 1:
            return {"name": "whole", "votes": 1}
        return {
            "name": "voting",
            "votes": self.votes,
            "augmentation": self.augmentation.model_dump(mode="json"),
            "seed": self.seed,
        }


def evaluate_shapes(
    model: Network,
    shapes: Sequence[Shapes],
    protocol: ShapeVotes | None = None,
    *,
    pass_points: int = PASS_POINTS,
    progress: Callable[[Shapes, PartScores], None] | None = None,
) -> PartScores:
    """The scores of a model of object parts on labelled shapes.

    Args:
        model: with one head per category.
        shapes: by category, as `open_shapes` returns them.
        protocol: one clean pass by default.
        pass_points: most points of one pass, wherever a shape has no more.
        progress: called with each category done and the scores so far.

    Raises:
        ConfigError: the model is not one of parts, or lacks a category.
        FileError: a category has another number of parts, or another grid.
    """
    protocol = protocol or ShapeVotes()
    scores = PartScores(check_parts(model, shapes))
    for one in shapes:
        step = max(1, pass_points // one.points.shape[1])
        for start in range(0, len(one), step):
            numbers = range(start, min(start + step, len(one)))
            logits = protocol.logits(model, one, numbers).numpy()
            for number, found in zip(numbers, logits, strict=True):
                scores.add(one.category, one.parts[number], predicted_parts(found))
        if progress is not None:
            progress(one, scores)
    return scores


def check_parts(model: Network, shapes: Sequence[Shapes]) -> dict[str, int]:
    """The parts of each category; raises as `evaluate_shapes`."""
    config = model.config
    if not config.parts:
        raise ConfigError("this is a model of scenes; shapes need one with a head per category")
    for one in shapes:
        if one.category not in config.parts:
            raise ConfigError(
                f"{one.folder}: the model does not know {one.category}; it knows "
                f"{', '.join(config.parts)}"
            )
        if config.parts[one.category] != one.part_count or abs(one.grid - config.grid) > 1e-9:
            raise FileError(
                one.folder,
                f"has {one.part_count} parts and the grid {one.grid}, but the model "
                f"{config.parts[one.category]} and {config.grid}",
            )
    return {one.category: one.part_count for one in shapes}


def head_of(model: Network, category: str) -> torch.nn.Module:
    """The head of a category."""
    heads = model.head
    assert isinstance(heads, torch.nn.ModuleList)
    return heads[list(model.config.parts).index(category)]
