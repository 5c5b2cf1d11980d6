"""What was done with one file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from salanet.engine.confidence import Certainty
from salanet.labelling.memory import Plan


@dataclass(frozen=True)
class Report:
    """One file labelled, or why it was not.

    Attributes:
        input, output: the file, and its result.
        points: in the file.
        cells: that the network saw.
        phases: seconds of each phase, in order.
        seconds: of all of them.
        classes: number of points that got each of the model's classes.
        codes: the code that each class is written as.
        unsure: number of points that got the code for no class; None if nobody asked for that.
        kept: number of points of each code that kept it.
        changes: number of points by former and new code; empty where the file had no classes.
        regularised: number of points in islands that were put right, by the model's class and the
            one written; None if nobody asked for that.
        names: what these codes are called, as far as somebody says.
        backup: where the former file is, if the result has its name.
        certainty: how sure the model is; None where no point has a class.
        remarks: what was decided and what is doubtful, one line each.
        error: why there is no result; empty if there is one.
        skipped: the result was there already.
        plan, memory_bytes, disk_bytes: of a dry run of a file that would go by way of the disk.
        peak_memory_bytes: most memory that the process has held so far.
        pid: of the process that did the work.
    """

    input: Path
    output: Path
    points: int = 0
    cells: int = 0
    phases: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    classes: dict[str, int] = field(default_factory=dict)
    codes: tuple[int, ...] = ()
    unsure: int | None = None
    kept: dict[int, int] = field(default_factory=dict)
    changes: dict[int, dict[int, int]] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    regularised: dict[str, dict[str, int]] | None = None
    backup: Path | None = None
    certainty: Certainty | None = None
    remarks: tuple[str, ...] = ()
    error: str = ""
    skipped: bool = False
    plan: Plan | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    peak_memory_bytes: int | None = None
    pid: int | None = None

    @property
    def points_per_second(self) -> float:
        return self.points / self.seconds if self.seconds else 0.0

    def json(self) -> dict[str, Any]:
        """As the command line prints it."""
        found: dict[str, Any] = {"input": str(self.input), "output": str(self.output)}
        kept = {} if self.backup is None else {"backup": str(self.backup)}
        if self.error:
            return found | {"error": self.error}
        if self.skipped:
            return found | kept | {"points": self.points, "skipped": True}
        if not self.seconds:  # a dry run
            more = {"points": self.points, "remarks": [*self.remarks]}
            if self.plan is None:
                return found | more | {"cells": self.cells}
            sizes = {"memory_bytes": self.memory_bytes, "disk_bytes": self.disk_bytes}
            return found | more | {"plan": asdict(self.plan)} | sizes
        return found | {
            "points": self.points,
            "cells": self.cells,
            "seconds": self.seconds,
            **{f"seconds_{phase}": spent for phase, spent in self.phases.items()},
            "points_per_second": self.points_per_second,
            "classes": self.classes,
            "codes": [*self.codes],
            **({} if self.unsure is None else {"unsure": self.unsure}),
            **({} if self.regularised is None else {"regularised": self.regularised}),
            "kept": self.kept,
            "changes": self.changes,
            **kept,
            "certainty": asdict(self.certainty) if self.certainty else None,
            "remarks": [*self.remarks],
            "peak_memory_bytes": self.peak_memory_bytes,
            **({} if self.pid is None else {"pid": self.pid}),
        }
