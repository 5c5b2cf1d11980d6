"""E57, input only: the scans of a file, together or one of them, in their common reference frame.

| field     | E57                                                                             |
|-----------|---------------------------------------------------------------------------------|
| xyz       | cartesianX/Y/Z, or sphericalRange/Azimuth/Elevation, moved by the scan's pose   |
| rgb       | colorRed/Green/Blue, brought to 8 bits by the scan's colour limits              |
| intensity | intensity                                                                       |
| label     | classification or label, an extension some programs write                       |
| nx ny nz  | normalX/Y/Z, an extension, turned by the scan's pose                            |
| return_number, number_of_returns | returnIndex (from 0; here from 1), returnCount           |

Every other field is an attribute under its own name, as the scanner saw it; `scan` is the number
of the scan, from 0. Points that the scanner marked as invalid have no coordinates and are left
out, intensities marked so are NaN, and scans without points are passed over. There is no writer:
the libraries at hand lose precision, and E57 has no place for labels. Needs the extra `formats`.
Source: ASTM E2807-11.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import FileError, MissingExtraError
from salanet.io.crs import Crs, from_text
from salanet.io.limits import check_unpacked

CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
COLOURS = ("colorRed", "colorGreen", "colorBlue")
NORMALS = {"normalX": "nx", "normalY": "ny", "normalZ": "nz"}  # behind a prefix, mostly "nor:"
INVALID = ("cartesianInvalidState", "sphericalInvalidState")
LABELS = ("classification", "label")
INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8")
POINTS_AT_ONCE = 1 << 20
MOST_SCANS = 1 << 16


@dataclass
class E57Source:
    """What the file says beside its points.

    Attributes:
        scans: name and number of points of each scan.
        remarks: what could not be read as it is, one line each.
        system: the coordinate reference system as the file has it, mostly WKT or empty.
    """

    scans: list[tuple[str, int]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    system: str = ""

    @property
    def crs(self) -> Crs | None:
        """The reference system, if the file names one."""
        return from_text(self.system)


def read(path: Path, columns: str | None = None, scan: int | None = None) -> PointCloud:
    """The points of all scans one after the other, or of the scan of that number alone.

    Raises:
        FileError: the file is damaged, or has no such scan.
        MissingExtraError: the package pye57 is not installed.
    """
    if columns is not None:
        raise FileError(path, "an E57 names its own fields; leave columns out")
    with _opened(path) as (library, file):
        return _read(path, library, file, scan)


def scan_count(path: Path) -> int:
    """How many scans a file has; raises as `read` does."""
    with _opened(path) as (_, file):
        return int(_scans(path, file).childCount())


def scan_numbers(path: Path) -> list[int]:
    """The numbers of the scans that have points; raises as `read` does."""
    with _opened(path) as (_, file):
        nodes = _scans(path, file)
        return [i for i in range(nodes.childCount()) if nodes[i]["points"].childCount()]


@contextmanager
def _opened(path: Path) -> Iterator[tuple[ModuleType, Any]]:
    library = _library()
    file = library.ImageFile(str(path), "r")
    try:
        yield library, file
    finally:
        file.close()


def _library() -> ModuleType:
    try:
        from pye57 import libe57
    except ImportError:
        raise MissingExtraError("pye57", "formats") from None
    library: ModuleType = libe57
    return library


def _read(path: Path, library: ModuleType, file: Any, scan: int | None) -> PointCloud:
    root = file.root()
    source = E57Source()
    if root.isDefined("coordinateMetadata"):
        source.system = root["coordinateMetadata"].value()
    nodes = _scans(path, file)
    count = nodes.childCount()
    if scan is not None and not 0 <= scan < count:
        raise FileError(path, f"has no scan {scan}; its {count} scans are numbered from 0")
    asked = range(count) if scan is None else [scan]
    numbers = [i for i in asked if nodes[i]["points"].childCount()]
    if not numbers:
        raise FileError(path, "holds no points" if scan is None else f"scan {scan} has no points")
    source.remarks += [f"scan {i} has no points and is left out" for i in asked if i not in numbers]
    check_unpacked(path, sum(_size(library, nodes[i]) for i in numbers))
    return _merge({i: _scan(path, library, file, nodes[i], i, source) for i in numbers}, source)


def _scans(path: Path, file: Any) -> Any:
    """The nodes of the scans, at least one."""
    root = file.root()
    if not root.isDefined("data3D") or not root["data3D"].childCount():
        raise FileError(path, "an E57 without scans")
    nodes = root["data3D"]
    if nodes.childCount() > MOST_SCANS:
        raise FileError(path, f"damaged: it promises {nodes.childCount()} scans")
    return nodes


def _size(library: ModuleType, node: Any) -> int:
    """Bytes that the points of a scan may take in memory."""
    return int(node["points"].childCount()) * len(_prototype(library, node)) * 8


def _prototype(library: ModuleType, node: Any) -> dict[str, Any]:
    """The description of each field of a scan, by name."""
    fields = library.StructureNode(node["points"].prototype())
    names = [fields.get(i).elementName() for i in range(fields.childCount())]
    return {name: fields[name] for name in names}


def _scan(
    path: Path, library: ModuleType, file: Any, node: Any, number: int, source: E57Source
) -> dict[str, NDArray[Any]]:
    """The valid points of one scan: "xyz", "rgb", and every other field by its name."""
    found = _fields(path, library, file, node, number, source)
    if set(CARTESIAN) <= set(found):
        xyz = np.stack([found.pop(name) for name in CARTESIAN], axis=1, dtype=np.float64)
    elif set(SPHERICAL) <= set(found):
        xyz = _to_cartesian(*(found[name].astype(np.float64) for name in SPHERICAL))
    else:
        raise FileError(path, f"scan {number} has no coordinates among {', '.join(found)}")
    turn, move = _pose(path, node, number, source)
    found["xyz"] = xyz if turn is None else xyz @ turn.T
    if move is not None:
        found["xyz"] = found["xyz"] + move
    _rename(found, turn)
    if set(COLOURS) <= set(found):
        stored = [found.pop(name) for name in COLOURS]
        found["rgb"] = np.stack(
            [_eight_bits(node, c, s) for c, s in zip(COLOURS, stored, strict=True)], axis=1
        )
    found["scan"] = np.full(len(xyz), number, np.uint16)
    _forget_invalid(found, number, source)
    invalid = np.zeros(len(xyz), bool)
    for name in INVALID:
        if name in found:
            invalid |= found.pop(name) != 0
    if invalid.any():
        source.remarks.append(
            f"scan {number}: {invalid.sum():,} points without valid coordinates are left out"
        )
        found = {name: column[~invalid] for name, column in found.items()}
    name = node["name"].value() if node.isDefined("name") else ""
    source.scans.append((name, len(found["xyz"])))
    return found


def _fields(
    path: Path, library: ModuleType, file: Any, node: Any, number: int, source: E57Source
) -> dict[str, NDArray[Any]]:
    """Every field of numbers as it is stored, in the smallest type for its range."""
    points = node["points"]
    count = points.childCount()
    types: dict[str, np.dtype[Any]] = {}
    for name, description in _prototype(library, node).items():
        try:
            types[name] = _type(library, description)
        except TypeError:
            source.remarks.append(f"scan {number}: '{name}' is no number and is left out")
    room = max(min(count, POINTS_AT_ONCE), 1)
    buffers, vector = {}, library.VectorSourceDestBuffer()
    for name, dtype in types.items():
        # pye57 takes the C type long, NumPy's int64 on Linux, for 32 bits.
        buffers[name] = np.zeros(room, np.longlong if dtype.kind in "iu" else dtype)
        vector.append(library.SourceDestBuffer(file, name, buffers[name], room, True, True))
    columns = {name: np.empty(count, dtype) for name, dtype in types.items()}
    reader, at = points.reader(vector), 0
    try:
        while got := reader.read():
            if at + got > count:
                raise FileError(path, f"damaged: scan {number} has more points than it says")
            for name, column in columns.items():
                column[at : at + got] = buffers[name][:got]
            at += got
    finally:
        reader.close()
    if at < count:
        raise FileError(path, f"cut short: scan {number} has {at} of the {count} points promised")
    return columns


def _type(library: ModuleType, node: Any) -> np.dtype[Any]:
    """The type that holds a field exactly; TypeError if it is no number."""
    if isinstance(node, library.IntegerNode):
        low, high = node.minimum(), node.maximum()
        for kind in INTEGERS:
            limits = np.iinfo(kind)
            if limits.min <= low and high <= limits.max:
                return np.dtype(kind)
    if isinstance(node, library.ScaledIntegerNode):
        return np.dtype(np.float64)
    if isinstance(node, library.FloatNode):
        single = node.precision() == library.E57_SINGLE
        return np.dtype(np.float32 if single else np.float64)
    raise TypeError(type(node).__name__)


def _to_cartesian(
    distance: NDArray[np.float64], azimuth: NDArray[np.float64], elevation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """E2807, 6.4: azimuth from the x axis towards y, elevation from the xy plane towards z."""
    flat = distance * np.cos(elevation)
    parts = [flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)]
    return np.stack(parts, axis=1)


def _pose(
    path: Path, node: Any, number: int, source: E57Source
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """How a scan is turned (3, 3) and moved (3,); None for not at all."""
    turn = move = None
    if not node.isDefined("pose"):
        return turn, move
    pose = node["pose"]
    if pose.isDefined("rotation"):
        quaternion = [float(pose["rotation"][name].value()) for name in "wxyz"]
        length = math.hypot(*quaternion)
        if not length < np.inf:
            raise FileError(path, f"damaged: the rotation {quaternion} of scan {number} is none")
        if length == 0:
            source.remarks.append(f"scan {number}: its rotation is 0 0 0 0, taken as not turned")
        else:
            w, x, y, z = np.array(quaternion) / length
            cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
            turn = np.eye(3) + 2 * w * cross + 2 * cross @ cross
            turn = None if np.array_equal(turn, np.eye(3)) else turn
    if pose.isDefined("translation"):
        move = np.array([float(pose["translation"][name].value()) for name in "xyz"])
    return turn, move


def _rename(found: dict[str, NDArray[Any]], turn: NDArray[np.float64] | None) -> None:
    """Give what other formats know their names for it, and turn the normals."""
    named = {NORMALS.get(name.rpartition(":")[2], ""): name for name in found}
    if {*NORMALS.values()} <= {*named}:
        columns = [found.pop(named[axis]) for axis in NORMALS.values()]
        if turn is not None:
            normals = np.stack(columns, axis=1, dtype=np.float64) @ turn.T
            columns = [normals[:, i].astype(column.dtype) for i, column in enumerate(columns)]
        found |= dict(zip(NORMALS.values(), columns, strict=True))
    if {"returnIndex", "returnCount"} <= {*found}:
        index, count = found.pop("returnIndex"), found.pop("returnCount")
        kind = np.min_scalar_type(int(index.max()) + 1) if index.min() >= 0 else np.int64
        found["return_number"] = index.astype(kind) + np.ones(1, kind)
        found["number_of_returns"] = count


def _forget_invalid(found: dict[str, NDArray[Any]], number: int, source: E57Source) -> None:
    """Take out the intensities and colours that the scanner marked as invalid."""
    for name, mark in (("intensity", "isIntensityInvalid"), ("rgb", "isColorInvalid")):
        if name not in found or mark not in found or not (invalid := found[mark] != 0).any():
            continue
        if invalid.all():
            del found[name]
            source.remarks.append(f"scan {number}: no '{name}' is valid, it is left out")
        elif name == "intensity":
            kept = found[name].astype(np.result_type(found[name].dtype, np.float32))
            kept[invalid] = np.nan
            found[name] = kept
            source.remarks.append(f"scan {number}: {invalid.sum():,} intensities are invalid: NaN")
        else:
            source.remarks.append(f"scan {number}: {invalid.sum():,} colours are invalid")


def _eight_bits(node: Any, name: str, stored: NDArray[Any]) -> NDArray[np.uint8]:
    low, high = 0.0, 255.0
    if node.isDefined("colorLimits"):
        limits = node["colorLimits"]
        if limits.isDefined(f"{name}Minimum") and limits.isDefined(f"{name}Maximum"):
            low = float(limits[f"{name}Minimum"].value())
            high = float(limits[f"{name}Maximum"].value())
    if stored.size and stored.max() > max(high, low):  # limits that do not hold
        low, high = 0.0, 255.0 if stored.max() <= 255 else 65535.0
    scaled = (stored - low) * (255 / (high - low)) if high > low else stored
    with np.errstate(invalid="ignore"):
        return np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)


def _merge(scans: dict[int, dict[str, NDArray[Any]]], source: E57Source) -> PointCloud:
    """One scan after the other; what a scan does not have is NaN in it, or 0 if integers."""
    columns: dict[str, NDArray[Any]] = {}
    for name in dict.fromkeys(name for scan in scans.values() for name in scan):
        like = next(scan[name] for scan in scans.values() if name in scan)
        parts = []
        fill = np.nan if like.dtype.kind == "f" else 0
        for number, scan in scans.items():
            if name not in scan:
                there = "NaN" if fill else "0"
                source.remarks.append(f"scan {number} has no '{name}': {there} there")
            shape = (len(scan["xyz"]), *like.shape[1:])
            parts.append(scan[name] if name in scan else np.full(shape, fill, like.dtype))
        columns[name] = np.concatenate(parts) if len(parts) > 1 else parts[0]
    label = next((n for n in columns if n.lower() in LABELS and columns[n].dtype.kind in "iu"), "")
    return PointCloud(
        xyz=columns.pop("xyz"),
        rgb=columns.pop("rgb", None),
        intensity=columns.pop("intensity", None),
        label=columns.pop(label, None),
        attributes=columns,
        source=source,
    )
