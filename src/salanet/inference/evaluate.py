"""The whole-scene protocol: a model's pooled confusion over prepared scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from salanet.errors import ConfigError, FileError
from salanet.evaluation import Confusion
from salanet.inference.network import TILE_POINTS, point_logits
from salanet.inference.segment import scene_input
from salanet.models import Network
from salanet.scenes import Scene


def evaluate(
    model: Network,
    scenes: Sequence[Scene],
    *,
    votes: int = 1,
    tile_points: int = TILE_POINTS,
    progress: Callable[[Scene, Confusion], None] | None = None,
) -> Confusion:
    """One confusion over every labelled point of all scenes.

    Scenes that keep the labels of their raw points are scored on those, each with the prediction
    of its cell; others on their cells.

    Args:
        model: a scene model with the scenes' classes.
        scenes: labelled scenes on the model's grid.
        votes, tile_points: see `point_logits`.
        progress: called with each scene done and its own confusion.

    Raises:
        ConfigError: the classes differ.
        FileError: a scene has no labels, or another grid.
        DataError: a scene lacks an attribute that the model needs.
    """
    pooled = Confusion(model.config.classes)
    for scene in scenes:
        check_classes(model, scene)
        seen = scene_input(model, scene)
        logits = point_logits(
            model, seen.points, seen.features, votes=votes, tile_points=tile_points
        )
        prediction = logits.argmax(1).numpy()
        single = Confusion(model.config.classes)
        if on_raw_points(scene):
            single.add(scene.raw["segment"], prediction[scene.raw["to_cell"]])
        else:
            assert scene.segment is not None
            single.add(np.asarray(scene.segment), prediction)
        pooled += single
        if progress is not None:
            progress(scene, single)
    return pooled


def on_raw_points(scene: Scene) -> bool:
    """Whether the scene keeps the labels of the points before subsampling."""
    return {"segment", "to_cell"} <= scene.raw.keys()


def check_classes(model: Network, scene: Scene) -> None:
    """Raise unless the scene is labelled with the model's classes, in their order."""
    if scene.segment is None:
        raise FileError(scene.folder, "has no labels (segment.npy) to compare with")
    if scene.classes and tuple(scene.classes) != tuple(model.config.classes):
        raise ConfigError(
            f"{scene.folder} has the classes {', '.join(scene.classes)}, but the model knows "
            f"{', '.join(model.config.classes)}"
        )
