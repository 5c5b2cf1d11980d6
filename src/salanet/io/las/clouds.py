"""LAS and LAZ, versions 1.0 to 1.4, every point format.

| field     | dimension                                                                       |
|-----------|---------------------------------------------------------------------------------|
| xyz       | X Y Z with scale and offset                                                     |
| rgb       | red green blue; the high byte if any value exceeds 255; None if all are zero    |
| intensity | intensity                                                                       |
| label     | classification; an extra dimension that SalaNet made for codes that do not fit  |

Every other dimension is an attribute under laspy's name for it, also one called "label" that
somebody else has made; extra ones have the file's, numbered where a field is called so. A cloud
read from LAS is written over its own records: what it does not change stays bit for bit, stored
integers, records (VLRs, EVLRs), reference system, scales and offsets included. Attributes that the
point format does not know become extra dimensions. Names of classes are records
(`salanet.io.las.lookup`). COPC is read with its tree, which `salanet.io.las.copc` puts back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import laspy
import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io.crs import Crs, of_records
from salanet.io.las import binary, dims, lookup
from salanet.io.las.binary import LasFile
from salanet.io.las.blank import LARGEST, blank, places
from salanet.io.las.octree import Tree, tree_of

COLOURS = ("red", "green", "blue")
FIELDS = {"X", "Y", "Z", "intensity"}
OTHER_LABEL = "label_codes"  # where "label" is taken


@dataclass
class LasSource:
    file: LasFile
    format: laspy.PointFormat
    described: bytes  # what the file's records say of its extra dimensions, as far as it is sound
    rest: int  # bytes of a point that nothing describes
    names: dict[int, str] = field(default_factory=dict)  # of label codes
    tree: Tree | None = None  # of COPC

    upright = True  # by the standard

    @property
    def crs(self) -> Crs | None:
        """The reference system, if the file names one."""
        return of_records(self.file.records())

    @property
    def remarks(self) -> list[str]:
        """What is not as the header says, one line each."""
        return self.file.remarks

    @property
    def label(self) -> str:
        """The dimension that holds the labels."""
        return dims.label_dimension(self.format)

    @property
    def classified(self) -> bool:
        """The labels are the classification, not a dimension of their own."""
        return self.label == "classification"

    def without_points(self) -> LasSource:
        """Header and records, for other points."""
        none = self.file.points[:0].copy()  # a view would keep all of them in memory
        return replace(self, file=replace(self.file, points=none), tree=None)

    def record(self) -> laspy.PackedPointRecord:
        """The points by dimension: a view, not a copy."""
        return laspy.PackedPointRecord(
            self.file.points.view(self.format.dtype())[:, 0], self.format
        )


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError if the file is no LAS or LAZ, damaged or cut short."""
    if columns is not None:
        raise FileError(path, "a LAS file names its own dimensions; leave columns out")
    with path.open("rb") as stream:
        reader = binary.Reader(path, stream)
        reader.las.points = reader.read(reader.count)
        tree = tree_of(path, stream, reader)
    return to_cloud(replace(source_of(reader.las), tree=tree))


def to_cloud(
    source: LasSource, keep: Collection[str] | None = None, deep: bool | None = None
) -> PointCloud:
    """The points of a source as a cloud.

    Args:
        source: as `source_of` gives it.
        keep: names of the arrays wanted besides the coordinates; None for all.
        deep: the colours have 16 bits; None to find out.
    """
    record = source.record()
    label = source.label
    fields = _fields(source) | {label}
    others = [name for name in source.format.dimension_names if name not in fields]
    wanted = {"rgb", "intensity", "label", *others} if keep is None else {*keep}
    return PointCloud(
        xyz=_coordinates(source.file, record),
        rgb=_colours(record, deep) if "rgb" in wanted else None,
        intensity=record["intensity"].astype(np.float32) if "intensity" in wanted else None,
        label=np.array(dims.values(record, label)).astype(np.int32) if "label" in wanted else None,
        attributes={n: np.array(dims.values(record, n)) for n in others if n in wanted},
        source=source,
        class_names=source.names if "label" in wanted else {},
    )


