"""What a recipe trains and validates on."""

from __future__ import annotations

from pathlib import Path

from salanet.datasets.partnet import Shapes, open_shapes
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
    check_alike([*train, *validation])
    return train, validation
