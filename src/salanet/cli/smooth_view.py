"""What `salanet smooth` shows of its work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salanet.cli.advice import advised
from salanet.cli.console import print_json, results
from salanet.cli.main import EXIT_USER_ERROR
from salanet.cli.predict_view import View, changes
from salanet.labelling.report import Report


class SmoothView(View):
    """Files smoothed one after the other; see `View`."""

    def __init__(self, json: bool) -> None:
        super().__init__(json=False, dry_run=False)
        self._as_json = json

    def ends(self, report: Report) -> None:
        self.close()
        if report.error or report.skipped:
            super().ends(report)
        elif not self._as_json:
            show(report)

    def conclude(self, reports: Sequence[Report]) -> int:
        code = super().conclude(reports)
        if self._as_json:
            print_json([as_json(report) for report in reports])
        return EXIT_USER_ERROR if any(report.error for report in reports) else code


def show(report: Report) -> None:
    """Print a report for people."""
    console = results()
    if not report.seconds:  # a dry run
        console.print(
            f"{report.input}: {report.points:,} points, would be written to {report.output}",
            soft_wrap=True,
        )
    else:
        console.print(str(report.output), soft_wrap=True)
        for line in changes(report):
            console.print(line, soft_wrap=True)
        moved = changed(report)
        console.print(
            f"{moved:,} of {report.points:,} points ({moved / report.points:.2%}) took the class "
            f"of what is around them, in {report.seconds:.2f} s",
            soft_wrap=True,
        )
    for remark in report.remarks:
        console.print(f"note: {advised(remark)}", soft_wrap=True)


def changed(report: Report) -> int:
    """How many points have another class now."""
    return sum(n for old, row in report.changes.items() for new, n in row.items() if new != old)


def as_json(report: Report) -> dict[str, Any]:
    """A report as JSON-able values."""
    found = report.json()
    if not report.seconds:
        return {k: v for k, v in found.items() if k not in ("cells", "plan")}
    keys = ("classes", "codes", "certainty")  # of a model
    return {k: v for k, v in found.items() if k not in keys} | {"changed": changed(report)}
