"""S3DIS, the Stanford large-scale 3D indoor spaces: six areas of rooms, thirteen classes.

Read from the raw ``Stanford3dDataset_v1.2``, one text file of ``x y z r g b`` for each object::

    Area_5/Area_5_alignmentAngle.txt
    Area_5/office_19/Annotations/ceiling_1.txt, wall_2.txt, …

or from rooms that Pointcept prepared (``Area_5/office_19/coord.npy``, …). The classes are in the
order of the paper's tables, which is Pointcept's.

Known defects are repaired and reported: two lines hold a stray control character, in place of a
blank (Area_5/hallway_6) or within a number (Area_5/office_19). Stairs, which only a few rooms
have, count as clutter.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.datasets import manifest, pointcept
from salanet.datasets.benchmark import Benchmark, Check, Plan, Raw, check_grid, prepare_scene
from salanet.datasets.indoor import PALETTE
from salanet.datasets.jobs import Job
from salanet.errors import ConfigError, DataError, FileError
from salanet.io import rows

BENCHMARK = Benchmark(
    name="S3DIS v1.2",
    origin="http://buildingparser.stanford.edu/dataset.html (Stanford3dDataset_v1.2.zip)",
    licence="Stanford's S3DIS agreement: academic, non-commercial use, on request",
    classes=tuple(PALETTE),
    codes=tuple(range(len(PALETTE))),
    colours=tuple(PALETTE.values()),
)
CLASS_OF = {name: index for index, name in enumerate(PALETTE)}
CLASS_OF["stairs"] = CLASS_OF["clutter"]

# How many rooms of each kind an area has; they are numbered from 1.
ROOMS = {
    1: {"WC": 1, "conferenceRoom": 2, "copyRoom": 1, "hallway": 8, "office": 31, "pantry": 1},
    2: {"WC": 2, "auditorium": 2, "conferenceRoom": 1, "hallway": 12, "office": 14, "storage": 9},
    3: {"WC": 2, "conferenceRoom": 1, "hallway": 6, "lounge": 2, "office": 10, "storage": 2},
    4: {"WC": 4, "conferenceRoom": 3, "hallway": 14, "lobby": 2, "office": 22, "storage": 4},
    5: {
        "WC": 2, "conferenceRoom": 3, "hallway": 15, "lobby": 1, "office": 42, "pantry": 1,
        "storage": 4,
    },
    6: {
        "conferenceRoom": 1, "copyRoom": 1, "hallway": 6, "lounge": 1, "office": 37,
        "openspace": 1, "pantry": 1,
    },
}  # fmt: skip
MILLION_POINTS = 273  # of all six areas together

AREA = re.compile(r"Area_([1-6])")
OBJECT = re.compile(r"([A-Za-z]+)_\d+")
COLUMNS = 6
TEXT = bytes(range(0x20, 0x7F)) + b"\n\r"  # every byte that belongs into the files


def plan(
    source: str | Path, destination: str | Path, *, grid: float = 0.04, aligned: bool = False
) -> Plan:
    """One job per room, to ``destination/Area_k/room``.

    Args:
        source: the folder with Area_1 … Area_6, some of them, or the folder around it.
        grid: cell size in metres.
        aligned: this is the aligned version, whose rooms were turned to a common orientation.

    Raises:
        FileError: there are no areas or no rooms, or a room has no annotations.
        ConfigError: it is the aligned version and `aligned` is False, or the other way round.
    """
    root = find_areas(Path(source))
    areas = _areas(root)
    folders = [room for area in areas for room in _rooms(area)]
    if not any(pointcept.is_scene(room) for room in folders):
        _check_version(root, areas, aligned)
    jobs = [
        Job(
            name=f"{room.parent.name}/{room.name}",
            files=pointcept.files(room) if pointcept.is_scene(room) else object_files(room),
            folder=Path(destination) / room.parent.name / room.name,
        )
        for room in folders
    ]
    settings = {"dataset": BENCHMARK.name, "grid": check_grid(grid), "aligned": aligned}
    work = partial(prepare_scene, benchmark=BENCHMARK, settings=settings, read=read_room)
    return Plan(BENCHMARK, settings, jobs, work)


def find_areas(source: Path) -> Path:
    """The folder that holds the areas: the source itself, or the one folder in it that does.

    Raises FileError if there is none; ConfigError if there are several.
    """
    if not source.is_dir():
        raise FileError(source, "no such folder")
    if _areas(source):
        return source
    inside = [
        folder
        for folder in sorted(source.iterdir())
        if folder.is_dir() and _areas(folder) and not (folder / manifest.NAME).exists()
    ]
    if not inside:
        raise FileError(source, "holds no Area_1 … Area_6; give the folder Stanford3dDataset_v1.2")
    if len(inside) > 1:
        raise ConfigError(f"{source} holds {', '.join(f.name for f in inside)}; give one of them")
    return inside[0]


def object_files(room: Path) -> tuple[Path, ...]:
    """The object files of a room, sorted; FileError if there are none."""
    found = sorted(
        path for path in (room / "Annotations").glob("*.txt") if not path.name.startswith(".")
    )
    if not found:
        raise FileError(room, "has no Annotations/*.txt; the copy is incomplete")
    return tuple(found)


def read_room(job: Job) -> Raw:
    """All objects of a room one after the other, in the order of their file names.

    Raises:
        FileError: a line is no point even after repair.
        DataError: an object of an unknown class, a colour that is none, an empty room.
    """
    room = job.folder.name
    meta = {"area": int(job.split.removeprefix("Area_")), "room": room}
    if pointcept.is_scene(job.files[0].parent):
        return pointcept.read(job, BENCHMARK.classes, meta)
    tables, segments, remarks = [], [], []
    for path in job.files:
        index = class_of(path)
        table, notes = read_object(path)
        tables.append(table)
        segments.append(np.full(len(table), index, np.int16))
        remarks += [f"{job.name}/{path.name}, {note}" for note in notes]
    table = np.concatenate(tables)
    return Raw(
        cloud=PointCloud(xyz=table[:, :3], rgb=table[:, 3:].astype(np.uint8)),
        segment=np.concatenate(segments),
        meta=meta,
        remarks=tuple(remarks),
    )


def class_of(path: Path) -> int:
    """The class index of an object file, ``chair_3.txt``; DataError if there is no such class."""
    match = OBJECT.fullmatch(path.stem)
    if match is None or match[1] not in CLASS_OF:
        raise DataError(f"{path}: is of none of the classes {', '.join(CLASS_OF)}")
    return CLASS_OF[match[1]]


def read_object(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """The points (N, 6) of an object file, x y z r g b, and what had to be repaired.

    Raises:
        FileError: a line does not hold six numbers; names it.
        DataError: a colour is no whole number from 0 to 255.
    """
    data = path.read_bytes()
    notes: list[str] = []
    if data.translate(None, TEXT):
        data, notes = _repair(data)
    if not data.strip():
        return np.empty((0, COLUMNS)), ["the file is empty"]
    try:
        table = np.loadtxt(io.BytesIO(data), comments=None, ndmin=2)
        valid = table.shape[1] == COLUMNS
    except ValueError:
        valid = False
    if not valid:
        lines = data.decode("latin-1").rstrip().split("\n")
        types = [np.dtype(np.float64)] * COLUMNS
        rows.parse(path, lines, types, None, range(1, len(lines) + 1))
        raise FileError(path, "is no table of x y z r g b")
    rgb = table[:, 3:]
    if not (rgb.min() >= 0 and rgb.max() <= 255 and np.array_equal(rgb, np.rint(rgb))):
        raise DataError(f"{path}: has colours outside 0 to 255, or broken ones")
    return table, notes


def check(scenes: Mapping[str, Any]) -> list[Check]:
    """What was prepared beside what S3DIS has; `scenes` as in the manifest."""
    checks, complete = [], True
    for area, kinds in ROOMS.items():
        expected = {f"Area_{area}/{k}_{i}" for k, n in kinds.items() for i in range(1, n + 1)}
        found = {name for name in scenes if name.startswith(f"Area_{area}/")}
        missing = tuple(sorted(expected - found)) if found else ()
        checks.append(Check(f"rooms of Area_{area}", len(expected), len(found), missing))
        complete &= found == expected
    counts = [scene["counts"] for scene in scenes.values()]
    absent = tuple(name for name in PALETTE if not any(count.get(name) for count in counts))
    checks.append(Check("classes", len(PALETTE), len(PALETTE) - len(absent), absent))
    if complete:
        total = sum(scene["points"] for scene in scenes.values())
        checks.append(Check("million points", MILLION_POINTS, round(total / 1e6)))
    return checks


def _areas(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and AREA.fullmatch(path.name))


def _rooms(area: Path) -> list[Path]:
    found = sorted(
        path for path in area.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
    if not found:
        raise FileError(area, "holds no rooms")
    return found


def _check_version(root: Path, areas: list[Path], aligned: bool) -> None:
    """Only the raw version comes with the angles by which the aligned one was turned."""
    named = "aligned" in root.resolve().name.lower()
    without = [area for area in areas if not (area / f"{area.name}_alignmentAngle.txt").exists()]
    if (named or without) and not aligned:
        why = "by its name" if named else f"there is no {without[0].name}_alignmentAngle.txt in it"
        raise ConfigError(
            f"{root}: this is the aligned version ({why}), but the paper's results are on the raw "
            "Stanford3dDataset_v1.2; use that, or ask for this one with --aligned"
        )
    if aligned and not named and not without:
        raise ConfigError(
            f"{root}: this is the raw version (it has the alignment angles); leave --aligned out"
        )


def _repair(data: bytes) -> tuple[bytes, list[str]]:
    """Delete stray bytes where six columns are left by it, else put blanks in their place."""
    lines = data.split(b"\n")
    notes = []
    for number, line in enumerate(lines):
        stray = line.translate(None, TEXT)
        if not stray:
            continue
        without = line.translate(None, bytes(set(stray)))
        deleted = len(without.split()) == COLUMNS
        if not deleted:
            without = line.translate(bytes(c if c in TEXT else 0x20 for c in range(256)))
        lines[number] = without
        how = "deleted" if deleted else "replaced by a blank"
        names = ", ".join(f"0x{byte:02x}" for byte in stray)
        notes.append(f"line {number + 1}: stray byte {names} {how}")
    return b"\n".join(lines), notes
