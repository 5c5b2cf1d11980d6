"""LAS and LAZ, versions 1.0 to 1.4, every point format.

| field     | dimension                                                                       |
|-----------|---------------------------------------------------------------------------------|
| xyz       | X Y Z with scale and offset                                                     |
| rgb       | red green blue; the high byte if any value exceeds 255; None if all are zero    |
| intensity | intensity                                                                       |
| label     | classification, or an extra dimension called "label"                            |

Every other dimension is an attribute under laspy's name for it. A cloud read from LAS is written
over its own records: what the cloud does not change stays bit for bit, stored integers, records
(VLRs, EVLRs), reference system, scales and offsets included. Attributes that the point format
does not know become extra dimensions. COPC is read, and written as plain LAZ.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import laspy
import numpy as np
from numpy.typing import NDArray

from salanet import __version__
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io import lasfile
from salanet.io.lasfile import LasFile, Vlr

COLOURS = ("red", "green", "blue")
FIELDS = {"X", "Y", "Z", "intensity", *COLOURS}
EXTRA_BYTES = (b"LASF_Spec", 4)
EXTRA_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
NAME_BYTES = 32
WKT_BIT = 16
LARGEST = np.iinfo(np.int32).max


@dataclass
class LasSource:
    file: LasFile
    format: laspy.PointFormat
    described: bytes  # the file's description of its extra dimensions, if it is sound
    rest: int  # bytes of a point that nothing describes

    def record(self) -> laspy.PackedPointRecord:
        """The points by dimension: a view, not a copy."""
        return laspy.PackedPointRecord(
            self.file.points.view(self.format.dtype())[:, 0], self.format
        )


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError if the file is no LAS or LAZ, damaged or cut short."""
    if columns is not None:
        raise FileError(path, "a LAS file names its own dimensions; leave columns out")
    source = _source(lasfile.read(path))
    record = source.record()
    names = list(source.format.dimension_names)
    label = _label_dimension(source.format)
    skip = FIELDS | {label}
    return PointCloud(
        xyz=_coordinates(source.file, record),
        rgb=_colours(record),
        intensity=record["intensity"].astype(np.float32),
        label=np.array(record[label]).astype(np.int32),
        attributes={name: np.array(record[name]) for name in names if name not in skip},
        source=source,
    )


def _source(file: LasFile) -> LasSource:
    """Find out the dimensions; extra bytes that nothing describes properly become one of bytes."""
    extra = next((vlr.data for vlr in file.vlrs if vlr.key == EXTRA_BYTES), b"")
    point_format = laspy.PointFormat(file.format)
    try:
        for dimension in _dimensions(extra):
            point_format.add_extra_dimension(dimension)
        if {*point_format.extra_dimension_names} - {*point_format.dtype().names}:
            raise ValueError("a dimension without a name")  # two of one name raise by themselves
        if point_format.size > file.points.shape[1]:
            raise ValueError("more dimensions than bytes")
    except Exception:  # whatever a damaged description makes laspy stumble over
        extra, point_format = b"", laspy.PointFormat(file.format)
    rest = file.points.shape[1] - point_format.size
    if rest:
        name = _short_name("ExtraBytes", set(point_format.dimension_names))
        point_format.add_extra_dimension(laspy.ExtraBytesParams(name, _several("u1", rest)))
    return LasSource(file, point_format, extra, rest)


def _dimensions(described: bytes) -> Iterator[laspy.ExtraBytesParams]:
    """The extra dimensions by their descriptions of 192 bytes (LAS 1.4 R15, table 24).

    laspy's own reader takes the length of untyped bytes for flags.
    """
    for kind, options, name, *numbers in struct.iter_unpack("<2xBB32s76x6d32x", described):
        count = (kind - 1) // 10 + 1 if kind else options
        scales = offsets = None
        if kind and options & 0b11000:
            scales = numbers[:count] if options & 0b01000 else [1.0] * count
            offsets = numbers[3 : 3 + count] if options & 0b10000 else [0.0] * count
        yield laspy.ExtraBytesParams(
            name.rstrip(b"\0").decode(),
            _several(EXTRA_TYPES[(kind - 1) % 10] if kind else "u1", count),
            offsets=offsets,
            scales=scales,
        )


def _several(kind: str, count: int) -> np.dtype[Any]:
    return np.dtype((kind, (count,))) if count > 1 else np.dtype(kind)


