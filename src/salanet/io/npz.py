"""NumPy files: .npz with one array per field, .npy with one table.

An .npz (or a structured .npy) holds `xyz`, `points` or `coord` of shape (N, 3), or x, y and z;
`rgb` or `color` (N, 3), or (N, 4) with an attribute `alpha`; `label` or `segment`; other names as
in `salanet.io.table`, of shape (N,) or (N, 1). Every other
array of length N is an attribute, the rest is written again as it was. `class_names` in an .npz
has a row (code, name) for each class. A plain .npy is (N, C) with the columns of headerless text,
which `columns` may name. Pickles are never loaded.
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from salanet.cloud import MOST_NAMES, PointCloud, usable_names
from salanet.errors import DataError, FileError
from salanet.io import table, text
from salanet.io.limits import check_npy, check_unpacked

# Arrays that stand for several columns, or for one of another name.
PARTS = {
    **dict.fromkeys(["xyz", "points", "coord", "coords"], ("x", "y", "z")),
    **dict.fromkeys(["rgb", "color", "colors"], ("red", "green", "blue")),
    "segment": ("label",),
    **{n: (n,) for n in ("label", "intensity", "return_number", "number_of_returns")},
}
COLOURS, ALPHA = ("red", "green", "blue"), "alpha"
NAMES = "class_names"
NEW_PARTS = {name: PARTS[name] for name in ("xyz", "rgb")}


@dataclass
class NpzSource:
    """`parts`: which columns of the table make up an array, and `shapes` that of each point in it;
    `rest`: what is not per point."""

    parts: dict[str, tuple[str, ...]]
    shapes: dict[str, tuple[int, ...]]
    rest: dict[str, Any]
    compressed: bool
    table: table.Table


@dataclass
class PlainSource:
    dtype: np.dtype[Any]
    table: table.Table


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError if the file is damaged, pickled, lies about sizes, or has no x, y, z."""
    if path.suffix.lower() == ".npz":
        arrays, compressed = _load_zip(path)
    else:
        with path.open("rb") as file:
            array = _load(path, file, path.stat().st_size)
        if array.dtype.names is None:
            return _read_plain(path, array, columns)
        arrays, compressed = {name: array[name] for name in array.dtype.names}, False
    if columns is not None:
        raise FileError(path, "these arrays have names of their own; leave columns out")
    return _to_cloud(path, arrays, compressed)


def _to_cloud(path: Path, arrays: dict[str, Any], compressed: bool) -> PointCloud:
    class_names = _names(arrays.get(NAMES))
    if class_names:
        del arrays[NAMES]
    key = next((n for n in ("xyz", "points", "coord", "coords", "x", "X") if n in arrays), None)
    if key is None:
        raise FileError(path, f"no xyz and no x, y, z among its arrays: {', '.join(arrays)}")
    count = arrays[key].shape[:1]
    columns: dict[str, Any] = {}
    parts: dict[str, tuple[str, ...]] = {}
    rest: dict[str, Any] = {}
    for name, array in arrays.items():
        names = PARTS.get(name, ())
        if names == COLOURS and array.shape[1:] == (4,):
            names = (*COLOURS, ALPHA)
        if (names == (name,) and array.ndim == 1) or array.dtype.kind not in "iufb":
            names = ()  # a column as it is
        others = {*arrays} - {name} | {*columns}
        if array.shape[:1] != count or not count:
            rest[name] = array
        elif math.prod(array.shape[1:]) == len(names) and not {*names} & others:
            columns.update(zip(names, array.reshape(len(array), -1).T, strict=True))
            parts[name] = names
        else:
            columns[name] = array
    cloud, found = table.to_cloud(path, columns)
    shapes = {name: arrays[name].shape[1:] for name in parts}
    cloud.source = NpzSource(parts, shapes, rest, compressed, found)
    cloud.class_names = class_names
    return cloud


