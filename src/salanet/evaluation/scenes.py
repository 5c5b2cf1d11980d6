"""A model's pooled confusion over prepared scenes, by one protocol or another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from salanet.engine.opening import as_runner
from salanet.engine.runner import Model
from salanet.engine.segmentation import scene_input
from salanet.engine.votes import Progress, point_logits
from salanet.errors import ConfigError, FileError
from salanet.evaluation.confusion import Confusion
from salanet.model_file import Described
from salanet.sampling.boxes import TILE_POINTS
from salanet.scenes import Scene


class SceneProtocol(Protocol):
    """A way to the logits of a scene: `Whole` or `Voting`."""

    def logits(
        self, model: Any, scene: Scene, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Logits float32 (N, classes) of the scene's cells."""

    def describe(self) -> dict[str, Any]:
        """What a result says of it."""


@dataclass(frozen=True)
class Whole:
    """Each scene at once, or in large tiles; see `point_logits`."""

    votes: int = 1
    tile_points: int = TILE_POINTS

    def logits(
        self, model: Model, scene: Scene, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        model = as_runner(model)
        seen = scene_input(model, scene)
        return point_logits(
            model,
            seen.points,
            seen.features,
            votes=self.votes,
            tile_points=self.tile_points,
            progress=progress,
            superpoints=seen.superpoints,
        )

    def describe(self) -> dict[str, Any]:
        return {"name": "whole", "votes": self.votes, "tile_points": self.tile_points}


def evaluate(
    model: Any,
    scenes: Sequence[Scene],
    protocol: SceneProtocol | None = None,
    *,
    progress: Callable[[Scene, Confusion], None] | None = None,
    passes: Progress | None = None,
    predictions: Callable[[Scene, Confusion, NDArray[np.int64]], None] | None = None,
) -> Confusion:
    """One confusion over every labelled point of all scenes.

    Scenes that keep the labels of their raw points are scored on those, see `to_points`; others
    on their cells.

    Args:
        model: a scene model with the scenes' classes: a `salanet.engine.Runner`, or a network of
            PyTorch, which voting needs.
        scenes: labelled scenes on the model's grid.
        protocol: `Whole` by default.
        progress: called with each scene done and its own confusion.
        passes: called during each scene with (points done, points in all).
        predictions: called with each scene done, its own confusion, and the class of each of its
            cells, which are forgotten after that.

    Raises:
        ConfigError: the classes differ.
        FileError: a scene has no labels, or another grid.
        DataError: a scene lacks an attribute that the model needs.
    """
    protocol = protocol or Whole()
    pooled = Confusion(model.config.classes)
    for scene in scenes:
        if scene.segment is None:
            raise FileError(scene.folder, "has no labels (segment.npy) to compare with")
        check_classes(model, scene)
        prediction = protocol.logits(model, scene, passes).argmax(axis=1)
        single = Confusion(model.config.classes)
        if on_raw_points(scene):
            single.add(scene.exact(scene.raw["segment"]), prediction[to_points(scene)])
        else:
            single.add(scene.exact(scene.segment), prediction)
        pooled += single
        if progress is not None:
            progress(scene, single)
        if predictions is not None:
            predictions(scene, single, prediction)
    return pooled


def on_raw_points(scene: Scene) -> bool:
    """Whether the scene keeps the labels of the points before subsampling."""
    return {"segment", "to_cell"} <= scene.raw.keys()


def to_points(scene: Scene) -> NDArray[np.integer]:
    """The cell that lends each raw point its prediction.

    The nearest one where the scene knows it, as benchmarks have it; else the one it fell into.
    """
    return scene.raw["to_nearest" if "to_nearest" in scene.raw else "to_cell"]


def check_classes(model: Described, scene: Scene) -> None:
    """Raise ConfigError unless the scene has the model's classes, in their order."""
    if scene.classes and tuple(scene.classes) != tuple(model.config.classes):
        raise ConfigError(
            f"{scene.folder} has the classes {', '.join(scene.classes)}, but the model knows "
            f"{', '.join(model.config.classes)}"
        )