def _label_dimension(point_format: laspy.PointFormat) -> str:
    for dimension in point_format.extra_dimensions:
        if dimension.name == "label" and dimension.dtype.kind in "iu" and not dimension.is_scaled:
            return "label"
    return "classification"


def _coordinates(file: LasFile, record: laspy.PackedPointRecord) -> NDArray[np.float64]:
    xyz = np.empty((len(record), 3))
    for i, (scale, offset) in enumerate(
        zip(file.get(lasfile.SCALES), file.get(lasfile.OFFSETS), strict=True)
    ):
        xyz[:, i] = record["XYZ"[i]] * scale + offset
    return xyz


def _colours(record: laspy.PackedPointRecord) -> NDArray[np.uint8] | None:
    if not set(COLOURS) <= set(record.point_format.dimension_names):
        return None
    rgb = np.stack([record[name] for name in COLOURS], axis=1)
    if not rgb.any():
        return None
    return (rgb >> 8 if rgb.max() > 255 else rgb).astype(np.uint8)


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was.

    Raises:
        DataError: coordinates that are not finite or do not fit the scale, attributes that are
            not numbers.
    """
    new = not isinstance(cloud.source, LasSource)
    source = _blank(cloud) if new else cloud.source
    file, size = source.file, source.file.points.shape[1]
    same_length = len(file.points) == len(cloud)
    points = file.points.copy() if same_length else np.zeros((len(cloud), size), np.uint8)
    file = replace(file, points=points, header=bytearray(file.header), vlrs=list(file.vlrs))
    before, source = source.record(), replace(source, file=file)
    record = source.record()
    if new:  # points without such numbers count as single returns
        record["return_number"] = record["number_of_returns"] = np.ones(len(cloud), np.uint8)
    _set_coordinates(file, record, cloud, same_length)
    extras, remarks = _set_dimensions(source, record, cloud)
    if not np.array_equal(before["return_number"], record["return_number"]):
        _count_returns(file, record)
    _add_extras(source, extras, remarks)
    lasfile.write(path, file, compress=path.suffix.lower() == ".laz")
    return remarks


def _blank(cloud: PointCloud) -> LasSource:
    """An empty LAS 1.4 with millimetres, fit to hold the cloud."""
    point_format = 6 if cloud.rgb is None else 8 if "nir" in cloud.attributes else 7
    header = laspy.LasHeader(version="1.4", point_format=point_format)
    header.generating_software = f"SalaNet {__version__}"
    header.global_encoding.value |= WKT_BIT  # these formats know no other kind of CRS
    cloud.require_finite()
    for i in range(3):
        low, high = float(cloud.xyz[:, i].min()), float(cloud.xyz[:, i].max())
        scale, step = (1e-3, 1000.0) if high - low >= 1 else (1e-8, 1.0)  # else degrees, or tiny
        offset = np.floor(low / step) * step
        while (high - offset) / scale > LARGEST:
            scale *= 10
        header.scales[i], header.offsets[i] = scale, offset
    with io.BytesIO() as buffer:
        header.write_to(buffer)
        head = bytearray(buffer.getvalue())
    size = header.point_format.size
    file = LasFile(head, [], b"", np.empty((0, size), np.uint8), b"", 0)
    return LasSource(file, header.point_format, b"", 0)


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
        zip(file.get(lasfile.SCALES), file.get(lasfile.OFFSETS), strict=True)
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
    file.set(lasfile.BOUNDS, *bounds)


def _set_dimensions(
    source: LasSource, record: laspy.PackedPointRecord, cloud: PointCloud
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Store everything but the coordinates; returns what found no place, and remarks on it."""
    names = set(source.format.dimension_names)
    wanted = dict(cloud.attributes)
    if cloud.intensity is not None:
        wanted["intensity"] = cloud.intensity
    extras: dict[str, NDArray[Any]] = {}
    remarks: list[str] = []
    label = _label_dimension(source.format)
    if cloud.label is not None:
        if label in wanted:
            label = "label"
        wanted[label] = cloud.label
    changed: set[str] = set()
    if cloud.rgb is not None and not _set_colours(record, cloud.rgb):
        extras.update(zip(COLOURS, cloud.rgb.T, strict=True))
    for name, values in wanted.items():
        if name not in names and name.lower() not in ("x", "y", "z"):
            extras[name] = values
        elif name in FIELDS - {"intensity"} or not _assign(record, name, values, changed):
            extra = "label" if name == "classification" else f"{name}_value"
            extras[extra] = values
            remarks.append(f"'{name}' does not fit its LAS field: written as dimension '{extra}'")
    _forget_limits(source.file, changed)
    return extras, remarks


