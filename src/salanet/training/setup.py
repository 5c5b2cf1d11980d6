"""What a training needs before its first step: scenes that fit, a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salanet.datasets.partnet import Shapes
from salanet.errors import ConfigError, FileError
from salanet.models import Network, create_model
from salanet.sampling import features
from salanet.scenes import Scene
from salanet.training.density import Cells
from salanet.training.recipe import Recipe


def model_for(recipe: Recipe, scenes: Sequence[Scene], intensity_scale: float) -> Network:
    """A new network for the classes and the grid of the scenes, with what its users must know."""
    first = scenes[0]
    names = features.normalise_names(recipe.model.features)
    metadata: dict[str, Any] = {
        "codes": first.meta.get("codes"),
        "colours": first.meta.get("colours"),
        "intensity_scale": intensity_scale,
        "intensity": recipe.model.intensity,
        "cells": cell_range(scenes, recipe),
        "optional": recipe.augmentation.optional(),
        "training_data": recipe.data.dataset or ", ".join(scene.name for scene in scenes),
        "licence": first.meta.get("provenance", {}).get("licence", ""),
        "recipe": recipe.model_dump(mode="json"),
    }
    return create_model(
        metadata=metadata,
        **recipe.model.architecture(),
        features=tuple(names),
        in_channels=features.width(names),
        classes=tuple(first.classes),
        grid=recipe.model.grid or first.grid,
    )


def cell_range(scenes: Sequence[Scene], recipe: Recipe) -> tuple[float, float] | None:
    """The least and largest cells that samples are thinned to; None for those of the scenes."""
    sampling, drop = recipe.sampling, recipe.augmentation.point_drop
    if sampling.cells is None:
        return None
    grid = recipe.model.grid or scenes[0].grid
    assert grid is not None  # checked before
    drawn = Cells(scenes, sampling.cells, grid, drop, sampling.cell_spread).ranges
    return min(low for low, _ in drawn), max(high for _, high in drawn)


def model_for_shapes(recipe: Recipe, shapes: Sequence[Shapes]) -> Network:
    """A new network with a head for each category of the shapes."""
    first = shapes[0]
    names = features.normalise_names(recipe.model.features)
    parts = {one.category: one.part_count for one in shapes}
    known = first.meta.get("provenance", {})
    metadata: dict[str, Any] = {
        "training_data": recipe.data.dataset or ", ".join(parts),
        "licence": known.get("licence", ""),
        "recipe": recipe.model_dump(mode="json"),
    }
    return create_model(
        metadata=metadata,
        **recipe.model.architecture(),
        features=tuple(names),
        in_channels=features.width(names),
        parts=parts,
        grid=first.grid,
    )


def check_scene(scene: Scene, recipe: Recipe, judged: bool = False) -> None:
    """Raise unless the scene has labels, class names, a grid, and what the features need.

    Samples are drawn from scenes to learn from; those `judged` are seen as they are.
    """
    if scene.segment is None:
        raise FileError(scene.folder, "has no labels (segment.npy) to learn from")
    if not scene.classes or scene.grid is None:
        raise FileError(scene.folder, "does not say its classes and grid (scene.json)")
    grid = recipe.model.grid
    if grid is not None and grid != scene.grid and recipe.sampling.cells is None:
        raise ConfigError(
            f"model.grid: {grid} is not the grid of {scene.folder} ({scene.grid}); leave it out, "
            "or give sampling.cells"
        )
    if not judged and recipe.sampling.cells and recipe.sampling.cells[0] < scene.grid:
        raise ConfigError(
            f"sampling.cells: {scene.folder} was prepared with cells of {scene.grid}, coarser than "
            f"{recipe.sampling.cells[0]}; prepare it with a finer --grid"
        )
    try:
        features.require(recipe.model.features, features.available(scene), str(scene.folder))
    except ConfigError as error:
        raise ConfigError(f"model.features: {error}") from error
