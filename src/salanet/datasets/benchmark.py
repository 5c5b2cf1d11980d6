"""What the published benchmarks share: plans, scenes, checks of counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.datasets.jobs import Job, Prepared, header, is_current, outcome, run
from salanet.datasets.manifest import digests
from salanet.errors import ConfigError, DataError
from salanet.geometry import nearest
from salanet.sampling.cells import to_cells
from salanet.scenes import Scene

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Benchmark:
    """A published data set.

    Attributes:
        name: with its version.
        origin: where to get it. licence: its terms, in one line.
        classes: names in index order. codes: what each is in the source.
        colours: of the classes, for display.
    """

    name: str
    origin: str
    licence: str
    classes: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    colours: tuple[Colour, ...] = ()

    @property
    def provenance(self) -> dict[str, str]:
        return {"dataset": self.name, "origin": self.origin, "licence": self.licence}


@dataclass(frozen=True)
class Raw:
    """A scene as the benchmark publishes it.

    Attributes:
        cloud: N points with colours, in the published order.
        segment: int16 (N,) class index, -1 = ignored; None for scenes without labels.
        meta: JSON for the scene.
        remarks: what was repaired or is odd, one line each.
    """

    cloud: PointCloud
    segment: NDArray[np.int16] | None
    meta: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Check:
    """A count beside the published one."""

    what: str
    expected: int
    found: int
    missing: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.expected == self.found and not self.missing

    def __str__(self) -> str:
        text = f"{self.what}: {self.found:,} of {self.expected:,}"
        if not self.missing:
            return text
        more = f" and {len(self.missing) - 5} more" if len(self.missing) > 5 else ""
        return f"{text}; missing {', '.join(self.missing[:5])}{more}"


@dataclass(frozen=True)
class Plan:
    """Everything a run of `salanet prepare` will do.

    Attributes:
        benchmark: the data set. settings: JSON; a folder made with others is made again.
        jobs: in order. work: does one of them, importable by other processes.
        remarks: about the source as a whole.
        kinds: of each job, where there are several; the report counts them.
    """

    benchmark: Benchmark
    settings: dict[str, Any]
    jobs: list[Job]
    work: Callable[[Job], Prepared]
    remarks: tuple[str, ...] = ()
    kinds: dict[str, str] = field(default_factory=dict)


def prepare(
    plan: Plan, *, workers: int = 1, done: Callable[[Prepared], None] | None = None
) -> list[Prepared]:
    """Do every job that is not complete yet, `workers` at a time, each in its own process.

    `done`, if given, is called with each result. The first error stops the rest; folders already
    written stay, and the same call goes on where it stopped.
    """
    waiting = [job for job in plan.jobs if not is_current(job, plan.settings)]
    results = {job: outcome(job, skipped=True) for job in plan.jobs if job not in set(waiting)}
    for result in results.values():
        if done:
            done(result)
    made = run(plan.work, waiting, workers=workers, processes=True, done=done)
    results |= {result.job: result for result in made}
    return [results[job] for job in plan.jobs]


def prepare_scene(
    job: Job,
    *,
    benchmark: Benchmark,
    settings: Mapping[str, Any],
    read: Callable[[Job], Raw],
    grid: float | None = None,
    keep: Sequence[str] = ("rgb",),
) -> Prepared:
    """Read a scene, subsample it with `grid`, by default ``settings["grid"]``, and write it, with
    the arrays in `keep`.

    Beside the cells lie `raw_segment` (where labelled), `raw_to_cell` (the cell each point fell
    into) and `raw_to_nearest` (the cell whose barycentre is nearest: what the paper's protocol
    gives each point the prediction of), all in the published order of the points.
    """
    meta = header(job, benchmark.provenance, settings)
    grid = settings["grid"] if grid is None else grid
    raw = read(job)
    cells = to_cells(raw.cloud, grid, segment=raw.segment, keep=keep, where=job.name)
    raw_arrays: dict[str, NDArray[Any]] = {
        "to_cell": cells.of_point,
        "to_nearest": nearest((raw.cloud.xyz - cells.offset).astype(np.float32), cells.coord),
    }
    counts: dict[str, int] = {}
    if raw.segment is not None:
        raw_arrays["segment"] = raw.segment
        labelled = raw.segment[raw.segment >= 0]
        found = np.bincount(labelled, minlength=len(benchmark.classes)).tolist()
        counts = dict(zip(benchmark.classes, found, strict=True))
    meta |= {
        "remarks": list(raw.remarks),
        "codes": list(benchmark.codes),
        "colours": [list(colour) for colour in benchmark.colours],
        "figures": {"points": len(raw.cloud), "cells": len(cells.coord)},
        "counts": counts,
        **raw.meta,
    }
    # Colours that are zero everywhere are colours here: every scene has the same features.
    black = np.zeros_like(cells.coord, np.uint8) if "rgb" in keep else None
    Scene.write(
        job.folder,
        coord=cells.coord,
        offset=cells.offset,
        color=black if cells.rgb is None else cells.rgb,
        segment=cells.segment,
        arrays=cells.arrays,
        raw=raw_arrays,
        classes=benchmark.classes,
        grid=grid,
        meta=meta,
    )
    return outcome(job, hashed=True)


def describe(result: Prepared) -> dict[str, Any]:
    """What the manifest says of a folder."""
    sources = result.meta["provenance"]["sources"]
    return {
        **result.figures,
        "counts": result.counts,
        "remarks": result.remarks,
        "sources": {source["name"]: source["sha256"] for source in sources},
        "files": result.files or digests(result.job.folder),
    }


def check_grid(grid: float) -> float:
    """The grid, or ConfigError if it is no positive size."""
    if not 0 < grid < float("inf"):
        raise ConfigError(f"the grid must be a positive size, not {grid}")
    return grid


def check_classes(segment: NDArray[np.integer], classes: Sequence[str], where: Path | str) -> None:
    """Raise DataError if a class index is none of the benchmark's, -1 = ignored aside."""
    if segment.size and not (segment.min() >= -1 and segment.max() < len(classes)):
        raise DataError(
            f"{where}: has classes {segment.min()} to {segment.max()}; the benchmark has 0 to "
            f"{len(classes) - 1} and -1 = ignored"
        )
