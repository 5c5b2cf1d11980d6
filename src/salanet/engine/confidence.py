"""How sure a model is of its labels, and what that says of a file.

Networks are surer than they are right. A temperature T, fitted on sites held out of training and
kept in the model file, makes p = softmax(logits / T) honest on such sites (Guo et al. 2017); the
mean of max p over a file is then about the share of its points that are right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.model_file import Described

LEVELS = 255  # confidences are kept in so many steps, which streaming holds for every cell
DOUBTFUL = 0.6
FEWEST = 100  # points: fewer say nothing of a file
EXPECTED = 0.8  # share of right points below which a file is worth a warning


def temperature(model: Described) -> float | None:
    """As fitted on held-out sites; None for models whose confidence is not calibrated."""
    return model.card.temperature


def probabilities(model: Described, logits: ArrayLike) -> NDArray[np.float32]:
    """Of each class, float32 (N, classes), from logits (N, classes)."""
    scaled = np.asarray(logits, np.float32) / np.float32(temperature(model) or 1.0)
    found: NDArray[np.float32] = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found /= found.sum(axis=1, keepdims=True)
    return found


def confidence(model: Described, logits: ArrayLike) -> NDArray[np.float32]:
    """The largest probability of each row of logits (N, classes), float32 (N,)."""
    found: NDArray[np.float32] = probabilities(model, logits).max(axis=1, initial=0)
    return found


def levels(confidence: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Confidences (N,) in `LEVELS` steps."""
    return np.rint(confidence * LEVELS).astype(np.uint8)


@dataclass(frozen=True)
class Certainty:
    """Confidence over the labelled points of a file.

    Attributes:
        expected: mean confidence: for a calibrated model about the share of points that are right.
        doubtful: share of points with a confidence below `DOUBTFUL`.
        calibrated: whether the model's confidence was fitted on held-out sites.
        points: how many those are.
        chosen: somebody chose some points of the file, which say nothing of the others.
    """

    expected: float
    doubtful: float
    calibrated: bool
    points: int = FEWEST
    chosen: bool = False

    @classmethod
    def of(
        cls, model: Described, counts: NDArray[np.integer], *, chosen: bool = False
    ) -> Certainty | None:
        """From the number of points at each level (LEVELS + 1,); None without points."""
        total = int(counts.sum())
        if not total:
            return None
        steps = np.arange(LEVELS + 1) / LEVELS
        return cls(
            round(float(counts @ steps) / total, 3),
            round(float(counts[steps < DOUBTFUL].sum()) / total, 3),
            temperature(model) is not None,
            total,
            chosen,
        )

    def remarks(self) -> list[str]:
        """A remark if the file is so unlike the training that the labels are in doubt."""
        if not self.calibrated or self.expected >= EXPECTED or self.points < FEWEST:
            return []
        few = f"only about {self.expected:.0%} of the labels are expected to be right"
        share = f"{self.doubtful:.0%} of the points have a confidence below {DOUBTFUL:g}"
        if self.chosen:
            return [
                f"{few}: those that were chosen are harder than others, or the file is unlike what "
                f"the model was trained on ({share}); look at the confidence of each point before "
                "you use them"
            ]
        return [
            f"{few}: the file is unlike what the model was trained on ({share}); look at the "
            "confidence of each point before you use them, or train the model further on some "
            "labelled points of your own"
        ]
