"""Files too large for the memory: their points a few at a time, in and out again.

A stream knows one file. It gives its points as clouds of a bounded size, in the file's order, and
copies the file with labels and further attributes put in; the copy is the one that `read`,
changing the cloud, and `write` would give.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from salanet.cloud import PointCloud
from salanet.io.ahead import ahead

if TYPE_CHECKING:
    from salanet.io.las.octree import Tree

# Gives the labels and new attributes of the points from one number to another, as a cloud whose
# coordinates do not matter.
Labelled = Callable[[int, int], PointCloud]


def labelled_ahead(labelled: Labelled, count: int, size: int) -> Generator[PointCloud, None, None]:
    """What is to be put in for `size` points at a time, made while the caller writes the last."""
    return ahead(labelled(at, min(at + size, count)) for at in range(0, count, size))


class Again(Exception):
    """Points that were given were not as they are: begin again."""


class Stream(Protocol):
    """A file, its points a few at a time.

    Attributes:
        path: the file.
        count: number of points.
        point_bytes: of one point in memory as it is stored.
        names: the arrays its clouds can have.
        remarks: on the last copy; see `salanet.io.write`.
        tree: of the points, if they come in one.
    """

    path: Path
    count: int
    point_bytes: int
    remarks: list[str]
    tree: Tree | None

    @property
    def names(self) -> list[str]: ...

    def keep(self, most: int) -> int:
        """Keep the points in memory from the next time on that all of them are read, if they are
        compressed and take no more than `most` bytes; returns how many bytes that takes."""

    def clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        """All points in clouds of `size`, the last one smaller, with the arrays named only.

        Raises FileError if the file is damaged.
        """

    def first_clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        """As `clouds`, in one pass even if nobody knows yet what depends on all points.

        Raises Again, once at the most, if that turns out to be other than it seemed; afterwards
        `black` is known.
        """

    @property
    def black(self) -> bool:
        """The file has room for colours, and all are black: its clouds have none."""

    def copy(self, to: Path, size: int, sample: PointCloud, labelled: Labelled) -> Iterator[int]:
        """Write the file with other labels and with the attributes of `labelled`.

        Args:
            to: the copy, which is made; its suffix is one of the same format.
            size: points at once.
            sample: labels that hold every code that occurs, the names of codes, and attributes
                of the same names and types as in `labelled`.
            labelled: what to put in; called in a thread.

        Yields:
            The number of points written so far.
        """
