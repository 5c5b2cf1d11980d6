"""ScanNet v2: 1,613 reconstructed rooms, twenty classes by their nyu40 id.

::

    scans/scene0000_00/scene0000_00_vh_clean_2.ply                 vertices with colours
                       scene0000_00_vh_clean_2.0.010000.segs.json  segment of each vertex
                       scene0000_00.aggregation.json               label of groups of segments
                       scene0000_00.txt                            axisAlignment
    scans_test/scene0707_00/scene0707_00_vh_clean_2.ply            no labels
    scannetv2-labels.combined.tsv                                  raw label -> nyu40 id
    scannetv2_train.txt, scannetv2_val.txt, scannetv2_test.txt     the splits

The split lists are in ScanNet's repository, Tasks/Benchmark. Scenes that Pointcept prepared
(``train/scene0000_00/coord.npy``, …) are read too; their folders are their splits.

Vertices that no group covers, and those of other nyu40 ids, are ignored. The order of the
vertices is kept, as the benchmark's submissions need it.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import salanet.io
from salanet.datasets import pointcept
from salanet.datasets.benchmark import Benchmark, Check, Plan, Raw, check_grid, prepare_scene
from salanet.datasets.jobs import Job
from salanet.errors import ConfigError, DataError, FileError

CLASSES = {
    "wall": (1, (174, 199, 232)), "floor": (2, (152, 223, 138)), "cabinet": (3, (31, 119, 180)),
    "bed": (4, (255, 187, 120)), "chair": (5, (188, 189, 34)), "sofa": (6, (140, 86, 75)),
    "table": (7, (255, 152, 150)), "door": (8, (214, 39, 40)), "window": (9, (197, 176, 213)),
    "bookshelf": (10, (148, 103, 189)), "picture": (11, (196, 156, 148)),
    "counter": (12, (23, 190, 207)), "desk": (14, (247, 182, 210)),
    "curtain": (16, (219, 219, 141)), "refrigerator": (24, (255, 127, 14)),
    "shower curtain": (28, (158, 218, 229)), "toilet": (33, (44, 160, 44)),
    "sink": (34, (112, 128, 144)), "bathtub": (36, (227, 119, 194)),
    "otherfurniture": (39, (82, 84, 163)),
}  # fmt: skip
BENCHMARK = Benchmark(
    name="ScanNet v2",
    origin="http://www.scan-net.org (on request)",
    licence="ScanNet Terms of Use: non-commercial research and education",
    classes=tuple(CLASSES),
    codes=tuple(code for code, _ in CLASSES.values()),
    colours=tuple(colour for _, colour in CLASSES.values()),
)
SCENES = {"train": 1201, "val": 312, "test": 100}
SCAN = re.compile(r"scene\d{4}_\d{2}")
TABLE = "scannetv2-labels.combined.tsv"
UNLABELLED = 0  # nyu40
MESH = "_vh_clean_2.ply"
SEGMENTS = "_vh_clean_2.0.010000.segs.json"
GROUPS = ".aggregation.json"


def plan(
    source: str | Path,
    destination: str | Path,
    *,
    grid: float = 0.04,
    splits: str | Path | None = None,
    labels: str | Path | None = None,
    align: bool = False,
) -> Plan:
    """One job per scan, to ``destination/train``, ``val`` or ``test``.

    Args:
        source: the folder with scans/ and scans_test/, or one of those.
        grid: cell size in metres.
        splits: folder with scannetv2_train.txt and so on; None = the source.
        labels: scannetv2-labels.combined.tsv; None = in the source or with the splits.
        align: turn each scan by the axisAlignment of its .txt, which test scans lack.

    Raises:
        FileError: there are no scans, or files of one are missing.
        ConfigError: the split lists or the table of labels are missing or overlap.
    """
    root = Path(source)
    scans = find_scans(root)
    lists = [Path(splits)] if splits else [root, root / "Tasks" / "Benchmark", root.parent]
    split_of = read_splits(lists)
    remarks: list[str] = []
    jobs = []
    for name, folder in scans.items():
        split = _split(name, folder, split_of)
        if split is None:
            remarks.append(f"{name} is in none of the split lists and was left out")
            continue
        jobs.append(Job(f"{split}/{name}", _files(folder, split), Path(destination) / split / name))
    _require_splits(jobs, split_of, remarks, lists)
    raw = [job for job in jobs if job.files[0].suffix == ".ply" and job.split != "test"]
    table = _find_table(labels, lists) if raw else None
    settings = {"dataset": BENCHMARK.name, "grid": check_grid(grid), "align": align}
    read = partial(read_scan, codes=read_table(table) if table else {}, align=align)
    work = partial(prepare_scene, benchmark=BENCHMARK, settings=settings, read=read)
    return Plan(BENCHMARK, settings, jobs, work, tuple(remarks))


def find_scans(root: Path) -> dict[str, Path]:
    """The folder of each scan by name, sorted; FileError if there is none."""
    if not root.is_dir():
        raise FileError(root, "no such folder")
    places = [root, *(root / name for name in ("scans", "scans_test", *SCENES))]
    found = {
        path.name: path
        for place in places
        if place.is_dir()
        for path in place.iterdir()
        if path.is_dir() and SCAN.fullmatch(path.name)
    }
    if not found:
        raise FileError(root, "holds no scans (scans/scene0000_00, …)")
    return dict(sorted(found.items()))


def read_splits(folders: Iterable[Path]) -> dict[str, str]:
    """Split by scan name, from the first folder that has scannetv2_train.txt; {} if none has."""
    for folder in folders:
        if not (folder / "scannetv2_train.txt").exists():
            continue
        split_of: dict[str, str] = {}
        for split in SCENES:
            path = folder / f"scannetv2_{split}.txt"
            for name in path.read_text(encoding="utf-8").split() if path.exists() else ():
                if split_of.setdefault(name, split) != split:
                    raise ConfigError(f"{path}: {name} is in {split_of[name]} too")
        return split_of
    return {}


def read_table(path: Path) -> dict[str, int]:
    """The nyu40 id of each raw label, from scannetv2-labels.combined.tsv.

    Raises FileError if it lacks the columns raw_category and nyu40id.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            return {row["raw_category"]: int(row["nyu40id"] or UNLABELLED) for row in table}
    except FileNotFoundError:
        raise FileError(path, "no such file") from None
    except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise FileError(path, f"is no table with raw_category and nyu40id ({error!r})") from error


