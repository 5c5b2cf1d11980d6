"""What is counted within one epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from salanet.evaluation import Confusion
from salanet.training.processes import Processes


class Epoch:
    """Counts of an epoch so far; a checkpoint within the epoch holds them too.

    Attributes:
        confusion: of this process's training points.
        losses: of the steps with a finite one, over all processes.
        steps, skipped: all steps, and those without a finite loss.
        points: that this process has trained on.
        waited: seconds spent waiting for batches.
    """

    def __init__(self, classes: Sequence[str], processes: Processes) -> None:
        self.processes = processes
        self.confusion = Confusion(classes)
        self.losses: list[float] = []
        self.steps = self.skipped = self.points = 0
        self.waited = self.before = 0.0
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self.started

    def state(self) -> dict[str, Any]:
        """The counts of all processes together; all must ask."""
        summed = self.processes.sum([self.points, *self.confusion.counts.flatten().tolist()])
        return {
            "points": int(summed[0]),
            "confusion": [int(count) for count in summed[1:]],
            "losses": list(self.losses),
            "steps": self.steps,
            "skipped": self.skipped,
            "waited": self.waited,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the first process takes what was summed."""
        self.losses = list(state["losses"])
        self.steps, self.skipped = state["steps"], state["skipped"]
        self.waited, self.before = state["waited"], state["seconds"]
        if self.processes.first:
            self.points = state["points"]
            self.confusion.counts += np.reshape(state["confusion"], self.confusion.counts.shape)

    def figures(self) -> tuple[dict[str, Any], Confusion]:
        """For a row of metrics.csv, and the confusion of all processes; all must ask."""
        state = self.state()
        confusion = Confusion(self.confusion.classes, state["confusion"])
        seconds = max(self.seconds, 1e-9)
        row = {
            "loss": sum(self.losses) / len(self.losses) if self.losses else math.nan,
            "train_miou": confusion.mean_iou,
            "train_oa": confusion.overall_accuracy,
            "points_per_second": state["points"] / seconds,
            "data_wait": self.waited / seconds,
            "skipped": self.skipped,
        }
        return row, confusion
