"""PLY, ascii and binary of either byte order.

The points are the element `vertex`, else the first one with x, y and z. Every property of theirs
keeps its name, type and place, those that are lists of numbers beside the cloud; comments, obj_info
and other elements (faces, with their lists) are written again as they were. Names of classes are
comments, as in `comment label 0 ceiling`. New clouds become binary little-endian with double
coordinates, and no integers of 8 bytes, which many programs refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io import names, plylists, rows, table
from salanet.io.plylists import Lists

TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
    **{"int64": "i8", "uint64": "u8"},  # of CGAL and others: no part of the format
}
POINTS = "vertex"
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
    before: bytes  # the elements before and after the points
    after: bytes
    table: table.Table
    element: str = POINTS
    lists: dict[str, Lists] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        """What was decided, or cannot be used, one line each."""
        lists = [
            f"'{n}' is a list of numbers at each point: only a PLY keeps it" for n in self.lists
        ]
        return [*about(self.element), *lists]


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError if the file is no PLY, cut short, or has no x, y, z."""
    if columns is not None:
        raise FileError(path, "a PLY names its own columns; leave columns out")
    data = path.read_bytes()
    encoding, header, elements, start = parse_header(path, data)
    points = point_element(path, elements)
    if encoding == "ascii" and data[start - 1 : start] == b"\r":
        data = data.replace(b"\r", b"\n")
    body = Body(path, data, start, ORDERS[encoding])
    found: dict[str, Any] = {}
    begin = end = start
    for element in elements:
        if element is points:
            begin = body.position
            found = body.read(element)
            end = body.position
        else:
            body.skip(element)
    lists = {name: column for name, column in found.items() if isinstance(column, Lists)}
    flat = {name: column for name, column in found.items() if name not in lists}
    cloud, columns_found = table.to_cloud(path, flat)
    before, after = data[start:begin], data[end:]
    cloud.source = PlySource(encoding, header, before, after, columns_found, points.name, lists)
    cloud.class_names = names.from_latin(header)
    return cloud


def point_element(path: Path, elements: list[Element]) -> Element:
    """The element that holds the points; FileError if there is none."""
    able = [e for e in elements if {"x", "y", "z"} <= {name.lower() for name, _, _ in e.properties}]
    named = [e for e in elements if e.name == POINTS]
    found = [e for e in able if e.name == POINTS] or able or named
    if not found:
        others = ", ".join(e.name for e in elements) or "none"
        raise FileError(path, f"a PLY without an element '{POINTS}' (it has {others})")
    return found[0]


def about(element: str) -> list[str]:
    """A remark on the element that holds the points, if it has not its usual name."""
    return [] if element == POINTS else [f"the points are the element '{element}'"]


def parse_header(path: Path, data: bytes) -> tuple[str, list[str], list[Element], int]:
    # Binary points may follow a CR and begin with LF: the first line tells which of them ends one.
    newline = b"\r" if re.match(rb"[^\r\n]*\r(?!\n)", data[:99]) else b"\n"
    end = data.find(newline + b"end_header", 0, HEADER_LIMIT) + 1
    stop = data.find(newline, end) + 1
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


class _Row(NamedTuple):
    """Where the properties of a row begin, and the lengths of its lists by their number."""

    places: list[int]
    lengths: dict[int, int]


