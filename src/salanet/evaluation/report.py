"""The table people read and the JSON that programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salanet.evaluation.confusion import Confusion
from salanet.evaluation.provenance import provenance
from salanet.io import atomic_path

if TYPE_CHECKING:
    from rich.table import Table


def table(confusion: Confusion) -> Table:
    """Per-class IoU, accuracy and number of points, with the means below, in percent."""
    from rich.table import Table

    view = Table(show_footer=True)
    view.add_column("class", footer="mean")
    view.add_column("IoU %", percent(confusion.mean_iou), justify="right")
    view.add_column("accuracy %", percent(confusion.mean_accuracy), justify="right")
    view.add_column("points", f"{confusion.points:,}", justify="right")
    iou, recall, points = confusion.iou, confusion.recall, confusion.counts.sum(1)
    for i, name in enumerate(confusion.classes):
        view.add_row(name, percent(iou[i]), percent(recall[i]), f"{points[i]:,}")
    return view


def summary(confusion: Confusion) -> str:
    """One line: mIoU, OA, mAcc."""
    return (
        f"mIoU {percent(confusion.mean_iou)}   OA {percent(confusion.overall_accuracy)}   "
        f"mAcc {percent(confusion.mean_accuracy)}"
    )


def percent(value: float) -> str:
    """A share as a percentage with two decimals; a dash for nan."""
    return "–" if value != value else f"{100 * value:.2f}"


def result(confusion: Confusion, *, protocol: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A figure with all that is needed to obtain it again: protocol, seeds, command, versions."""
    return confusion.to_dict() | {"protocol": protocol} | more | provenance()


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON; the file appears only when complete.

    Raises:
        FileError: the path cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
