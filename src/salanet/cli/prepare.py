"""`salanet prepare`: labelled files, here, or benchmarks (`prepare_benchmarks`) to scenes."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from salanet.cli.console import messages
from salanet.cli.parse import parse
from salanet.cli.phases import progress_bar
from salanet.errors import ConfigError, NoLabelsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from salanet.cli.prepare_report import Plan
    from salanet.datasets.files import Settings
    from salanet.datasets.jobs import Job, Prepared

USAGE = """usage: salanet prepare WHAT [options]

  files    labelled files of your own (LAS, LAZ, PLY, NPY, text, …) to scenes
  s3dis    the raw Stanford3dDataset_v1.2: six areas of rooms
  scannet  ScanNet v2: meshes of rooms
  partnet  PartNet, level 3: parts of shapes in 17 categories
  rooms    generated scans of furnished rooms: no data needed
  surveys  generated airborne surveys of landscapes: no data needed

`salanet prepare files --help` explains the options."""
EXAMPLES = (
    "prepare files tiles/*.laz scenes/ --classes ign-lidar-hd --grid 0.2 --test '77060_*'",
    "prepare files town.laz scenes/ --classes 'ground=2,building=6,other=*' --block 50 --val 0.2",
)
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
    """Class map: the name of a shipped one (ign-lidar-hd), a YAML file, or text such as
    'ground=2,vegetation=3/4/5,other=*,ignore=7'."""
    grid: float = 0.4
    """Cell size of the subsampling, in the files' units: 0.4 suits airborne, 0.04 indoor scans."""
    val: tuple[str, ...] = ()
    """Files for validation: patterns on names without suffix such as '77060_*', or a fraction."""
    test: tuple[str, ...] = ()
    """Files for testing: patterns, or a fraction such as 0.2. The rest is for training."""
    block: float | None = None
    """Split within files, by square blocks of this side: --val and --test are fractions of the
    area then, and each block is whole in one of the three."""
    seed: int = 0
    """Of the split by blocks."""
    label_field: str | None = None
    """Attribute that holds the labels, where the format has no field of its own for them."""
    keep: tuple[str, ...] = ()
    """Further attributes to keep, averaged per cell."""
    columns: str | None = None
    """What the columns of text files are, such as 'x,y,z,intensity,label'; _ skips one."""
    vertices: bool = False
    """Of meshes (PLY, OBJ, glTF), take the vertices alone, not points all over their faces."""
    licence: str = ""
    """Origin and licence of the data, carried into the models trained on it."""
    workers: int = field(default_factory=lambda: min(os.cpu_count() or 1, 8))
    """Files prepared at the same time."""
    dry_run: bool = False
    """Read and count everything, say what would be done, write nothing."""
    json: bool = False
    """Print the report as JSON."""


def main(argv: list[str]) -> int | None:
    """Dispatch on what to prepare."""
    if argv and argv[0] == "files":
        return files(parse(Files, argv[1:], "prepare files", EXAMPLES))
    if argv and argv[0] in BENCHMARKS:
        from salanet.cli import prepare_benchmarks

        command: Callable[[list[str]], int] = getattr(prepare_benchmarks, argv[0])
        return command(argv[1:])
    if argv and argv[0] == "rooms":
        from salanet.cli.prepare_rooms import rooms

        return rooms(argv[1:])
    if argv and argv[0] == "surveys":
        from salanet.cli.prepare_surveys import surveys

        return surveys(argv[1:])
    if argv and argv[0] not in ("-h", "--help"):
        from salanet.datasets.own import DATASETS

        if argv[0] in DATASETS:
            from salanet.cli.prepare_own import own

            return own(argv[0], argv[1:])
        known = ", ".join(("files", *BENCHMARKS, "rooms", "surveys", *DATASETS))
        raise ConfigError(f"cannot prepare '{argv[0]}'; there are {known}")
    print(USAGE)
    return 0


def files(options: Files) -> int:
    from salanet.cli.prepare_report import show_plan, show_report
    from salanet.datasets import files as data
    from salanet.datasets.classes import ClassMap

    if len(options.paths) < 2:
        raise ConfigError("give the files or folders to read, then the folder to write")
    *sources, destination = options.paths
    found = data.find_files(sources)
    if options.classes is None:
        raise _without_classes(found, options)
    settings = data.Settings(
        classes=ClassMap.parse(options.classes),
        grid=options.grid,
        label_field=options.label_field,
        vertices=options.vertices,
        keep=options.keep,
        columns=options.columns,
        licence=options.licence,
    )
    plan = _plan(found, destination, settings, options)
    if options.dry_run:
        show_plan(plan, settings, as_json=options.json)
        return 0
    results = _with_progress(plan.jobs, settings, options.workers)
    show_report(results, settings, destination, plan, as_json=options.json)
    return 0


def _without_classes(found: list[Path], options: Files) -> ConfigError:
    """What to say where no classes are named: those of the first file with labels."""
    from salanet.datasets.files import suggest_classes

    for path in found:
        with suppress(NoLabelsError):
            suggestion = suggest_classes(path, options.label_field, options.columns)
            return ConfigError(
                f"--classes says which labels make up each class; {path} holds, for example, "
                f"--classes '{suggestion}' (add other=* for the rest)"
            )
    return ConfigError(
        f"none of the {len(found)} files has labels; name the attribute that holds them with "
        "--label-field"
    )


def _plan(found: list[Path], destination: Path, settings: Settings, options: Files) -> Plan:
    """Which file or part goes where. Files are read for it if they are split, or counted only."""
    from salanet.cli.prepare_report import Plan
    from salanet.datasets import blocks, files

    cells = None if options.block is None else blocks.block_cells(options.block, settings.grid)
    shares = {name: _share(getattr(options, name), name) for name in ("val", "test") if cells}
    if cells is None:
        jobs = files.plan(found, destination, val=options.val, test=options.test)
        if not options.dry_run:
            return Plan(jobs)
    with progress_bar("counting") as progress:
        task = progress.add_task("", total=len(found))
        contents = blocks.count(
            found,
            settings,
            cells,
            workers=options.workers,
            done=lambda one: progress.update(task, advance=1, description=one.source.name),
            skipped=_skipped,
        )
    if cells is None:
        jobs = [job for job in jobs if job.source in {one.source for one in contents}]
    else:
        jobs = blocks.plan_blocks(contents, destination, cells, **shares, seed=options.seed)
    return Plan(jobs, contents, cells and cells * settings.grid)


def _share(given: tuple[str, ...], name: str) -> float:
    """The fraction that --val or --test gives; 0 without."""
    try:
        return float(*given) if given else 0.0
    except (TypeError, ValueError):
        raise ConfigError(
            f"with --block, --{name} is a fraction of the area such as 0.2, not {' '.join(given)}"
        ) from None


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
            skipped=_skipped,
        )


def _skipped(error: NoLabelsError) -> None:
    messages().print(f"note: left out: {error}", soft_wrap=True, markup=False)