class Body:
    """Walks over the elements behind the header; never reads past the end of the file."""

    def __init__(self, path: Path, data: bytes, position: int, order: str) -> None:
        self.path, self.data, self.position, self.order = path, data, position, order
        self.line = data.count(b"\n", 0, position) + 1

    def read(self, element: Element) -> dict[str, Any]:
        dtype = element.dtype(self.order)
        called = [name for name, _, _ in element.properties]
        if element.has_lists():
            return self._read_lists(element)
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

    def _read_lists(self, element: Element) -> dict[str, Any]:
        if not self.order:
            first, lines = self._lines(element)
            numbers = range(first, first + len(lines))
            return plylists.from_lines(self.path, lines, element.properties, numbers)
        begin = self.position
        # Nothing is made for rows that are not there: the shortest have empty lists.
        self._advance(element, element.count * plylists.shortest_row(element.properties))
        self.position = begin
        places = np.empty((len(element.properties), element.count), np.int64)
        if element.count and self._skip_equal(element):
            end, self.position = self.position, begin
            steps = np.arange(element.count) * ((end - begin) // element.count)
            places[:] = np.array(self._skip_row(element).places)[:, None] + steps
            self.position = end
        else:
            for i in range(element.count):
                places[:, i] = self._skip_row(element).places
        return plylists.from_bytes(self.data, places, element.properties, self.order)

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
        lengths = self._skip_row(element).lengths
        row = plylists.row_of(element.properties, lengths, self.order)
        if element.count * row.itemsize <= len(self.data) - begin:
            array = np.frombuffer(self.data, row, element.count, begin)
            if all((array[f"n{i}"] == n).all() for i, n in lengths.items()):
                self.position = begin + element.count * row.itemsize
                return True
        self.position = begin
        return False

    def _skip_row(self, element: Element) -> _Row:
        row = _Row([], {})
        for i, (_, kind, length) in enumerate(element.properties):
            row.places.append(self.position)
            count = 1
            if length:
                at = self.position
                self._advance(element, int(length[1]))
                order = "little" if self.order == "<" else "big"
                count = int.from_bytes(self.data[at : self.position], order)  # type: ignore[arg-type]
                row.lengths[i] = count
            self._advance(element, count * int(kind[1]))
        return row


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was."""
    source = cloud.source if isinstance(cloud.source, PlySource) else None
    remarks: list[str] = []
    if source is not None and len(source.table) != len(cloud):
        if source.before or source.after:
            remarks.append("the other elements (faces) no longer fit the points: left out")
        if source.lists:
            remarks.append(f"lists of other points are left out: {', '.join(source.lists)}")
        header = [f"element {source.element} {len(cloud)}"]
        source = replace(source, header=header, before=b"", after=b"", lists={})
    known = source or PlySource(
        "binary_little_endian", [f"element {POINTS} {len(cloud)}"], b"", b"", table.Table({})
    )
    columns = table.to_columns(cloud, known.table)
    old = known.table.columns
    stored = {"_".join(n.split()): storable(n, c, remarks, old.get(n)) for n, c in columns.items()}
    if len(stored) < len(columns):
        raise DataError("PLY names hold no spaces, and without them two attributes get one name")
    stored = _in_place(known, stored)
    header = known.header
    with path.open("wb") as file:
        file.write(header_bytes(known.encoding, header, stored, cloud.class_names, known.element))
        file.write(known.before)
        if known.encoding == "ascii":
            file.writelines(block.encode() for block in _as_text(stored))
        else:
            _packed(stored, ORDERS[known.encoding]).tofile(file)
        file.write(known.after)
    return remarks


def _in_place(source: PlySource, stored: dict[str, Any]) -> dict[str, Any]:
    """The columns with the lists of the file between them, where they were."""
    if not source.lists:
        return stored
    merged = source.lists | stored
    order = [line.split()[-1] for line in source.header if line.split()[:1] == ["property"]]
    return {name: merged[name] for name in order if name in merged} | merged


def _as_text(stored: dict[str, Any]) -> Iterator[str]:
    if not any(isinstance(column, Lists) for column in stored.values()):
        return rows.render(list(stored.values()), " ")
    parts = [
        plylists.to_texts(column) if isinstance(column, Lists) else rows.texts(column)
        for column in stored.values()
    ]
    return (" ".join(row) + "\n" for row in zip(*parts, strict=True))


def _packed(stored: dict[str, Any], order: str) -> NDArray[Any]:
    if any(isinstance(column, Lists) for column in stored.values()):
        return plylists.to_bytes(stored, order)
    dtype = np.dtype([(n, c.dtype.newbyteorder(order)) for n, c in stored.items()])
    array = np.empty(len(next(iter(stored.values()))), dtype)
    for name, column in stored.items():
        array[name] = column
    return array


def header_bytes(
    encoding: str,
    header: list[str],
    columns: dict[str, Any],
    class_names: dict[int, str],
    element: str = POINTS,
) -> bytes:
    """All that comes before the elements; `header` as in `PlySource`, with these columns."""
    first = next(i for i, line in enumerate(header) if line.split()[:1] == ["element"])
    header = names.put(header, class_names, "comment ", first, latin=True)
    properties = _with_properties(header, columns, element)
    lines = ["ply", f"format {encoding} 1.0", *properties, "end_header", ""]
    return "\n".join(lines).encode("latin-1", "replace")


def _with_properties(header: list[str], columns: dict[str, Any], element: str) -> list[str]:
    """The header's lines with the properties of the points replaced by those of `columns`.

    A property that stays as it was keeps its line, spelling of the type included.
    """
    properties = {name: declared(name, column) for name, column in columns.items()}
    result: list[str] = []
    at, inside, first = 0, False, True
    for line in header:
        words = line.split()
        if words[:1] == ["element"]:
            inside = words[1] == element
        if inside and words[:1] == ["property"]:
            name = words[-1]
            if name in properties and _types(words) == _types(properties[name].split()):
                properties[name] = line
            at, first = len(result) if first else at, False
            continue
        result.append(line)
        if words[:2] == ["element", element]:
            at = len(result)
    return [*result[:at], *properties.values(), *result[at:]]


def declared(name: str, column: Any) -> str:
    """The header's line of a property."""
    if isinstance(column, Lists):
        kinds = " ".join(NAMES[part.dtype.str[1:]] for part in column)
        return f"property list {kinds} {name}"
    return f"property {NAMES[column.dtype.str[1:]]} {name}"


def _types(words: list[str]) -> list[str]:
    """What a property holds, whatever its types are called."""
    return [TYPES.get(word, word) for word in words[1:-1]]


def storable(name: str, column: Any, remarks: list[str], old: Any = None) -> Any:
    """The column in a type that PLY knows, or that of the file's own column."""
    if old is not None and column.dtype == old.dtype:
        return column
    if column.dtype.str[1:] in NAMES and column.dtype.str[1:] not in ("i8", "u8"):
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
        with np.errstate(invalid="ignore"):
            exact = np.array_equal(big.astype(column.dtype), column)
        if not exact:
            remarks.append(f"'{name}' lost digits: PLY has no {column.dtype}")
        return big
    raise DataError(f"PLY cannot hold '{name}', its values are {column.dtype}")
