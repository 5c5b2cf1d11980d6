"""The phases of a piece of work on the screen: how much of each is done, and what is left."""

from __future__ import annotations

import os
from types import TracebackType
from typing import TYPE_CHECKING

from salanet.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class Phases:
    """Draws while its block runs, if the console is a terminal; else it is silent.

    For programs that call a command, SALANET_PROGRESS=lines in the environment has a line such as
    ``progress: survey.laz: network 42 %`` written for each new percent instead.

    Args:
        console: where to draw.
        title: of the work, such as its file.
    """

    def __init__(self, console: Console, title: str) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._title = visible(title)
        self._said = dict[str, int]()
        self._lines = os.environ.get("SALANET_PROGRESS") == "lines"
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[amount]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=self._lines or not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Phases:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show(self, phase: str, done: int, total: int) -> None:
        """Say how much of a phase is done."""
        if self._lines:
            percent = 100 * done // max(total, 1)
            if self._said.get(phase) != percent:
                self._said[phase] = percent
                line = f"progress: {self._title}: {visible(phase)} {percent} %"
                self._bars.console.print(line, soft_wrap=True)
            return
        if phase not in self._tasks:
            title = f"{self._title}: {phase}"
            self._tasks[phase] = self._bars.add_task(title, total=total, amount="")
        amount = f"{done:,} of {total:,}"
        self._bars.update(self._tasks[phase], completed=done, total=total, amount=amount)


def progress_bar(what: str = "preparing") -> Progress:
    """How far a preparation is, on a terminal; a task's description is the scene done last."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    from salanet.cli.console import messages

    console = messages()
    return Progress(*columns, console=console, disable=not console.is_terminal)
