"""Named columns ↔ PointCloud: what PLY, text and NumPy files have in common.

Names are matched without regard to case:

| field     | columns                                                                        |
|-----------|--------------------------------------------------------------------------------|
| xyz       | x y z; easting northing elevation, as surveyors call them (`SURVEYED`)         |
| rgb       | red green blue, r g b, diffuse_red …, Rf Gf Bf; 8 bits, 16 bits (used when a   |
|           | value exceeds 255), 0–1, or 0–255 with fractions; else rgb, rgba: packed into  |
|           | 32 bits, as the Point Cloud Library does                                       |
| intensity | intensity, scalar_Intensity                                                    |
| label     | label, class, classification, scalar_Label, scalar_Classification; NaN gives −1 |

The first match of a row is taken. Return numbers are the attributes `return_number` and
`number_of_returns`, however other programs spell them (`scalar_Return_Number`, `NumberOfReturns`);
their columns keep the file's names. Every other column is an attribute under its own name, also one
that has the name of a field and is of another kind: labels that are no whole numbers of 32 bits,
several values a point, text. Colours that are NaN are black.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.remark import Remark

Column = NDArray[Any]
NAMES: dict[str, list[tuple[str, ...]]] = {
    "xyz": [("x", "y", "z")],
    "rgb": [
        ("red", "green", "blue"),
        ("r", "g", "b"),
        ("diffuse_red", "diffuse_green", "diffuse_blue"),
        ("rf", "gf", "bf"),
    ],
    "intensity": [("intensity",), ("scalar_intensity",)],
    "label": [
        (name,)
        for name in ("label", "class", "classification", "scalar_label", "scalar_classification")
    ],
}


# Attributes that models use, and how their columns are spelt: in lower case, letters alone.
SPELT = {
    "return_number": ("returnnumber",),
    "number_of_returns": ("numberofreturns", "numreturns"),
}
PACKED: list[tuple[str, ...]] = [("rgb",), ("rgba",)]  # colours in one column of 32 bits
SURVEYED = [
    (*plane.split(), up)
    for plane in ("easting northing", "rechtswert hochwert", "ostwert nordwert")
    for up in ("z", "elevation", "height", "höhe", "hoehe")
]
READ = {"xyz": SURVEYED, "rgb": PACKED}  # but no names for new columns
FEW = 32  # values of a column that may be classes
FOURTH = np.uint32(0xFF000000)  # the bits beside the colours: 0, or an opacity


@dataclass
class Table:
    """The columns of a file, in its order and its number types, and which are which field.

    `spelt` are columns of attributes that have another name in the cloud.
    """

    columns: dict[str, Column]
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    spelt: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def stored(self, role: str) -> Column:
        """The columns of a role side by side: (N, 3) or (N,)."""
        names = self.roles[role]
        if len(names) == 1:
            return self.columns[names[0]]
        return np.column_stack([self.columns[name] for name in names])


def has_xyz(names: Iterable[str]) -> bool:
    """Whether `to_cloud` finds coordinates among columns of these names."""
    lower = {name.lower() for name in names}
    return any(lower.issuperset(choice) for choice in NAMES["xyz"] + SURVEYED)


def to_cloud(path: Path, columns: dict[str, Column]) -> tuple[PointCloud, Table]:
    """Recognise the fields among the columns; the cloud comes without a source.

    Raises:
        FileError: there are no x, y and z.
    """
    table = Table(columns)
    lower = {name.lower(): name for name in reversed(columns)}
    for role, choices in NAMES.items():
        for choice in choices + READ.get(role, []):
            if all(name in lower for name in choice):
                table.roles[role] = tuple(lower[name] for name in choice)
                if role == "xyz" or field_of(table, role) is not None:
                    break
                del table.roles[role]  # not numbers of that kind: stays an attribute
    if "xyz" not in table.roles:
        raise FileError(path, f"no x, y and z among its columns: {', '.join(columns) or 'none'}")
    taken = {name for names in table.roles.values() for name in names}
    table.spelt = _spelt(columns, taken)
    known = {column: name for name, column in table.spelt.items()}
    cloud = PointCloud(
        xyz=np.asarray(table.stored("xyz"), dtype=np.float64),
        rgb=field_of(table, "rgb"),
        intensity=field_of(table, "intensity"),
        label=field_of(table, "label"),
        attributes={known.get(n, n): column for n, column in columns.items() if n not in taken},
    )
    return cloud, table


def _spelt(columns: dict[str, Column], taken: set[str]) -> dict[str, str]:
    """Attributes whose column has another name; none of a name that a column has."""
    numbers = [name for name, c in columns.items() if c.ndim == 1 and c.dtype.kind in "iuf"]
    found: dict[str, str] = {}
    for name in numbers:
        plain = "".join(filter(str.isalpha, name.lower().removeprefix("scalar_")))
        for attribute, spellings in SPELT.items():
            if plain in spellings and attribute not in columns and name not in taken:
                found.setdefault(attribute, name)
    return found


def field_of(table: Table, role: str) -> Column | None:
    """A field's value as PointCloud holds it; None if absent or not numbers of that kind."""
    if role not in table.roles:
        return None
    columns = [table.columns[name] for name in table.roles[role]]
    if role != "xyz" and not all(c.ndim == 1 and c.dtype.kind in "iufb" for c in columns):
        return None
    stored = table.stored(role)
    if role == "xyz":
        return stored.astype(np.float64)
    if role == "intensity":
        with np.errstate(over="ignore"):
            return stored.astype(np.float32)
    if role == "rgb" and stored.ndim == 1:
        return _unpacked(stored)
    if role == "rgb":
        stored = np.nan_to_num(stored) if stored.dtype.kind == "f" else stored
        scale = _colour_scale(stored)
        if scale is None:
            return None
        eight_bits = stored // 256 if scale == 256 else np.rint(stored * round(1 / scale))
        return eight_bits.astype(np.uint8)
    codes = np.where(np.isnan(stored), -1, stored) if stored.dtype.kind == "f" else stored
    limits = np.iinfo(np.int32)
    if codes.size and not (codes.min() >= limits.min and codes.max() <= limits.max):
        return None
    labels = codes.astype(np.int32)
    return labels if np.array_equal(labels, codes) else None


