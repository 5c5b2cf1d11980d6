"""The classes of all points as a person corrects them, with every step back and forth."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Step:
    """Points that got a class.

    Attributes:
        count: how many.
        rows: packed, see `pack_rows`.
        after: the index of the class, or those of the points, packed.
        marked: whether a person gave it.
        before: what they had, packed: the index of their class, plus 256 where they were marked.
    """

    count: int
    rows: bytes
    after: int | bytes
    marked: bool
    before: bytes


class Corrections:
    """Classes and marks of N points.

    Args:
        label: uint8 (N,), the index of each point's class; changed by what follows.
        marks: bool (N,), which points a person has assigned; changed likewise.
        classes: how many classes there are.

    Attributes:
        counts: int64 (classes,), how many points each class has.
        done, undone: steps, the last ones last.
    """

    def __init__(self, label: NDArray[np.uint8], marks: NDArray[np.bool_], classes: int) -> None:
        self.label, self.marks = label, marks
        self.counts = np.bincount(label, minlength=classes)
        self.done, self.undone = list[Step](), list[Step]()

    def assign(self, rows: Rows, index: int) -> None:
        """Give points (rising, distinct) a class, and mark them. What was undone is gone."""
        self._do(rows, index, index, True)

    def relabel(self, rows: Rows, index: NDArray[np.uint8]) -> None:
        """Give points (rising, distinct) each a class that no person has given: none is marked."""
        self._do(rows, index, zlib.compress(index.tobytes(), 1), False)

    def undo(self) -> None:
        """Take the last step back; there must be one."""
        step = self.done.pop()
        before = np.frombuffer(zlib.decompress(step.before), np.uint16)
        self._put(unpack_rows(step.rows, step.count), (before & 255).astype(np.uint8), before > 255)
        self.undone.append(step)

    def redo(self) -> None:
        """Do again what was undone last; there must be something."""
        step = self.undone.pop()
        packed = step.after
        index = packed if isinstance(packed, int) else np.frombuffer(zlib.decompress(packed), "u1")
        self._put(unpack_rows(step.rows, step.count), index, step.marked)
        self.done.append(step)

    def _do(
        self, rows: Rows, index: int | NDArray[np.uint8], after: int | bytes, marked: bool
    ) -> None:
        before = self.label[rows].astype(np.uint16) + (self.marks[rows].astype(np.uint16) << 8)
        packed = zlib.compress(before.tobytes(), 1)
        self.done.append(Step(len(rows), pack_rows(rows), after, marked, packed))
        self.undone.clear()
        self._put(rows, index, marked)

    def _put(
        self, rows: Rows, index: int | NDArray[np.uint8], marks: bool | NDArray[np.bool_]
    ) -> None:
        classes = len(self.counts)
        self.counts -= np.bincount(self.label[rows], minlength=classes)
        self.label[rows], self.marks[rows] = index, marks
        self.counts += np.bincount(self.label[rows], minlength=classes)


def pack_rows(rows: Rows) -> bytes:
    """Rising row numbers, from 0, in few bytes."""
    return zlib.compress(np.diff(rows, prepend=0).astype("<u4").tobytes(), 1)


def unpack_rows(packed: bytes, count: int) -> Rows:
    """The `count` rows that `pack_rows` was given.

    Raises ValueError or zlib.error for anything else; unpacks no more than so many would take.
    """
    steps = np.frombuffer(unpack_bytes(packed, 4 * count), "<u4")
    return np.cumsum(steps, dtype=np.int64)


def unpack_bytes(packed: bytes, count: int) -> NDArray[np.uint8]:
    """The `count` bytes that were packed; raises as `unpack_rows` does."""
    found = zlib.decompressobj().decompress(packed, count + 1)
    if len(found) != count:
        raise ValueError(f"{count} bytes are expected")
    return np.frombuffer(found, np.uint8)
