"""Labelled files of any format `salanet.read` knows, turned into scenes to train on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import salanet
from salanet import io
from salanet.cloud import PointCloud
from salanet.datasets.classes import IGNORED, ClassMap
from salanet.datasets.splits import select
from salanet.datasets.usable import usable
from salanet.errors import ConfigError, DataError, FileError, NoLabelsError
from salanet.io.asprs import ASPRS
from salanet.io.walk import files_below
from salanet.sampling.cells import KEPT, Cells, to_cells
from salanet.sampling.surface import of_mesh
from salanet.scenes import Scene, intact

if TYPE_CHECKING:
    from salanet.datasets.blocks import Part

SPLITS = ("train", "val", "test")
Result = TypeVar("Result")


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

    def record(self) -> dict[str, Any]:
        return {
            "classes": self.classes.model_dump(mode="json"),
            "grid": self.grid,
            "label_field": self.label_field,
            "keep": sorted(self.keep),
            "columns": self.columns,
            "licence": self.licence,
            **({"vertices": True} if self.vertices else {}),
        }

    def read(self, source: Path) -> PointCloud:
        """The points of a file; of a mesh, its surface (`salanet.sampling.surface`)."""
        cloud = io.read(source, columns=self.columns)
        surface = None if self.vertices else of_mesh(cloud, self.grid, source)
        return cloud if surface is None else surface


@dataclass(frozen=True)
class Job:
    """One file to prepare, or the part of it that is in one split, and the folder of its scene."""

    source: Path
    split: str
    scene: Path
    part: Part | None = None


@dataclass(frozen=True)
class Prepared:
    """The outcome of one job.

    Attributes:
        points: number of points that became cells; cells: of the scene.
        counts: these points by class name, ignored ones left out.
        skipped: the scene was complete already.
        unit: of coordinates and heights by the file's reference system, unless it is the metre.
        left_out: how many of the file's points became no cells, by kind; see `usable`.
    """

    job: Job
    points: int
    cells: int
    counts: dict[str, int]
    skipped: bool
    unit: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)


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
        jobs.append(Job(path, split, Path(destination) / split / path.stem))
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
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        futures = [pool.submit(_or_why_not, group, settings) for group in groups.values()]
        try:
            for future in as_completed(futures):
                found = future.result()
                if isinstance(found, NoLabelsError):
                    if skipped:
                        skipped(found)
                    continue
                for result in found:
                    if done:
                        done(result)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    made = with_labels([future.result() for future in futures])
    return [result for results in made for result in results]


def with_labels(found: Sequence[Result | NoLabelsError]) -> list[Result]:
    """What became of the files that have labels; raises the first error if there are none."""
    results = [one for one in found if not isinstance(one, NoLabelsError)]
    errors = [one for one in found if isinstance(one, NoLabelsError)]
    if errors and not results:
        raise errors[0]
    return results


def _or_why_not(jobs: Sequence[Job], settings: Settings) -> list[Prepared] | NoLabelsError:
    try:
        return prepare_parts(jobs, settings)
    except NoLabelsError as error:
        return error


def prepare_file(job: Job, settings: Settings) -> Prepared:
    """As `prepare_parts`, for a whole file."""
    return prepare_parts([job], settings)[0]


def prepare_parts(jobs: Sequence[Job], settings: Settings) -> list[Prepared]:
    """Read one file, check it, subsample it and write the scenes of its parts that are not there.

    Raises FileError or DataError: unreadable, empty, NaN coordinates, no labels, a label that is
    not in the class map, or only ignored ones.
    """
    clear_other_splits(jobs)
    pending = [job for job in jobs if not is_current(job, settings)]
    made: dict[Job, Prepared] = {}
    if pending:
        source = fingerprint(jobs[0].source)  # before it is read: a change shows the next time
        cells, segment, about = _subsample(jobs[0].source, settings)
        made = {job: _write(job, source, cells, segment, about, settings) for job in pending}
    return [
        made[job] if job in made else _result(job, Scene.open(job.scene), skipped=True)
        for job in jobs
    ]


def _subsample(source: Path, settings: Settings) -> tuple[Cells, NDArray[np.int16], dict[str, Any]]:
    """The cells of a file, the class of each of their points, and what to note of the file."""
    where = str(source)
    cloud = settings.read(source)
    system = cloud.crs
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
    return cells, segment, {"unit": foreign, "left_out": others}


def _write(
    job: Job,
    source: dict[str, Any],
    cells: Cells,
    segment: NDArray[np.int16],
    about: dict[str, Any],
    settings: Settings,
) -> Prepared:
    if job.part is not None:
        chosen = job.part.holds(cells.coord[:, :2] + cells.offset[:2], settings.grid)
        segment = segment[chosen[cells.of_point]]
        cells = cells.only(chosen)
    names = settings.classes.names
    exact = segment[(segment >= 0) & (segment < len(names))]
    counts = np.bincount(exact, minlength=len(names)).tolist()
    meta = {
        "codes": settings.classes.codes,
        "colours": [settings.classes.colours.get(name) for name in names],
        "points": len(segment),
        "counts": dict(zip(names, counts, strict=True)),
        "provenance": {
            "source": source,
            "licence": settings.licence,
            "salanet": salanet.__version__,
        },
        "settings": _record(job, settings),
        "unions": settings.classes.unions(),
        **about,
    }
    scene = Scene.write(
        job.scene,
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
    return _result(job, scene, skipped=False)


def _record(job: Job, settings: Settings) -> dict[str, Any]:
    part = {} if job.part is None else {"part": job.part.record()}
    record: dict[str, Any] = json.loads(json.dumps(settings.record() | part))
    return record


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


def fingerprint(source: Path) -> dict[str, Any]:
    """Name, size and time of a file: enough to see that it changed."""
    stat = source.stat()
    return {"name": source.name, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def is_current(job: Job, settings: Settings) -> bool:
    """Whether the job's scene exists, whole, from the same file and with the same settings."""
    meta = intact(job.scene)
    if meta is None:
        return False
    provenance = meta.get("provenance", {})
    return (
        meta.get("settings") == _record(job, settings)
        and provenance.get("source") == fingerprint(job.source)
        and provenance.get("salanet") == salanet.__version__
    )


