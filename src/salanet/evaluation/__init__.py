"""Pooled confusion, per-class IoU, part IoU, protocols, reports, tables and submissions.

What runs a network is loaded when first used: figures and tables need no PyTorch.
"""

from typing import TYPE_CHECKING

from salanet._lazy import lazily
from salanet.evaluation.confusion import IGNORE, Confusion
from salanet.evaluation.folds import merge_folds
from salanet.evaluation.partnet import PartScores, predicted_parts
from salanet.evaluation.provenance import provenance
from salanet.evaluation.report import (
    parts_summary,
    parts_table,
    percent,
    read_result,
    result,
    summary,
    table,
    write_json,
)

if TYPE_CHECKING:
    from salanet.evaluation.scenes import Whole, evaluate, on_raw_points, to_points
    from salanet.evaluation.shapes import ShapeVotes, evaluate_shapes
    from salanet.evaluation.voting import Voting

_LAZY = {
    "ShapeVotes": "salanet.evaluation.shapes",
    "Voting": "salanet.evaluation.voting",
    "Whole": "salanet.evaluation.scenes",
    "evaluate": "salanet.evaluation.scenes",
    "evaluate_shapes": "salanet.evaluation.shapes",
    "on_raw_points": "salanet.evaluation.scenes",
    "to_points": "salanet.evaluation.scenes",
}


__getattr__ = lazily(__name__, _LAZY)


__all__ = [
    "IGNORE",
    "Confusion",
    "PartScores",
    "ShapeVotes",
    "Voting",
    "Whole",
    "evaluate",
    "evaluate_shapes",
    "merge_folds",
    "on_raw_points",
    "parts_summary",
    "parts_table",
    "percent",
    "predicted_parts",
    "provenance",
    "read_result",
    "result",
    "summary",
    "table",
    "to_points",
    "write_json",
]
