"""PCD, the format of the Point Cloud Library: ascii, binary and binary_compressed.

Every field keeps its name, type, count and place; comments, viewpoint and the rows and columns of
organised clouds are written again as they were. Colours packed into `rgb` or `rgba` become
`PointCloud.rgb` (their fourth byte is kept), fields of several values attributes of shape (N, K);
padding (`_`) and fields of no values (COUNT 0) stay unseen. Names of classes are comments, as in
`# label 0 ceiling`. New clouds are binary, with coordinates in F 4 where that is exact, else F 8.
Source: pointclouds.org/documentation/tutorials/pcd_file_format.html.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError, MissingExtraError
from salanet.io import names, rows, table
from salanet.io.limits import check_unpacked

TYPES = {"F": (4, 8), "I": (1, 2, 4, 8), "U": (1, 2, 4, 8)}
COLOURS = ("red", "green", "blue")
PACKED = ("rgb", "rgba")
ENCODINGS = ("ascii", "binary", "binary_compressed")
HEADER_LIMIT = 1 << 20
LARGEST_BLOCK = (1 << 32) - 1
PADDING = "\0"  # begins the columns nobody sees, before their own names: none can be called so
NEW_HEADER = ["VERSION 0.7", "FIELDS", "SIZE", "TYPE", "COUNT", "WIDTH", "HEIGHT"]
NEW_HEADER += ["VIEWPOINT 0 0 0 1 0 0 0", "POINTS"]


@dataclass
class PcdSource:
    encoding: str
    header: list[str]  # the lines before DATA
    packed: tuple[str, Any] | None  # the field that held the colours, and its values
    after: bytes  # what follows the points
    table: table.Table


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError if the file is no PCD, cut short, or has no x, y, z."""
    if columns is not None:
        raise FileError(path, "a PCD names its own columns; leave columns out")
    data = path.read_bytes()
    header, encoding, start = _header(path, data)
    row, count = _layout(path, header)
    if encoding == "ascii":
        found, end = _read_ascii(path, data, start, row, count), len(data)
    elif encoding == "binary":
        end = start + count * row.itemsize
        if end > len(data):
            raise FileError(path, f"cut short: no room for the {count} points promised")
        points = np.frombuffer(data, row, count, start)
        found = {name: _native(points[name]) for name in row.names or ()}
    else:
        found, end = _read_compressed(path, data, start, row, count)
    packed = _unpack(found)
    flat = {name: column for name, column in found.items() if column.ndim == 1}
    cloud, recognised = table.to_cloud(path, flat)
    wide = {name: column for name, column in found.items() if column.ndim > 1}
    cloud.attributes = {
        name: column
        for name, column in (cloud.attributes | wide).items()
        if not name.startswith(PADDING)
    }
    recognised.columns = found
    cloud.source = PcdSource(encoding, header, packed, data[end:], recognised)
    cloud.class_names = names.from_latin(header)
    return cloud


def _header(path: Path, data: bytes) -> tuple[list[str], str, int]:
    """The lines before DATA, the encoding, and where the points begin."""
    lines: list[str] = []
    at = 0
    while at < min(len(data), HEADER_LIMIT):
        stop = data.find(b"\n", at, HEADER_LIMIT)
        if stop < 0:
            break
        line = data[at:stop].decode("latin-1").rstrip("\r")
        at = stop + 1
        match line.split():
            case ["DATA", encoding] if encoding in ENCODINGS:
                return lines, encoding, at
            case ["DATA", *_]:
                raise FileError(path, f"unknown kind of PCD: {line[:60]!r}")
        lines.append(line)
    raise FileError(path, "not a PCD file, or its header is cut short")


def _layout(path: Path, header: list[str]) -> tuple[np.dtype[Any], int]:
    """The type of a row and the number of points."""
    known = {words[0]: words[1:] for line in header if (words := line.split())}
    names = known.get("FIELDS") or known.get("COLUMNS") or []
    sizes, kinds = known.get("SIZE", []), known.get("TYPE", [])
    counts = known.get("COUNT") or ["1"] * len(names)
    if not names or not len(names) == len(sizes) == len(kinds) == len(counts):
        raise FileError(path, "the PCD header does not describe its fields: FIELDS SIZE TYPE COUNT")
    fields: list[Any] = []
    for i, (name, size, kind, count) in enumerate(zip(names, sizes, kinds, counts, strict=True)):
        if PADDING in name:
            raise FileError(path, "damaged: the name of a field holds a zero byte")
        if not rows.is_integer(size) or int(size) not in TYPES.get(kind, ()):
            raise FileError(path, f"field '{name}' has an unknown type: {kind} {size}")
        if not rows.is_integer(count) or not 0 <= int(count) <= path.stat().st_size:
            raise FileError(path, f"field '{name}' has a wrong count: {count}")
        unseen = name == "_" or int(count) == 0
        key = f"{PADDING}{i}{PADDING}{name}" if unseen else name
        shape = () if int(count) == 1 else (int(count),)
        fields.append((key, f"<{kind.lower()}{size}", shape))
    if len({field[0] for field in fields}) < len(fields):
        raise FileError(path, f"two fields have one name: {', '.join(names)}")
    return np.dtype(fields), _count(path, known)


