"""`salanet predict --cluster`: its address, and how far many tiles are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from salanet.cli.advice import advised, code_of
from salanet.cli.console import messages, print_json, results
from salanet.cli.main import EXIT_USER_ERROR
from salanet.cli.predict_view import changes, in_json, together
from salanet.labelling.report import Report
from salanet.labelling.watch import Watch

SECONDS_BETWEEN_LINES = 30  # where no bar can be drawn
MOST_REMARKS = 5
OF_ALL = ("kept", "kept-as-asked", "backup")  # remarks that every tile has in its own figures


class View(Watch):
    """How far the tiles are: a bar on a terminal, else a line now and then.

    Args:
        json: print all reports as JSON at the end, instead of what they come to.
    """

    def __init__(self, json: bool) -> None:
        self._json, self._console = json, messages()
        self._total = self._done = self._failed = self._points = 0
        self._remarks: Counter[str] = Counter()
        columns = (
            BarColumn(),
            TextColumn("{task.completed}/{task.total} tiles  {task.description}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        quiet = not self._console.is_terminal
        self._bar = Progress(*columns, console=self._console, transient=True, disable=quiet)
        self._start = self._said = time.monotonic()

    def begins(self, files: int) -> None:
        self._total, self._start = files, time.monotonic()
        self._bar.start()
        self._task = self._bar.add_task("", total=files)

    def says(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def ends(self, report: Report) -> None:
        self._done += 1
        self._points += report.points
        said = [remark for remark in report.remarks if code_of(remark) not in OF_ALL]
        self._remarks.update(map(advised, said))
        if report.error:
            self._failed += 1
            self._bar.console.print(f"failed: {_failure(report)}", soft_wrap=True)
        now = time.monotonic()
        rates = self._rates(now - self._start)
        self._bar.update(self._task, advance=1, description=rates)
        if not self._console.is_terminal and now - self._said > SECONDS_BETWEEN_LINES:
            self._said = now
            left = (now - self._start) * (self._total / self._done - 1)
            self.says(f"{self._done}/{self._total} tiles, {rates}, about {left / 60:.0f} min left")

    def close(self) -> None:
        """Take the bar off the screen."""
        self._bar.stop()

    def conclude(self, reports: Sequence[Report]) -> int:
        """The last words, and every failure again; returns the exit code."""
        seconds = time.monotonic() - self._start
        self.close()
        failed = [report for report in reports if report.error]
        if self._json:
            print_json([in_json(report) for report in reports])
            return EXIT_USER_ERROR if failed else 0
        rates = f" in {seconds:.1f} s: {self._rates(seconds)}" if self._done else ""
        results().print(
            f"{len(reports) - len(failed):,} of {len(reports):,} tiles done; "
            f"{self._points:,} points{rates}",
            soft_wrap=True,
        )
        for line in changes(together(reports)):
            results().print(line, soft_wrap=True)
        for remark, count in self._remarks.most_common(MOST_REMARKS):
            self.says(f"note of {count:,} tiles: {remark}")
        if failed:
            self.says("these failed:")
            for report in failed:
                self.says(f"  {_failure(report)}")
        return EXIT_USER_ERROR if failed else 0

    def _rates(self, seconds: float) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        made = self._done - self._failed
        return f"{made / seconds:.2f} tiles/s, {self._points / seconds:,.0f} points/s{failed}"


def _failure(report: Report) -> str:
    """The error, after the file unless it names it itself."""
    named = str(report.input) in report.error or report.input.name in report.error
    return report.error if named else f"{report.input}: {report.error}"
