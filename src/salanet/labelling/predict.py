"""One file in, the same file labelled out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from salanet.adapt.alignment import Alignment, AlignmentOptions, examine
from salanet.adapt.exactness import inexact
from salanet.adapt.kind import implausible, untold
from salanet.cloud import PointCloud
from salanet.engine.opening import as_runner, remarks_on
from salanet.engine.runner import Model, Runner
from salanet.engine.segmentation import cloud_input, segment
from salanet.errors import FileError
from salanet.io import read, require_writable, write
from salanet.io.convert import unkept_beside
from salanet.io.describe import remarks as reading_remarks
from salanet.io.faces import promises_faces, unkept
from salanet.io.stream import Stream, open_stream
from salanet.io.unchanged import require_unchanged, states
from salanet.labelling.changes import Tally
from salanet.labelling.decision import Decision, decide
from salanet.labelling.look import Look, head_of, look
from salanet.labelling.memory import (
    Plan,
    default_memory,
    fits,
    most_cells,
    peak_memory,
    points_bytes,
    taken,
    too_little,
    unstreamed_bytes,
)
from salanet.labelling.outputs import make_folder
from salanet.labelling.report import Report
from salanet.labelling.rules import Rules
from salanet.labelling.stream import Work, disk_bytes
from salanet.labelling.whole import label_cloud
from salanet.remark import Remark
from salanet.sampling.summary import Summary, summarise
from salanet.sampling.surface import of_mesh

# Called with the name of the phase, what is done of it and all of it.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class PredictOptions:
    """How a file is labelled, and what its result holds.

    Attributes:
        probabilities, confidence, entropy: what is written beside the classes.
        votes: passes, the first as the points are, the others turned and scaled.
        regularise: put islands of labels right by what is around them.
        columns, scan: see `salanet.read`.
        memory: bytes the process may take; None for what suits the machine.
        resume: continue what a killed run left behind.
        alignment: what is known of the file's units, density and axes; the rest is found out.
        neighbours: other files; their points near this file's are seen, but not written.
        vertices: of a mesh, see its vertices alone, not the surface between them.
        rules: what becomes of the classes that the file has.
        margins: keep what lies near the edges of those beside the result, where other files with
            the same neighbours find it (`salanet.labelling.margins.kept_for` removes it).
    """

    probabilities: bool = False
    confidence: bool = False
    entropy: bool = False
    votes: int = 1
    columns: str | None = None
    scan: int | None = None
    memory: int | None = None
    resume: bool = False
    alignment: AlignmentOptions = field(default_factory=AlignmentOptions)
    neighbours: tuple[Path, ...] = ()
    vertices: bool = False
    rules: Rules = field(default_factory=Rules)
    margins: bool = False
    regularise: bool = False


def predict_file(
    model: Model,
    path: Path,
    to: Path,
    options: PredictOptions | None = None,
    progress: Progress | None = None,
    seen: Look | None = None,
) -> Report:
    """Label the points of a file; the result appears under its name whole, or not at all.

    Args:
        model: of scenes; see `salanet.engine.segment`.
        path: a point cloud in any format.
        to: the result; its suffix chooses the format, its folder is made.
        options: see `PredictOptions`.
        progress: called with (phase, done, total).
        seen: the file, if somebody has looked at it already.

    Raises:
        FileError: a file cannot be read or written.
        DataError: the file holds nothing that the model could label.
        ConfigError: the model is not for scenes, or the rules are not for the file.
    """
    options, progress = options or PredictOptions(), progress or _silent
    require_writable(to, path)
    model = as_runner(model)
    stream = _stream(path, to, options)
    if stream is not None and seen is not None and seen.stream is not None:
        stream = seen.stream  # which knows more already
    if stream is not None and not _at_once(model, stream, options):
        make_folder(to)
        plan = _plan(model, stream, options)
        report, tally = Work(model, stream, to, options, plan, progress, seen=seen).run()
        return _judged(model, report, tally)
    remarks = _check_size(path, to, options) if stream is None else []
    report, tally = _whole(model, path, to, options, progress, seen)
    report = _judged(model, report, tally)
    return replace(report, remarks=(*report.remarks, *remarks))


def _judged(model: Runner, report: Report, tally: Tally) -> Report:
    """The report, with a remark if the result cannot be right."""
    doubts = implausible(model, tally.seen.tolist())
    doubts += report.certainty.remarks() if report.certainty else []
    remarks = (*report.remarks, *doubts, *untold(model), *remarks_on(model))
    return replace(report, remarks=remarks, peak_memory_bytes=peak_memory())


def inspect_file(
    model: Model, path: Path, to: Path, options: PredictOptions, seen: Look | None = None
) -> Report:
    """What `predict_file` would do, without doing it."""
    model = as_runner(model)
    stream = _stream(path, to, options)
    if stream is not None and not _at_once(model, stream, options):
        seen = seen or look(path)
        decision = _decide(model, head_of(stream), path, to, options)
        alignment = examine(model, seen.summary, decision.alignment(options.alignment), str(path))
        return Report(
            path,
            to,
            points=stream.count,
            plan=_plan(model, stream, options),
            memory_bytes=taken(options.memory, model.overhead),
            disk_bytes=disk_bytes(stream, model, options),
            remarks=(*alignment.remarks, *too_little(options.memory, model.overhead)),
        )
    cloud, known = _read(path, options, seen)
    decision = _decide(model, cloud, path, to, options)
    surface, known, alignment = _surface(model, cloud, known, path, options, decision)
    cells = len(cloud_input(model, surface, str(path), alignment, known.company).points)
    return Report(path, to, points=len(cloud), cells=cells, remarks=alignment.remarks)


def _read(path: Path, options: PredictOptions, seen: Look | None) -> tuple[PointCloud, Summary]:
    """All of a file, and what it looks like; neither is made twice."""
    cloud = seen.cloud if seen else None
    if cloud is None:
        cloud = read(path, columns=options.columns, scan=options.scan)
    cloud.finite(str(path))
    return cloud, seen.summary if seen else summarise(cloud)


def _stream(path: Path, to: Path, options: PredictOptions) -> Stream | None:
    """The file as a stream; None if it has to be read at once. Raises as `open_stream`."""
    if options.columns is not None or options.scan is not None:
        return None
    if not options.vertices and path.is_file() and promises_faces(path):
        return None
    return open_stream(path, to)


def _at_once(model: Runner, stream: Stream, options: PredictOptions) -> bool:
    """Whether the whole file is to be in memory, which is quicker for small ones."""
    small = fits(options.memory, model, stream.count, stream.point_bytes)
    return small and not options.neighbours


def _plan(model: Runner, stream: Stream, options: PredictOptions) -> Plan:
    return Plan.of(options.memory, stream.point_bytes, model.overhead).keeping(stream)


def _check_size(path: Path, to: Path, options: PredictOptions) -> list[str]:
    """Remarks on a file that has to be read at once; FileError if it is known not to alignment."""
    remarks = []
    if options.neighbours:
        remarks.append("read at once: what lies beyond the file's edge is not seen")
    itself = _stream(path, path, options)
    needed = unstreamed_bytes(path) if itself is None else points_bytes(itself)
    if needed > (options.memory or default_memory()):
        way = path.suffix if itself is None else f"{path.suffix} to {to.suffix}"
        text = (
            f"{way} goes through the memory at once, and this file takes about "
            f"{needed / 1e9:.1f} GB; LAS, LAZ and binary PLY to the same format do with less"
        )
        if options.memory is not None:
            raise FileError(path, text)
        remarks.append(text)
    return remarks


def _decide(
    model: Runner, head: PointCloud, path: Path, to: Path, options: PredictOptions
) -> Decision:
    return decide(model, options.rules, head, to, options.alignment.noise, path)


def _surface(
    model: Runner,
    cloud: PointCloud,
    known: Summary,
    path: Path,
    options: PredictOptions,
    decision: Decision,
) -> tuple[PointCloud, Summary, Alignment]:
    """What the network is to see: the cloud, or the surface of a mesh, its vertices first."""
    asked = decision.alignment(options.alignment)
    alignment = examine(model, known, asked, str(path))
    # The surface is as dense as it is sampled, so nothing speaks for other cells than the model's.
    cell = asked.grid if isinstance(asked.grid, float) else model.config.grid
    surface = None if options.vertices else of_mesh(cloud, cell / max(alignment.scale), path)
    if surface is None:
        return cloud, known, alignment
    further = len(surface) - len(cloud)
    known = summarise(surface)
    alignment = examine(model, known, replace(asked, grid=cell), str(path))
    remark = Remark(
        f"a mesh: {further:,} points on its faces are seen beside its vertices, which alone are "
        "labelled",
        "mesh",
        further=further,
    )
    return surface, known, replace(alignment, remarks=(remark, *alignment.remarks))


def _silent(phase: str, done: int, total: int) -> None:
    pass


def _whole(
    model: Runner,
    path: Path,
    to: Path,
    options: PredictOptions,
    progress: Progress,
    seen: Look | None,
) -> tuple[Report, Tally]:
    """Everything in memory: quick for small files."""
    clock = [time.perf_counter()]
    before = seen.before if seen else states([path])
    cloud, known = _read(path, options, seen)
    decision = _decide(model, cloud, path, to, options)
    clock.append(time.perf_counter())
    surface, known, alignment = _surface(model, cloud, known, path, options, decision)
    extras = {
        "probabilities": options.probabilities,
        "confidence": options.confidence,
        "entropy": options.entropy,
    }
    found = segment(
        model,
        surface,
        probabilities=any(extras.values()),
        votes=options.votes,
        tile_points=most_cells(options.memory, model),
        progress=lambda done, total: progress("network", done, total),
        where=str(path),
        alignment=alignment,
        company=known.company,
        regularise=options.regularise,
    ).first(len(cloud))
    clock.append(time.perf_counter())
    tally, renamed = label_cloud(cloud, found, model, decision, **extras)
    make_folder(to)
    require_unchanged(before)
    about = [*alignment.remarks, *inexact(model, found.quality)]
    lost = [*unkept(cloud, to), *unkept_beside(cloud, to)]
    said = [*reading_remarks(cloud), *about, *renamed, *lost]
    remarks = [*said, *(remark for remark in write(to, cloud) if remark not in lost)]
    clock.append(time.perf_counter())
    spent = np.diff(clock).tolist()
    report = Report(
        path,
        to,
        points=len(cloud),
        cells=found.cells,
        phases=dict(zip(("read", "network", "write"), spent, strict=True)),
        seconds=clock[-1] - clock[0],
        remarks=tuple(remarks),
    )
    return tally.told(report, model), tally
