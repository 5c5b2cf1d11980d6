"""Files too large for the memory: their points a few at a time, in and out again.

A stream knows one file. It gives its points as clouds of a bounded size, in the file's order, and
copies the file with labels and further attributes put in; the copy is the one that `read`,
changing the cloud, and `write` would give.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Protocol

from salanet.cloud import PointCloud
from salanet.io import copcfile, reading
from salanet.io.octree import Tree

# Gives the labels and new attributes of the points from one number to another, as a cloud whose
# coordinates do not matter.
Labelled = Callable[[int, int], PointCloud]


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

    def clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        """All points in clouds of `size`, the last one smaller, with the arrays named only.

        Raises FileError if the file is damaged.
        """

    def copy(self, to: Path, size: int, sample: PointCloud, labelled: Labelled) -> Iterator[int]:
        """Write the file with other labels and with the attributes of `labelled`.

        Args:
            to: the copy, which is made; its suffix is one of the same format.
            size: points at once.
            sample: labels that hold every code that occurs, the names of codes, and attributes
                of the same names and types as in `labelled`.
            labelled: what to put in.

        Yields:
            The number of points written so far.
        """


def complete(stream: Stream, copy: Path, to: Path) -> list[str]:
    """Make a copy with labels, whole but for this, what the name `to` promises; returns remarks."""
    return copcfile.make(copy, stream.tree) if copcfile.named(to) else []


def open_stream(path: Path, to: Path) -> Stream | None:
    """A stream from one file to another; None if these formats do not allow that.

    Raises FileError if the file is missing or damaged, as far as that shows at its beginning.
    """
    from salanet.io.lasstream import LasStream
    from salanet.io.plystream import PlyStream

    suffixes = {path.suffix.lower(), to.suffix.lower()}
    with reading(path):
        if suffixes <= {".las", ".laz"}:
            return LasStream(path)
        if suffixes == {".ply"}:
            stream = PlyStream(path)
            return stream if stream.streamable else None
    return None
