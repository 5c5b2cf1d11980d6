"""Labelled files of any format `salanet.read` knows, turned into scenes to train on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salanet import io
from salanet.cloud import PointCloud
from salanet.datasets.classes import IGNORED, ClassMap
from salanet.datasets.jobs import (
    SPLITS,
    Job,
    Prepared,
    header,
    is_current,
    outcome,
    run_labelled,
)
from salanet.datasets.splits import select
from salanet.datasets.usable import usable
from salanet.errors import ConfigError, DataError, FileError, NoLabelsError
from salanet.io.las.asprs import ASPRS
from salanet.io.mesh import with_z_up
from salanet.io.walk import files_below
from salanet.sampling.cells import KEPT, Cells, to_cells
from salanet.sampling.surface import of_mesh
from salanet.scenes import Scene

if TYPE_CHECKING:
    from salanet.datasets.blocks import Part


@dataclass(frozen=True)
class Settings:
    """What decides the content of a scene; a scene made with other settings is made again.

    Attributes:
        classes: from label codes to classes.
        grid: cell size in the files' units.
        label_field: the attribute that holds the labels; None = the format's own.
        keep: further attributes to average into arrays of the scene.
        columns: what the columns of text files are (see `salanet.read`).
        vertices: of meshes, take the vertices alone, not points all over their faces.
        licence: where the data comes from and under which terms, carried into trained models.
    """

    classes: ClassMap
    grid: float
    label_field: str | None = None
    keep: tuple[str, ...] = ()
    columns: str | None = None
    licence: str = ""
    vertices: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.grid < float("inf"):
            raise ConfigError(f"the grid must be a positive size, not {self.grid}")

    def record(self, part: Part | None = None) -> dict[str, Any]:
        """The settings as JSON, with those of the part of a file."""
        return {
            "classes": self.classes.model_dump(mode="json"),
            "grid": self.grid,
            "label_field": self.label_field,
            "keep": sorted(self.keep),
            "columns": self.columns,
            "licence": self.licence,
            **({"vertices": True} if self.vertices else {}),
            **({} if part is None else {"part": part.record()}),
        }

    def read(self, source: Path) -> PointCloud:
        """The points of a file, z up; of a mesh, its surface (`salanet.sampling.surface`)."""
        cloud = with_z_up(io.read(source, columns=self.columns))
        surface = None if self.vertices else of_mesh(cloud, self.grid, source)
        return cloud if surface is None else surface


def find_files(sources: Iterable[str | Path]) -> list[Path]:
    """The readable files among the sources, folders searched recursively, sorted.

    Raises:
        FileError: a source does not exist, or a folder holds no readable file.
        ConfigError: two files have the same name, so their scenes would too.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = sorted(path for path in files_below(source) if _readable(path))
            if not inside:
                known = ", ".join(sorted(io.SUFFIXES))
                raise FileError(source, f"holds no point cloud ({known})")
            files += inside
        elif source.exists():
            files.append(source)
        else:
            raise FileError(source, "no such file or folder")
    of_stem: dict[str, Path] = {}
    for path in dict.fromkeys(files):
        other = of_stem.setdefault(path.stem, path)
        if other != path:
            raise ConfigError(f"{other} and {path} would both become the scene '{path.stem}'")
    return sorted(of_stem.values(), key=lambda path: path.stem)


def plan(
    files: Sequence[Path],
    destination: str | Path,
    *,
    val: Sequence[str] = (),
    test: Sequence[str] = (),
) -> list[Job]:
    """Give each file a split: val and test as asked, the rest train.

    Args:
        val, test: glob patterns on file names without suffix, or one fraction of the files such
            as "0.2". Fractions go by a hash of the name, whatever else is prepared with it.

    Raises ConfigError: a pattern without a match, a file in both, nothing left to train on.
    """
    stems = [path.stem for path in files]
    chosen: dict[str, str] = {}
    for split, patterns in (("test", test), ("val", val)):
        free = [stem for stem in stems if stem not in chosen]
        for stem in select(patterns, stems, free, split):
            if stem in chosen:
                raise ConfigError(f"'{stem}' is in both {chosen[stem]} and {split}")
            chosen[stem] = split
    jobs = []
    for path in files:
        split = chosen.get(path.stem, "train")
        jobs.append(Job.of_file(path, split, Path(destination) / split / path.stem))
    if all(job.split == "val" for job in jobs):
        raise ConfigError("every file is in val: nothing is left to train on")
    return jobs


def prepare(
    jobs: Sequence[Job],
    settings: Settings,
    *,
    workers: int = 1,
    done: Callable[[Prepared], None] | None = None,
    skipped: Callable[[NoLabelsError], None] | None = None,
) -> list[Prepared]:
    """Write the scene of every job that is not complete yet, `workers` files at a time.

    `done`, if given, is called with each result, and `skipped` with why a file without labels is
    left out. The first other error stops the rest; scenes already written stay, and the same call
    goes on where it stopped. Raises NoLabelsError if no file has labels.
    """
    groups: dict[Path, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.source, []).append(job)

    def tell(results: list[Prepared]) -> None:
        for result in results:
            if done:
                done(result)

    work = partial(prepare_parts, settings=settings)
    made = run_labelled(work, [*groups.values()], workers=workers, done=tell, skipped=skipped)
    return [result for results in made for result in results]


def prepare_file(job: Job, settings: Settings) -> Prepared:
    """As `prepare_parts`, for a whole file."""
    return prepare_parts([job], settings)[0]


