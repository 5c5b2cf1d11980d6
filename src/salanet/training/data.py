"""What a recipe trains and validates on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from salanet.datasets.partnet import Shapes, open_shapes
from salanet.errors import FileError
from salanet.scenes import Scene, check_alike, open_scenes
from salanet.training.recipe import Recipe


def shapes(data: Path, recipe: Recipe) -> tuple[list[Shapes], list[Shapes]]:
    """Training and validation shapes of PartNet; FileError if there is nothing to train on."""
    train = [one for split in recipe.data.train_split for one in open_shapes(data, split)]
    has_validation = (data / recipe.data.val_split).is_dir()
    return train, open_shapes(data, recipe.data.val_split) if has_validation else []


def scenes(data: Path, recipe: Recipe) -> tuple[list[Scene], list[Scene]]:
    """Training and validation scenes; a folder without splits is all training.

    Raises FileError if there is nothing to train on, or scenes differ in classes or grid.
    """
    splits = recipe.data.train_split
    has_splits = any((data / split).is_dir() for split in splits)
    train = open_scenes(data, splits if has_splits else None)
    has_validation = (data / recipe.data.val_split).is_dir()
    validation = open_scenes(data, recipe.data.val_split) if has_validation else []
    check_judged(train, validation, recipe)
    return train, validation


def check_judged(train: Sequence[Scene], judged: Sequence[Scene], recipe: Recipe) -> None:
    """Raise FileError unless scenes have the classes of training, and the grid of the model.

    Training scenes may be finer than that, where cells are drawn from them.
    """
    check_alike([*train[:1], *judged], ["classes"])
    grid = recipe.model.grid or train[0].grid
    for scene in judged:
        if grid and scene.grid and abs(scene.grid - grid) > 1e-6 * grid:
            raise FileError(
                scene.folder,
                f"has grid {scene.grid}, but the model works on {grid}; prepare it with "
                f"--grid {grid}",
            )
