"""What a training shows while it runs: a bar, and a line per epoch."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from salanet.evaluation import percent
from salanet.training.assignment import described

# Weight of the newest step in the loss and speed shown.
NEWEST = 0.05


class TrainingProgress:
    """A progress bar over steps, with the running loss, mIoU and speed."""

    def __init__(self, console: Console, steps: int, done: int) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("training", total=steps, completed=done, state="")
        self.loss = self.speed = float("nan")

    def __enter__(self) -> TrainingProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def step(self, epoch: int, loss: float, miou: float, points_per_second: float) -> None:
        """Count a step."""
        self.loss = _blend(self.loss, loss)
        self.speed = _blend(self.speed, points_per_second)
        speed = _thousands(self.speed)
        state = f"loss {self.loss:.3f}  training mIoU {percent(miou)}  {speed} points/s"
        self.bar.update(self.task, advance=1, description=f"epoch {epoch}", state=state)

    def epoch(self, row: dict[str, Any], best: bool) -> None:
        """Print the line of an epoch."""
        line = (
            f"epoch {row['epoch']:>4}  loss {row['loss']:.4f}"
            f"  training mIoU {percent(row['train_miou'])}"
            f"  {_thousands(row['points_per_second'])} points/s"
            f"  {100 * row['data_wait']:.1f} % waiting for data"
        )
        if row["val_miou"] is not None:
            line += f"  validation mIoU {percent(row['val_miou'])} OA {percent(row['val_oa'])}"
        if assignment := described(row):
            line += f"  {assignment}"
        if row["skipped"]:
            line += f"  ({row['skipped']} steps skipped: loss not finite)"
        self.console.print(
            line + ("  best so far" if best else ""), highlight=False, soft_wrap=True
        )


def _blend(old: float, new: float) -> float:
    return new if old != old else old + NEWEST * (new - old)


def _thousands(value: float) -> str:
    return f"{value / 1000:,.0f}k"
