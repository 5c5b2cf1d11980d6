"""PLY, ascii and binary of either byte order.

Every vertex property keeps its name, type and place; comments, obj_info and other elements
(faces, with their lists) are written again as they were. Names of classes are comments, as in
`comment label 0 ceiling`. New clouds become binary little-endian with double coordinates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io import names, rows, table

TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
NAMES = {code: name for name, code in reversed(TYPES.items())}  # the older names
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
HEADER_LIMIT = 1 << 20


@dataclass
class Element:
    name: str
    count: int
    properties: list[tuple[str, str, str | None]]  # name, type, type of the list's length

    def dtype(self, order: str) -> np.dtype[Any]:
        return np.dtype([(name, order + kind) for name, kind, _ in self.properties])

    def has_lists(self) -> bool:
        return any(length for _, _, length in self.properties)


@dataclass
class PlySource:
    encoding: str
    header: list[str]  # the lines between the format and end_header
    before: bytes  # the elements before and after the vertices
    after: bytes
    table: table.Table


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError if the file is no PLY, cut short, or has no x, y, z."""
    if columns is not None:
        raise FileError(path, "a PLY names its own columns; leave columns out")
    data = path.read_bytes()
    encoding, header, elements, start = parse_header(path, data)
    vertex = next((e for e in elements if e.name == "vertex"), None)
    if vertex is None:
        raise FileError(path, "a PLY without an element 'vertex'")
    if vertex.has_lists():
        raise FileError(path, "list properties of vertices are not supported")
    body = _Body(path, data, start, ORDERS[encoding])
    found: dict[str, Any] = {}
    begin = end = start
    for element in elements:
        if element is vertex:
            begin = body.position
            found = body.read(element)
            end = body.position
        else:
            body.skip(element)
    cloud, columns_found = table.to_cloud(path, found)
    cloud.source = PlySource(encoding, header, data[start:begin], data[end:], columns_found)
    cloud.class_names = names.from_latin(header)
    return cloud


def parse_header(path: Path, data: bytes) -> tuple[str, list[str], list[Element], int]:
    end = data.find(b"\nend_header", 0, HEADER_LIMIT) + 1
    stop = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or not end or not stop:
        raise FileError(path, "not a PLY file, or its header is cut short")
    # Not `splitlines`: some bytes of UTF-8 are line ends in Latin-1.
    lines = re.split(r"\r\n|\n|\r", data[: end - 1].decode("latin-1").removesuffix("\r"))
    encoding = ""
    elements: list[Element] = []
    for number, line in enumerate(lines[1:], start=2):
        match line.split():
            case ["format", kind, _] if kind in ORDERS:
                encoding = kind
            case ["element", name, count] if rows.is_integer(count) and int(count) >= 0:
                elements.append(Element(name, int(count), []))
            case ["property", "list", length, kind, name] if (
                elements and TYPES.get(length, "f")[0] != "f" and kind in TYPES
            ):
                elements[-1].properties.append((name, TYPES[kind], TYPES[length]))
            case ["property", kind, name] if elements and kind in TYPES:
                elements[-1].properties.append((name, TYPES[kind], None))
            case ["comment" | "obj_info", *_] | []:
                pass
            case _:
                raise FileError(path, f"line {number} of the PLY header is wrong: {line[:60]!r}")
    for element in elements:
        called = [name for name, _, _ in element.properties]
        if len(set(called)) < len(called) or (element.count and not called):
            raise FileError(path, f"element '{element.name}' has doubled or no properties")
    if not encoding:
        raise FileError(path, "the PLY header names no known format")
    kept = [line for line in lines[1:] if line.split()[:1] != ["format"]]
    return encoding, kept, elements, stop


