"""Pooled confusion, per-class IoU, and reports."""

from salanet.evaluation.confusion import IGNORE, Confusion
from salanet.evaluation.provenance import provenance
from salanet.evaluation.report import percent, result, summary, table, write_json

__all__ = [
    "IGNORE",
    "Confusion",
    "percent",
    "provenance",
    "result",
    "summary",
    "table",
    "write_json",
]