def read_scan(job: Job, *, codes: Mapping[str, int], align: bool) -> Raw:
    """The vertices of a scan in their order; labels unless it is a test scan.

    Args:
        codes: nyu40 id by raw label.
        align: apply the axisAlignment.

    Raises FileError or DataError: damaged or disagreeing files, a label that is not in `codes`.
    """
    if job.files[0].suffix == ".npy":
        return pointcept.read(job, BENCHMARK.classes, {"scan": job.folder.name})
    mesh = job.files[0]
    cloud = salanet.io.read(mesh)
    if cloud.rgb is None:
        raise DataError(f"{mesh}: has no colours")
    segment = None
    if job.split != "test":
        segment = labels_of(mesh, len(cloud), codes)
    meta: dict[str, Any] = {"scan": job.folder.name}
    remarks: tuple[str, ...] = ()
    if align:
        matrix = axis_alignment(mesh.with_name(f"{job.folder.name}.txt"))
        if matrix is None:
            remarks = (f"{job.name}: has no axisAlignment and stays as it is",)
        else:
            cloud.xyz = cloud.xyz @ matrix[:3, :3].T + matrix[:3, 3]
            meta["axis_alignment"] = matrix.tolist()
    cloud.source = None
    return Raw(cloud, segment, meta, remarks)