def source_of(file: LasFile) -> LasSource:
    """Find out the dimensions; extra bytes that nothing describes properly become one of bytes."""
    size = file.points.shape[1]
    described, point_format = b"", laspy.PointFormat(file.format)
    for candidate in dims.descriptions(file):
        try:
            point_format = _format(file.format, candidate, size)
        except Exception:  # whatever a damaged description makes laspy stumble over
            continue
        described = candidate
        break
    rest = size - point_format.size
    if rest:
        name = dims.short_name("ExtraBytes", set(point_format.dimension_names))
        point_format.add_extra_dimension(laspy.ExtraBytesParams(name, dims.several("u1", rest)))
    source = LasSource(file, point_format, described, rest)
    return replace(source, names=lookup.read(file, source.classified))


def _format(number: int, described: bytes, size: int) -> laspy.PointFormat:
    """A point format with extra dimensions; ValueError if points of `size` bytes do not hold it."""
    point_format = laspy.PointFormat(number)
    for dimension in dims.dimensions(described, number):
        point_format.add_extra_dimension(dimension)
    if {*point_format.extra_dimension_names} - {*point_format.dtype().names}:
        raise ValueError("a dimension without a name")  # two of one name raise by themselves
    if point_format.size > size:
        raise ValueError("more dimensions than bytes")
    return point_format


def _fields(source: LasSource) -> set[str]:
    """The dimensions that are fields of a cloud, but for its labels."""
    return FIELDS | ({*COLOURS} if dims.hold_colours(source.format, COLOURS) else set())


def _coordinates(file: LasFile, record: laspy.PackedPointRecord) -> NDArray[np.float64]:
    xyz = np.empty((len(record), 3))
    for i, (scale, offset) in enumerate(
        zip(file.get(binary.SCALES), file.get(binary.OFFSETS), strict=True)
    ):
        xyz[:, i] = record["XYZ"[i]] * scale + offset
    return xyz


def _colours(record: laspy.PackedPointRecord, deep: bool | None = None) -> NDArray[np.uint8] | None:
    rgb = stored_colours(record)
    if rgb is None or (deep is None and not rgb.any()):
        return None
    return (rgb >> 8 if deep or (deep is None and rgb.max() > 255) else rgb).astype(np.uint8)


