"""Prepared scenes for training loops of one's own; needs PyTorch (extra `train`).

    from salanet.datasets.torch import Pieces, Scenes, stack

`Pieces` are drawn and augmented as in `salanet train`, `Scenes` are whole, `stack` makes batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salanet._lazy import lazily

if TYPE_CHECKING:
    from salanet.training.pieces import Piece, Pieces, Scenes, stack

_LAZY = dict.fromkeys(("Piece", "Pieces", "Scenes", "stack"), "salanet.training.pieces")

__all__ = ["Piece", "Pieces", "Scenes", "stack"]
__getattr__ = lazily(__name__, _LAZY)
