"""What is looked at before the first step: labels, classes, features, memory, overfitting."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from salanet.errors import DataError
from salanet.models.measure import forget_peak, memory
from salanet.training.guards import cause
from salanet.training.optimisation import Objective
from salanet.training.samples import Batch

# A feature whose mean or standard deviation exceeds this drowns the others.
TALL = 10.0
# One batch is to be overfitted: so many points of one cloud, steps, and this rate.
POINTS, STEPS, RATE = 3000, 8, 0.01
# Feature that is constant by intention.
CONSTANT = "one"


@dataclass
class Findings:
    """What was found.

    Attributes:
        rows: per channel: name, mean, standard deviation, least, greatest.
        points: of the batch looked at.
        classes: how many of how many classes occur in the batch.
        losses: before and after overfitting, or None without labelled points.
        step_bytes: memory that a step takes at its peak, None where the system does not tell, or
            the process holds enough from work that is done.
        other_bytes: what the process or device held besides.
        largest: points of the largest batch the recipe allows; None = unknown.
        warnings: what is likely to go wrong.
    """

    rows: list[tuple[str, float, float, float, float]]
    points: int
    classes: tuple[int, int]
    losses: tuple[float, float] | None = None
    step_bytes: int | None = None
    other_bytes: int | None = None
    largest: int | None = None
    warnings: list[str] = field(default_factory=list)

    def show(self, console: Console) -> None:
        """Print everything."""
        table = Table("feature", *(f"{name:>8}" for name in ("mean", "std", "min", "max")))
        for name, *values in self.rows:
            table.add_row(name, *(f"{value:8.3f}" for value in values))
        console.print(table)
        lines = [
            f"first batch: {self.points:,} points, {self.classes[0]} of {self.classes[1]} classes"
        ]
        if self.step_bytes is not None and self.other_bytes is not None:
            held, taken = _gigabytes(self.other_bytes), _gigabytes(self.step_bytes)
            lines.append(f"memory: {held}, and {taken} for a step on these points{self._most()}")
        if self.losses is not None:
            before, after = self.losses
            lines.append(f"one small batch overfits: loss {before:.3f} → {after:.3f}")
        for line in [*lines, *(f"warning: {warning}" for warning in self.warnings)]:
            console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _most(self) -> str:
        """The memory of the largest step: nearly all of it grows with the points."""
        if self.largest is None or self.step_bytes is None:
            return ""
        most = self.step_bytes * self.largest / max(self.points, 1)
        return f" ({_gigabytes(most)} if all {self.largest:,} that the recipe allows are there)"


def sanity_check(
    objective: Objective,
    batch: Batch,
    names: Sequence[str],
    channels: Sequence[str],
    absent: Sequence[str] = (),
    largest: int | None = None,
) -> Findings:
    """Try a batch on a copy of the network; neither it nor PyTorch's random streams change.

    Args:
        objective: the network, on its device, and its loss.
        batch: a training batch, on the same device.
        names: of the labels.
        channels: names of the input features.
        absent: classes that no training point has.
        largest: points of the largest batch the recipe allows.

    Raises:
        DataError: labels out of range, or a loss that is not finite: says why.
    """
    check_labels(batch, names)
    known = batch.labels[batch.labels >= 0]
    rows = feature_rows(batch.features, channels)
    found = Findings(rows, len(batch), (len(known.unique()), len(names)), largest=largest)
    found.warnings = [f"no training point is '{name}': it cannot be learned" for name in absent]
    found.warnings += feature_warnings(rows)
    devices = [batch.features.device] if batch.features.is_cuda else []
    with torch.random.fork_rng(devices):
        trial = copy.deepcopy(objective).train()
        _one_step(trial, batch, channels, found)
        # Also without labels, where it says nothing: processes that share the statistics of their
        # batches must all take the same steps.
        losses = _overfit(trial, batch, channels)
        if len(known):
            found.losses = losses
            if not losses[1] < losses[0]:
                found.warnings.append(
                    f"{STEPS} steps on one small batch did not lower its loss; are the labels "
                    "those of the points, and the features in range?"
                )
    return found


def check_labels(batch: Batch, names: Sequence[str]) -> None:
    """Raise DataError unless each label is -1 or one of the names' numbers."""
    low, high = int(batch.labels.min()), int(batch.labels.max())
    if low < -1 or high >= len(names):
        raise DataError(
            f"a training batch holds the label {low if low < -1 else high}; there are "
            f"{len(names)} classes (0 to {len(names) - 1}, -1 = ignored): prepare the scenes again"
        )


