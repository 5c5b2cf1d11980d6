"""Fine-tuning: a trained model goes on to other scenes, and to other classes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn

from salanet.errors import ConfigError
from salanet.model_file import locate
from salanet.models import Network, load
from salanet.training.recipe import Model, Recipe, parse_recipe

# What is kept of a model learns at this part of the recipe's rate; a new head at the full one.
RATE = 0.1


def open_parent(model: str | Path) -> Network:
    """A model to start from, a file or a shipped one by name; `metadata["file"]` tells which it is.

    Raises FileError, ConfigError: as `load`.
    """
    path = locate(model)
    parent = load(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    parent.metadata["file"] = {"name": path.name, "sha256": digest}
    return parent


def recipe_from(recipe: Recipe, parent: Network) -> Recipe:
    """The recipe with the parent's network in place of its own, at a lower learning rate."""
    content = recipe.model_dump(mode="json")
    content["model"] = parent.config.model_dump(mode="json", include=set(Model.model_fields))
    if not recipe.sampling.cells:
        content["model"].pop("grid")
    content["model"]["intensity"] = parent.metadata.get("intensity", "common")
    content["training"]["learning_rate"] *= RATE
    return parse_recipe(content, str(_file(parent)["name"]))


def check_parent(parent: Network, grids: Iterable[float | None], *, parts: bool) -> None:
    """Raise ConfigError unless the parent is for data of this kind on this grid."""
    name, config = _file(parent)["name"], parent.config
    if bool(config.parts) != parts:
        kinds = ("a model of scenes", "a model of shapes' parts")
        raise ConfigError(
            f"--from {name}: this is {kinds[not parts]}, the data is of the other kind"
        )
    for grid in grids:
        if grid is None or abs(grid - config.grid) > 1e-9:
            raise ConfigError(
                f"--from {name}: it has learned cells of {config.grid}, these scenes have {grid}; "
                f"prepare them with --grid {config.grid}"
            )


@torch.no_grad()
def adopt(model: Network, parent: Network) -> None:
    """Give a new model what its parent has learned.

    The head keeps what it knows of classes (or categories of parts) of the same name. If any is
    new, the head learns at the recipe's rate.
    """
    model.metadata["parent"] = _file(parent) | {
        key: parent.metadata.get(key) for key in ("training_data", "licence")
    }
    own, old = model.state_dict(), parent.state_dict()
    for name, tensor in old.items():
        if not name.startswith("head."):
            own[name].copy_(tensor)
    if model.config.parts:
        _adopt_parts(model, parent)
    else:
        _adopt_classes(model, parent)


def _adopt_classes(model: Network, parent: Network) -> None:
    head, old = model.head, parent.head
    name = [name for name, module in head.named_modules() if isinstance(module, nn.Linear)][-1]
    known = {cls: row for row, cls in enumerate(parent.config.classes)}
    # Layers on the logits know their classes by number.
    anew = getattr(head, "on_logits", ()) if model.config.classes != parent.config.classes else ()
    for key, tensor in head.state_dict().items():
        if key.startswith(anew):
            continue
        source = old.state_dict()[key]
        if not key.startswith(f"{name}."):
            tensor.copy_(source)
            continue
        for row, cls in enumerate(model.config.classes):
            if cls in known:
                tensor[row] = source[known[cls]]
    if not set(model.config.classes) <= set(known):
        _learn_faster(head)


def _adopt_parts(model: Network, parent: Network) -> None:
    assert isinstance(model.head, nn.ModuleList) and isinstance(parent.head, nn.ModuleList)
    known = dict(zip(parent.config.parts.items(), parent.head, strict=True))
    for category, head in zip(model.config.parts.items(), model.head, strict=True):
        if category in known:
            head.load_state_dict(known[category].state_dict())
        else:
            _learn_faster(head)


def _learn_faster(head: nn.Module) -> None:
    for module in head.modules():
        module.lr_multiplier = 1 / RATE  # type: ignore[assignment]


def _file(parent: Network) -> dict[str, object]:
    known = parent.metadata["file"]
    assert isinstance(known, dict)
    return known
