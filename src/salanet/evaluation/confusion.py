"""One pooled confusion matrix and the metrics that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

IGNORE = -1


class Confusion:
    """Counts of (true class, predicted class) over every point seen, and what follows from them.

    All points of all clouds go into one matrix before any ratio is formed, so large clouds weigh
    more than small ones and no average of averages is taken.

    >>> confusion = Confusion(["ground", "tree"]).add([0, 0, 1, -1], [0, 1, 1, 0])
    >>> confusion.iou.tolist(), confusion.overall_accuracy
    ([0.5, 0.5], 0.6666666666666666)

    Attributes:
        classes: the class names, C of them.
        counts: int64 (C, C), row = truth, column = prediction.
        missed: int64 (C,), points of each class that were predicted as none of the classes.
    """

    def __init__(self, classes: Sequence[str], counts: ArrayLike | None = None) -> None:
        self.classes = list(classes)
        shape = (len(self.classes), len(self.classes))
        self.counts: NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        if counts is not None:
            self.counts += np.asarray(counts, dtype=np.int64).reshape(shape)
        self.missed: NDArray[np.int64] = np.zeros(len(self.classes), dtype=np.int64)

    def add(self, truth: ArrayLike, prediction: ArrayLike, *, may_miss: bool = False) -> Confusion:
        """Count points: class indices (N,), arrays or CPU tensors. Points of truth -1 are left out.

        Args:
            may_miss: predictions of -1 stand for something that is none of the classes, and count
                as wrong (ScanNet's rule).

        Raises:
            ValueError: the lengths differ, or an index is outside the classes.
        """
        true, predicted = np.asarray(truth), np.asarray(prediction)
        if true.shape != predicted.shape:
            raise ValueError(f"{true.shape} true labels but {predicted.shape} predictions")
        kept = true != IGNORE
        true, predicted = true[kept].astype(np.int64), predicted[kept].astype(np.int64)
        count = len(self.classes)
        if may_miss:
            missed = predicted == IGNORE
            self.missed += _count(true[missed], count)
            true, predicted = true[~missed], predicted[~missed]
        for name, index in (("true", true), ("predicted", predicted)):
            if index.size and not (index.min() >= 0 and index.max() < count):
                raise ValueError(
                    f"{name} labels span {index.min()}..{index.max()}, expected 0..{count - 1}"
                )
        self.counts += _count(true * count + predicted, count * count).reshape(count, count)
        return self

    def __iadd__(self, other: Confusion) -> Confusion:
        self.counts += other.counts
        self.missed += other.missed
        return self

    @property
    def truth(self) -> NDArray[np.int64]:
        """True points of each class (C,)."""
        found: NDArray[np.int64] = self.counts.sum(1) + self.missed
        return found

    @property
    def points(self) -> int:
        """Labelled points counted."""
        return int(self.truth.sum())

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union (C,); nan for a class that is neither true nor predicted."""
        hit = np.diag(self.counts)
        return _ratio(hit, self.counts.sum(0) + self.truth - hit)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each class's true points found (C,); nan for a class without true points."""
        return _ratio(np.diag(self.counts), self.truth)

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur in truth or prediction; nan without points."""
        return _mean(self.iou)

    @property
    def overall_accuracy(self) -> float:
        """Share of points with the right class; nan without points."""
        return float(_ratio(np.trace(self.counts), self.points))

    @property
    def mean_accuracy(self) -> float:
        """Mean recall over the classes that have true points; nan without points."""
        return _mean(self.recall)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values; nan becomes None."""
        iou, recall = _plain(self.iou), _plain(self.recall)
        return {
            "miou": _plain(self.mean_iou),
            "oa": _plain(self.overall_accuracy),
            "macc": _plain(self.mean_accuracy),
            "points": self.points,
            "classes": {
                name: {"iou": iou[i], "accuracy": recall[i], "points": int(self.truth[i])}
                for i, name in enumerate(self.classes)
            },
            "confusion": self.counts.tolist(),
        }


def _count(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    return np.bincount(index, minlength=length).astype(np.int64, copy=False)


def _ratio(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    ratio = np.full(part.shape, np.nan)
    np.divide(part, whole, out=ratio, where=whole > 0)
    return ratio


def _mean(values: NDArray[np.float64]) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if len(present) else float("nan")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value.tolist()]
    return None if value != value else value
