"""The table people read and the JSON that programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salanet.errors import FileError
from salanet.evaluation.confusion import Confusion
from salanet.evaluation.partnet import PartScores, mean
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
    iou, recall, points = confusion.iou, confusion.recall, confusion.truth
    for i, name in enumerate(confusion.classes):
        view.add_row(name, percent(iou[i]), percent(recall[i]), f"{points[i]:,}")
    return view


def parts_table(scores: PartScores) -> Table:
    """Per-category part IoU, shape IoU and number of shapes, with the means below, in percent."""
    from rich.table import Table

    view = Table(show_footer=True)
    view.add_column("category", footer="mean")
    view.add_column("part IoU %", percent(scores.mean_iou), justify="right")
    view.add_column("shape IoU %", percent(scores.mean_shape_iou), justify="right")
    view.add_column("shapes", f"{sum(map(len, scores.shapes.values())):,}", justify="right")
    for category, ious in scores.shapes.items():
        part, shape = percent(scores.category_iou(category)), percent(mean(ious))
        view.add_row(category, part, shape, f"{len(ious):,}")
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


def parts_summary(scores: PartScores) -> str:
    """One line: mpIoU, shape mIoU, OA."""
    return (
        f"mpIoU {percent(scores.mean_iou)}   shape mIoU {percent(scores.mean_shape_iou)}   "
        f"OA {percent(scores.overall_accuracy)}"
    )


def result(
    found: Confusion | PartScores, *, protocol: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """A figure with all that is needed to obtain it again: protocol, seeds, command, versions."""
    return found.to_dict() | {"protocol": protocol} | more | provenance()


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write JSON; the file appears only when complete.

    Raises:
        FileError: the path cannot be written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_result(path: Path) -> dict[str, Any]:
    """Read a result that `salanet evaluate -o` wrote.

    Raises:
        FileError: the file is absent or no result.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise FileError(path, f"is not JSON ({error})") from error
    if not isinstance(value, dict) or not {"miou", "protocol"} <= value.keys():
        raise FileError(path, "is no result; write one with `salanet evaluate -o`")
    return value
