"""How many points each class has in each split, and what may spoil training or its evaluation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from salanet.datasets.jobs import SPLITS, Job

FEW_POINTS = 1000
SMALL_SHARE = 0.001


class Counted(Protocol):
    """A file, or a part of one, whose points have been counted by class name."""

    @property
    def job(self) -> Job: ...
    @property
    def counts(self) -> Mapping[str, int]: ...


def balance(results: Iterable[Counted], split: str) -> Counter[str]:
    """Points by class of all files of a split."""
    counts: Counter[str] = Counter()
    for result in results:
        if result.job.split == split:
            counts.update(result.counts)
    return counts


def warnings(results: Sequence[Counted], classes: Sequence[str]) -> list[str]:
    """Classes that are nearly empty or absent in a split, and splits that are."""
    found = []
    for split in SPLITS:
        counts = balance(results, split)
        total = sum(counts.values())
        for name in classes if total else ():
            count = counts[name]
            if count == 0:
                found.append(f"{split}: no point of class '{name}'")
            elif count < FEW_POINTS or count < SMALL_SHARE * total:
                found.append(
                    f"{split}: only {count:,} points of class '{name}' ({count / total:.3%})"
                )
    if not any(result.job.split == "train" for result in results):
        found.append("no file is in train")
    return found
