"""`salanet predict --cluster`: many tiles on many workers, and how far they are."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from salanet.inference.cluster import Tile
    from salanet.inference.journal import Journals
    from salanet.inference.predict import PredictOptions
    from salanet.models import Network

HERE = "local"
ADDRESS = re.compile(r"\w+://.+|[\w.-]+:\d+")
SECONDS_BETWEEN_LINES = 30  # where no bar can be drawn
MOST_REMARKS = 5


def with_address(argv: Sequence[str]) -> list[str]:
    """The arguments, with an address after `--cluster` whether one was given or not."""
    filled = []
    for i, word in enumerate(argv):
        filled.append(word)
        after = argv[i + 1] if i + 1 < len(argv) else ""
        if word == "--cluster" and after != HERE and not ADDRESS.fullmatch(after):
            filled.append(HERE)
    return filled


def plan_tiles(
    files: Sequence[Path],
    outputs: Sequence[Path],
    options: PredictOptions,
    model: Path | None,
    separate: bool,
    border: bool,
) -> tuple[Network, list[Tile]]:
    """The model, by default the one the first file looks made for, and what it is to label."""
    from salanet.cli.predict import parts
    from salanet.inference.choose import choose, survey_file
    from salanet.inference.cluster import Tile, neighbourhoods
    from salanet.models import load, zoo

    if model is None:
        survey = survey_file(files[0], options.columns, options.scan)
        model = choose(survey, str(files[0]), zoo.require_entries(), options.fit)[0].path
    network = load(model)
    near = neighbourhoods(network, files) if border else [()] * len(files)
    tiles = [
        Tile(path, part, replace(wanted, border=beside, strips=True))
        for path, to, beside in zip(files, outputs, near, strict=True)
        for wanted, part in parts(path, to, options, separate)
    ]
    return network, tiles


def predict_on_cluster(
    tiles: Sequence[Tile],
    model: Network,
    *,
    address: str,
    workers: int | None,
    device: str,
    json: bool,
) -> int:
    """Label files on a cluster; returns the exit code.

    Args:
        tiles: what to label, and how; where they say `resume`, what an earlier run has made is
            left out.
        model: as `salanet.load` returns it.
        address: of a Dask scheduler, or "local".
        workers: processes on this machine; None for one per core.
        device: auto, cpu, cuda.
        json: print what was done as JSON.
    """
    from salanet.cli.console import messages, print_json
    from salanet.cli.main import EXIT_USER_ERROR
    from salanet.inference.cluster import connect, predict_tiles
    from salanet.inference.journal import Journals
    from salanet.inference.outputs import make_folder
    from salanet.inference.strips import kept_for
    from salanet.inference.workfolder import model_identity

    for to in {tile.to.parent: tile.to for tile in tiles}.values():
        make_folder(to)
    journals = Journals(model_identity(model))
    there = [tile for tile in tiles if tile.options.resume and journals.has(tile)]
    waiting = [tile for tile in tiles if tile not in set(there)]
    console, cores = messages(), _cores()
    workers = workers or cores
    view = View(console, len(waiting))
    if there:
        console.print(f"{len(there):,} of {len(tiles):,} results are there already")
    with kept_for(tile.to for tile in tiles):
        if waiting:
            with connect(None if address == HERE else address, workers) as client:
                where = f"{workers} processes here" if address == HERE else _where(client)
                console.print(where, soft_wrap=True)

                def done(i: int, report: dict[str, Any]) -> None:
                    if "error" not in report:
                        journals.add(waiting[i], report["points"])
                    view.add(report)

                threads = max(1, cores // workers) if address == HERE else 1
                with view:
                    predict_tiles(client, waiting, model, done, device=device, threads=threads)
    if json:
        print_json([*(_skipped(tile, journals) for tile in there), *view.reports])
    else:
        view.sum_up(len(tiles), len(there))
    return EXIT_USER_ERROR if view.failed else 0


@dataclass
class View:
    """How far the tiles are: a bar on a terminal, else a line now and then.

    Attributes:
        reports: of the tiles so far; those that failed hold "error".
    """

    console: Console
    total: int
    reports: list[dict[str, Any]] = field(default_factory=list)
    failed: int = 0
    points: int = 0

    def __enter__(self) -> View:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            BarColumn(),
            TextColumn("{task.completed}/{task.total} tiles  {task.description}"),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        self._bar = Progress(
            *columns, console=self.console, transient=True, disable=not self.console.is_terminal
        )
        self._bar.start()
        self._task = self._bar.add_task("", total=self.total)
        self._start = self._said = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._start
        self._bar.stop()

    def add(self, report: dict[str, Any]) -> None:
        """A tile is done, or has failed; a failure is said at once."""
        self.reports.append(report)
        self.points += report.get("points", 0)
        if "error" in report:
            self.failed += 1
            self._bar.console.print(f"failed: {_failure(report)}", soft_wrap=True)
        now = time.monotonic()
        rates = self._rates(now - self._start)
        self._bar.update(self._task, advance=1, description=rates)
        if not self.console.is_terminal and now - self._said > SECONDS_BETWEEN_LINES:
            self._said = now
            left = (now - self._start) * (self.total / len(self.reports) - 1)
            self.console.print(
                f"{len(self.reports)}/{self.total} tiles, {rates}, about {left / 60:.0f} min left"
            )

    def sum_up(self, tiles: int, there: int) -> None:
        """The last words, and every failure again."""
        from salanet.cli.console import results

        made = len(self.reports) - self.failed
        rates = f" in {self.seconds:.1f} s: {self._rates(self.seconds)}" if self.reports else ""
        results().print(
            f"{made + there:,} of {tiles:,} tiles done; {self.points:,} points{rates}",
            soft_wrap=True,
        )
        remarks = Counter(remark for report in self.reports for remark in report.get("remarks", []))
        for remark, count in remarks.most_common(MOST_REMARKS):
            self.console.print(f"note of {count:,} tiles: {remark}", soft_wrap=True)
        if self.failed:
            self.console.print("these failed:")
            for report in self.reports:
                if "error" in report:
                    self.console.print(f"  {_failure(report)}", soft_wrap=True)

    def _rates(self, seconds: float) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        made = len(self.reports) - self.failed
        return f"{made / seconds:.2f} tiles/s, {self.points / seconds:,.0f} points/s{failed}"


def _failure(report: dict[str, Any]) -> str:
    """The error, after the file unless it names it itself."""
    path, error = report["input"], report["error"]
    return error if path in error or Path(path).name in error else f"{path}: {error}"


def _where(client: Any) -> str:
    """Where the cluster is, for people to watch it."""
    address = client.scheduler.address
    if find_spec("bokeh") is None:
        return f"cluster at {address}; with `pip install bokeh` it has a dashboard"
    return f"cluster at {address}; dashboard at {client.dashboard_link}"


def _skipped(tile: Tile, journals: Journals) -> dict[str, Any]:
    points = journals.points(tile)
    return {"input": str(tile.path), "output": str(tile.to), "points": points, "skipped": True}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
