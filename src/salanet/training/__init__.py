"""Recipes and the loop that follows them. Needs the extra `train`.

What needs PyTorch is loaded when first used: reading a recipe does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from salanet.training.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from salanet.training.engine import Trainer
    from salanet.training.run import Run

_LAZY = {"Run": "salanet.training.run", "Trainer": "salanet.training.engine"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_LAZY[name]), name)


__all__ = ["Recipe", "Run", "Trainer", "load_recipe"]
