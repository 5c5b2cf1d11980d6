"""Delimited text: .xyz .csv .txt .pts, one point a row.

The columns are named by `columns` ("x,y,z,r,g,b,label"; "_" for one without a name), else by a
header line (plain, or behind # or //), else by their number:

| columns | are                                   |
|---------|---------------------------------------|
| 3       | x y z                                 |
| 4       | x y z intensity                       |
| 6       | x y z r g b                           |
| 7       | x y z intensity r g b, in .pts only   |

The delimiter is the first of `;`, tab and `,` found in the first row, otherwise blanks. Columns
of whole numbers stay whole numbers. A line holding only the number of points may come first, as
in .pts files. New files have a header: plain in .csv, behind # in the others, which also hold
the names of classes, as in `# label 0 ceiling`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io import names as class_names
from salanet.io import rows, table

BY_COUNT = {3: "x,y,z", 4: "x,y,z,intensity", 6: "x,y,z,r,g,b"}
BY_COUNT_PTS = BY_COUNT | {7: "x,y,z,intensity,r,g,b"}
COMMENTS = ("#", "//")
GUESS_ROWS = 1000


@dataclass
class TextSource:
    delimiter: str | None  # None: blanks
    newline: str
    counted: bool  # the first line is the number of points
    head: list[str]  # the lines between it and the first point
    header: int | None  # which line of head names the columns
    table: table.Table


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError, with the line number, where the file is no table of numbers."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(path, f"not a text file (byte {error.start} is not UTF-8)") from None
    newline = "\r\n" if "\r\n" in text[:10_000] else "\n"
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    del text
    counted = len(lines) > 1 and rows.is_integer(lines[0].strip())
    first = _first_point(lines, int(counted))
    head, header = lines[int(counted) : first], None
    numbers: Sequence[int] = [i for i in range(first, len(lines)) if _holds_point(lines[i])]
    points = lines[first:] if len(numbers) == len(lines) - first else [lines[i] for i in numbers]
    if not points:
        raise FileError(path, "holds no points")
    if counted and len(points) < int(lines[0]):
        raise FileError(path, f"cut short: {len(points)} of the {int(lines[0])} points promised")
    delimiter = next((d for d in (";", "\t", ",") if d in points[0].strip()), None)
    width = len(points[0].split(delimiter))
    for i, line in enumerate(head):
        if not class_names.is_name(line) and _header_names(path, line, delimiter, width):
            header = i
    named = _header_names(path, head[header], delimiter, width) if header is not None else None
    names = column_names(path, columns, named, width)
    parsed = _parse(path, points, delimiter, width, [i + 1 for i in numbers])
    cloud, found = table.to_cloud(path, dict(zip(names, parsed, strict=True)))
    cloud.source = TextSource(delimiter, newline, counted, head, header, found)
    cloud.class_names = class_names.from_lines(head)
    return cloud


def _holds_point(line: str) -> bool:
    return bool(line) and not line.isspace() and not line.lstrip().startswith(COMMENTS)


def _first_point(lines: list[str], start: int) -> int:
    """The first line that is neither blank nor comment nor one plain header."""
    for i in range(start, len(lines)):
        if not _holds_point(lines[i]):
            continue
        if any(map(rows.is_number, re.split(r"[\s,;]+", lines[i].strip()))):
            return i
        return next((j for j in range(i + 1, len(lines)) if _holds_point(lines[j])), len(lines))
    return len(lines)


def _header_names(path: Path, line: str, delimiter: str | None, width: int) -> list[str]:
    """The names in a header line; none if it is a blank line or a mere comment."""
    comment = line.lstrip().startswith(COMMENTS)
    bare = line.strip().lstrip("#/").strip()
    names = [name.strip().strip("\"'") for name in bare.split(delimiter)]
    if len(names) != width:
        names = [name.strip("\"'") for name in re.split(r"[\s,;]+", bare)]
    if comment and (len(names) != width or not {"x", "y", "z"} <= {n.lower() for n in names}):
        return []
    if bare and len(names) != width:
        raise FileError(path, f"the header names {len(names)} columns, the first point has {width}")
    return names if bare else []


def column_names(path: Path, spec: str | None, header: list[str] | None, width: int) -> list[str]:
    """Names for `width` columns: from the user's spec, else the header, else by their number."""
    if spec is not None:
        names = [name.strip() for name in spec.split(",")]
    elif header is not None:
        names = header
    else:
        known = BY_COUNT_PTS if path.suffix.lower() == ".pts" else BY_COUNT
        if width not in known:
            hint = "name them with columns= or --columns, as in 'x,y,z,r,g,b,label'"
            raise FileError(path, f"{width} columns and no header: {hint}")
        names = known[width].split(",")
    names = [f"column_{i}" if n in ("", "_") else n for i, n in enumerate(names, 1)]
    if len(names) != width:
        raise FileError(path, f"{len(names)} columns are named, the first point has {width}")
    if len(set(names)) < width:
        raise FileError(path, f"two columns have one name: {', '.join(names)}")
    return names


def _parse(
    path: Path, lines: list[str], delimiter: str | None, width: int, numbers: list[int]
) -> list[table.Column]:
    guess = _types(lines[:GUESS_ROWS], delimiter, width)
    try:
        return rows.parse(path, lines, guess, delimiter, numbers)
    except FileError:
        sure = _types(lines, delimiter, width)
        if sure == guess:
            raise
        return rows.parse(path, lines, sure, delimiter, numbers)


def _types(lines: list[str], delimiter: str | None, width: int) -> list[np.dtype]:
    """int64 for the columns that hold nothing but whole numbers, else float64."""
    whole, integer = [True] * width, np.dtype(np.int64)
    for line in lines:
        tokens = line.split(delimiter)
        whole = [w and rows.fits(t, integer) for w, t in zip(whole, tokens, strict=False)]
        whole += [False] * (width - len(whole))
    return [integer if w else np.dtype(np.float64) for w in whole[:width]]


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was."""
    suffix = path.suffix.lower()
    source = cloud.source if isinstance(cloud.source, TextSource) else None
    columns = table.to_columns(cloud, source.table if source else None)
    for name, column in columns.items():
        if column.dtype.kind not in "iufb":
            raise DataError(f"text cannot hold '{name}', its values are {column.dtype}")
    numeric = [c.astype(np.uint8) if c.dtype == bool else c for c in columns.values()]
    if source is None:
        source = TextSource(
            "," if suffix == ".csv" else None, "\n", suffix == ".pts", [""], 0, table.Table({})
        )
    delimiter = source.delimiter or " "
    old, new = list(source.table.columns), list(columns)
    head, remarks = list(source.head), []
    if new != old and source.header is not None:
        line = head[source.header]
        if line and new[: len(old)] == old:
            line, added = line.rstrip() + delimiter, new[len(old) :]
        else:
            line, added = "" if suffix == ".csv" else "# ", new
        names = [re.sub(r"[\s,;]+", "_", name) for name in added]
        head[source.header] = line + delimiter.join(names)
    elif new != old:
        remarks.append(f"the file has no header; its columns are now {', '.join(new)}")
    place = source.header or 0
    # Where nothing else is a comment, readers of the file may not know what one is.
    if class_names.from_lines(head) or (head and head[place].lstrip().startswith(COMMENTS)):
        head = class_names.put(head, cloud.class_names, "# ", place)
    with path.open("w", encoding="utf-8", newline="") as file:
        if source.counted:
            file.write(f"{len(cloud)}{source.newline}")
        file.writelines(line + source.newline for line in head)
        file.writelines(rows.render(numeric, delimiter, source.newline))
    return remarks
