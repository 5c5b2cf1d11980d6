"""Files in, the same files labelled out: which model, which neighbours, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from salanet._lazy import renamed
from salanet.adapt.alignment import AlignmentOptions
from salanet.adapt.choose import choose
from salanet.engine.opening import as_runner, open_runner
from salanet.engine.runner import Model, Precision, Runner
from salanet.errors import ConfigError, SalaNetError
from salanet.failures import explain
from salanet.io import scan_count, scan_numbers
from salanet.io.find import expand
from salanet.labelling.buffer import touching
from salanet.labelling.inplace import InPlace
from salanet.labelling.look import Look, look
from salanet.labelling.margins import kept_for
from salanet.labelling.memory import cores, parse_memory
from salanet.labelling.outputs import MARK, plan_outputs, scan_output
from salanet.labelling.predict import PredictOptions, inspect_file, predict_file
from salanet.labelling.report import Report
from salanet.labelling.rules import Rules
from salanet.labelling.tiles.cluster import Tile
from salanet.labelling.tiles.journal import Journals
from salanet.labelling.watch import Watch
from salanet.remark import Remark

HERE = "local"


@renamed("border", "buffer")
def label(
    paths: str | Path | Iterable[str | Path],
    to: str | Path | None = None,
    model: Model | None = None,
    *,
    probabilities: bool = False,
    confidence: bool = False,
    entropy: bool = False,
    votes: int = 1,
    regularise: bool = False,
    units: str = "auto",
    up: str = "auto",
    grid: float | Literal["auto"] | None = None,
    noise: bool = False,
    vertices: bool = False,
    rules: Rules | None = None,
    in_place: bool = False,
    columns: str | None = None,
    scan: int | None = None,
    scans: Literal["merged", "separate"] = "merged",
    memory: int | str | None = None,
    resume: bool = False,
    buffer: bool = True,
    cluster: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "float32",
    dry_run: bool = False,
    watch: Watch | None = None,
) -> list[Report]:
    """Label point clouds: the same points in the same order, every other attribute untouched.

    Args:
        paths: files in any format, folders of them, or patterns such as "tiles/*.laz".
        to: file for one input, folder for several; None for NAME.labelled.SUFFIX beside each
            (.laz for E57, which is read only).
        model: a model file, the name of one that comes with the package, or an open one; None
            for the shipped one that a file looks made for.
        probabilities, confidence, entropy: what is written beside the classes.
        votes: passes, each with the cloud turned and scaled otherwise; logits are averaged.
        regularise: put isolated points and small islands of a class right by what is around them,
            as far as the model is not sure of them (`salanet.sampling.islands`).
        units: of the coordinates: auto, m, ft, us-ft, mm or cm.
        up: the axis that points up: auto, z or y.
        grid: size in metres of the cells to work with; None for the model's, "auto" for larger
            ones where the points are much sparser than in training.
        noise: label points too that the file flags as noise or withholds.
        vertices: of meshes, see the vertices alone, not points all over their faces.
        rules: what becomes of the classes that files have; None keeps, in files with the codes of
            LAS, noise and what the model cannot give (`salanet.Rules`).
        in_place: results take the place of the files, when all are made; the former ones are kept
            as NAME.backup, and `salanet.restore` brings them back.
        columns: what the columns of text files are, such as "x,y,z,intensity".
        scan: only the scan of this number of an E57 with several.
        scans: those of an E57 merged, or separate: each to a NAME.scanN of its own.
        memory: bytes to take, or a size such as "2GB"; files that need more pass through it piece
            by piece. None for a quarter of the machine's, at most 1.2 GB.
        resume: continue what a killed run left unfinished.
        buffer: of several files that touch, see the neighbours' points near the edge of each.
        cluster: the address of a Dask scheduler, or "local" for processes on this machine.
        workers: how many processes that is; None for one per core.
        device: auto, cpu, or what PyTorch calls a device.
        precision: float32, or bf16 where the processor has it (`salanet.engine.open_runner`).
        dry_run: check inputs, model and outputs, and write nothing.
        watch: hears how far the work is.

    Returns:
        A report of each result, in the order of the files; where there are several files, one
        that fails stops no other, and its report has the error.

    Raises:
        FileError: a file cannot be read or written (an only one).
        DataError: it holds nothing that the model could label (an only one).
        ConfigError: options that ask for something impossible, or no model fits.
        MissingExtraError: what opens the format, runs the model or the cluster is not installed.
    """
    given = [paths] if isinstance(paths, (str, Path)) else [*paths]
    if not given:
        raise ConfigError("name at least one file to label")
    if votes < 1:
        raise ConfigError(f"votes must be at least 1, not {votes}")
    if scan is not None and scans == "separate":
        raise ConfigError("scan takes one scan, and separate scans are all of them: choose one")
    if workers is not None and (cluster is None or workers < 1):
        raise ConfigError(
            "workers is how many processes a cluster on this machine starts: at least 1"
        )
    options = PredictOptions(
        probabilities=probabilities,
        confidence=confidence,
        entropy=entropy,
        votes=votes,
        columns=columns,
        scan=scan,
        memory=parse_memory(memory) if isinstance(memory, str) else memory,
        resume=resume,
        alignment=AlignmentOptions(units=units, grid=grid, up=up, noise=noise),
        vertices=vertices,
        rules=rules or Rules(),
        regularise=regularise,
    )
    if in_place and to is not None:
        raise ConfigError("results in place have the names of their files: no other can be given")
    files, watch = expand([Path(path) for path in given], skip=MARK), watch or Watch()
    places = InPlace(files, resume, watch) if in_place else None
    work = Batch(
        places.waiting if places else files,
        places.staged if places else plan_outputs(files, None if to is None else Path(to)),
        options,
        scans == "separate",
        files if buffer else (),
        places or watch,
        journals=in_place,
    )
    spread = cluster if work.files and not dry_run else None
    try:
        if spread is not None:
            reports = work.on_cluster(model, device, precision, spread, workers)
        else:
            reports = work.here(chooser(model, device, precision), dry_run)
        if places is None:
            return reports
        return [*map(places.named, reports)] if dry_run else places.finish(reports)
    finally:
        if places is not None:
            places.tidy()


# Gives the model for a file, what was seen of it on the way, and remarks that say why.
Chooser = Callable[[Path, PredictOptions], tuple[Runner, Look | None, list[str]]]


def chooser(model: Model | None, device: str, precision: Precision) -> Chooser:
    """Gives the model named, or a shipped one that a file looks made for."""
    if model is not None:
        runner = as_runner(model, device, precision)
        return lambda *_: (runner, None, [])
    opened: dict[str, Runner] = {}

    def choose_for(path: Path, options: PredictOptions) -> tuple[Runner, Look, list[str]]:
        seen = look(path, options.columns, options.scan)
        entry, why = choose(seen.summary, str(path), options=options.alignment)
        if entry.name not in opened:
            opened[entry.name] = open_runner(entry.path, device, precision=precision)
        return opened[entry.name], seen, [why]

    return choose_for


@dataclass
class Batch:
    """Files to label.

    Attributes:
        files, outputs: each, and where its result goes.
        options: for all.
        separate: one result for each scan of a file.
        among: files whose points are seen beyond the edges of others; none for no such.
        watch: hears of the work.
        journals: results are noted beside them, so that those that are there are not made again,
            in one process either.
    """

    files: Sequence[Path]
    outputs: Sequence[Path]
    options: PredictOptions
    separate: bool
    among: Sequence[Path]
    watch: Watch
    journals: bool = False

    def here(self, choose_for: Chooser, dry_run: bool) -> list[Report]:
        """One file after the other."""
        reports: list[Report] = []
        self.watch.begins(len(self.files))
        with kept_for(() if dry_run else self.outputs):
            for path, to in zip(self.files, self.outputs, strict=True):
                try:
                    for options, part in self.parts(path, to):
                        report = self._one(path, part, options, choose_for, dry_run)
                        reports.append(report)
                        self.watch.ends(report)
                except Exception as error:  # whatever is wrong here, others may be fine
                    if len(self.files) == 1:
                        raise
                    reports.append(Report(path, to, error=told(error, path)))
                    self.watch.ends(reports[-1])
        return reports

    def _one(
        self, path: Path, to: Path, options: PredictOptions, choose_for: Chooser, dry_run: bool
    ) -> Report:
        runner, seen, why = choose_for(path, options)
        if self.among:
            near = touching(runner, path, self.among)
            options = replace(options, neighbours=near, margins=True)
        tile, journals = Tile(path, to, options), Journals(runner.identity)
        if dry_run:
            report = inspect_file(runner, path, to, options, seen)
        elif self.journals and options.resume and journals.has(tile):
            return Report(path, to, points=journals.points(tile), skipped=True)
        else:
            hear = lambda *told: self.watch.progress(path, *told)  # noqa: E731
            report = predict_file(runner, path, to, options, hear, seen)
            if self.journals:
                journals.add(tile, report.points)
        return replace(report, remarks=(*why, *report.remarks))

    def on_cluster(
        self,
        model: Model | None,
        device: str,
        precision: Precision,
        address: str,
        workers: int | None,
    ) -> list[Report]:
        """Spread over workers; the first file decides for all where no model is named."""
        from salanet.labelling.tiles.cluster import neighbourhoods
        from salanet.labelling.tiles.run import label_tiles

        runner, _, _ = chooser(model, device, precision)(self.files[0], self.options)
        beside_of = dict(zip(self.among, neighbourhoods(runner, self.among), strict=True))
        tiles = [
            Tile(path, part, replace(options, neighbours=beside_of.get(path, ()), margins=True))
            for path, to in zip(self.files, self.outputs, strict=True)
            for options, part in self.parts(path, to)
        ]
        here = None if address == HERE else address
        return label_tiles(tiles, runner, here, workers or cores(), device, precision, self.watch)

    def parts(self, path: Path, to: Path) -> list[tuple[PredictOptions, Path]]:
        """What is labelled of a file, and where it goes: all of it, or each scan with points."""
        if not self.separate:
            return [(self.options, to)]
        numbers = scan_numbers(path)
        for i in sorted({*range(scan_count(path))} - {*numbers}):
            self.watch.says(f"note: {path}: scan {i} has no points, nothing is written for it")
        if len(numbers) <= 1:
            return [(self.options, to)]
        return [(replace(self.options, scan=i), scan_output(to, i)) for i in numbers]


def told(error: Exception, path: Path) -> str:
    """What went wrong with a file, in a line that names it."""
    named = explain(error)
    if named is None or not isinstance(error, SalaNetError):
        named = f"{path}: {named or repr(error)}"
    return Remark(" ".join(named.split()), error.code if isinstance(error, SalaNetError) else "")