def clear_other_splits(jobs: Sequence[Job]) -> None:
    """Leave no scene of this file in a split where an earlier run had put it.

    A whole file's scene moves to its new split; parts that no longer are, go.
    """
    mine = {job.split for job in jobs}
    job = jobs[0]
    for split in [split for split in SPLITS if split not in mine]:
        elsewhere = job.scene.parent.parent / split / job.scene.name
        if not (elsewhere / "scene.json").exists():
            continue
        meta = Scene.open(elsewhere).meta
        if job.part is not None or "part" in meta.get("settings", {}):
            if meta.get("provenance", {}).get("source", {}).get("name") != job.source.name:
                raise ConfigError(f"{elsewhere} is of another file than {job.source}; delete it")
            shutil.rmtree(elsewhere)
        elif job.scene.exists():
            raise ConfigError(
                f"{elsewhere} and {job.scene} are the same scene in two splits; delete one"
            )
        else:
            job.scene.parent.mkdir(parents=True, exist_ok=True)
            elsewhere.rename(job.scene)


def _result(job: Job, scene: Scene, *, skipped: bool) -> Prepared:
    meta = scene.meta
    unit, left_out = meta.get("unit", ""), meta.get("left_out", {})
    return Prepared(job, meta["points"], len(scene), meta["counts"], skipped, unit, left_out)


def _readable(path: Path) -> bool:
    return path.suffix.lower() in io.SUFFIXES and not path.name.startswith(".") and path.is_file()


def _attribute_names(cloud: PointCloud) -> str:
    return ", ".join(cloud.arrays()) or "coordinates only"
