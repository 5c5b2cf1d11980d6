"""Delimited text: .xyz .csv .txt .asc .pts, one point a row.

The columns are named by `columns` ("x,y,z,r,g,b,label"; "_" for one without a name), else by a
header line (plain, or behind # or //), else by their number:

| columns | are                                   |
|---------|---------------------------------------|
| 3       | x y z                                 |
| 4       | x y z intensity, or x y z label where |
|         | comments name classes                 |
| 6       | x y z r g b                           |
| 7       | x y z intensity r g b, in .pts only   |

The delimiter is the first of `;`, tab and `,` found in the first row, otherwise blanks; one at the
end of each row stays. Columns of whole numbers stay whole numbers, and numbers with more digits
than float64 holds are written again as they were. A line holding only the number of points may
come before them, in .pts files before each of several scans. UTF-8 and, behind a byte order mark,
UTF-16; Latin-1 where that is in the first line alone. New files have a header, and those without
one get it where they would be read as other columns than were written: plain in .csv, behind # in
the others, which also hold the names of classes, as in `# label 0 ceiling`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io import names as class_names
from salanet.io import rows, table

BY_COUNT = {3: "x,y,z", 4: "x,y,z,intensity", 6: "x,y,z,r,g,b"}
BY_COUNT_PTS = BY_COUNT | {7: "x,y,z,intensity,r,g,b"}
COMMENTS = ("#", "//")
NAME_THEM = "name its columns, as in 'x,y,z,r,g,b,label'"
GUESS_ROWS = 1000
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WHOLE = (np.dtype(np.int64), np.dtype(np.uint64))
DIGITS = 17  # that tell every float64
LONG = re.compile(rf"(?<![0-9.])[0-9.]{{{DIGITS + 1}}}")
# Three numbers with decimal commas, and commas between them; the groups are the fractions.
COMMAS = re.compile(",".join([r"\s*[+-]?(?:0|[1-9][0-9]*),([0-9]+)\s*"] * 3) + "(?:,|$)")


@dataclass
class TextSource:
    delimiter: str | None  # None: blanks
    newline: str
    head: list[str]  # the lines before the first point
    header: int | None  # which of them names the columns
    counted: int | None  # and which is the number of points
    table: table.Table
    scans: list[int] = field(default_factory=list)  # points of each, with their number before them
    encoding: str = "utf-8"
    trailing: bool = False  # rows end with a delimiter
    words: dict[str, NDArray[np.str_]] = field(default_factory=dict)  # of columns too long to hold
    numbered: bool = False  # what the columns are is known by their number alone

    @property
    def remarks(self) -> list[str]:
        """What was decided, or cannot be used, one line each."""
        found = [
            f"'{name}' has more digits than float64 holds: only text files keep all of them"
            for name in self.words
        ]
        intensity = self.table.columns.get("intensity")
        if self.numbered and len(self.table.columns) == 4 and intensity is not None:
            found += table.maybe_labels(intensity)
        return found


def read(path: Path, columns: str | None = None) -> PointCloud:
    """Raises FileError, with the line number, where the file is no table of numbers."""
    text, encoding = _decoded(path)
    newline = "\r\n" if "\r\n" in text[:10_000] else "\n"
    long = LONG.search(text) is not None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    del text
    first, counted = _first_point(lines)
    head, header = lines[:first], None
    numbers: Sequence[int] = [i for i in range(first, len(lines)) if _holds_point(lines[i])]
    scans: list[int] = []
    if counted is not None:
        scans, numbers = _scans(path, lines, numbers, int(head[counted]))
    points = lines[first:] if len(numbers) == len(lines) - first else [lines[i] for i in numbers]
    if not points:
        raise FileError(path, "holds no points")
    delimiter = next((d for d in (";", "\t", ",") if d in points[0].strip()), None)
    _check_first(path, points[0], numbers[0] + 1)
    if delimiter == "," and columns is None:
        _check_commas(path, points, head, numbers[0] + 1)
    trailing = delimiter is not None and points[0].rstrip(" ").endswith(delimiter)
    if delimiter is not None and trailing:
        points = [line.rstrip(" ").removesuffix(delimiter) for line in points]
    width = len(points[0].split(delimiter))
    for i, line in enumerate(head):
        if i != counted and not class_names.is_name(line):
            header = i if _header_names(path, line, delimiter, width) else header
    named = _header_names(path, head[header], delimiter, width) if header is not None else None
    classes = class_names.from_lines(head)
    names = column_names(path, columns, named, width, bool(classes))
    parsed = _parse(path, points, delimiter, width, [i + 1 for i in numbers])
    cloud, found = table.to_cloud(path, dict(zip(names, parsed, strict=True)))
    words = _long_words(points, delimiter, found.columns) if long else {}
    numbered = columns is None and header is None
    cloud.source = TextSource(
        delimiter, newline, head, header, counted, found, scans, encoding, trailing, words, numbered
    )
    cloud.class_names = classes
    return cloud


def _decoded(path: Path) -> tuple[str, str]:
    """The text of a file, and its encoding."""
    data = path.read_bytes()
    encoding = next((e for mark, e in MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        first, _, rest = data.partition(b"\n")
        if encoding == "utf-8" and rest.isascii() and first.decode("latin-1").strip().isprintable():
            return data.decode("latin-1"), "latin-1"
        what = encoding.removesuffix("-sig").upper()
        raise FileError(path, f"not a text file (byte {error.start} is not {what})") from None


def _holds_point(line: str) -> bool:
    return bool(line) and not line.isspace() and not line.lstrip().startswith(COMMENTS)


def _is_count(line: str) -> bool:
    return line.strip().isdecimal() and line.isascii()


def _first_point(lines: list[str]) -> tuple[int, int | None]:
    """The first line that is neither blank nor comment nor one plain header nor the number of
    points before others; and which line is that number, if there is one."""
    counted, headed = None, False
    held = (i for i in range(len(lines)) if _holds_point(lines[i]))
    for i, after in pairwise([*islice(held, 4), len(lines)]):
        alone = after == len(lines) or _is_count(lines[after])
        if counted is None and _is_count(lines[i]) and not alone:
            counted = i
        elif headed or any(map(rows.is_number, re.split(r"[\s,;]+", lines[i].strip()))):
            return i, counted
        else:
            headed = True
    return len(lines), counted


def _scans(
    path: Path, lines: list[str], numbers: Sequence[int], count: int
) -> tuple[list[int], list[int]]:
    """The points of each scan, and the lines of them all, where `count` are in the first one.

    Another scan begins with another number.
    """
    sizes: list[int] = []
    found: list[int] = []
    at = 0
    while at + count <= len(numbers):
        sizes.append(count)
        found += numbers[at : at + count]
        at += count
        if at == len(numbers):
            return sizes, found
        if not _is_count(lines[numbers[at]]):  # more than promised
            sizes[-1] += len(numbers) - at
            return sizes, [*found, *numbers[at:]]
        count, at = int(lines[numbers[at]]), at + 1
    raise FileError(path, f"cut short: {len(numbers) - at} of the {count} points promised")


def _check_first(path: Path, line: str, number: int) -> None:
    """Raise FileError if a grid begins here, or the first point has decimal commas."""
    if line.lower().startswith("ncols"):
        raise FileError(path, "an ESRI grid, no points; 'gdal_translate -of XYZ' makes them")
    words = re.split(r"[\s;]+", line.strip(" \t;"))
    comma = next((word for word in words if "," in word), None)
    if comma and len(words) >= 3 and all(map(rows.DECIMAL_COMMA.fullmatch, words)):
        raise FileError(
            path,
            f"line {number}: '{comma}' has a decimal comma; numbers need a point, as in "
            f"'{comma.replace(',', '.')}': replace every ',' by '.' (sed 's/,/./g')",
        )


def _check_commas(path: Path, lines: list[str], head: list[str], number: int) -> None:
    """Raise FileError if commas seem to be within the numbers as well as between them.

    Fractions are told by the zeros that they begin with, or by blanks after every second comma.
    """
    width = lines[0].count(",")
    found = [match for line in lines[:GUESS_ROWS] if (match := COMMAS.match(line))]
    if len(found) < min(len(lines), GUESS_ROWS) or any(h.count(",") == width for h in head):
        return
    fractions = [*zip(*(match.groups() for match in found), strict=True)]
    zeros = [any(len(f) > 1 and f.startswith("0") for f in column) for column in fractions]
    even = len({len(f) for column in fractions for f in column}) == 1
    if all(zeros) or (even and any(zeros)) or all(", " in match[0] for match in found):
        pair = ",".join(lines[0].split(",")[:2]).strip()
        raise FileError(
            path,
            f"line {number}: '{pair}' seems to be one number with a decimal comma, and commas are "
            "between the columns, too: write it again with decimal points, or with ';' or tabs "
            "between the columns and then '.' for every ','; "
            "if these are columns of whole numbers, name them, as in 'x,y,z,r,g,b'",
        ).about("columns")


def _header_names(path: Path, line: str, delimiter: str | None, width: int) -> list[str]:
    """The names in a header line; none if it is a blank line or a mere comment."""
    comment = line.lstrip().startswith(COMMENTS)
    bare = line.strip().lstrip("#/").strip()
    names = [name.strip().strip("\"'") for name in bare.split(delimiter)]
    if len(names) == width + 1 and not names[-1]:  # a delimiter at the end
        names.pop()
    if len(names) != width:
        names = [name.strip("\"'") for name in re.split(r"[\s,;]+", bare)]
    if comment and (len(names) != width or not table.has_xyz(names)):
        return []
    if bare and len(names) != width:
        raise FileError(path, f"the header names {len(names)} columns, the first point has {width}")
    return names if bare else []


def column_names(
    path: Path, spec: str | None, header: list[str] | None, width: int, classes: bool = False
) -> list[str]:
    """Names for `width` columns: from the user's spec, else the header, else by their number.

    `classes` are named in the file.
    """
    if spec is not None:
        names = [name.strip() for name in spec.split(",")]
    elif header is not None:
        names = header
    else:
        names = _by_number(path.suffix.lower(), width, classes)
        if not names:
            text = f"{width} columns and no header: {NAME_THEM}"
            raise FileError(path, text).about("columns")
    names = [f"column_{i}" if n in ("", "_") else n for i, n in enumerate(names, 1)]
    if len(names) != width:
        raise FileError(path, f"{len(names)} columns are named, the first point has {width}")
    if len(set(names)) < width:
        raise FileError(path, f"two columns have one name: {', '.join(names)}")
    if not table.has_xyz(names):
        text = f"no x, y and z among its columns: {', '.join(names)}; {NAME_THEM}"
        raise FileError(path, text).about("columns")
    return names


def _by_number(suffix: str, width: int, classes: bool) -> list[str]:
    """What so many columns without a header are; none where nobody knows."""
    if classes and width == 4:
        return ["x", "y", "z", "label"]
    known = BY_COUNT_PTS if suffix == ".pts" else BY_COUNT
    return known[width].split(",") if width in known else []


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


def _types(lines: list[str], delimiter: str | None, width: int) -> list[np.dtype[Any]]:
    """int64, or else uint64, for the columns that hold nothing but such numbers, else float64."""
    able = {kind: [True] * width for kind in WHOLE}
    for line in lines:
        tokens = line.split(delimiter)
        for kind, fit in able.items():
            able[kind] = [w and rows.fits(t, kind) for w, t in zip(fit, tokens, strict=False)]
            able[kind] += [False] * (width - len(able[kind]))
    columns = range(width)
    return [next((k for k in WHOLE if able[k][i]), np.dtype(np.float64)) for i in columns]


def _long_words(
    lines: list[str], delimiter: str | None, columns: dict[str, table.Column]
) -> dict[str, NDArray[np.str_]]:
    """The words of columns of float64 in which one has more digits than that tells."""
    floats = {i: name for i, (name, c) in enumerate(columns.items()) if c.dtype.kind == "f"}
    found: set[int] = set()
    for line in lines:
        if LONG.search(line):
            tokens = line.split(delimiter)
            found |= {i for i in floats if i not in found and _loses_digits(tokens[i].strip())}
    split = [line.split(delimiter) for line in lines] if found else []
    return {floats[i]: np.array([tokens[i].strip() for tokens in split]) for i in sorted(found)}


def _loses_digits(word: str) -> bool:
    """Whether a number has digits that float64 does not give back."""
    digits = len(re.sub(r"[eE].*|[+.-]", "", word).lstrip("0"))
    return digits > DIGITS and Decimal(f"{float(word):.{digits - 1}e}") != Decimal(word)


def write(path: Path, cloud: PointCloud) -> list[str]:
    """Write the cloud; returns remarks on what could not be kept as it was."""
    suffix = path.suffix.lower()
    source = cloud.source if isinstance(cloud.source, TextSource) else None
    columns = table.to_columns(cloud, source.table if source else None)
    for name, column in columns.items():
        if column.dtype.kind not in "iufb":
            raise DataError(f"text cannot hold '{name}', its values are {column.dtype}")
    if source is None:
        head, counted = (["0", ""], 0) if suffix == ".pts" else ([""], None)
        delimiter = "," if suffix == ".csv" else None
        source = TextSource(delimiter, "\n", head, len(head) - 1, counted, table.Table({}))
    remarks = []
    if not _tells(source, [*columns], suffix, cloud.class_names):
        source = replace(source, head=[*source.head, ""], header=len(source.head))
        said = ", ".join(columns)
        remarks = [f"the file had no header; a line before its points names its columns: {said}"]
    head = _new_head(source, [*columns], suffix)
    sizes = source.scans if sum(source.scans) == len(cloud) else [len(cloud)]
    if source.counted is not None and int(head[source.counted]) != sizes[0]:
        head[source.counted] = str(sizes[0])
    place = source.header or 0
    # Where nothing else is a comment, readers of the file may not know what one is.
    if class_names.from_lines(head) or (head and head[place].lstrip().startswith(COMMENTS)):
        head = class_names.put(head, cloud.class_names, "# ", place)
    written = [_as_written(source, name, column) for name, column in columns.items()]
    delimiter = source.delimiter or " "
    end = delimiter * source.trailing + source.newline
    with path.open("w", encoding=_encoding(source, head), newline="") as file:
        file.writelines(line + source.newline for line in head)
        start = 0
        for size in sizes:
            if start:
                file.write(f"{size}{source.newline}")
            part = [column[start : start + size] for column in written]
            file.writelines(rows.render(part, delimiter, end))
            start += size
    return remarks


def _tells(source: TextSource, new: list[str], suffix: str, names: dict[int, str]) -> bool:
    """Whether there is a header, or whoever read the file without one will read `new` again."""
    if source.header is not None or (new == [*source.table.columns] and not source.numbered):
        return True
    classes = bool(names) and bool(class_names.from_lines(source.head))
    return new == _by_number(suffix, len(new), classes)


def _new_head(source: TextSource, new: list[str], suffix: str) -> list[str]:
    """The lines before the points of a file with these columns."""
    head, old, delimiter = list(source.head), list(source.table.columns), source.delimiter or " "
    if source.header is None or (new == old and head[source.header]):
        return head
    line = head[source.header].rstrip()
    end = delimiter * source.trailing
    if line and new[: len(old)] == old:
        line, added = line.removesuffix(end) + delimiter, new[len(old) :]
    else:
        line, added = "" if suffix == ".csv" else "# ", new
    names = [re.sub(r"[\s,;]+", "_", name) for name in added]
    head[source.header] = line + delimiter.join(names) + end
    return head


def _encoding(source: TextSource, head: list[str]) -> str:
    """The file's, or UTF-8 where that lacks letters of new names."""
    try:
        "".join(head).encode(source.encoding)
    except UnicodeEncodeError:
        return "utf-8"
    return source.encoding


def _as_written(source: TextSource, name: str, column: table.Column) -> NDArray[Any]:
    """The column, or its words in the file if it is the same and they have more digits."""
    old = source.table.columns.get(name)
    if name in source.words and old is not None and np.array_equal(column, old, equal_nan=True):
        return source.words[name]
    return column.astype(np.uint8) if column.dtype == bool else column
