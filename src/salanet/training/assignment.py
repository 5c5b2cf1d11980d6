"""Whether SALA's assignment is alive: how far h leaves its mean, layer by layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from salanet.models import Network
from salanet.operators import SALA
from salanet.operators.norm import alone, untracked
from salanet.training.samples import Batch

DEAD = 0.02  # standard deviation of h below which the groups are one group
PREFIX = "spread/"


def spreads(model: Network, batch: Batch) -> dict[str, float]:
    """Standard deviation of h over the pairs of a batch, by the name of each SALA layer.

    Empty for other operators. The model stays as it is.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, SALA)}
    layers = {name: module for name, module in layers.items() if module.groups > 1}
    found = dict.fromkeys((PREFIX + name for name in layers), 0.0)
    if not layers:
        return found

    def look(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], _: torch.Tensor) -> None:
            assert isinstance(module, SALA)
            found[PREFIX + name] = round(module.spread(*inputs[:3]), 4)

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in layers.items()]
    training = model.training
    try:
        with torch.no_grad(), untracked(), alone():  # by the batch's statistics, as it learns
            model.train()(batch.features, batch.pyramid)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return found


def described(row: dict[str, Any]) -> str:
    """One phrase on the layers' spreads in a row of figures; nothing if there are none."""
    values = {k.removeprefix(PREFIX): v for k, v in row.items() if k.startswith(PREFIX) and v}
    if not values:
        return ""
    dead = [name for name, value in values.items() if value < DEAD]
    text = f"assignment {min(values.values()):.2f} to {max(values.values()):.2f}"
    if dead:
        text += f" ({len(dead)} of {len(values)} layers do not tell neighbours apart)"
    return text
