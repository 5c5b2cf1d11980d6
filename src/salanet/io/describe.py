"""What is in a point cloud file, in figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import io
from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.io import crs
from salanet.io.las import binary
from salanet.io.las.asprs import ASPRS, contradictions
from salanet.io.las.clouds import LasSource
from salanet.io.stream import Stream

POINTS_PER_CELL = 16  # of the cells that the density is counted over
MOST_CELLS = 1 << 62  # that can be numbered
MOST_CLASSES = 256
ROLES = ("rgb", "intensity", "label")
NOT_FINITE = "NaN or infinite"
KINDS = {
    "rgb": "colours",
    "intensity": "the intensity",
    "label": "the class",
    "return_number": "the number of the return",
    "number_of_returns": "the number of returns",
}


@dataclass(frozen=True)
class Attribute:
    """A per-point value: its number type as stored, how many per point, least and greatest."""

    name: str
    type: str
    width: int
    low: float | int | None
    high: float | int | None


@dataclass(frozen=True)
class Description:
    """A file in figures.

    Attributes:
        format: format, version and encoding in words.
        points, bytes: number of points, size of the file.
        low, high: bounds of the finite coordinates; None if there are none.
        crs: reference system and the unit of x and y, if the file says so.
        density: points per square unit of x and y over the occupied area; None if there is none.
        attributes: fields and attributes beside the coordinates.
        classes: points of each label code; empty without labels.
        class_names: what codes of `classes` are called; see `meanings`.
        warnings: what may surprise whoever works with the file, one line each.
    """

    path: str
    format: str
    points: int
    bytes: int
    low: list[float] | None
    high: list[float] | None
    crs: crs.Crs | None
    density: float | None
    attributes: list[Attribute]
    classes: dict[int, int]
    class_names: dict[int, str]
    warnings: list[str] = field(default_factory=list)


def describe(
    path: str | Path, *, columns: str | None = None, cloud: PointCloud | None = None
) -> Description:
    """Read a file and describe it; `columns` as for `salanet.read`, which raises the errors.

    `cloud` is what the file holds, if it has been read already.
    """
    path = Path(path)
    cloud = io.read(path, columns=columns) if cloud is None else cloud
    finite = cloud.xyz[np.isfinite(cloud.xyz).all(axis=1)]
    system = cloud.crs
    types, classes = _stored_types(cloud.source), _classes(cloud.label)
    return Description(
        path=str(path),
        format=_format(path, cloud.source),
        points=len(cloud),
        bytes=path.stat().st_size,
        low=finite.min(axis=0).tolist() if len(finite) else None,
        high=finite.max(axis=0).tolist() if len(finite) else None,
        crs=system,
        density=density(finite),
        attributes=[_attribute(n, a, types.get(n, a.dtype)) for n, a in cloud.arrays().items()],
        classes=classes,
        class_names={c: name for c, name in meanings(cloud, classes).items() if c in classes},
        warnings=[*remarks(cloud), *_warnings(cloud, finite, system)],
    )


def remarks(cloud: PointCloud) -> list[str]:
    """What the reader could not take over from the file as it is, one line each."""
    return [*getattr(cloud.source, "remarks", []), *strangers(cloud)]


def strangers(cloud: PointCloud) -> list[str]:
    """Attributes with the name of a field, or of what networks know, that are of another kind."""
    found = []
    for name, array in cloud.attributes.items():
        known = name.lower() if name.lower() in KINDS else "rgb" if name.lower() == "rgba" else ""
        # A second column of labels or intensities is nothing strange.
        if not known or (known not in cloud.attributes and getattr(cloud, known, None) is not None):
            continue
        if known in ROLES or array.ndim > 1 or array.dtype.kind not in "iufb":
            values = f"{int(np.prod(array.shape[1:]))} values of " if array.ndim > 1 else ""
            beside = ", which new labels leave as it is" if known == "label" else ""
            found.append(
                f"'{name}' ({values}{array.dtype} a point) is not taken for {KINDS[known]}: an "
                f"attribute like any other{beside}"
            )
    return found


def strangers_in(stream: Stream) -> list[str]:
    """As `strangers`, of a file that is read piece by piece."""
    clouds = stream.clouds(1, [*stream.names, *KINDS])
    try:
        return strangers(next(clouds))
    finally:
        clouds.close()


def meanings(cloud: PointCloud, codes: Iterable[int]) -> dict[int, str]:
    """What label codes are called: as the file says, else as the LAS standard does for LAS.

    `codes` are those that occur; the standard's names of others are left out.
    """
    source, names = cloud.source, cloud.class_names
    if not isinstance(source, LasSource) or not source.classified or contradictions(names):
        return names
    return {code: ASPRS[code] for code in codes if code in ASPRS} | names


def density(xyz: NDArray[np.float64]) -> float | None:
    """Points per square unit over the occupied cells seen from above; None if there is no area.

    The cells hold 16 points where the points are spread evenly over their bounding rectangle.
    Points without company (`salanet.company`) do not count.
    """
    held = Company.of(xyz).held(xyz)
    if len(held) < POINTS_PER_CELL:
        return None
    low = held[:, :2].min(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        width, depth = held[:, :2].max(axis=0) - low
        area = width * depth
    if not 0 < area < np.inf:
        return None
    cell = np.sqrt(area / len(held) * POINTS_PER_CELL)
    if not (width / cell + 1) * (depth / cell + 1) < MOST_CELLS:
        return None
    at = np.floor((held[:, :2] - low) / cell).astype(np.int64)
    occupied = len(np.unique(at[:, 0] * (at[:, 1].max() + 1) + at[:, 1]))
    return float(len(held) / (occupied * cell * cell))


def _format(path: Path, source: Any) -> str:
    name = path.suffix.lower().removeprefix(".").upper()
    match type(source).__name__:
        case "LasSource":
            return f"{name} 1.{source.file.get(binary.MINOR)}, point format {source.file.format}"
        case "PlySource" | "PcdSource":
            return f"{name} {source.encoding.replace('_', ' ')}"
        case "MeshSource":
            parts = f" in {source.parts:,} parts" if source.parts > 1 else ""
            return f"{name}, {source.triangles:,} triangles{parts}"
        case "E57Source" | "PtxSource":
            count = len(source.scans)
            return f"{name}, {count} scan{'s' if count > 1 else ''}"
        case "TextSource":
            kinds = {None: "blanks", "\t": "tabs", ",": "commas", ";": "semicolons"}
            header = "a header" if source.header is not None else "no header"
            return f"{name} text, separated by {kinds[source.delimiter]}, {header}"
        case "NpzSource":
            return f"{name}, {'compressed' if source.compressed else 'named arrays'}"
    return f"{name}, one table"


def _stored_types(source: Any) -> dict[str, np.dtype[Any]]:
    """The types that the file has for what a cloud holds in types of its own."""
    if hasattr(source, "record"):
        record = source.record()
        names = {"rgb": "red", "intensity": "intensity", "label": source.label}
        known = set(record.point_format.dimension_names)
        return {role: np.array(record[n][:1]).dtype for role, n in names.items() if n in known}
    table = getattr(source, "table", None)
    if table is None:
        return {}
    return {r: table.columns[table.roles[r][0]].dtype for r in ROLES if r in table.roles}


def _attribute(name: str, array: NDArray[Any], stored: np.dtype[Any]) -> Attribute:
    width = int(np.prod(array.shape[1:]))
    if array.dtype.kind not in "iufb":
        return Attribute(name, str(stored), width, None, None)
    values = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    low, high = (values.min().item(), values.max().item()) if values.size else (None, None)
    return Attribute(name, str(stored), width, low, high)


def _classes(label: NDArray[np.int32] | None) -> dict[int, int]:
    if label is None:
        return {}
    codes, counts = np.unique(label, return_counts=True)
    if len(codes) > MOST_CLASSES:
        return {}
    return dict(zip(codes.tolist(), counts.tolist(), strict=True))


def _warnings(cloud: PointCloud, finite: NDArray[np.float64], system: crs.Crs | None) -> list[str]:
    found = []
    if bad := len(cloud) - len(finite):
        found.append(f"{bad:,} points have {NOT_FINITE} coordinates")
    for name, array in cloud.arrays().items():
        if array.dtype.kind == "f" and (bad := int((~np.isfinite(array)).sum())):
            found.append(f"'{name}' has {bad:,} {NOT_FINITE} values")
    if same := _duplicates(finite):
        found.append(f"{same:,} points lie exactly on another one")
    if cloud.label is not None and len(np.unique(cloud.label)) > MOST_CLASSES:
        found.append(f"the labels have more than {MOST_CLASSES} values: hardly classes")
    return found + _about_units(finite, system)


def _duplicates(xyz: NDArray[np.float64]) -> int:
    """How many points could go without a place getting lost; by a hash of 64 bits."""
    bits = (np.ascontiguousarray(xyz) + 0.0).view(np.uint64)  # -0.0 is 0.0
    weights = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
    mixed = (bits ^ (bits >> np.uint64(29))) * weights
    # Sorted: np.unique hashes integers, and takes minutes where their low bits are alike.
    keys = np.sort(mixed.sum(axis=1, dtype=np.uint64))
    return int((keys[1:] == keys[:-1]).sum())


def _about_units(xyz: NDArray[np.float64], system: crs.Crs | None) -> list[str]:
    if system is not None or not len(xyz):
        return []
    low, high = xyz.min(axis=0), xyz.max(axis=0)
    size = high - low
    inside = max(-low[0], high[0]) <= 180 and max(-low[1], high[1]) <= 90
    if inside and 0 < max(size[:2]) < 1 and size[2] > 20 * max(size[:2]):
        return ["x and y look like degrees: project them to metres before segmenting"]
    return []