def labels_of(mesh: Path, vertices: int, codes: Mapping[str, int]) -> NDArray[np.int16]:
    """The class index int16 (vertices,) of a scan's vertices, -1 = ignored.

    Where groups overlap, the label that the file names later wins, as in ScanNet's own script.
    """
    scan = mesh.name.removesuffix(MESH)
    path = mesh.with_name(scan + SEGMENTS)
    segments = np.asarray(_json(path, "segIndices"))
    if segments.shape != (vertices,) or segments.dtype.kind != "i" or segments.min() < 0:
        raise DataError(f"{path}: must give {vertices} vertices a segment, not {segments.shape}")
    path = mesh.with_name(scan + GROUPS)
    by_label: dict[str, list[int]] = {}
    try:
        for group in _json(path, "segGroups"):
            by_label.setdefault(group["label"], []).extend(group["segments"])
    except (KeyError, TypeError) as error:
        raise FileError(path, f"has a group without label or segments ({error!r})") from error
    unknown = [label for label in by_label if label not in codes]
    if unknown:
        raise DataError(f"{path}: the label '{unknown[0]}' is not in {TABLE}")
    class_of_code = {code: index for index, code in enumerate(BENCHMARK.codes)}
    class_of_segment = np.full(segments.max() + 1, -1, np.int16)
    for label, members in by_label.items():
        known = [member for member in members if 0 <= member < len(class_of_segment)]
        class_of_segment[known] = class_of_code.get(codes[label], -1)
    labels: NDArray[np.int16] = class_of_segment[segments]
    return labels


def axis_alignment(path: Path) -> NDArray[np.float64] | None:
    """The 4 x 4 matrix of a scan's .txt; None if there is none in it, or no such file."""
    if not path.exists():
        return None
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition("=")
        if key.strip() != "axisAlignment":
            continue
        try:
            return np.array([float(number) for number in value.split()]).reshape(4, 4)
        except ValueError as error:
            raise FileError(path, "axisAlignment must be sixteen numbers") from error
    return None


def check(scenes: Mapping[str, Any]) -> list[Check]:
    """What was prepared beside what ScanNet has; `scenes` as in the manifest."""
    checks = [
        Check(f"scenes of {split}", count, sum(name.startswith(f"{split}/") for name in scenes))
        for split, count in SCENES.items()
    ]
    counts = [scene["counts"] for scene in scenes.values()]
    absent = tuple(name for name in CLASSES if not any(count.get(name) for count in counts))
    return [*checks, Check("classes", len(CLASSES), len(CLASSES) - len(absent), absent)]


def _split(name: str, folder: Path, split_of: Mapping[str, str]) -> str | None:
    if name in split_of:
        return split_of[name]
    if pointcept.is_scene(folder) and folder.parent.name in SCENES:
        return folder.parent.name
    return "test" if folder.parent.name == "scans_test" else None


def _files(folder: Path, split: str) -> tuple[Path, ...]:
    """What a scan is made from, the mesh first."""
    if pointcept.is_scene(folder):
        return pointcept.files(folder)
    suffixes = (MESH,) if split == "test" else (MESH, SEGMENTS, GROUPS)
    needed = [folder / (folder.name + suffix) for suffix in suffixes]
    for path in needed:
        if not path.exists():
            raise FileError(path, f"no such file; {folder.name} is incomplete")
    about = folder / f"{folder.name}.txt"
    return (*needed, about) if about.exists() else tuple(needed)


def _require_splits(
    jobs: list[Job], split_of: Mapping[str, str], remarks: list[str], lists: list[Path]
) -> None:
    if not split_of and remarks:
        raise ConfigError(
            "ScanNet's split lists scannetv2_train.txt, scannetv2_val.txt and scannetv2_test.txt "
            f"are not in {' or '.join(map(str, lists))}; take them from Tasks/Benchmark of "
            "ScanNet's repository and name their folder with --splits"
        )
    if not jobs:
        raise ConfigError("none of the scans is in the split lists")
    known = {job.folder.name for job in jobs}
    for split in SCENES:
        absent = [name for name, of in split_of.items() if of == split and name not in known]
        if absent:
            remarks.append(f"{len(absent)} scans of {split} are not there, such as {absent[0]}")


def _find_table(labels: str | Path | None, folders: list[Path]) -> Path:
    candidates = [Path(labels)] if labels else [folder / TABLE for folder in folders]
    for path in candidates:
        if path.exists():
            return path
    raise ConfigError(
        f"ScanNet's table of labels is not at {' or '.join(map(str, candidates))}; "
        "download it with the scans and give its path with --labels"
    )


def _json(path: Path, key: str) -> Any:
    try:
        return json.loads(path.read_bytes())[key]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(path, f"is no JSON object with '{key}' ({error!r})") from error
