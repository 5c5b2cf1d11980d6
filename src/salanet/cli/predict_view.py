"""What `salanet predict` shows of its work: phases on a terminal, a table for each file, JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table

from salanet.cli.advice import advised
from salanet.cli.console import messages, print_json, results
from salanet.cli.main import EXIT_USER_ERROR
from salanet.cli.phases import Phases
from salanet.labelling.report import Report
from salanet.labelling.watch import Watch

MOST_MOVES = 8  # in a line
NO_CLASSES = {-1, 0, 1}  # a file that has no others has not been classified


class View(Watch):
    """Files labelled one after the other.

    Args:
        json: print nothing but a list of all reports, at the end.
        dry_run: the reports are of plans.
    """

    def __init__(self, json: bool, dry_run: bool) -> None:
        self._json, self._dry_run = json, dry_run
        self._console = messages()
        self._phases: tuple[Path, Phases] | None = None

    def progress(self, path: Path, phase: str, done: int, total: int) -> None:
        if self._phases is None or self._phases[0] != path:
            self.close()
            self._phases = path, Phases(self._console, path.name).__enter__()
        self._phases[1].show(phase, done, total)

    def says(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)

    def ends(self, report: Report) -> None:
        self.close()
        if report.error:
            self.says(f"failed: {advised(report.error)}")
        elif report.skipped:
            self.says(f"{report.output}: there already")
        elif not self._json:
            (show_plan if self._dry_run else show)(report)

    def close(self) -> None:
        """Take the phases off the screen."""
        if self._phases is not None:
            self._phases[1].__exit__(None, None, None)
        self._phases = None

    def conclude(self, reports: Sequence[Report]) -> int:
        """Every failure again, and JSON if wanted; returns the exit code."""
        failed = [report for report in reports if report.error]
        if failed:
            files = {report.input for report in reports}
            done = len(files - {report.input for report in failed})
            self.says(f"{done} of {len(files)} files done; these failed:")
            for report in failed:
                self.says(f"  {advised(report.error)}")
        if self._json:
            done_first = sorted(reports, key=lambda report: bool(report.error))
            print_json([in_json(report) for report in done_first])
        return EXIT_USER_ERROR if failed else 0


def in_json(report: Report) -> dict[str, Any]:
    """A report as JSON-able values, its remarks with what may be done about them."""
    return replace(report, remarks=tuple(map(advised, report.remarks))).json()


def show(report: Report) -> None:
    """Print a report for people."""
    console, table = results(), Table()
    table.add_column("code", justify="right")
    table.add_column("class")
    table.add_column("points", justify="right")
    table.add_column("share", justify="right")
    for code, (name, count) in zip(report.codes, report.classes.items(), strict=True):
        table.add_row(str(code), name, f"{count:,}", f"{count / report.points:.1%}")
    console.print(str(report.output), soft_wrap=True)
    console.print(table)
    for line in changes(report):
        console.print(line, soft_wrap=True)
    if report.regularised is not None:
        console.print(regularised(report.regularised), soft_wrap=True)
    certainty = report.certainty
    if certainty and certainty.calibrated:
        console.print(
            f"about {certainty.expected:.0%} of the labels are expected to be right, "
            f"{certainty.doubtful:.0%} are doubtful",
            soft_wrap=True,
        )
    for remark in report.remarks:
        console.print(f"note: {advised(remark)}", soft_wrap=True)
    peak = report.peak_memory_bytes
    memory = f", peak memory {peak / 1e6:,.0f} MB" if peak else ""
    phases = ", ".join(f"{name} {spent:.2f}" for name, spent in report.phases.items())
    console.print(
        f"{report.points:,} points in {report.seconds:.2f} s ({phases}), "
        f"{report.points_per_second:,.0f} points/s{memory}",
        soft_wrap=True,
    )


def together(reports: Sequence[Report]) -> Report:
    """What became of the classes of several files, in one report."""
    kept, pairs, names = Counter[int](), Counter[tuple[int, int]](), dict[int, str]()
    for report in reports:
        kept.update(report.kept)
        pairs.update({(a, b): n for a, row in report.changes.items() for b, n in row.items()})
        names |= report.names
    made: dict[int, dict[int, int]] = {}
    for (old, new), count in sorted(pairs.items()):
        made.setdefault(old, {})[new] = count
    return Report(Path(), Path(), kept=dict(kept), changes=made, names=names)


def changes(report: Report) -> list[str]:
    """Points of each former class: how many kept it, and which codes the others got; nothing for
    files that nobody has classified before."""
    if not {*report.changes} - NO_CLASSES:
        return []
    new = {old: dict(row) for old, row in report.changes.items()}
    for old, count in report.kept.items():
        new[old][old] -= count
    codes = sorted({code for row in new.values() for code, count in row.items() if count})
    rows = [["was", "kept", *(f"-> {code}" for code in codes)]]
    for old, row in new.items():
        counts = [report.kept.get(old, 0), *(row.get(code, 0) for code in codes)]
        named = f"{old} {report.names.get(old, '')}".strip()
        rows.append([named, *(f"{count:,}" if count else "-" for count in counts)])
    first, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        "  ".join([row[0].ljust(first), *map(str.rjust, row[1:], rest)]).rstrip() for row in rows
    ]


def regularised(moves: dict[str, dict[str, int]]) -> str:
    """A line on the points in islands that were put right, the most frequent moves first."""
    pairs = [(n, old, new) for old, row in moves.items() for new, n in row.items()]
    pairs.sort(key=lambda pair: -pair[0])
    said = [f"{old} -> {new} {n:,}" for n, old, new in pairs[:MOST_MOVES]]
    total = f"{sum(n for n, _, _ in pairs):,} points took the class of what is around them"
    more = ["…"] if len(pairs) > MOST_MOVES else []
    return f"{total}: {', '.join(said + more)}" if said else total


def show_plan(report: Report) -> None:
    """Print what a dry run found out."""
    console = results()
    console.print(
        f"{report.input}: {report.points:,} points, {planned(report)}, "
        f"would be written to {report.output}",
        soft_wrap=True,
    )
    for remark in report.remarks:
        console.print(f"note: {advised(remark)}", soft_wrap=True)


def planned(report: Report) -> str:
    """How the work would be done."""
    if report.plan is None:
        return f"{report.cells:,} cells, in memory at once"
    return (
        f"piece by piece with about {(report.memory_bytes or 0) / 1e6:,.0f} MB of memory "
        f"({report.plan.chunk:,} points at once) and up to "
        f"{(report.disk_bytes or 0) / 1e9:,.1f} GB of disk beside the result"
    )