def _count(path: Path, known: dict[str, list[str]]) -> int:
    numbers = {}
    for key in ("WIDTH", "HEIGHT", "POINTS"):
        match known.get(key):
            case [number] if rows.is_integer(number) and int(number) >= 0:
                numbers[key] = int(number)
            case None:
                pass
            case _:
                raise FileError(path, f"the PCD header's {key} is no number of points")
    area = numbers.get("WIDTH", -1) * numbers.get("HEIGHT", 1)
    count = numbers.get("POINTS", area)
    if count < 0:
        raise FileError(path, "the PCD header does not say how many points there are")
    if 0 <= area != count:
        raise FileError(path, f"damaged: POINTS is {count}, but WIDTH times HEIGHT is {area}")
    return count


def _read_ascii(
    path: Path, data: bytes, start: int, row: np.dtype[Any], count: int
) -> dict[str, Any]:
    text = data[start:].decode("latin-1").replace("\r", "").rstrip()
    lines = text.split("\n") if text else []
    numbers = [i for i, line in enumerate(lines) if line and not line.isspace()]
    lines = [lines[i] for i in numbers]
    if len(lines) != count:
        raise FileError(path, f"the header promises {count} points, there are {len(lines)} rows")
    shapes = {name: row[name].shape for name in row.names or ()}
    types = [row[name].base for name, shape in shapes.items() for _ in range((*shape, 1)[0])]
    first = data.count(b"\n", 0, start) + 1
    parsed = iter(rows.parse(path, lines, types, None, [first + i for i in numbers]))
    found: dict[str, Any] = {}
    for name, shape in shapes.items():
        parts = [next(parsed) for _ in range((*shape, 1)[0])]
        empty = np.empty((count, 0), row[name].base)
        found[name] = np.column_stack([empty, *parts]) if shape else parts[0]
    return found


def _read_compressed(
    path: Path, data: bytes, start: int, row: np.dtype[Any], count: int
) -> tuple[dict[str, Any], int]:
    """One field after the other, compressed as a whole."""
    if start + 8 > len(data):
        raise FileError(path, "cut short: the compressed points are missing")
    packed, unpacked = struct.unpack_from("<II", data, start)
    end = start + 8 + packed
    if end > len(data):
        raise FileError(path, "cut short: the compressed points are incomplete")
    if unpacked != count * row.itemsize:
        raise FileError(path, f"damaged: {unpacked} bytes for {count} points")
    check_unpacked(path, unpacked)
    block = _lzf().decompress(data[start + 8 : end], unpacked) if unpacked else b""
    if block is None or len(block) != unpacked:
        raise FileError(path, "damaged: the compressed points do not unpack")
    found, at = {}, 0
    for name in row.names or ():
        kind = row[name]  # frombuffer refuses fields of no values
        column: Any = np.ndarray((count, *kind.shape), kind.base, block, at)
        found[name], at = _native(column), at + column.nbytes
    return found, end


def _lzf() -> ModuleType:
    try:
        import lzf
    except ImportError:
        raise MissingExtraError("python-neo-lzf", "formats") from None
    library: ModuleType = lzf
    return library


def _native(column: Any) -> Any:
    return column.astype(column.dtype.newbyteorder("="))