def prepare_parts(jobs: Sequence[Job], settings: Settings) -> list[Prepared]:
    """Read one file, check it, subsample it and write the scenes of its parts that are not there.

    Raises FileError or DataError: unreadable, empty, NaN coordinates, no labels, a label that is
    not in the class map, or only ignored ones.
    """
    clear_other_splits(jobs)
    pending = [job for job in jobs if not is_current(job, settings.record(job.part))]
    if pending:
        origin = {"licence": settings.licence}
        headers = {  # before the file is read: a change shows the next time
            job: header(job, origin, settings.record(job.part), hashed=False) for job in pending
        }
        found = _subsample(jobs[0].source, settings)
        for job, meta in headers.items():
            _write(job, meta, *found, settings)
    return [outcome(job, skipped=job not in pending) for job in jobs]


def _subsample(source: Path, settings: Settings) -> tuple[Cells, NDArray[np.int16], dict[str, Any]]:
    """The cells of a file, the class of each of their points, and what to note of the file."""
    where = str(source)
    cloud = settings.read(source)
    system, turned = cloud.crs, cloud.y_up
    cloud, others = usable(cloud, settings, where)
    missing = sorted(set(settings.keep) - set(cloud.attributes))
    if missing:
        raise DataError(
            f"{where}: has no attribute '{missing[0]}' to keep; it has {_attribute_names(cloud)}"
        )
    segment = settings.classes.encode(labels_of(cloud, settings.label_field, where), where)
    if (segment == IGNORED).all():
        raise NoLabelsError(f"{where}: every label is ignored by the class map")
    keep = (*KEPT, *settings.keep)
    cells = to_cells(cloud, settings.grid, segment=segment, keep=keep, where=where)
    foreign = system.foreign if system is not None else ""
    return cells, segment, {"unit": foreign, "left_out": others, "turned": turned}


def _write(
    job: Job,
    meta: dict[str, Any],
    cells: Cells,
    segment: NDArray[np.int16],
    about: dict[str, Any],
    settings: Settings,
) -> None:
    if job.part is not None:
        chosen = job.part.holds(cells.coord[:, :2] + cells.offset[:2], settings.grid)
        segment = segment[chosen[cells.of_point]]
        cells = cells.only(chosen)
    names = settings.classes.names
    exact = segment[(segment >= 0) & (segment < len(names))]
    counts = np.bincount(exact, minlength=len(names)).tolist()
    meta |= {
        "codes": settings.classes.codes,
        "colours": [settings.classes.colours.get(name) for name in names],
        "figures": {"points": len(segment), "cells": len(cells.coord)},
        "counts": dict(zip(names, counts, strict=True)),
        "unions": settings.classes.unions(),
        **about,
    }
    Scene.write(
        job.folder,
        coord=cells.coord,
        offset=cells.offset,
        color=cells.rgb,
        segment=cells.segment,
        arrays=cells.arrays,
        raw={"segment": segment, "to_cell": cells.of_point},
        classes=names,
        grid=settings.grid,
        meta=meta,
    )


def labels_of(cloud: PointCloud, field: str | None, where: str) -> NDArray[Any]:
    """The label codes (N,) of a cloud, from its label or from an attribute by name."""
    if field is None:
        if cloud.label is None:
            raise NoLabelsError(
                f"{where}: has no labels; name the attribute that holds them with --label-field "
                f"(it has {_attribute_names(cloud)})"
            )
        return cloud.label
    if field not in cloud.attributes:
        raise NoLabelsError(
            f"{where}: has no attribute '{field}' to take labels from; "
            f"it has {_attribute_names(cloud)}"
        )
    labels = cloud.attributes[field]
    codes = labels.astype(np.int32, copy=False)
    if labels.ndim != 1 or not np.array_equal(codes, labels):
        raise DataError(f"{where}: the attribute '{field}' does not hold whole-number labels")
    return codes


def suggest_classes(
    source: Path, label_field: str | None = None, columns: str | None = None
) -> str:
    """A class map for the codes of one file, to start from: ``ground=2,building=6``."""
    cloud = io.read(source, columns=columns)
    codes = np.unique(labels_of(cloud, label_field, str(source))).tolist()
    names = cloud.class_names if label_field is None and cloud.class_names else ASPRS
    named = {code: re.sub("[,=]", " ", names.get(code, f"class {code}")) for code in codes}
    return ",".join(f"{name}={code}" for code, name in named.items())


def clear_other_splits(jobs: Sequence[Job]) -> None:
    """Leave no scene of this file in a split where an earlier run had put it.

    A whole file's scene moves to its new split; parts that no longer are, go.
    """
    mine = {job.split for job in jobs}
    job = jobs[0]
    for split in [split for split in SPLITS if split not in mine]:
        elsewhere = job.folder.parent.parent / split / job.folder.name
        if not (elsewhere / "scene.json").exists():
            continue
        meta = Scene.open(elsewhere).meta
        if job.part is not None or "part" in meta.get("settings", {}):
            if [s["name"] for s in meta.get("provenance", {}).get("sources", [])] != [
                job.source.name
            ]:
                raise ConfigError(f"{elsewhere} is of another file than {job.source}; delete it")
            shutil.rmtree(elsewhere)
        elif job.folder.exists():
            raise ConfigError(
                f"{elsewhere} and {job.folder} are the same scene in two splits; delete one"
            )
        else:
            job.folder.parent.mkdir(parents=True, exist_ok=True)
            elsewhere.rename(job.folder)


def _readable(path: Path) -> bool:
    return path.suffix.lower() in io.SUFFIXES and not path.name.startswith(".") and path.is_file()


def _attribute_names(cloud: PointCloud) -> str:
    return ", ".join(cloud.arrays()) or "coordinates only"
