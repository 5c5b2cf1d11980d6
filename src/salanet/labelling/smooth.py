"""Labelled files in, the same files out: islands of a class put right by what is around them.

1. Look: the spacing of the points, which is the size of the cells.
2. Sort: the points, sorted by block (`salanet.labelling.point_store`).
3. Sites: one for each class in each cell (`salanet.labelling.sites`).
4. Smooth: tile after tile (`salanet.labelling.settling`).
5. Writing: the file is read again, and its copy gets the class of each point's site.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import ConfigError, DataError, FileError
from salanet.io import read, require_writable, write
from salanet.io.ahead import ahead
from salanet.io.atomic import atomic_path, reason
from salanet.io.find import expand
from salanet.io.stream import complete, open_stream
from salanet.io.streams import Stream
from salanet.io.unchanged import require_unchanged
from salanet.labelling.inplace import InPlace
from salanet.labelling.label import told
from salanet.labelling.look import Look, head_of, look
from salanet.labelling.memory import Plan, parse_memory, peak_memory
from salanet.labelling.outputs import make_folder, plan_outputs
from salanet.labelling.pieces import Pieces
from salanet.labelling.point_store import NONE, PointStore
from salanet.labelling.report import Report
from salanet.labelling.rules import Rules
from salanet.labelling.scope import Scope, check, scope_of
from salanet.labelling.settling import FILE, TYPE, Settling
from salanet.labelling.sites import CODE, FIXED, Sites
from salanet.labelling.tiling import gather
from salanet.labelling.watch import Watch, timed
from salanet.labelling.workfolder import identity_of, work_folder
from salanet.sampling.islands import SIZE
from salanet.sampling.noise import FLAGS
from salanet.scenes import choose_offset

MARK = ".smoothed"
MOST_CODES, MOST_SIZE = 256, 100
POINT_BYTES = 60  # of a file that is read at once


@dataclass(frozen=True)
class Smoothing:
    """How islands are found; see `smooth`."""

    size: int
    cell: float | None
    rules: Rules
    columns: str | None
    memory: int | None


def smooth(
    paths: str | Path | Iterable[str | Path],
    to: str | Path | None = None,
    *,
    size: int = SIZE,
    cell: float | None = None,
    rules: Rules | None = None,
    in_place: bool = False,
    columns: str | None = None,
    memory: int | str | None = None,
    dry_run: bool = False,
    watch: Watch | None = None,
) -> list[Report]:
    """Put isolated points and small islands of a class right by what is around them.

    An island gets the class that most of its surroundings have, where what lies on the same surface
    counts, and what lies across an edge or a step does not (`salanet.sampling.islands`). An island
    that has nothing beside it stays. Noise and points without a class neither change nor count.

    Args:
        paths: labelled files in any format, folders of them, or patterns such as "tiles/*.laz".
        to: file for one input, folder for several; None for NAME.smoothed.SUFFIX beside each.
        size: most cells of an island; about as many points.
        cell: size of a cell in the units of the file; None for the distance between points.
        rules: `keep` names classes that no point gets or loses ("none": noise takes part, too),
            `only` those whose points may get another, `within` the area where they may.
        in_place: results take the place of the files, when all are made; the former ones are kept
            as NAME.backup, and `salanet.restore` brings them back.
        columns: what the columns of text files are, such as "x,y,z,label".
        memory: bytes to take, or a size such as "2GB".
        dry_run: check inputs, rules and outputs, and write nothing.
        watch: hears how far the work is.

    Returns:
        A report of each result; `changes` has the points by former and new code. Where there are
        several files, one that fails stops no other, and its report has the error.

    Raises:
        FileError: a file cannot be read or written, or has no classes (an only one).
        DataError: coordinates are degrees, or the codes are too many to be classes.
        ConfigError: options that ask for something impossible.
    """
    given = [paths] if isinstance(paths, (str, Path)) else [*paths]
    if not given:
        raise ConfigError("name at least one labelled file")
    if not 1 <= size <= MOST_SIZE:
        raise ConfigError(f"size {size}: an island has from 1 to {MOST_SIZE} cells at the most")
    if cell is not None and not 0 < cell < np.inf:
        raise ConfigError(f"cell {cell}: must be positive")
    if in_place and to is not None:
        raise ConfigError("results in place have the names of their files: no other can be given")
    rules = rules or Rules()
    check(rules)
    room = parse_memory(memory) if isinstance(memory, str) else memory
    options = Smoothing(size, cell, rules, columns, room)
    files, watch = expand([Path(path) for path in given], skip=MARK), watch or Watch()
    places = InPlace(files, False, watch) if in_place else None
    if places is None:
        outputs = plan_outputs(files, None if to is None else Path(to), MARK)
    else:
        files, outputs = places.waiting, places.staged
    try:
        reports = _each(files, outputs, options, dry_run, places or watch)
        if places is None:
            return reports
        return [*map(places.named, reports)] if dry_run else places.finish(reports)
    finally:
        if places is not None:
            places.tidy()


def _each(
    files: list[Path], outputs: list[Path], options: Smoothing, dry_run: bool, watch: Watch
) -> list[Report]:
    reports: list[Report] = []
    watch.begins(len(files))
    for path, to in zip(files, outputs, strict=True):
        try:
            work = Work(path, to, options, watch)
            reports.append(work.planned() if dry_run else work.run())
        except Exception as error:  # whatever is wrong here, others may be fine
            if len(files) == 1:
                raise
            reports.append(Report(path, to, error=told(error, path)))
        watch.ends(reports[-1])
    return reports


@dataclass
class Work:
    """Smoothing one file.

    Attributes:
        seconds: that each phase took.
        remarks: one line each.
    """

    path: Path
    to: Path
    options: Smoothing
    watch: Watch
    seconds: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def planned(self) -> Report:
        """What would be done."""
        self._look()
        return Report(self.path, self.to, points=self._count, remarks=tuple(self.remarks))

    def run(self) -> Report:
        begin = time.perf_counter()
        require_writable(self.to, self.path)
        with timed(self.seconds, "look"):
            self._look()
        make_folder(self.to)
        identity = {"smooth": identity_of(self.path)}
        try:
            with work_folder(self.to, identity, resume=False) as (folder, remarks):
                self.remarks += remarks
                changes, sites = self._work(folder)
        except OSError as error:
            why = reason(error, self.to.parent)
            raise FileError(self.to, f"cannot be made: {why}") from error
        return Report(
            self.path,
            self.to,
            points=self._count,
            cells=sites,
            phases=self.seconds,
            seconds=time.perf_counter() - begin,
            kept={old: row[old] for old, row in changes.items() if old in row},
            changes=changes,
            names=self._scope.names,
            remarks=tuple(self.remarks),
            peak_memory_bytes=peak_memory(),
        )

    def _look(self) -> None:
        """See what the file is like, and whether the rules are for it."""
        seen = look(self.path, self.options.columns)
        self._seen: Look = seen
        self._stream: Stream | None = None
        if seen.stream is not None:
            stream = open_stream(self.path, self.to)
            self._stream = None if stream is None else seen.stream
            head, self._count = head_of(seen.stream), seen.stream.count
        else:
            assert seen.cloud is not None  # one of the two is there
            head, self._count = seen.cloud, len(seen.cloud)
        self._scope: Scope = scope_of(head, self.options.rules, self.path)
        system = seen.summary.crs
        if system is not None and system.angular:
            raise DataError(f"{self.path}: x and y are degrees: project the file to metres first")
        spacing = self.options.cell or seen.summary.spacing
        self._cell = spacing if np.isfinite(spacing) and spacing > 0 else 1.0
        company = seen.summary.company
        assert company is not None  # it was looked for
        self._offset = choose_offset(company.bounds, self._cell)
        bytes_ = POINT_BYTES if seen.stream is None else seen.stream.point_bytes
        plan = Plan.of(self.options.memory, bytes_)
        self._plan = plan if self._stream is None else plan.keeping(self._stream)
        if self.options.cell is None:
            self.remarks.append(f"cells of {self._cell:.3g}, the distance between its points")

    def _work(self, folder: Path) -> tuple[dict[int, dict[int, int]], int]:
        pieces = Pieces(folder)
        with timed(self.seconds, "sort"):
            point_store = PointStore(folder / "points", pieces, self._cell, self._offset)
            codes = self._sort(point_store)
        sites = Sites(folder, point_store, codes)
        with timed(self.seconds, "cells"):
            if len(point_store):
                for done, total in sites.make(self._plan.group):
                    self.watch.progress(self.path, "cells", done, total)
        store = sites.store()
        with timed(self.seconds, "smooth"):
            settling = Settling(
                folder,
                pieces,
                store,
                np.ones(len(store.blocks), bool),
                self._cell,
                sites.rows,
                len(codes),
                self.options.size,
                self._plan.tile,
                self._scope.closed(codes),
            )
            for done, total in settling.run() if len(point_store) else ():
                self.watch.progress(self.path, "smooth", done, total)
        with timed(self.seconds, "write"):
            changes = self._write(point_store, codes, folder / FILE)
        return changes, len(store)

    def _clouds(self) -> Iterator[PointCloud]:
        if self._seen.stream is not None:
            yield from ahead(self._seen.stream.clouds(self._plan.chunk, FLAGS))
        else:
            assert self._seen.cloud is not None  # it is no stream
            yield self._seen.cloud

    def _sort(self, point_store: PointStore) -> NDArray[np.int32]:
        """Sort the points by block; returns all codes of those that take part."""
        found, done = np.zeros(0, np.int32), 0
        for number, cloud in enumerate(self._clouds()):
            own = self._scope.own(cloud)
            seen, held = own.former[~own.out], own.held[~own.out]
            attributes: dict[str, NDArray[Any]] = {CODE: seen, FIXED: held.astype(np.uint8)}
            point_store.add(
                f"own-{number}", PointCloud(cloud.xyz[~own.out], attributes=attributes), own
            )
            found = np.union1d(found, seen)
            if len(found) > MOST_CODES:
                raise DataError(f"{self.path}: has over {MOST_CODES} codes: these are no classes")
            done += len(cloud)
            self.watch.progress(self.path, "sort", done, self._count)
        return found

    def _write(
        self, point_store: PointStore, codes: NDArray[np.int32], labels: Path
    ) -> dict[int, dict[int, int]]:
        """Write the result; returns the points by former and new code."""

        def written(run: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
            own, cells = point_store.own(run), point_store.cells(run)
            found = own.former.copy()
            free = (cells != NONE) & ~own.held
            if free.any():
                found[free] = codes[gather(labels, TYPE, 1, cells[free])[:, 0]]
            return own.former, found

        pairs = Counter[tuple[int, int]]()
        for run in point_store.runs:
            both = np.stack(written(run), axis=1)
            for (old, new), count in zip(*np.unique(both, axis=0, return_counts=True), strict=True):
                pairs[int(old), int(new)] += int(count)
        occurring = np.array(sorted({new for _, new in pairs}), np.int32)
        put = self._copy(occurring, lambda run: written(run)[1])
        self.remarks += put
        changes: dict[int, dict[int, int]] = {}
        for (old, new), count in sorted(pairs.items()):
            changes.setdefault(old, {})[new] = count
        return changes

    def _copy(
        self, occurring: NDArray[np.int32], written: Callable[[str], NDArray[np.int32]]
    ) -> list[str]:
        """The file with other codes; returns remarks."""
        stream, size = self._stream, self._plan.chunk
        if stream is None:
            runs = 1 if self._seen.cloud is not None else -(-self._count // size)
            cloud = self._seen.cloud or read(self.path)
            cloud.label = np.concatenate([written(f"own-{i}") for i in range(runs)])
            require_unchanged(self._seen.before)
            return [*write(self.to, cloud)]

        def labelled(start: int, stop: int) -> PointCloud:
            return PointCloud(np.zeros((stop - start, 3)), label=written(f"own-{start // size}"))

        names = head_of(stream).class_names
        sample = PointCloud(np.zeros((len(occurring), 3)), label=occurring, class_names=names)
        with atomic_path(self.to) as temporary:
            for done in stream.copy(temporary, size, sample, labelled):
                self.watch.progress(self.path, "write", done, self._count)
            completed = complete(stream, temporary, self.to)
            require_unchanged(self._seen.before)
        return [*stream.remarks, *completed]
