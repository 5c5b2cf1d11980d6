"""The extra dimensions of LAS points: how they are described, and how new ones come in.

laspy has their values under their names only where these are no names of its own: it takes those
that it once had for fields (`num_returns` for `number_of_returns`), and refuses those that fields
have. So they are looked up here, and one that is called like a field has another name in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import laspy
import numpy as np
from laspy.point.dims import ScaledArrayView
from numpy.typing import NDArray

from salanet.errors import DataError
from salanet.io.las.binary import LasFile, Vlr

EXTRA_BYTES = (b"LASF_Spec", 4)
EXTRA_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8")
NAME_BYTES = 32
LABELS = "label codes (SalaNet)"  # describes the dimension of labels that do not fit their field


@cache
def fields(number: int) -> frozenset[str]:
    """The names that the fields of a point format have, those of bytes that several share too."""
    point_format = laspy.PointFormat(number)
    return frozenset([*point_format.dimension_names, *(point_format.dtype().names or ())])


def values(record: laspy.PackedPointRecord, name: str) -> Any:
    """The values (N, ...) of a dimension: a view, whose items can be set unless it is scaled."""
    dimension = record.point_format.dimension_by_name(name)
    if dimension.is_standard:
        return record[name]
    stored = record.array[name]
    if not dimension.is_scaled:
        return stored
    return ScaledArrayView(stored, dimension.scales, dimension.offsets)


def hold_colours(point_format: laspy.PointFormat, names: Collection[str]) -> bool:
    """Whether there are dimensions of all these names, and of the numbers that colours have."""
    found = [dimension for dimension in point_format.dimensions if dimension.name in names]
    return len(found) == len(names) and all(
        one.dtype in (np.uint8, np.uint16) and one.num_elements == 1 and not one.is_scaled
        for one in found
    )


def label_dimension(point_format: laspy.PointFormat) -> str:
    """The dimension that holds the labels: one that SalaNet made for them, or the field."""
    for dimension in point_format.extra_dimensions:
        whole = dimension.dtype.kind in "iu" and not dimension.is_scaled
        if dimension.description == LABELS and whole and dimension.num_elements == 1:
            return str(dimension.name)
    return "classification"


def descriptions(file: LasFile) -> list[bytes]:
    """What may describe the extra dimensions, best first: all records joined, or one of them.

    Every program may write a record of its own, extended or not, for the bytes that it appended.
    """
    records = [vlr.data for vlr in (*file.vlrs, *file.extended()) if vlr.key == EXTRA_BYTES]
    different = [*dict.fromkeys(data[: len(data) // 192 * 192] for data in records)]
    return [*dict.fromkeys([b"".join(different), *different])]


def dimensions(described: bytes, number: int) -> Iterator[laspy.ExtraBytesParams]:
    """The extra dimensions by their descriptions of 192 bytes (LAS 1.4 R15, table 24).

    laspy's own reader takes the length of untyped bytes for flags. `number` is the point format's.
    """
    for kind, options, name, *numbers, said in struct.iter_unpack("<2xBB32s76x6d32s", described):
        count = (kind - 1) // 10 + 1 if kind else options
        scales = offsets = None
        if kind and options & 0b11000:
            scales = numbers[:count] if options & 0b01000 else [1.0] * count
            offsets = numbers[3 : 3 + count] if options & 0b10000 else [0.0] * count
        yield laspy.ExtraBytesParams(
            _in_memory(name.rstrip(b"\0").decode(), number),
            several(EXTRA_TYPES[(kind - 1) % 10] if kind else "u1", count),
            offsets=offsets,
            scales=scales,
            description=said.rstrip(b"\0").decode("ascii", "ignore"),
        )


def _in_memory(name: str, number: int) -> str:
    """What a dimension is called that a file of this point format has under a name."""
    return short_name(name, fields(number)) if name in fields(number) else name


def several(kind: str, count: int) -> np.dtype[Any]:
    return np.dtype((kind, (count,))) if count > 1 else np.dtype(kind)


def forget_limits(file: LasFile, changed: set[str]) -> None:
    """Unset the flags for the least and greatest value of extra dimensions that changed."""
    number = file.format
    file.vlrs = [_without_limits(vlr, changed, number) for vlr in file.vlrs]
    file.replace_extended([_without_limits(vlr, changed, number) for vlr in file.extended()])


def _without_limits(vlr: Vlr, changed: set[str], number: int) -> Vlr:
    if vlr.key != EXTRA_BYTES:
        return vlr
    data = bytearray(vlr.data)
    for at in range(0, len(data) - 191, 192):
        name = data[at + 4 : at + 4 + NAME_BYTES].rstrip(b"\0").decode("utf-8", "replace")
        if data[at + 2] and _in_memory(name, number) in changed:
            data[at + 3] &= ~0b110
    return Vlr(vlr.head, bytes(data))


def append(
    file: LasFile,
    described: bytes,
    taken: set[str],
    extras: dict[str, NDArray[Any]],
    remarks: list[str],
    label: str = "",
) -> None:
    """Append dimensions to the points and describe all of them in one record of the header.

    Args:
        file: changes.
        described: the descriptions of the dimensions that are there.
        taken: their names; changes.
        extras: the new ones.
        remarks: gets a line for each name that has to be changed.
        label: which of the new ones holds the labels.
    """
    place = next((i for i, v in enumerate(file.vlrs) if v.key == EXTRA_BYTES), len(file.vlrs))
    old = [vlr for vlr in (*file.vlrs, *file.extended()) if vlr.key == EXTRA_BYTES]
    parts = [file.points]
    for name, values in _flat(extras).items():
        values = _storable(name, values)
        short = short_name(name, taken)
        taken.add(short)
        if short != name:
            long = len(name.encode()) > NAME_BYTES
            why = "names there are short" if long else "something else has that name there"
            remarks.append(f"'{name}' is called '{short}' in the file: {why}")
        about = LABELS if name == label else ""
        described += _describe(EXTRA_TYPES.index(values.dtype.str[1:]) + 1, 0, short, about)
        little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        parts.append(little.view(np.uint8).reshape(len(values), -1))
    if sum(part.shape[1] for part in parts) > 0xFFFF:
        raise DataError("too many attributes for the points of a LAS file")
    file.points = np.concatenate(parts, axis=1)
    title = old[0].head[-32:] if len(old) == 1 else b"Extra Bytes Record"
    file.vlrs = [vlr for vlr in file.vlrs if vlr not in old]
    file.vlrs.insert(place, Vlr.new(*EXTRA_BYTES, title, described))
    file.replace_extended([vlr for vlr in file.extended() if vlr not in old])


def undescribed(size: int) -> bytes:
    """A description of bytes that had none."""
    return b"".join(
        _describe(0, min(size - at, 255), f"ExtraBytes{at or ''}") for at in range(0, size, 255)
    )


def _describe(kind: int, options: int, name: str, about: str = "") -> bytes:
    return struct.pack("<2xBB32s124x32s", kind, options, name.encode(), about.encode())


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


def short_name(name: str, taken: Collection[str]) -> str:
    """`name` cut to the 32 bytes LAS has for it, and unlike every other."""
    short, number = name, 1
    while len(short.encode()) > NAME_BYTES or short in taken:
        number += 1
        ending = f"_{number}"
        short = name.encode()[: NAME_BYTES - len(ending)].decode("utf-8", "ignore") + ending
    return short