def _unpack(found: dict[str, Any]) -> tuple[str, Any] | None:
    """Replace a column of packed colours by red, green and blue, in its place."""
    name = next((n for n in found if n.lower() in PACKED), None)
    if name is None or {n.lower() for n in found} & {*COLOURS, "r", "g", "b"}:
        return None
    stored = found[name]
    if stored.ndim > 1 or stored.dtype.itemsize != 4:
        return None
    bits = stored.view(np.uint32)
    parts = {c: (bits >> s).astype(np.uint8) for c, s in zip(COLOURS, (16, 8, 0), strict=True)}
    columns = list(found.items())
    found.clear()
    for key, column in columns:
        found.update(parts if key == name else {key: column})
    return name, stored


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was."""
    source = cloud.source if isinstance(cloud.source, PcdSource) else None
    columns = table.to_columns(cloud, source.table if source else None, flatten=False)
    if source is None:
        exact = table.keep_type(cloud.xyz, np.dtype(np.float32))
        columns.update(zip("xyz", exact.T, strict=True))
    if source is None or source.packed:
        columns = _pack(columns, source.packed if source else None)
    stored = {"_".join(n.split()) or "unnamed": c for n, c in columns.items()}
    if len(stored) < len(columns):
        raise DataError("PCD names hold no spaces, and without them two attributes get one name")
    stored = {name: _storable(name, column) for name, column in stored.items()}
    encoding = source.encoding if source else "binary"
    header = _new_header(source.header if source else NEW_HEADER, stored, len(cloud))
    header = names.put(header, cloud.class_names, "# ", 0, latin=True)
    with path.open("wb") as file:
        file.write("\n".join([*header, f"DATA {encoding}", ""]).encode("latin-1", "replace"))
        if encoding == "ascii":
            flat = [part for column in stored.values() for part in _parts(column)]
            file.writelines(block.encode() for block in rows.render(flat, " "))
        elif encoding == "binary":
            points = np.empty(
                len(cloud),
                [(n, c.dtype.newbyteorder("<"), c.shape[1:]) for n, c in stored.items()],
            )
            for name, column in stored.items():
                points[name] = column
            points.tofile(file)
        else:
            file.write(_compressed(stored))
        file.write(source.after if source else b"")
    return []


def _pack(columns: dict[str, Any], packed: tuple[str, Any] | None) -> dict[str, Any]:
    """The colours in one column: the one they were in, or that of a new file."""
    known = all(c in columns and columns[c].dtype == np.uint8 for c in COLOURS)
    if not known or (packed is None and "rgb" in columns):
        return columns
    count = len(columns["red"])
    name, old = packed or ("rgb", np.zeros(count, np.float32))
    if len(old) == count:
        fourth = old.view(np.uint32) & np.uint32(0xFF000000)
    else:
        fourth = np.full(count, 0xFF000000 if name.lower() == "rgba" else 0, np.uint32)
    red, green, blue = (columns[c].astype(np.uint32) for c in COLOURS)
    bits = (fourth | red << 16 | green << 8 | blue).view(old.dtype)
    result = {}
    for key, column in columns.items():
        if key == "red":
            result[name] = bits
        elif key not in COLOURS:
            result[key] = column
    return result


def _new_header(header: list[str], columns: dict[str, Any], count: int) -> list[str]:
    """The header's lines, those replaced that no longer hold."""
    described = {
        "FIELDS": [name.rpartition(PADDING)[2] for name in columns],
        "SIZE": [c.dtype.itemsize for c in columns.values()],
        "TYPE": [c.dtype.kind.upper() for c in columns.values()],
        "COUNT": [len(_parts(c)) for c in columns.values()],
    }
    lines = {key: " ".join(map(str, [key, *values])) for key, values in described.items()}
    sizes = {"WIDTH": f"WIDTH {count}", "HEIGHT": "HEIGHT 1", "POINTS": f"POINTS {count}"}
    old = {words[0]: words[1:] for line in header if (words := line.split())}
    area = [int((old.get(key) or ["0"])[0]) for key in ("WIDTH", "HEIGHT")]
    if old.get("POINTS") == [str(count)] or area[0] * area[1] == count:
        sizes = {}
    lines |= sizes
    result: list[str] = []
    for line in header:
        key = (line.split() or [""])[0]
        key = "FIELDS" if key == "COLUMNS" else key
        new = lines.pop(key, line)
        result.append(line if new.split()[1:] == line.split()[1:] else new)
    if set(described["COUNT"]) == {1} and "FIELDS" in old:
        lines.pop("COUNT", None)  # not said before, not needed now
    return result + list(lines.values())


def _compressed(columns: dict[str, Any]) -> bytes:
    little = [np.ascontiguousarray(c, c.dtype.newbyteorder("<")) for c in columns.values()]
    block = b"".join(column.tobytes() for column in little)
    room = len(block) + len(block) // 8 + 64
    if room > LARGEST_BLOCK:
        raise DataError("too many points for a compressed PCD; write another format")
    packed: bytes = _lzf().compress(block, room)
    return struct.pack("<II", len(packed), len(block)) + packed


def _parts(column: Any) -> list[Any]:
    """The column's values per point as columns of one value."""
    return [column] if column.ndim == 1 else list(column.T)


def _storable(name: str, column: Any) -> Any:
    """The column in a type that PCD knows."""
    column = np.asarray(column)
    if column.ndim > 2:
        column = column.reshape(len(column), -1)
    if column.dtype == bool:
        return column.astype(np.uint8)
    if column.dtype == np.float16:
        return column.astype(np.float32)
    if column.dtype.kind in "iuf" and column.dtype.itemsize in TYPES[column.dtype.kind.upper()]:
        return column
    raise DataError(f"PCD cannot hold '{name}', its values are {column.dtype}")
