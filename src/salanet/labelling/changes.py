"""What became of the classes that a file had: counted, and said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import NO_LABEL
from salanet.engine.confidence import LEVELS, Certainty
from salanet.labelling.decision import Decision, Labels, Own
from salanet.labelling.report import Report
from salanet.model_file import Described
from salanet.remark import Remark

MOST_SAID = 8  # codes in a line
MOST_CODES = 256  # more are hardly classes
NEAR = 1 << 12  # codes within such a range are counted without sorting

Matrix = dict[int, dict[int, int]]


@dataclass
class Tally:
    """Counts over the points of a file, some at a time.

    Attributes:
        decision: for the file.
        seen: points that the model gives each class, wanted or not: int64 (C,).
        classes: points of each class written: int64 (C,).
        unsure: points that got the code for no class.
        sure: labelled points at each level of confidence: int64 (LEVELS + 1,).
        pairs: points of each former and new code.
        many: there are more former codes than classes could have.
        kept, left_out: points of each code that kept it by the rules, and beside the network.
        settled: points by the class that the model gives, and the one their surroundings do, where
            these differ: int64 (C, C); None if nobody asked.
    """

    decision: Decision
    seen: NDArray[np.int64] = field(init=False)
    classes: NDArray[np.int64] = field(init=False)
    unsure: int = 0
    sure: NDArray[np.int64] = field(default_factory=lambda: np.zeros(LEVELS + 1, np.int64))
    pairs: Counter[tuple[int, int]] = field(default_factory=Counter)
    many: bool = False
    kept: Counter[int] = field(default_factory=Counter)
    left_out: Counter[int] = field(default_factory=Counter)
    settled: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        count = len(self.decision.codes) - 1
        self.seen, self.classes = np.zeros(count, np.int64), np.zeros(count, np.int64)

    def add(
        self,
        classes: NDArray[np.int64],
        own: Own,
        written: Labels,
        levels: NDArray[np.uint8],
    ) -> None:
        """Count points: see `Decision.written` for all but their levels of confidence (N,)."""
        count, held, former = len(self.seen), own.held, own.former
        known = (classes >= 0) & (classes < count)
        new = known & ~held
        self.seen += np.bincount(classes[known], minlength=count)
        self.classes += np.bincount(classes[new], minlength=count)
        self.unsure += int(((classes == count) & ~held).sum())
        self.sure += np.bincount(levels[new], minlength=LEVELS + 1)
        same = held | ((classes < 0) & (written == former) & (former != NO_LABEL))
        self.kept.update(_counted(former[same]))
        self.left_out.update(_counted(written[(classes < 0) & ~same]))
        olds = _counted(former) if self.decision.labelled else {}
        self.many |= len({*olds, *(old for old, _ in self.pairs)}) > MOST_CODES
        for old in () if self.many else olds:
            found = _counted(written[former == old])
            self.pairs.update({(old, code): n for code, n in found.items()})

    def add_settled(self, plain: NDArray[np.int64], classes: NDArray[np.int64], own: Own) -> None:
        """Count points that islands were put right of: classes (N,) before and after."""
        count = len(self.seen)
        if self.settled is None:
            self.settled = np.zeros((count, count), np.int64)
        moved = (plain != classes) & ~own.held & (classes < count)
        pairs = np.bincount(plain[moved] * count + classes[moved], minlength=count * count)
        self.settled += pairs.reshape(count, count)

    @property
    def written(self) -> list[int]:
        """All codes that occur in the result, rising."""
        named = {*self.decision.codes[:-1][self.classes > 0].tolist()}
        none = {int(self.decision.codes[-1])} if self.unsure else set()
        return sorted(named | none | {*self.kept} | {*self.left_out})

    @property
    def names(self) -> dict[int, str]:
        """What they are called, as far as anybody knows."""
        return self.decision.names_of([*self.left_out], [*self.kept])

    @property
    def changes(self) -> Matrix:
        """Points by former and new code, rising; empty without former classes, or if `many`."""
        found: Matrix = {}
        for (old, new), count in [] if self.many else sorted(self.pairs.items()):
            found.setdefault(old, {})[new] = count
        return found

    def told(self, report: Report, model: Described) -> Report:
        """The report, with what became of the classes."""
        rules = self.decision.rules
        return replace(
            report,
            classes=dict(zip(model.config.classes, self.classes.tolist(), strict=True)),
            codes=tuple(self.decision.codes[:-1].tolist()),
            certainty=Certainty.of(
                model, self.sure, chosen=rules.only is not None or rules.area is not None
            ),
            unsure=self.unsure if rules.min_confidence else None,
            regularised=self._regularised(model),
            kept={} if self.many else dict(sorted(self.kept.items())),
            changes=self.changes,
            names=self.names | self.decision.file_names,
            remarks=(*report.remarks, *self.remarks()),
        )

    def _regularised(self, model: Described) -> dict[str, dict[str, int]] | None:
        """Points by former and new class; None if nobody asked."""
        if self.settled is None:
            return None
        names = model.config.classes
        return {
            names[i]: {names[j]: int(row[j]) for j in np.flatnonzero(row)}
            for i, row in enumerate(self.settled)
            if row.any()
        }

    def remarks(self) -> list[str]:
        """A line on what was kept, and what is odd about it."""
        decision, rules, found = self.decision, self.decision.rules, list[str]()
        unasked = rules.kept.auto and rules.only is None and rules.area is None
        if not self.classes.any() and not self.unsure:
            found.append("no point got a new class: the rules leave none")
        kept = Counter({code: count for code, count in self.kept.items() if code != NO_LABEL})
        if total := kept.total():
            most = sorted(code for code, _ in kept.most_common(MOST_SAID))
            said = [f"{self._called(code)} ({kept[code]:,})" for code in most]
            said += ["…"] if len(kept) > MOST_SAID else []
            have = "1 point keeps its class" if total == 1 else f"{total:,} points keep their class"
            code = "kept" if unasked else "kept-as-asked"
            found.append(Remark(f"{have}: {', '.join(said)}", code, points=total))
        if self.unsure:
            less = f"{self.unsure:,} points of which the model is less sure than"
            found.append(f"{less} {rules.min_confidence:g} have the code {decision.codes[-1]}")
        lost = {old for old, new in self.pairs if old != new} - decision.blank
        if decision.standard and not decision.auto and unasked and rules.into is None and lost:
            text = "its classes are replaced: the codes of the model are not those of LAS"
            found.append(Remark(text, "replaced"))
        return found + decision.remarks([*self.kept])

    def _called(self, code: int) -> str:
        name = self.decision.file_names.get(code)
        return f"{code} {name}" if name else str(code)


def _counted(codes: Labels) -> dict[int, int]:
    """The number of points (N,) of each code that occurs."""
    if not len(codes):
        return {}
    low, high = int(codes.min()), int(codes.max())
    if high - low < NEAR:
        counts = np.bincount(codes - low)
        return {low + i: int(counts[i]) for i in np.flatnonzero(counts).tolist()}
    values, counts = np.unique(codes, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