def maybe_labels(column: Column) -> list[str]:
    """A remark if a column (N,), the fourth, holds a few small whole numbers, each many times."""
    low, high = column.min(), column.max()
    if not -1 <= low < high < 256:
        return []
    whole = column.astype(np.int64)
    values = np.count_nonzero(np.bincount(whole + 1))
    if values > min(FEW, len(column) // 10) or not np.array_equal(whole, column):
        return []
    text = (
        f"the 4th of its columns is taken for intensity: with {values} values, whole numbers from "
        f"{low:g} to {high:g}, it may be labels; name its columns then, as in 'x,y,z,label'"
    )
    return [Remark(text, "columns")]


def _unpacked(stored: Column) -> Column | None:
    """Colours (N, 3) from one column; None if its bits cannot be those of colours."""
    if stored.dtype.itemsize != 4:
        return None
    bits = np.ascontiguousarray(stored).view(np.uint32)
    fourth = bits & FOURTH
    if not (((fourth == 0) | (fourth == FOURTH)).all() and bits.any()):
        return None
    return np.stack([bits >> 16, bits >> 8, bits], axis=1).astype(np.uint8)


def _packed(rgb: Column, stored: Column) -> Column:
    """Colours in one column like the one they came from, its other bits kept."""
    red, green, blue = rgb.astype(np.uint32).T
    same = len(stored) == len(rgb)
    fourth = np.ascontiguousarray(stored).view(np.uint32) & FOURTH if same else np.uint32(0)
    packed: Column = (fourth | red << 16 | green << 8 | blue).view(stored.dtype)
    return packed


def _colour_scale(stored: Column) -> float | None:
    """What one step of 8-bit colour is in the stored numbers: 1, 256 or 1/255; None if neither."""
    if not stored.size:
        return 1
    low, high = stored.min(), stored.max()
    if stored.dtype.kind == "f" and low >= 0 and high <= 1:
        return 1 / 255
    if not (low >= 0 and high <= 65535):
        return None
    if high <= 255:
        return 1
    return 256 if np.array_equal(stored, np.rint(stored)) else None


def to_columns(cloud: PointCloud, table: Table | None, flatten: bool = True) -> dict[str, Column]:
    """The columns to write: those of `table` where nothing changed, in its order, then new ones.

    A changed column keeps its number type if that holds every new value exactly. A table of
    another length than the cloud only lends its order. With `flatten`, attributes of shape
    (N, K) become K columns called name_0, name_1, ...
    """
    old = table if table is not None else Table({})
    flat: dict[str, Column] = {}
    for attribute, array in cloud.attributes.items():
        name = old.spelt.get(attribute, attribute)
        if np.ndim(array) == 1 or not flatten:
            flat[name] = np.asarray(array)
        else:
            wide = np.asarray(array).reshape(len(cloud), -1)
            flat.update({f"{name}_{i}": wide[:, i] for i in range(wide.shape[1])})
    same_length = len(old) == len(cloud)
    columns: dict[str, Column] = {}
    changed: dict[str, Column] = {}
    for role, names in old.roles.items():
        value = getattr(cloud, role)
        if value is None or (same_length and _equal(value, field_of(old, role))):
            continue
        if role == "rgb" and len(names) == 1:
            value = _packed(value, old.stored(role))
        elif role == "rgb":
            stored = np.nan_to_num(old.stored(role))
            value = (value * np.float64(_colour_scale(stored) or 1)).astype(stored.dtype)
        changed.update(zip(names, value.reshape(len(cloud), -1).T, strict=True))
    for name, stored in old.columns.items():
        new = changed.get(name, flat.get(name))
        if new is not None:
            columns[name] = keep_type(new, stored.dtype)
        elif same_length:
            columns[name] = stored
    for role, choices in NAMES.items():
        value = getattr(cloud, role)
        if value is not None and role not in old.roles:
            taken = {name.lower() for name in [*columns, *flat]}
            names = next((c for c in choices if taken.isdisjoint(c)), choices[0])
            columns.update(zip(names, value.reshape(len(cloud), -1).T, strict=True))
    return columns | {name: column for name, column in flat.items() if name not in columns}


def _equal(a: Column, b: Column | None) -> bool:
    nan = a.dtype.kind == "f"
    return b is not None and np.array_equal(a, b, equal_nan=nan)


def keep_type(new: Column, dtype: np.dtype[Any]) -> Column:
    """`new` in `dtype` if no value changes by it, else as it is."""
    if new.dtype == dtype:
        return new
    with np.errstate(all="ignore"):
        cast = new.astype(dtype)
    return cast if _equal(new, cast.astype(new.dtype)) else new
