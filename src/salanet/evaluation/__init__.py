"""Pooled confusion, per-class IoU, part IoU, reports, tables and submissions."""

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

__all__ = [
    "IGNORE",
    "Confusion",
    "PartScores",
    "merge_folds",
    "parts_summary",
    "parts_table",
    "percent",
    "predicted_parts",
    "provenance",
    "read_result",
    "result",
    "summary",
    "table",
    "write_json",
]