def stored_colours(record: laspy.PackedPointRecord) -> NDArray[np.uint16] | None:
    """The colours (N, 3) as they are in the file; None if the format has none."""
    if not dims.hold_colours(record.point_format, COLOURS):
        return None
    return np.stack([record[name] for name in COLOURS], axis=1)


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was.

    Points without finite coordinates have no place in LAS, nor have those far away that would
    round all others; they are left out.

    Raises:
        DataError: no finite coordinates, ones that do not fit the scale, attributes that are not
            numbers.
    """
    cloud, left_out = _with_places(cloud)
    new = not isinstance(cloud.source, LasSource)
    source = LasSource(*blank(cloud), b"", 0) if new else cloud.source
    file, size = source.file, source.file.points.shape[1]
    same_length = len(file.points) == len(cloud)
    points = file.points.copy() if same_length else np.zeros((len(cloud), size), np.uint8)
    file = replace(file, points=points, header=bytearray(file.header), vlrs=list(file.vlrs))
    before, source = source.record(), replace(source, file=file)
    record = source.record()
    if new:  # points without such numbers count as single returns
        record["return_number"] = record["number_of_returns"] = np.ones(len(cloud), np.uint8)
    _set_coordinates(file, record, cloud, same_length)
    placed = set_dimensions(source, record, cloud)
    dims.forget_limits(file, placed.changed)
    if not np.array_equal(before["return_number"], record["return_number"]):
        count_returns(file, record)
    name_classes(source, cloud, placed)
    add_extras(source, placed)
    binary.write(path, file, compress=path.suffix.lower() == ".laz")
    return [*left_out, *placed.remarks]


def kept_tree(cloud: PointCloud) -> Tree | None:
    """The tree that a cloud was read with, if its points are where and in which order they were."""
    source = cloud.source
    if not isinstance(source, LasSource) or source.tree is None:
        return None
    if len(source.file.points) != len(cloud):
        return None
    same = np.array_equal(cloud.xyz, _coordinates(source.file, source.record()))
    return source.tree if same else None


def _with_places(cloud: PointCloud) -> tuple[PointCloud, list[str]]:
    """The points that the file has a place for, and remarks on the others."""
    source, finite = cloud.source, cloud.finite()
    held = finite if isinstance(source, LasSource) else places(cloud)
    if held.all():
        return cloud, []
    some = cloud.rows(held)
    if isinstance(source, LasSource):
        some.source = source.without_points()
    remarks = []
    if count := int((~finite).sum()):
        points_have = "1 point has" if count == 1 else f"{count:,} points have"
        remarks += [f"{points_have} NaN or infinite coordinates: left out, as LAS cannot hold them"]
    if count := int((finite & ~held).sum()):
        points_lie = "1 point lies" if count == 1 else f"{count:,} points lie"
        remarks += [
            f"{points_lie} too far from the rest: left out, as LAS would round all others for them"
        ]
    return some, remarks


def _set_coordinates(
    file: LasFile, record: laspy.PackedPointRecord, cloud: PointCloud, same_length: bool
) -> None:
    """Store the coordinates that changed, and then the new bounds."""
    changed = cloud.xyz != _coordinates(file, record)
    if same_length and not changed.any():
        return
    cloud.require_finite()
    bounds: list[float] = []
    for i, (scale, offset) in enumerate(
        zip(file.get(binary.SCALES), file.get(binary.OFFSETS), strict=True)
    ):
        with np.errstate(all="ignore"):
            stored = np.rint((cloud.xyz[:, i] - offset) / scale)
        if not np.all((stored >= -LARGEST - 1) & (stored <= LARGEST)):
            raise DataError(
                f"{'xyz'[i]} from {cloud.xyz[:, i].min()} to {cloud.xyz[:, i].max()} does not fit "
                f"into the source's LAS scale {scale} and offset {offset}"
            )
        column = record["XYZ"[i]]
        column[:] = np.where(changed[:, i], stored, column)
        bounds += [column.max() * scale + offset, column.min() * scale + offset]
    file.set(binary.BOUNDS, *bounds)


class Placed(NamedTuple):
    """Where values went: dimensions that hold them, those of them that changed, dimensions that
    could not hold them, what is to become extra dimensions, remarks, and which of the extra
    dimensions holds the labels, if one does."""

    stored: set[str]
    changed: set[str]
    unfit: set[str]
    extras: dict[str, NDArray[Any]]
    remarks: list[str]
    label: str = ""


def set_dimensions(
    source: LasSource,
    record: laspy.PackedPointRecord,
    cloud: PointCloud,
    unfit: Collection[str] = (),
) -> Placed:
    """Store everything but the coordinates; nothing in `unfit`, where other points do not fit."""
    names, fields = set(source.format.dimension_names), _fields(source)
    wanted = dict(cloud.attributes)
    placed = Placed(set(), set(), set(), {}, [])
    if cloud.intensity is not None:
        if "intensity" in wanted:
            _place_apart("intensity", wanted.pop("intensity"), wanted, placed)
        wanted["intensity"] = cloud.intensity
    label = ""
    if cloud.label is not None:
        label = next(name for name in (source.label, "label", OTHER_LABEL) if name not in wanted)
        wanted[label] = cloud.label
    placed_as = label
    if cloud.rgb is not None and not _set_colours(record, cloud.rgb):
        placed.extras.update(zip(COLOURS, cloud.rgb.T, strict=True))
    for name, values in wanted.items():
        free = name not in names and name not in placed.extras
        if free and name.lower() not in ("x", "y", "z"):
            placed.extras[name] = values
            continue
        other = name not in names or name in fields - {"intensity"} or name in unfit
        if not other and _assign(record, name, values, placed.changed):
            placed.stored.add(name)
            continue
        extra = None
        if name == label:
            extra = placed_as = "label" if "label" not in wanted else OTHER_LABEL
        placed.unfit.add(name)
        _place_apart(name, values, wanted, placed, extra)
    return placed._replace(label=placed_as) if placed_as in placed.extras else placed


def _place_apart(
    name: str,
    values: NDArray[Any],
    wanted: Collection[str],
    placed: Placed,
    extra: str | None = None,
) -> None:
    """Have values become an extra dimension, as what is called so in LAS cannot hold them."""
    if extra is None:
        extra = f"{name}_value"
        while extra in wanted or extra in placed.extras:
            extra += "_value"
    placed.extras[extra] = values
    placed.remarks.append(f"'{name}' does not fit its LAS field: written as dimension '{extra}'")


def _set_colours(record: laspy.PackedPointRecord, rgb: NDArray[np.uint8]) -> bool:
    """Store the colours of the points where they changed, in the depth of the others."""
    if not dims.hold_colours(record.point_format, COLOURS):
        return False
    before = _colours(record)
    old = np.stack([record[name] for name in COLOURS], axis=1)
    changed = rgb.any(axis=1) if before is None else (rgb != before).any(axis=1)
    deep = old.dtype == np.uint16 and not 0 < old.max() <= 255
    for i, name in enumerate(COLOURS):
        record[name][changed] = rgb[changed, i].astype(old.dtype) * (256 if deep else 1)
    return True


def _assign(
    record: laspy.PackedPointRecord, name: str, values: NDArray[Any], changed: set[str]
) -> bool:
    """Store the values in a dimension if it holds every one of them exactly."""
    values, current = np.asarray(values), np.array(dims.values(record, name))
    if values.shape != current.shape or values.dtype.kind not in "iufb":
        return False
    if np.array_equal(values, current, equal_nan=values.dtype.kind == "f"):
        return True
    dimension = record.point_format.dimension_by_name(name)
    exact: NDArray[Any] = values
    if scaled := bool(dimension.is_scaled):
        exact = np.rint((values - dimension.offsets) / dimension.scales)
    stored = record.array[name] if scaled else current
    with np.errstate(all="ignore"):
        cast = exact.astype(stored.dtype)
    if not np.array_equal(cast, exact, equal_nan=cast.dtype.kind == exact.dtype.kind == "f"):
        return False
    if name in record.sub_fields_dict and cast.max() > dimension.max:  # a few bits of a byte
        return False
    if scaled:
        stored[...] = cast
    else:
        dims.values(record, name)[:] = cast
    changed.add(name)
    return True


def name_classes(source: LasSource, cloud: PointCloud, placed: Placed) -> None:
    """Name the labels in the header's records, once they are placed."""
    if cloud.label is not None:
        classified = source.classified and not placed.label
        placed.remarks.extend(lookup.put(source.file, cloud.class_names, classified))


def count_returns(file: LasFile, record: laspy.PackedPointRecord) -> None:
    total = len(record)
    counts = np.bincount(record["return_number"], minlength=16)[1:16].tolist()
    if file.has(binary.RETURNS):
        file.set(binary.COUNT, total)
        file.set(binary.RETURNS, *counts)
    old = file.format < 6 and total < 1 << 32  # the fields of LAS 1.3 stay empty for formats 6–10
    file.set(binary.OLD_COUNT, total if old else 0)
    file.set(binary.OLD_RETURNS, *(counts[:5] if old else [0] * 5))


def add_extras(source: LasSource, placed: Placed) -> None:
    """Append dimensions to the points and describe them in the header."""
    if placed.extras:
        described = source.described + dims.undescribed(source.rest)
        taken = {*source.format.dimension_names, *dims.fields(source.format.id)}
        dims.append(source.file, described, taken, placed.extras, placed.remarks, placed.label)
