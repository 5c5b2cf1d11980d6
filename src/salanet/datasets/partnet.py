"""PartNet, level 3: shapes of 17 categories, each with its own parts.

Read from ``sem_seg_h5/<Category>-3/{train,val,test}_files.txt``, which list HDF5 files with `data`
(n, 10000, 3) and `label_seg` (n, 10000). Written, and opened with `open_shapes`, as::

    DST/train/Chair/points.npy   float32 (n, 10000, 3), normalised: see `normalise`
                    parts.npy    int16 (n, 10000), part of each point; 0 = unlabelled
                    shapes.json  category, parts (their number, 0 included), grid, provenance

Shapes are in the order of the lists. Points are not subsampled: a network sees all 10,000 of a
shape, and `grid` is the cell size its deeper levels start from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.benchmark import Benchmark, Check, Plan
from salanet.datasets.jobs import SPLITS, Job, Prepared, header, outcome
from salanet.errors import DataError, FileError, MissingExtraError, SalaNetError
from salanet.io.limits import check_unpacked
from salanet.scenes import write_folder

BENCHMARK = Benchmark(
    name="PartNet v0, level 3",
    origin="https://partnet.cs.stanford.edu (sem_seg_h5.zip, on request)",
    licence="ShapeNet and PartNet terms of use: non-commercial research and education",
)
LEVEL = 3
GRID = 0.02
HEADER = "shapes.json"


class Category(NamedTuple):
    """Parts of a category, the unlabelled part 0 included, and shapes of each split."""

    parts: int
    train: int
    val: int
    test: int


CATEGORIES = {
    "Bed": Category(15, 133, 24, 37), "Bottle": Category(9, 315, 37, 84),
    "Chair": Category(39, 4489, 617, 1217), "Clock": Category(11, 406, 50, 98),
    "Dishwasher": Category(7, 111, 19, 51), "Display": Category(4, 633, 104, 191),
    "Door": Category(5, 149, 25, 51), "Earphone": Category(10, 147, 28, 53),
    "Faucet": Category(12, 435, 81, 132), "Knife": Category(10, 221, 29, 77),
    "Lamp": Category(41, 1554, 234, 419), "Microwave": Category(6, 133, 12, 39),
    "Refrigerator": Category(7, 136, 20, 31), "StorageFurniture": Category(24, 1588, 230, 451),
    "Table": Category(51, 5707, 843, 1668), "TrashCan": Category(11, 221, 37, 63),
    "Vase": Category(6, 741, 102, 233),
}  # fmt: skip


@dataclass(frozen=True)
class Shapes:
    """The shapes of one category in one split, memory-mapped.

    Attributes:
        folder: where they lie. category: which.
        points: float32 (n, P, 3), as `normalise` returns them.
        parts: int16 (n, P), 0 = unlabelled.
        part_count: how many parts the category has, 0 included: channels of its head.
        grid: cell size of the benchmark.
        meta: everything shapes.json holds.
    """

    folder: Path
    category: str
    points: NDArray[np.float32]
    parts: NDArray[np.int16]
    part_count: int
    grid: float
    meta: dict[str, Any]

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def open(cls, folder: str | Path) -> Shapes:
        """Map the shapes of a folder that `salanet prepare partnet` wrote.

        Raises FileError if it is none, or its files disagree.
        """
        folder = Path(folder)
        try:
            meta = json.loads((folder / HEADER).read_text(encoding="utf-8"))
            points = np.load(folder / "points.npy", mmap_mode="r")
            parts = np.load(folder / "parts.npy", mmap_mode="r")
            shapes = cls(folder, meta["category"], points, parts, meta["parts"], meta["grid"], meta)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileError(
                folder, f"holds no shapes ({error!r}); run `salanet prepare partnet`"
            ) from error
        if points.ndim != 3 or points.shape != (*parts.shape, 3):
            raise FileError(folder, f"has points {points.shape} for parts {parts.shape}")
        return shapes


def open_shapes(root: str | Path, split: str) -> list[Shapes]:
    """The shapes of a split, one item per category, in the order of `CATEGORIES`.

    Raises FileError if there are none.
    """
    base = Path(root) / split
    found = [Shapes.open(base / name) for name in CATEGORIES if (base / name / HEADER).exists()]
    if not found:
        raise FileError(base, "holds no shapes; run `salanet prepare partnet`")
    return found


def plan(source: str | Path, destination: str | Path) -> Plan:
    """One job per category and split, to ``destination/split/category``.

    Args:
        source: the folder sem_seg_h5, or the one around it.

    Raises:
        FileError: there is no category of level 3, or a list names a file that is not there.
        MissingExtraError: h5py is not installed.
    """
    root = _root(Path(source))
    _h5py()
    jobs, remarks = [], []
    for category in CATEGORIES:
        for split in SPLITS:
            files = _listed(root / f"{category}-{LEVEL}", split)
            if files:
                folder = Path(destination) / split / category
                jobs.append(Job(f"{split}/{category}", files, folder, HEADER))
            elif (root / f"{category}-{LEVEL}").is_dir():
                remarks.append(f"{category}-{LEVEL} has no {split} shapes")
    settings = {"dataset": BENCHMARK.name, "level": LEVEL, "grid": GRID}
    return Plan(
        BENCHMARK, settings, jobs, partial(prepare_shapes, settings=settings), tuple(remarks)
    )


def prepare_shapes(job: Job, *, settings: Mapping[str, Any]) -> Prepared:
    """Read the shapes of a category and split, normalise them and write them stacked.

    Raises FileError or DataError: damaged files, parts the category does not have.
    """
    category = job.folder.name
    count = CATEGORIES[category].parts
    meta = header(job, BENCHMARK.provenance, settings)
    tables = [_read(path, count) for path in job.files]
    points = np.concatenate([normalise(points, job.name) for points, _, _ in tables])
    parts = np.concatenate([parts for _, parts, _ in tables])
    remarks = [remark for _, _, found in tables for remark in found]
    seen = np.bincount(parts.reshape(-1), minlength=count)
    absent = np.flatnonzero(seen[1:] == 0) + 1
    if len(absent):
        remarks.append(f"{job.name}: no point of part {', '.join(map(str, absent))}")
    meta |= {
        "remarks": remarks,
        "category": category,
        "parts": count,
        "grid": settings["grid"],
        "figures": {"shapes": len(points), "points": parts.size},
        "counts": {f"{category} {part}": int(n) for part, n in enumerate(seen)},
    }
    write_folder(job.folder, {"points": points, "parts": parts}, meta, HEADER)
    return outcome(job, hashed=True)


def normalise(points: NDArray[np.floating], where: str = "shapes") -> NDArray[np.float32]:
    """Shapes (n, P, 3) with the bounding box's centre at 0, radius 1, and y and z exchanged.

    The radius is the largest distance of a point from the centre. Raises DataError if a shape is
    a single point, or not finite.
    """
    points = np.asarray(points, np.float32)
    centred = points - (points.max(axis=1, keepdims=True) + points.min(axis=1, keepdims=True)) / 2
    radius = np.linalg.norm(centred, axis=2).max(axis=1)
    bad = np.flatnonzero(~(np.isfinite(radius) & (radius > 0)))
    if len(bad):
        raise DataError(f"{where}: shape {bad[0]} has the radius {radius[bad[0]]}")
    return np.ascontiguousarray((centred / radius[:, None, None])[:, :, [0, 2, 1]])


def check(scenes: Mapping[str, Any]) -> list[Check]:
    """What was prepared beside what PartNet has; `scenes` as in the manifest."""
    checks = []
    for split in SPLITS:
        for category, figures in CATEGORIES.items():
            found = scenes.get(f"{split}/{category}", {}).get("shapes", 0)
            checks.append(Check(f"{category}, {split}", getattr(figures, split), found))
    return checks


def _root(source: Path) -> Path:
    for root in (source, source / "sem_seg_h5"):
        if any((root / f"{category}-{LEVEL}").is_dir() for category in CATEGORIES):
            return root
    raise FileError(source, f"holds no Bed-{LEVEL} … Vase-{LEVEL}; give the folder sem_seg_h5")


def _listed(folder: Path, split: str) -> tuple[Path, ...]:
    path = folder / f"{split}_files.txt"
    if not path.exists():
        return ()
    files = tuple(folder / line for line in path.read_text(encoding="utf-8").split())
    for file in files:
        if not file.exists():
            raise FileError(path, f"lists {file.name}, which is not there")
    return files


def _read(path: Path, count: int) -> tuple[NDArray[np.float32], NDArray[np.int16], list[str]]:
    """Points (n, P, 3), parts (n, P) and remarks of an HDF5 file."""
    try:
        with _h5py().File(path, "r") as file:
            names = {"data", "label_seg", "data_num"} & set(file)
            check_unpacked(path, sum(file[name].nbytes for name in names))
            points = file["data"][..., :3].astype(np.float32)
            labels = file["label_seg"][...]
            used = file["data_num"][...] if "data_num" in file else None
    except SalaNetError:
        raise
    except Exception as error:  # whatever a damaged file makes HDF5 stumble over
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"is no HDF5 file with data and label_seg ({reason})") from error
    if points.ndim != 3 or points.shape != (*labels.shape, 3) or not labels.size:
        raise FileError(path, f"has data {points.shape} for label_seg {labels.shape}")
    if labels.min() < 0 or labels.max() >= count:
        raise DataError(
            f"{path}: has parts {labels.min()} to {labels.max()}; the category has 0 to {count - 1}"
        )
    short = 0 if used is None else int((used != labels.shape[1]).sum())
    remarks = [
        f"{path.name}: data_num is not {labels.shape[1]} for {short} shapes; all points kept"
    ]
    return points, labels.astype(np.int16), remarks if short else []


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "partnet") from error
    return h5py
