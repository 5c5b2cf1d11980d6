"""PartNet's metrics: part IoU pooled over the shapes of a category, and IoU of each shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.evaluation.confusion import Confusion

UNLABELLED = 0


class PartScores:
    """Scores of shapes whose parts are numbered within their category, 0 = unlabelled.

    Points of true part 0 are left out, and no point is predicted as part 0. Intersections and
    unions are pooled over all shapes of a category before they are divided; a category's score is
    the mean over its parts 1, 2, …, and `mean_iou` the mean over categories. A part that is
    neither true nor predicted in any shape counts as 0, as in CloserLook3D, whose figures the
    paper compares with; `to_dict` lists such parts.

    >>> scores = PartScores({"Cup": 3}).add("Cup", [0, 1, 1, 2], [2, 1, 2, 2])
    >>> scores.part_iou("Cup").tolist(), scores.mean_iou
    ([0.5, 0.5], 0.5)

    Attributes:
        confusions: one for each category, over its parts from 1.
        shapes: IoU of each shape, by category, in the order added.
    """

    def __init__(self, parts: Mapping[str, int]) -> None:
        """Categories and their number of parts, 0 included."""
        self.confusions = {
            category: Confusion([str(part) for part in range(1, count)])
            for category, count in parts.items()
        }
        self.shapes: dict[str, list[float]] = {category: [] for category in parts}

    def add(self, category: str, truth: ArrayLike, prediction: ArrayLike) -> PartScores:
        """Count one shape: parts (P,) from 0, and the parts (P,) predicted, from 1.

        Raises:
            ValueError: the lengths differ, or a part is not the category's.
        """
        # Part 0 becomes the confusion's -1, which it leaves out.
        single = Confusion(self.confusions[category].classes).add(
            np.asarray(truth).astype(np.int64) - 1, np.asarray(prediction).astype(np.int64) - 1
        )
        self.confusions[category] += single
        if single.points:
            self.shapes[category].append(single.mean_iou)
        return self

    def part_iou(self, category: str) -> NDArray[np.float64]:
        """IoU of the parts 1, 2, … of a category; 0 for one that does not occur."""
        return np.nan_to_num(self.confusions[category].iou, nan=0.0)

    def category_iou(self, category: str) -> float:
        """Mean over the parts of a category; nan without any labelled point."""
        found = self.confusions[category]
        return float(self.part_iou(category).mean()) if found.points else float("nan")

    @property
    def mean_iou(self) -> float:
        """The mean part IoU (mpIoU): mean of `category_iou` over categories with shapes."""
        return mean([self.category_iou(category) for category in self.confusions])

    @property
    def mean_shape_iou(self) -> float:
        """Mean over categories of the mean IoU of their shapes.

        A shape's IoU is the mean over the parts that are true or predicted in it.
        """
        return mean([mean(ious) for ious in self.shapes.values()])

    @property
    def overall_accuracy(self) -> float:
        """Share of labelled points with the right part."""
        right = sum(int(np.trace(found.counts)) for found in self.confusions.values())
        return right / self.points if self.points else float("nan")

    @property
    def points(self) -> int:
        """Labelled points counted."""
        return sum(found.points for found in self.confusions.values())

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; nan becomes None."""
        return {
            "miou": plain(self.mean_iou),
            "shape_miou": plain(self.mean_shape_iou),
            "oa": plain(self.overall_accuracy),
            "points": self.points,
            "categories": {
                category: {
                    "miou": plain(self.category_iou(category)),
                    "shape_miou": plain(mean(self.shapes[category])),
                    "shapes": len(self.shapes[category]),
                    "points": found.points,
                    "parts": self.part_iou(category).tolist(),
                    "absent_parts": (np.flatnonzero(np.isnan(found.iou)) + 1).tolist(),
                    "confusion": found.counts.tolist(),
                }
                for category, found in self.confusions.items()
            },
        }


def predicted_parts(logits: ArrayLike) -> NDArray[np.int64]:
    """Logits (P, parts) to parts (P,): the likeliest of the parts 1, 2, …."""
    part: NDArray[np.int64] = np.asarray(logits)[:, 1:].argmax(1) + 1
    return part


def mean(values: list[float]) -> float:
    """Mean of the values that are not nan; nan without any."""
    known = [value for value in values if value == value]
    return sum(known) / len(known) if known else float("nan")


def plain(value: float) -> float | None:
    return None if value != value else value