def _set_colours(record: laspy.PackedPointRecord, rgb: NDArray[np.uint8]) -> bool:
    """Store the colours of the points where they changed, in the depth of the others."""
    if not set(COLOURS) <= set(record.point_format.dimension_names):
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
    values, current = np.asarray(values), np.array(record[name])
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
        record[name][:] = cast
    changed.add(name)
    return True


def _forget_limits(file: LasFile, changed: set[str]) -> None:
    """Unset the flags for the least and greatest value of extra dimensions that changed."""
    for i, vlr in enumerate(file.vlrs):
        if vlr.key == EXTRA_BYTES:
            data = bytearray(vlr.data)
            for at in range(0, len(data) - 191, 192):
                name = data[at + 4 : at + 4 + NAME_BYTES].rstrip(b"\0").decode("utf-8", "replace")
                if data[at + 2] and name in changed:
                    data[at + 3] &= ~0b110
            file.vlrs[i] = Vlr(vlr.head, bytes(data))


def _count_returns(file: LasFile, record: laspy.PackedPointRecord) -> None:
    total = len(record)
    counts = np.bincount(record["return_number"], minlength=16)[1:16].tolist()
    if file.get(lasfile.MINOR) >= 4:
        file.set(lasfile.COUNT, total)
        file.set(lasfile.RETURNS, *counts)
    old = file.format < 6 and total < 1 << 32  # the fields of LAS 1.3 stay empty for formats 6–10
    file.set(lasfile.OLD_COUNT, total if old else 0)
    file.set(lasfile.OLD_RETURNS, *(counts[:5] if old else [0] * 5))


def _add_extras(source: LasSource, extras: dict[str, NDArray[Any]], remarks: list[str]) -> None:
    """Append dimensions to the points and describe them in the header."""
    if not extras:
        return
    file = source.file
    place = next((i for i, v in enumerate(file.vlrs) if v.key == EXTRA_BYTES), len(file.vlrs))
    old = file.vlrs[place : place + 1]
    taken = set(source.format.dimension_names)
    described = source.described
    for at in range(0, source.rest, 255):
        described += _describe(0, min(source.rest - at, 255), f"ExtraBytes{at or ''}")
    parts = [file.points]
    for name, values in _flat(extras).items():
        values = _storable(name, values)
        short = _short_name(name, taken)
        taken.add(short)
        if short != name:
            remarks.append(f"'{name}' is called '{short}' in the file: names there are short")
        described += _describe(EXTRA_TYPES.index(values.dtype.str[1:]) + 1, 0, short)
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        parts.append(little.view(np.uint8).reshape(len(values), -1))
    if sum(part.shape[1] for part in parts) > 0xFFFF:
        raise DataError("too many attributes for the points of a LAS file")
    file.points = np.concatenate(parts, axis=1)
    title = old[0].head[22:54] if old else b"Extra Bytes Record"
    file.vlrs[place : place + 1] = [Vlr.new(*EXTRA_BYTES, title, described)]


def _describe(kind: int, options: int, name: str) -> bytes:
    return struct.pack("<2xBB32s156x", kind, options, name.encode())


def _flat(extras: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Attributes of several values per point as several dimensions."""
    flat: dict[str, NDArray[Any]] = {}
    for name, values in extras.items():
        values = np.asarray(values)
        if values.ndim == 1:
            flat[name] = values
        else:
            wide = values.reshape(len(values), -1)
            flat.update({f"{name}_{i}": wide[:, i] for i in range(wide.shape[1])})
    return flat


def _storable(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype == np.float16:
        return values.astype(np.float32)
    if values.dtype.str[1:] not in EXTRA_TYPES:
        raise DataError(f"LAS cannot hold '{name}', its values are {values.dtype}")
    return values


def _short_name(name: str, taken: set[str]) -> str:
    """`name` cut to the 32 bytes LAS has for it, and unlike every other."""
    short, number = name, 1
    while len(short.encode()) > NAME_BYTES or short in taken:
        number += 1
        ending = f"_{number}"
        short = name.encode()[: NAME_BYTES - len(ending)].decode("utf-8", "ignore") + ending
    return short
