"""Whole clouds and scenes through a network, in one pass or in tiles, with votes.

The names below are loaded when first used: `salanet.edge` takes what needs no PyTorch from here
(`salanet.inference.fit`), and must not load it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from salanet.inference.evaluate import Whole, evaluate, on_raw_points, to_points
    from salanet.inference.network import point_logits
    from salanet.inference.segment import Segmentation, segment
    from salanet.inference.shapes import ShapeVotes, evaluate_shapes
    from salanet.inference.voting import Voting
    from salanet.sampling.boxes import TILE_POINTS

_LAZY = {
    "TILE_POINTS": "salanet.sampling.boxes",
    "Segmentation": "salanet.inference.segment",
    "ShapeVotes": "salanet.inference.shapes",
    "Voting": "salanet.inference.voting",
    "Whole": "salanet.inference.evaluate",
    "evaluate": "salanet.inference.evaluate",
    "evaluate_shapes": "salanet.inference.shapes",
    "on_raw_points": "salanet.inference.evaluate",
    "point_logits": "salanet.inference.network",
    "segment": "salanet.inference.segment",
    "to_points": "salanet.inference.evaluate",
}

__all__ = [
    "TILE_POINTS",
    "Segmentation",
    "ShapeVotes",
    "Voting",
    "Whole",
    "evaluate",
    "evaluate_shapes",
    "on_raw_points",
    "point_logits",
    "segment",
    "to_points",
]


class _Package(ModuleType):
    """`segment` and `evaluate` are functions, whether or not their modules are loaded."""

    def __getattr__(self, name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        return getattr(import_module(_LAZY[name]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _LAZY and isinstance(value, ModuleType)):  # as importing a module does
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_LAZY})


sys.modules[__name__].__class__ = _Package
