"""`salanet prepare`: labelled files, here, or benchmarks (`prepare_benchmarks`) to scenes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from salanet.cli.console import messages
from salanet.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from salanet.datasets.files import Job, Prepared, Settings

USAGE = """usage: salanet prepare WHAT [options]

  files    labelled files of your own (LAS, LAZ, PLY, NPY, text, …) to scenes
  s3dis    the raw Stanford3dDataset_v1.2: six areas of rooms
  scannet  ScanNet v2: meshes of rooms
  partnet  PartNet, level 3: parts of shapes in 17 categories
  rooms    generated scans of furnished rooms: no data needed

`salanet prepare files --help` explains the options."""
BENCHMARKS = ("s3dis", "scannet", "partnet")


@dataclass
class Files:
    """Turn labelled files into scenes to train on: SRC … DST.

    Scenes lie in DST/train, DST/val and DST/test. Run it again to go on after an interruption;
    what is complete is skipped.
    """

    paths: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SRC… DST")]
    """Files or folders to read, and last the folder to write."""
    classes: str | None = None
    """Class map: a YAML file, or text such as 'ground=2,vegetation=3/4/5,other=*,ignore=7'."""
    grid: float = 0.4
    """Cell size of the subsampling, in the files' units: 0.4 suits airborne, 0.04 indoor scans."""
    val: tuple[str, ...] = ()
    """Files for validation: patterns on names without suffix such as '77060_*', or a fraction."""
    test: tuple[str, ...] = ()
    """Files for testing: patterns, or a fraction such as 0.2. The rest is for training."""
    label_field: str | None = None
    """Attribute that holds the labels, where the format has no field of its own for them."""
    keep: tuple[str, ...] = ()
    """Further attributes to keep, averaged per cell."""
    columns: str | None = None
    """What the columns of text files are, such as 'x,y,z,intensity,label'; _ skips one."""
    licence: str = ""
    """Origin and licence of the data, carried into the models trained on it."""
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    """Files prepared at the same time."""
    dry_run: bool = False
    """Say what would be done; write nothing."""
    json: bool = False
    """Print the report as JSON."""


def main(argv: list[str]) -> int | None:
    """Dispatch on what to prepare."""
    if argv and argv[0] == "files":
        return files(tyro.cli(Files, args=argv[1:], prog="salanet prepare files"))
    if argv and argv[0] in BENCHMARKS:
        from salanet.cli import prepare_benchmarks

        command: Callable[[list[str]], int] = getattr(prepare_benchmarks, argv[0])
        return command(argv[1:])
    if argv and argv[0] == "rooms":
        from salanet.cli.prepare_rooms import rooms

        return rooms(argv[1:])
    if argv and argv[0] not in ("-h", "--help"):
        known = ", ".join(("files", *BENCHMARKS, "rooms"))
        raise ConfigError(f"cannot prepare '{argv[0]}'; there are {known}")
    print(USAGE)
    return 0


def files(options: Files) -> int:
    from salanet.datasets import files as data
    from salanet.datasets.classes import ClassMap

    if len(options.paths) < 2:
        raise ConfigError("give the files or folders to read, then the folder to write")
    *sources, destination = options.paths
    found = data.find_files(sources)
    if options.classes is None:
        suggestion = data.suggest_classes(found[0], options.label_field, options.columns)
        raise ConfigError(
            f"--classes says which labels make up each class; {found[0]} holds, for example, "
            f"--classes '{suggestion}' (add other=* for the rest)"
        )
    settings = data.Settings(
        classes=ClassMap.parse(options.classes),
        grid=options.grid,
        label_field=options.label_field,
        keep=options.keep,
        columns=options.columns,
        licence=options.licence,
    )
    jobs = data.plan(found, destination, val=options.val, test=options.test)
    if options.dry_run:
        _show_plan(jobs, settings, as_json=options.json)
        return 0
    results = _with_progress(jobs, settings, options.workers)
    _show_report(results, settings, destination, as_json=options.json)
    return 0


def progress_bar() -> Progress:
    """How far a preparation is, on a terminal; a task's description is the scene done last."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("preparing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    console = messages()
    return Progress(*columns, console=console, disable=not console.is_terminal)


def _with_progress(jobs: list[Job], settings: Settings, workers: int) -> list[Prepared]:
    from salanet.datasets.files import prepare

    with progress_bar() as progress:
        task = progress.add_task("", total=len(jobs))
        return prepare(
            jobs,
            settings,
            workers=workers,
            done=lambda result: progress.update(
                task, advance=1, description=result.job.source.name
            ),
        )


def _show_plan(jobs: list[Job], settings: Settings, *, as_json: bool) -> None:
    from salanet.datasets.files import is_current

    rows = [
        {
            "source": str(job.source),
            "split": job.split,
            "scene": str(job.scene),
            "action": "skip, complete" if is_current(job, settings) else "prepare",
        }
        for job in jobs
    ]
    if as_json:
        print(json.dumps({"dry_run": True, "scenes": rows}, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("file", "split", "action", title="nothing is written (--dry-run)")
    for row in rows:
        table.add_row(Path(row["source"]).name, row["split"], row["action"])
    Console().print(table)


def _show_report(
    results: list[Prepared], settings: Settings, destination: Path, *, as_json: bool
) -> None:
    from salanet.datasets import files as data

    names = settings.classes.names
    splits = [split for split in data.SPLITS if any(r.job.split == split for r in results)]
    counts = {split: data.balance(results, split) for split in splits}
    warnings = data.warnings(results, names) + _strangers(results, destination)
    if as_json:
        report: dict[str, Any] = {
            "scenes": [
                {
                    "scene": str(result.job.scene),
                    "source": str(result.job.source),
                    "split": result.job.split,
                    "points": result.points,
                    "cells": result.cells,
                    "skipped": result.skipped,
                }
                for result in results
            ],
            "counts": {split: {name: counts[split][name] for name in names} for split in splits},
            "warnings": warnings,
        }
        print(json.dumps(report, indent=1, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("class", *splits, title=f"points by class, grid {settings.grid:g}")
    for column in table.columns[1:]:
        column.justify = "right"
    totals = {split: max(sum(counts[split].values()), 1) for split in splits}
    for name in names:
        cells = (f"{counts[s][name]:,}  {counts[s][name] / totals[s]:6.2%}" for s in splits)
        table.add_row(name, *cells)
    table.add_section()
    for what, attribute in (("points", "points"), ("cells", "cells")):
        sums = (sum(getattr(r, attribute) for r in results if r.job.split == s) for s in splits)
        table.add_row(what, *(f"{total:,}" for total in sums))
    Console().print(table)
    skipped = sum(result.skipped for result in results)
    print(
        f"{len(results)} scenes in {destination}"
        + (f", {skipped} of them complete already" if skipped else "")
    )
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _strangers(results: list[Prepared], destination: Path) -> list[str]:
    """Scenes in the destination that this run did not make: training would read them too."""
    from salanet.scenes import find_scenes

    mine = {result.job.scene.resolve() for result in results}
    others = [path for path in find_scenes(destination) if path.resolve() not in mine]
    if not others:
        return []
    return [f"{len(others)} other scenes lie in {destination}, such as {others[0]}"]