def _names(array: Any) -> dict[int, str]:
    """The names of codes in an array as `_named` makes it; none if it is another."""
    if array is None or array.ndim != 1 or not 0 < len(array) <= MOST_NAMES:
        return {}
    kinds = {name: array.dtype[name].kind for name in array.dtype.names or ()}
    if kinds != {"code": "i", "name": "U"}:
        return {}
    try:
        return usable_names(array.tolist())
    except (ValueError, SystemError):  # numbers that are no characters
        return {}


def _named(names: dict[int, str]) -> Any:
    longest = max(map(len, names.values()))
    return np.array(sorted(names.items()), [("code", "<i4"), ("name", f"<U{longest}")])


def _read_plain(path: Path, array: Any, columns: str | None) -> PointCloud:
    if array.ndim != 2 or array.dtype.kind not in "iuf":
        raise FileError(path, f"expected numbers (N, C), found {array.dtype} {array.shape}")
    names = text.column_names(path, columns, None, array.shape[1])
    cloud, found = table.to_cloud(path, dict(zip(names, array.T, strict=True)))
    cloud.source = PlainSource(array.dtype, found)
    return cloud


def _load_zip(path: Path) -> tuple[dict[str, Any], bool]:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
        check_unpacked(path, sum(info.file_size for info in members))
        arrays = {}
        for info in members:
            with archive.open(info) as file:
                arrays[info.filename.removesuffix(".npy")] = _load(path, file, info.file_size)
    return arrays, any(info.compress_type != zipfile.ZIP_STORED for info in members)


def _load(path: Path, file: IO[bytes], size: int) -> Any:
    """The array in an .npy stream of `size` bytes, once its header is found to fit."""
    check_npy(path, file)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.hasobject:
        raise FileError(path, "holds pickled Python objects, which are never loaded")
    if min(shape, default=0) < 0 or math.prod(shape) * max(dtype.itemsize, 1) > size:
        raise FileError(path, f"cut short: an array of {shape} does not fit into {size} bytes")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was."""
    if any(array.dtype.hasobject for array in cloud.attributes.values()):
        raise DataError("NumPy files cannot hold attributes of Python objects")
    source = cloud.source
    if path.suffix.lower() == ".npy" and isinstance(source, PlainSource):
        return _write_plain(path, cloud, source)
    if not isinstance(source, NpzSource):
        source = NpzSource(NEW_PARTS, dict.fromkeys(NEW_PARTS, (3,)), {}, False, table.Table({}))
    columns = table.to_columns(cloud, source.table, flatten=False)
    arrays = {}
    for name, parts in source.parts.items():
        if all(part in columns for part in parts):
            stacked = np.stack([columns.pop(part) for part in parts], axis=1)
            arrays[name] = stacked.reshape(-1, *source.shapes[name])
    arrays |= columns
    if path.suffix.lower() == ".npy":
        row = np.dtype([(name, array.dtype, array.shape[1:]) for name, array in arrays.items()])
        whole = np.empty(len(cloud), row)
        for name, array in arrays.items():
            whole[name] = array
        _save(path, whole)
        return [f"'{name}' is not per point: left out" for name in source.rest]
    if cloud.class_names:  # an array of that name that is something else stays
        arrays = arrays | {NAMES: _named(cloud.class_names)} | arrays
    compression = zipfile.ZIP_DEFLATED if source.compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, array in (arrays | source.rest).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return []


def _write_plain(path: Path, cloud: PointCloud, source: PlainSource) -> list[str]:
    columns = table.to_columns(cloud, source.table)
    whole = np.stack(list(columns.values()), axis=1)
    _save(path, table.keep_type(whole, source.dtype))
    if list(columns) == list(source.table.columns):
        return []
    return [f"an .npy without names; its columns are now {', '.join(columns)}"]


def _save(path: Path, array: Any) -> None:
    with path.open("wb") as file:  # given a path, NumPy would add to a suffix like .NPY
        np.save(file, array, allow_pickle=False)
