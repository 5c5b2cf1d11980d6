"""Recipes and the loop that follows them. Needs the extra `train`."""

from salanet.training.engine import Trainer
from salanet.training.recipe import Recipe, load_recipe
from salanet.training.run import Run

__all__ = ["Recipe", "Run", "Trainer", "load_recipe"]
