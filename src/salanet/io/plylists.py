"""List properties of the points of a PLY: kept beside the cloud, which has no place for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.errors import FileError
from salanet.io import rows

Property = tuple[str, str, str | None]  # name, type, type of the list's length


class Lists(NamedTuple):
    """How many values each point has (N,), and the values of all of them, point after point."""

    counts: NDArray[Any]
    values: NDArray[Any]


def row_of(properties: Sequence[Property], lengths: Mapping[int, int], order: str) -> np.dtype[Any]:
    """A row whose lists have these lengths: fields n0, v0, n1, … of lengths and values."""
    parts: list[Any] = []
    for i, (_, kind, length) in enumerate(properties):
        if length:
            parts.append((f"n{i}", order + length))
        parts.append((f"v{i}", order + kind, (lengths[i],) if length else ()))
    return np.dtype(parts)


def shortest_row(properties: Sequence[Property]) -> int:
    """Bytes of a row whose lists are empty."""
    return sum(int((length or kind)[1]) for _, kind, length in properties)


def from_bytes(
    data: bytes, places: NDArray[np.int64], properties: Sequence[Property], order: str
) -> dict[str, NDArray[Any] | Lists]:
    """The properties of rows of bytes.

    Args:
        places: int64 (properties, N), where each property of each row begins; all of it is there.
        order: of the bytes, "<" or ">".
    """
    raw = np.frombuffer(data, np.uint8)
    found: dict[str, NDArray[Any] | Lists] = {}
    for (name, kind, length), at in zip(properties, places, strict=True):
        if length is None:
            found[name] = _gathered(raw, at, np.dtype(order + kind))
            continue
        of_length = np.dtype(order + length)
        counts = _gathered(raw, at, of_length)
        size = counts.astype(np.int64) * int(kind[1])
        bytes_at = np.repeat(at + of_length.itemsize - (np.cumsum(size) - size), size)
        values = raw[bytes_at + np.arange(len(bytes_at))].view(order + kind)
        found[name] = Lists(counts, values.astype(values.dtype.newbyteorder("=")))
    return found


def _gathered(raw: NDArray[np.uint8], at: NDArray[np.int64], kind: np.dtype[Any]) -> NDArray[Any]:
    values = raw[at[:, None] + np.arange(kind.itemsize)].view(kind)[:, 0]
    gathered: NDArray[Any] = values.astype(kind.newbyteorder("="))
    return gathered


def to_bytes(columns: Mapping[str, NDArray[Any] | Lists], order: str) -> NDArray[np.uint8]:
    """The rows of columns, some of them lists, as bytes of that order."""
    sizes = [_row_bytes(column) for column in columns.values()]
    total = np.sum(sizes, axis=0, dtype=np.int64)
    at = np.cumsum(total) - total
    out = np.empty(total.sum(), np.uint8)
    for column, size in zip(columns.values(), sizes, strict=True):
        if isinstance(column, Lists):
            _scatter(out, at, column.counts, order)
            inside = size - column.counts.itemsize
            places = np.repeat(at + column.counts.itemsize - (np.cumsum(inside) - inside), inside)
            out[places + np.arange(len(places))] = _bytes(column.values, order).reshape(-1)
        else:
            _scatter(out, at, column, order)
        at = at + size
    return out


def _row_bytes(column: NDArray[Any] | Lists) -> NDArray[np.int64]:
    """How many bytes each row of a column takes."""
    if isinstance(column, Lists):
        counts = column.counts.astype(np.int64)
        return column.counts.itemsize + counts * column.values.itemsize
    return np.full(len(column), column.itemsize, np.int64)


def _scatter(
    out: NDArray[np.uint8], at: NDArray[np.int64], column: NDArray[Any], order: str
) -> None:
    out[at[:, None] + np.arange(column.itemsize)] = _bytes(column, order)


def _bytes(column: NDArray[Any], order: str) -> NDArray[np.uint8]:
    """The bytes (N, itemsize) of a column."""
    stored = np.ascontiguousarray(column, column.dtype.newbyteorder(order))  # type: ignore[arg-type]
    return stored.view(np.uint8).reshape(len(column), column.itemsize)


def from_lines(
    path: Path, lines: Sequence[str], properties: Sequence[Property], numbers: Sequence[int]
) -> dict[str, NDArray[Any] | Lists]:
    """The properties of rows of text; `numbers` are those of the lines, for the errors."""
    lengths: dict[str, list[str]] = {name: [] for name, _, _ in properties}
    words: dict[str, list[str]] = {name: [] for name, _, _ in properties}
    places: dict[str, list[int]] = {name: [] for name, _, _ in properties}
    for line, number in zip(lines, numbers, strict=True):
        left = line.split()[::-1]
        for name, _, length in properties:
            wanted = "1" if length is None else left.pop() if left else ""
            if not wanted.isdecimal() or int(wanted) > len(left):
                raise FileError(path, f"line {number} is too short, or no such list: '{name}'")
            lengths[name].append(wanted)
            words[name] += [left.pop() for _ in range(int(wanted))]
            places[name] += [number] * int(wanted)
        if left:
            raise FileError(path, f"line {number} has {len(left)} values too many")
    found: dict[str, NDArray[Any] | Lists] = {}
    for name, kind, length in properties:
        (values,) = rows.parse(path, words[name], [np.dtype(kind)], None, places[name])
        if length is not None:
            (counts,) = rows.parse(path, lengths[name], [np.dtype(length)], None, numbers)
            found[name] = Lists(counts, values)
        else:
            found[name] = values
    return found


def to_texts(lists: Lists) -> list[str]:
    """Each list as text: its length, then its values."""
    values, texts, at = rows.texts(lists.values), [], 0
    for count in lists.counts.tolist():
        texts.append(" ".join([str(count), *values[at : at + count]]))
        at += count
    return texts