def feature_rows(
    features: Tensor, channels: Sequence[str]
) -> list[tuple[str, float, float, float, float]]:
    """Name, mean, standard deviation, least and greatest of each channel of (N, C)."""
    std, mean = torch.std_mean(features.double(), 0, correction=0)
    columns = (mean, std, features.amin(0), features.amax(0))
    return list(zip(channels, *(column.tolist() for column in columns), strict=True))


def feature_warnings(rows: Sequence[tuple[str, float, float, float, float]]) -> list[str]:
    """What is wrong with the range of the features."""
    found = []
    for name, mean, std, _, _ in rows:
        if abs(mean) > TALL or std > TALL:
            found.append(
                f"the feature '{name}' has mean {mean:.3g} and standard deviation {std:.3g}; "
                "networks learn best from values around 0 to 1"
            )
        elif std == 0 and name != CONSTANT:
            found.append(f"the feature '{name}' is {mean:.3g} everywhere: it tells nothing")
    return found


def _one_step(trial: Objective, batch: Batch, channels: Sequence[str], found: Findings) -> None:
    """Loss and gradient of the whole batch: are they finite, and what memory do they take?"""
    before = _start_of_step(batch.features.device)
    loss = _loss(trial, batch, channels)
    loss.backward()
    if before is not None:
        found.other_bytes = before
        grown = _peak(batch.features.device) - before
        found.step_bytes = grown if grown > batch.features.nbytes else None
    trial.zero_grad()


def _overfit(trial: Objective, batch: Batch, channels: Sequence[str]) -> tuple[float, float]:
    """The loss of a small batch before and after some steps on it."""
    small = _small(trial, batch)
    optimiser = torch.optim.AdamW(trial.parameters(), RATE)
    losses = []
    for _ in range(STEPS):
        loss = _loss(trial, small, channels)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses[0], losses[-1]


def _loss(trial: Objective, batch: Batch, channels: Sequence[str]) -> Tensor:
    loss: Tensor = trial(batch)[0]
    value = loss.item()
    if not math.isfinite(value):
        raise DataError(
            f"before the first step, the loss is {value}: {cause(batch, value, math.nan, channels)}"
        )
    return loss


def _small(trial: Objective, batch: Batch) -> Batch:
    """The points nearest the centre of the cloud with the most labelled points."""
    finest = batch.pyramid.levels[0]
    known = torch.stack([(cloud >= 0).sum() for cloud in batch.labels.split(_sizes(batch))])
    i = int(known.argmax())
    start, stop = (int(end) for end in finest.splits[i : i + 2])
    points = finest.points[start:stop].cpu()
    distance = (points - points.mean(0)).norm(dim=1)
    near = distance.argsort(stable=True)[:POINTS].sort().values
    device = batch.features.device
    rows = (near + start).to(device)
    small = Batch(
        batch.features[rows].cpu(),
        batch.labels[rows].cpu(),
        trial.model.pyramid(points[near]),
        batch.heads[i : i + 1],
        batch.origin[i : i + 1],
    )
    return small.to(device)


def _sizes(batch: Batch) -> list[int]:
    splits = batch.pyramid.levels[0].splits
    sizes: list[int] = splits.diff().tolist()
    return sizes


def _start_of_step(device: torch.device) -> int | None:
    """Bytes held now; the peak is counted from here. None where the system does not tell."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        forget_peak()
    except OSError:  # some containers forbid it
        return None
    return memory("VmRSS")


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return memory("VmHWM") or 0


def _gigabytes(count: float) -> str:
    return f"{count / 2**30:.2f} GiB"
