"""Rows of numbers as text: parsing that names the bad line, printing that loses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.errors import FileError

DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+(,[0-9]+)?([eE][+-]?[0-9]+)?")
ROWS_AT_ONCE = 1 << 16  # bounds the memory of printing


def is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def is_integer(token: str) -> bool:
    return token.removeprefix("-").isdecimal() and token.isascii()


def parse(
    path: Path,
    lines: Sequence[str],
    dtypes: Sequence[np.dtype[Any]],
    delimiter: str | None,
    numbers: Sequence[int],
) -> list[NDArray[Any]]:
    """One array per column. `numbers` are the lines' places in the file, for the errors.

    Raises:
        FileError: a row has another number of columns than `dtypes`, or a value is no such number.
    """
    row = np.dtype([(f"c{i}", dtype) for i, dtype in enumerate(dtypes)])
    if not lines:
        return [np.empty(0, dtype) for dtype in dtypes]
    try:
        table = np.loadtxt(lines, dtype=row, delimiter=delimiter, comments=None, ndmin=1)
    except ValueError as error:
        raise _first_bad(path, lines, dtypes, delimiter, numbers, error) from None
    if len(table) < len(lines):
        raise _first_bad(path, lines, dtypes, delimiter, numbers, "there are blank lines")
    return [np.ascontiguousarray(table[name]) for name in table.dtype.names or ()]


def _first_bad(
    path: Path,
    lines: Sequence[str],
    dtypes: Sequence[np.dtype[Any]],
    delimiter: str | None,
    numbers: Sequence[int],
    reason: object,
) -> FileError:
    for number, line in zip(numbers, lines, strict=False):
        tokens = line.split(delimiter)
        if len(tokens) != len(dtypes):
            return FileError(
                path, f"line {number} has {len(tokens)} columns where {len(dtypes)} were expected"
            )
        for token, dtype in zip(tokens, dtypes, strict=True):
            if not is_number(token):
                comma = DECIMAL_COMMA.fullmatch(token.strip())
                hint = " (numbers need a point, not a comma)" if comma else ""
                word = token.strip()[:40]
                return FileError(path, f"line {number}: {word!r} is not a number{hint}")
            if dtype.kind in "iu" and not fits(token, dtype):
                return FileError(path, f"line {number}: {token.strip()[:40]!r} is no {dtype}")
    return FileError(path, f"not a table of numbers ({reason})")


def fits(token: str, dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return is_integer(token.strip()) and limits.min <= int(token) <= limits.max


def render(columns: Sequence[NDArray[Any]], delimiter: str, newline: str = "\n") -> Iterator[str]:
    """Text of the rows, in blocks. Every float has the fewest digits that give it back exactly."""
    for start in range(0, len(columns[0]), ROWS_AT_ONCE):
        found = [texts(column[start : start + ROWS_AT_ONCE]) for column in columns]
        yield "".join(delimiter.join(row) + newline for row in zip(*found, strict=True))


def texts(column: NDArray[Any]) -> list[str]:
    """Each number with the fewest digits that give it back exactly."""
    if column.dtype == np.float64:
        return list(map(repr, column.tolist()))
    if column.dtype.kind == "f":
        short: list[str] = column.astype("U").tolist()  # repr would print a double
        return short
    return list(map(str, column.tolist()))
