"""Files of any size: points, cells and results wait on disk, and little of them is in memory.

1. Summary: which points have company, and the sample that decides how the file becomes what the
   model expects.
2. Sort: the points, as the network is to see them, by block (`salanet.labelling.point_store`).
3. Ground: one terrain for the whole file, where a feature needs it.
4. Cells: group after group of blocks (`salanet.labelling.cell_store`).
5. Network: tile after tile (`salanet.labelling.tiling`).
6. Writing: the file is read again, and its copy gets the result of each point's cell.

Each step leaves what it has done in a folder beside the result. It is the same however often the
work was interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salanet import __version__
from salanet.adapt.alignment import Alignment, examine
from salanet.adapt.exactness import inexact
from salanet.cloud import PointCloud
from salanet.engine.runner import Runner, require_scenes
from salanet.errors import FileError
from salanet.io.ahead import TOGETHER, ahead, side_by_side
from salanet.io.atomic import atomic_path, reason
from salanet.io.describe import strangers_in
from salanet.io.stream import complete
from salanet.io.streams import Stream
from salanet.io.unchanged import require_unchanged, states
from salanet.labelling.buffer import Buffer
from salanet.labelling.cell_store import CellStore, CellWriter
from salanet.labelling.changes import Tally
from salanet.labelling.decision import Own, decide
from salanet.labelling.look import Look, facts_of, head_of, source_of
from salanet.labelling.memory import Plan, too_little
from salanet.labelling.outputs import extra_columns, extra_names, label_type, left_out_codes
from salanet.labelling.pieces import Pieces
from salanet.labelling.point_store import BUFFER, OWN, PointStore
from salanet.labelling.report import Report
from salanet.labelling.settling import Settling
from salanet.labelling.tiling import Tiling
from salanet.labelling.watch import timed
from salanet.labelling.workfolder import (
    check_space,
    identity_of,
    work_folder,
)
from salanet.sampling import features
from salanet.sampling.ground import Ground
from salanet.sampling.islands import SIZE, reach
from salanet.sampling.noise import FLAGS, left_out, require_some, without_flags
from salanet.sampling.summary import Summary, restored
from salanet.sampling.terrain import TOLD, find_terrain
from salanet.scenes import choose_offset

if TYPE_CHECKING:
    from salanet.labelling.predict import PredictOptions, Progress

SAMPLE_VALUE = 0.3  # of a probability: no integer could hold it


@dataclass
class Work:
    """Labelling one file by way of the disk.

    Attributes:
        seconds: that each phase took.
        remarks: one line each.
    """

    model: Runner
    stream: Stream
    to: Path
    options: PredictOptions
    plan: Plan
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    seen: Look | None = None

    def run(self) -> tuple[Report, Tally]:
        """Do it; returns the report and its counts. Raises as `predict_file`."""
        begin = time.perf_counter()
        names = require_scenes(self.model.config)
        rules, noise, path = self.options.rules, self.options.alignment.noise, self.stream.path
        self._decision = decide(self.model, rules, head_of(self.stream), self.to, noise, path)
        self._before = states([self.stream.path, *self.options.neighbours])
        if self.seen:
            self._before |= self.seen.before
        try:
            check_space(self.to, disk_bytes(self.stream, self.model, self.options))
            with work_folder(self.to, self._identity(), self.options.resume) as (folder, remarks):
                self.remarks = remarks
                try:
                    tally, cells = self._work(folder, names)
                except Exception:
                    require_unchanged(self._before)  # else it may be the reason
                    raise
        except OSError as error:
            why = reason(error, self.to.parent)
            raise FileError(self.to, f"cannot be made: {why}") from error
        report = Report(
            self.stream.path,
            self.to,
            points=self.stream.count,
            cells=cells,
            phases=self.seconds,
            seconds=time.perf_counter() - begin,
            remarks=tuple(self.remarks),
        )
        return tally.told(report, self.model), tally

    def _identity(self) -> dict[str, Any]:
        options = asdict(self.options) | {"neighbours": None, "resume": None}
        options.pop("margins")  # nor does it matter what helps other files
        return {
            "version": __version__,
            "model": self.model.identity,
            "inputs": [identity_of(p) for p in (self.stream.path, *self.options.neighbours)],
            "options": {name: repr(value) for name, value in options.items()},
            "plan": asdict(self.plan),
        }

    def _work(self, folder: Path, names: list[str]) -> tuple[Tally, int]:
        pieces = Pieces(folder)
        with timed(self.seconds, "summary"):
            summary = self._summary(folder / "facts.npz", pieces)
            known = self._decision.alignment(self.options.alignment)
            alignment = examine(self.model, summary, known, str(self.stream.path))
            self.remarks += [*strangers_in(self.stream), *alignment.remarks]
            self.remarks += too_little(self.options.memory, self.model.overhead)
            out = 0 if alignment.noise else summary.flagged
            require_some(out, self.stream.count, str(self.stream.path))
        with timed(self.seconds, "sort"):
            point_store = self._sort(folder / "points", pieces, summary, alignment, names)
        with timed(self.seconds, "ground"):
            ground = self._ground(folder / "ground.npz", point_store, names)
            self.remarks += inexact(self.model, ground.quality) if ground else []
        with timed(self.seconds, "cells"):
            store = self._cells(folder, point_store, alignment, names, ground)
            del ground
        with timed(self.seconds, "network"):
            tiling = self._tiling(folder, pieces, store, alignment, names)
        if self.options.regularise:
            with timed(self.seconds, "regularise"):
                self._settle(tiling)
        with timed(self.seconds, "write"):
            tally = self._write(point_store, tiling)
        if pieces.damaged:
            count = len(pieces.damaged)
            self.remarks.append(f"{count} pieces of the earlier run were damaged: made again")
        return tally, len(store)

    def _summary(self, path: Path, pieces: Pieces) -> Summary:
        """What was found before is read from a file; else what somebody has seen is kept."""
        facts = pieces.load(path)
        if facts is None:
            size, count = self.plan.chunk, self.stream.count
            if self.seen:
                facts = self.seen.facts
                self.progress("summary", count, count)
            else:
                facts = facts_of(self.stream, size, lambda a, b: self.progress("summary", a, b))
            pieces.save(path, **facts)
        return restored(facts, source_of(self.stream), self.stream.count)

    def _sort(
        self, folder: Path, pieces: Pieces, summary: Summary, alignment: Alignment, names: list[str]
    ) -> PointStore:
        filled = [name for name, _ in alignment.fill]
        keep = [*features.required(names), *filled]
        company = summary.company
        assert company is not None  # it was looked for
        corners = alignment.apply(company.bounds)
        point_store = PointStore(
            folder, pieces, alignment.grid, choose_offset(corners, alignment.grid)
        )
        done, size = 0, self.plan.chunk
        total = -(-self.stream.count // size)
        if not all(point_store.has(f"{OWN}-{i}") for i in range(total)):

            def put(item: tuple[int, PointCloud]) -> int:
                i, cloud = item
                if not point_store.has(f"{OWN}-{i}"):
                    out = left_out(cloud, company, alignment.noise)
                    codes = left_out_codes(self.model, cloud.rows(out), company.bounds[0, 2])
                    seen = without_flags(cloud.rows(~out) if out.any() else cloud, keep)
                    own = self._decision.own(cloud, out, codes)
                    point_store.add(f"{OWN}-{i}", alignment.cloud(seen), own)
                return len(cloud)

            clouds = enumerate(ahead(self.stream.clouds(size, [*keep, *FLAGS])))
            for count in side_by_side(put, clouds, lambda item: len(item[1]), TOGETHER * size):
                done += count
                self.progress("sort", done, self.stream.count)
        if self.options.neighbours:
            count = len(self.options.neighbours)
            self.remarks.append(f"points of {count} neighbouring files were seen at the edges")
        margins, remarks = self.options.margins, self.remarks
        further = reach(SIZE) * alignment.grid if self.options.regularise else 0.0
        buffer = Buffer(
            self.model, self.to, alignment, corners, keep, size, margins, remarks, further
        )
        for run, cloud in enumerate(buffer.clouds(self.options.neighbours)):
            if not point_store.has(f"{BUFFER}-{run}"):
                point_store.add(f"{BUFFER}-{run}", cloud)
        return point_store

    def _ground(self, path: Path, point_store: PointStore, names: list[str]) -> Ground | None:
        if not TOLD.keys() & set(features.required(names)) - set(point_store.columns):
            return None
        found = point_store.pieces.load(path)
        if found is None:
            passes = 0

            def points() -> Iterator[Any]:
                nonlocal passes
                passes += 1
                self.progress("ground", passes, 4)
                return ahead(point_store.xyz(self.plan.chunk))

            found = asdict(find_terrain(points, len(point_store)))
            point_store.pieces.save(path, **found)
        return Ground(
            found["low"],
            float(found["cell"]),
            (int(found["shape"][0]), int(found["shape"][1])),
            found["plane"],
            found["surface"],
            found["lowest"],
            float(found.get("scatter", math.nan)),
            float(found.get("below", 0.0)),
        )

    def _cells(
        self,
        folder: Path,
        point_store: PointStore,
        alignment: Alignment,
        names: list[str],
        ground: Ground | None,
    ) -> CellStore:
        depth = len(self.model.config.neighbours)
        writer = CellWriter(
            folder, point_store, alignment, names, ground, str(self.stream.path), depth
        )
        store: CellStore | None = None
        for done, total, found in writer.groups(self.plan.group):
            self.progress("cells", done, total)
            store = found
        assert store is not None  # the last group brings it
        return store

    def _tiling(
        self, folder: Path, pieces: Pieces, store: CellStore, alignment: Alignment, names: list[str]
    ) -> Tiling:
        tiling = Tiling(
            folder,
            pieces,
            self.model,
            store,
            alignment,
            self.options.votes,
            any(self._extras.values()) or self.options.regularise,
            self.plan.tile,
            names,
            self.options.rules.min_confidence,
            reach(SIZE) if self.options.regularise else 0.0,
        )
        for done, total in tiling.run():
            self.progress("network", done, total)
        return tiling

    def _settle(self, tiling: Tiling) -> None:
        settling = Settling(
            tiling.folder,
            tiling.pieces,
            tiling.store,
            tiling.known,
            tiling.alignment.grid,
            tiling.rows,
            len(self.model.config.classes),
            SIZE,
            self.plan.tile,
        )
        for done, total in settling.run():
            self.progress("regularise", done, total)

    @property
    def _extras(self) -> dict[str, bool]:
        options = self.options
        return {
            "probabilities": options.probabilities,
            "confidence": options.confidence,
            "entropy": options.entropy,
        }

    def _write(self, point_store: PointStore, tiling: Tiling) -> Tally:
        """Write the result; returns what became of the classes."""
        size, decision, into = self.plan.chunk, self._decision, self.options.rules.into
        told = tiling.settled if self.options.regularise else tiling.labels
        tally = Tally(decision)

        def found(run: str) -> tuple[Own, NDArray[Any], NDArray[Any], NDArray[Any]]:
            cells = point_store.cells(run)
            return point_store.own(run), cells, told(cells), tiling.levels(cells)

        for own, cells, classes, levels in ahead(map(found, point_store.own_runs)):
            tally.add(classes, own, decision.written(classes, own), levels)
            if self.options.regularise:
                tally.add_settled(tiling.labels(cells), classes, own)
        taken = [*self.stream.names, *([into] if into else [])]
        extra, remarks = extra_names(self.model, taken, **self._extras)
        self.remarks += remarks
        occurring = np.array(tally.written, np.int32)
        kind = label_type(tally.written)
        columns = [np.full(len(occurring), SAMPLE_VALUE, np.float32) for _ in extra]
        sample = placed(occurring, into, kind, extra, columns)
        sample.class_names = {} if into else tally.names

        def labelled(start: int, stop: int) -> PointCloud:
            run = f"{OWN}-{start // size}"
            cells = point_store.cells(run)
            assert len(cells) == stop - start
            codes = decision.written(told(cells), point_store.own(run))
            shares = tiling.probabilities(cells)
            columns = [] if shares is None else extra_columns(shares, **self._extras)
            return placed(codes, into, kind, extra, columns)

        with atomic_path(self.to) as temporary:
            for done in self.stream.copy(temporary, size, sample, labelled):
                self.progress("write", done, self.stream.count)
            completed = complete(self.stream, temporary, self.to)
            require_unchanged(self._before)
        self.remarks += [*self.stream.remarks, *completed]
        return tally


def placed(
    codes: NDArray[np.int32],
    into: str | None,
    kind: np.dtype[Any],
    names: list[str],
    columns: list[NDArray[np.float32]],
) -> PointCloud:
    """A cloud without places: codes (N,) as labels, or as an attribute, and further columns."""
    attributes: dict[str, NDArray[Any]] = {} if into is None else {into: codes.astype(kind)}
    return PointCloud(
        np.zeros((len(codes), 3)),
        label=codes if into is None else None,
        attributes=attributes | dict(zip(names, columns, strict=True)),
    )


def disk_bytes(stream: Stream, model: Runner, options: PredictOptions) -> int:
    """About what the work needs on the disk, its result included, buffer files left out."""
    columns = 3 * 8 + 3 * 4 + 1 + 4 * len(features.required(require_scenes(model.config)))
    cells = 4 * (3 + model.config.in_channels) + 1
    beside = options.probabilities or options.confidence or options.entropy or options.regularise
    shares = 4 * len(model.config.classes) if beside else 0
    return stream.count * (stream.point_bytes + columns + cells + 2 * shares)