class _Body:
    """Walks over the elements behind the header; never reads past the end of the file."""

    def __init__(self, path: Path, data: bytes, position: int, order: str) -> None:
        self.path, self.data, self.position, self.order = path, data, position, order
        self.line = data.count(b"\n", 0, position) + 1

    def read(self, element: Element) -> dict[str, Any]:
        dtype = element.dtype(self.order)
        called = [name for name, _, _ in element.properties]
        if self.order:
            begin = self.position
            self._advance(element, element.count * dtype.itemsize)
            array = np.frombuffer(self.data, dtype, element.count, begin)
            native = [array[name].astype(array[name].dtype.newbyteorder("=")) for name in called]
        else:
            first, lines = self._lines(element)
            numbers = range(first, first + len(lines))
            types = [dtype[name] for name in called]
            native = rows.parse(self.path, lines, types, None, numbers)
        return dict(zip(called, native, strict=True))

    def skip(self, element: Element) -> None:
        if not self.order:
            self._lines(element)
        elif not element.has_lists():
            self._advance(element, element.count * element.dtype(self.order).itemsize)
        elif not self._skip_equal(element):
            for _ in range(element.count):
                self._skip_row(element)

    def _advance(self, element: Element, size: int) -> None:
        if size > len(self.data) - self.position:
            raise FileError(
                self.path,
                f"cut short: the header promises {element.count} of '{element.name}', "
                "the file ends before",
            )
        self.position += size

    def _lines(self, element: Element) -> tuple[int, list[str]]:
        """The element's lines and the number of the first one."""
        if element.count > len(self.data) - self.position:  # a line has at least one byte
            self._advance(element, element.count)
        first, begin = self.line, self.position
        for _ in range(element.count):
            stop = self.data.find(b"\n", self.position)
            if stop < 0 and self.position >= len(self.data):
                self._advance(element, 1)
            self.position = stop + 1 if stop >= 0 else len(self.data)
        self.line += element.count
        return first, self.data[begin : self.position].decode("latin-1").split("\n")[
            : element.count
        ]

    def _skip_equal(self, element: Element) -> bool:
        """Skip rows whose lists all have the length of the first row's (triangles), at one go."""
        begin = self.position
        if not element.count:
            return True
        lengths = self._skip_row(element)
        parts: list[Any] = []
        for i, (_, kind, length) in enumerate(element.properties):
            if length:
                parts.append((f"n{i}", self.order + length))
            parts.append((f"v{i}", self.order + kind, (lengths[i],) if length else ()))
        row = np.dtype(parts)
        if element.count * row.itemsize <= len(self.data) - begin:
            array = np.frombuffer(self.data, row, element.count, begin)
            if all((array[f"n{i}"] == n).all() for i, n in lengths.items()):
                self.position = begin + element.count * row.itemsize
                return True
        self.position = begin
        return False

    def _skip_row(self, element: Element) -> dict[int, int]:
        lengths = {}
        for i, (_, kind, length) in enumerate(element.properties):
            count = 1
            if length:
                at = self.position
                self._advance(element, int(length[1]))
                order = "little" if self.order == "<" else "big"
                count = int.from_bytes(self.data[at : self.position], order)  # type: ignore[arg-type]
                lengths[i] = count
            self._advance(element, count * int(kind[1]))
        return lengths


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was."""
    source = cloud.source if isinstance(cloud.source, PlySource) else None
    remarks: list[str] = []
    before = after = b""
    header = [f"element vertex {len(cloud)}"]
    if source is not None:
        header = source.header
        before, after = source.before, source.after
        if len(source.table) != len(cloud):
            header = [f"element vertex {len(cloud)}"]
            if before or after:
                before = after = b""
                remarks.append("the other elements (faces) no longer fit the points: left out")
    columns = table.to_columns(cloud, source.table if source is not None else None)
    stored = {"_".join(n.split()): storable(n, c, remarks) for n, c in columns.items()}
    if len(stored) < len(columns):
        raise DataError("PLY names hold no spaces, and without them two attributes get one name")
    encoding = source.encoding if source is not None else "binary_little_endian"
    with path.open("wb") as file:
        file.write(header_bytes(encoding, header, stored, cloud.class_names))
        file.write(before)
        if encoding == "ascii":
            for block in rows.render(list(stored.values()), " "):
                file.write(block.encode())
        else:
            order = ORDERS[encoding]
            dtype = np.dtype([(n, c.dtype.newbyteorder(order)) for n, c in stored.items()])
            array = np.empty(len(cloud), dtype)
            for name, column in stored.items():
                array[name] = column
            array.tofile(file)
        file.write(after)
    return remarks


def header_bytes(
    encoding: str, header: list[str], columns: dict[str, Any], class_names: dict[int, str]
) -> bytes:
    """All that comes before the elements; `header` as in `PlySource`, with these vertex columns."""
    first = next(i for i, line in enumerate(header) if line.split()[:1] == ["element"])
    header = names.put(header, class_names, "comment ", first, latin=True)
    lines = ["ply", f"format {encoding} 1.0", *_with_properties(header, columns), "end_header", ""]
    return "\n".join(lines).encode("latin-1", "replace")


def _with_properties(header: list[str], columns: dict[str, Any]) -> list[str]:
    """The header's lines with the vertex properties replaced by those of `columns`.

    A property that stays as it was keeps its line, spelling of the type included.
    """
    properties = {n: f"property {NAMES[c.dtype.str[1:]]} {n}" for n, c in columns.items()}
    result: list[str] = []
    at, inside, first = 0, False, True
    for line in header:
        words = line.split()
        if words[:1] == ["element"]:
            inside = words[1] == "vertex"
        if inside and words[:1] == ["property"]:
            if words[2] in properties and TYPES[words[1]] == columns[words[2]].dtype.str[1:]:
                properties[words[2]] = line
            at, first = len(result) if first else at, False
            continue
        result.append(line)
        if words[:2] == ["element", "vertex"]:
            at = len(result)
    return [*result[:at], *properties.values(), *result[at:]]


def storable(name: str, column: Any, remarks: list[str]) -> Any:
    """The column in a type that PLY knows."""
    if column.dtype.kind in "iufb" and column.dtype.str[1:] in NAMES:
        return column
    if column.dtype == bool:
        return column.astype(np.uint8)
    if column.dtype == np.float16:
        return column.astype(np.float32)
    if column.dtype.kind in "iu":
        for kind in (np.int32, np.uint32):
            small = column.astype(kind)
            if np.array_equal(small, column):
                return small
        big = column.astype(np.float64)
        if not np.array_equal(big.astype(column.dtype), column):
            remarks.append(f"'{name}' lost digits: PLY has no {column.dtype}")
        return big
    raise DataError(f"PLY cannot hold '{name}', its values are {column.dtype}")
