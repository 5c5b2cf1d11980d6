"""Binary PLY files of any size; see `salanet.io.stream`.

Those whose points come first and have no lists, and whose colours have 8 bits and labels are whole
numbers, where they have any: then nothing depends on points that are not there yet.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io import ply, table
from salanet.io.ahead import ahead
from salanet.io.las.octree import Tree
from salanet.io.names import from_latin
from salanet.io.streams import Labelled, labelled_ahead

COLOUR, LABELS, FLOATS = "u1", ("u1", "i1", "u2", "i2", "i4"), ("f4", "f8")
AT_ONCE = 1 << 20  # rows looked at for labels


class PlyStream:
    """A binary PLY file, its points a few at a time."""

    def __init__(self, path: Path) -> None:
        self.path, self.remarks = path, list[str]()
        self.tree: Tree | None = None
        with path.open("rb") as file:
            data = file.read(ply.HEADER_LIMIT + 64)
        encoding, self._header, elements, self._begin = ply.parse_header(path, data)
        self._vertex, self._encoding = ply.point_element(path, elements), encoding
        self._names = from_latin(self._header)
        self.streamable = encoding != "ascii" and self._vertex is elements[0]
        self.streamable = self.streamable and not self._vertex.has_lists()
        if not self.streamable:
            return
        self.count = self._vertex.count
        self._row = self._vertex.dtype(ply.ORDERS[encoding])
        self.point_bytes = self._row.itemsize
        self._end = self._begin + self.count * self.point_bytes
        if not self.count or self._end > path.stat().st_size:
            raise FileError(path, f"cut short: no room for the {self.count} points promised")
        _, columns = self._cloud(np.empty(0, self._row))
        kinds = {role: columns.stored(role).dtype.str[1:] for role in columns.roles}
        self.streamable = kinds.get("rgb", COLOUR) == COLOUR
        if self.streamable and kinds.get("label") in FLOATS:
            self.streamable = self._whole(columns.roles["label"][0])
        else:
            self.streamable &= kinds.get("label", "u1") in LABELS

    def _whole(self, name: str) -> bool:
        """Whether all of a column are classes; CloudCompare writes them as floats."""
        return all(
            table.field_of(table.Table({name: rows[name]}, {"label": (name,)}), "label") is not None
            for rows in self._rows(AT_ONCE)
        )

    @property
    def names(self) -> list[str]:
        return [*self._cloud(np.empty(0, self._row))[0].arrays()]

    black = False

    def keep(self, most: int) -> int:  # noqa: ARG002 - nothing is compressed
        return 0

    def first_clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        return self.clouds(size, keep)

    def clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        for rows in self._rows(size):
            cloud, _ = self._cloud(rows)
            cloud.rgb = cloud.rgb if "rgb" in keep else None
            cloud.intensity = cloud.intensity if "intensity" in keep else None
            cloud.label = cloud.label if "label" in keep else None
            cloud.attributes = {n: a for n, a in cloud.attributes.items() if n in keep}
            yield cloud

    def copy(self, to: Path, size: int, sample: PointCloud, labelled: Labelled) -> Iterator[int]:
        self.remarks = ply.about(self._vertex.name)
        row, label = self._plan(sample)
        done = 0
        with to.open("wb") as file:
            stored = {name: np.empty(0, row[name].newbyteorder("=")) for name in row.names or ()}
            names = self._names if sample.label is None else sample.class_names
            head = self._encoding, self._header, stored, names, self._vertex.name
            file.write(ply.header_bytes(*head))
            clouds = labelled_ahead(labelled, self.count, size)
            for rows, cloud in zip(ahead(self._rows(size)), clouds, strict=True):
                given: dict[str, Any] = {
                    "_".join(name.split()): array for name, array in cloud.attributes.items()
                }
                if label:
                    given[label] = cloud.label
                out = np.empty(len(rows), row)
                for name in row.names or ():
                    out[name] = given[name] if name in given else rows[name]
                file.write(out)
                done += len(rows)
                yield done
            with self.path.open("rb") as source:
                source.seek(self._end)
                shutil.copyfileobj(source, file)

    def _rows(self, size: int) -> Iterator[NDArray[Any]]:
        for start in range(0, self.count, size):
            count = min(size, self.count - start)
            at = self._begin + start * self.point_bytes
            rows = np.fromfile(self.path, self._row, count, offset=at)
            if len(rows) < count:
                raise FileError(self.path, "cut short: it ends before its last point")
            yield rows

    def _cloud(self, rows: NDArray[Any]) -> tuple[PointCloud, table.Table]:
        native = {
            n: rows[n].astype(rows[n].dtype.newbyteorder("=")) for n in rows.dtype.names or ()
        }
        cloud, columns = table.to_cloud(self.path, native)
        cloud.class_names = self._names
        return cloud, columns

    def _plan(self, sample: PointCloud) -> tuple[np.dtype[Any], str]:
        """The type of a new row, and which of its columns gets the labels, if there are any."""
        cloud, before = self._cloud(np.zeros(len(sample), self._row))
        cloud.label = sample.label
        cloud.attributes |= sample.attributes
        columns = table.to_columns(cloud, before)
        stored = {
            "_".join(n.split()): ply.storable(n, c, self.remarks, before.columns.get(n))
            for n, c in columns.items()
        }
        order = ply.ORDERS[self._encoding]
        row = np.dtype([(n, c.dtype.newbyteorder(order)) for n, c in stored.items()])
        if sample.label is None:
            return row, ""
        if "label" in before.roles:
            return row, before.roles["label"][0]
        (label,) = {*columns} - {*before.columns} - {*sample.attributes}
        return row, label
