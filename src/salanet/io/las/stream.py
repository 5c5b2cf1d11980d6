"""LAS and LAZ files of any size; see `salanet.io.stream`."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.io.ahead import ahead
from salanet.io.las import binary, clouds, dims
from salanet.io.las.binary import LasFile
from salanet.io.las.clouds import LasSource
from salanet.io.las.octree import tree_of
from salanet.io.streams import Again, Labelled, labelled_ahead

SCAN = 1 << 18  # points at once when looking for colours


class LasStream:
    """A LAS or LAZ file, its points a few at a time.

    Attributes:
        source: the file without its points.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            reader = binary.Reader(path, file)
            self.tree = tree_of(path, file, reader)
        self.count = reader.count
        self.source = clouds.source_of(reader.las)
        self.point_bytes = reader.las.points.shape[1]
        self.remarks: list[str] = []
        self._keeps = False
        self._kept: NDArray[np.uint8] | None = None

    def keep(self, most: int) -> int:
        taken = self.count * self.point_bytes
        self._keeps = self.source.file.compressed and taken <= most
        return taken if self._keeps else 0

    @property
    def names(self) -> list[str]:
        empty = clouds.to_cloud(self.source, deep=False).arrays()
        return [*empty]

    def clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        colours = "rgb" in keep and "rgb" in self.names
        deep = self._deep if colours else None
        if colours and deep is None:
            keep = {*keep} - {"rgb"}
        for source in self.sources(size):
            yield clouds.to_cloud(source, keep, deep)

    def first_clouds(self, size: int, keep: Collection[str]) -> Generator[PointCloud, None, None]:
        if "_deep" in vars(self) or not {"rgb"} <= {*keep} & {*self.names}:
            yield from self.clouds(size, keep)
            return
        bright = deep = False
        for source in self.sources(size):
            colours = clouds.stored_colours(source.record())
            assert colours is not None  # it has names for them
            top = int(colours.max(initial=0))
            if top > 255 and bright and not deep:  # what was given was not of 8 bits
                self._deep = True
                raise Again
            deep, bright = deep or top > 255, bright or top > 0
            yield clouds.to_cloud(source, keep, deep)
        self._deep = deep if bright else None

    @property
    def black(self) -> bool:
        return "rgb" in self.names and self._deep is None

    def copy(self, to: Path, size: int, sample: PointCloud, labelled: Labelled) -> Iterator[int]:
        head, unfit, remarks = _plan(self.source, sample)
        self.remarks = [*self.source.remarks, *remarks]
        done = 0
        with to.open("wb+") as file:
            writer = binary.Writer(file, head, to.suffix.lower() == ".laz")
            given = labelled_ahead(labelled, self.count, size)
            for source, cloud in zip(ahead(self.sources(size)), given, strict=True):
                placed = clouds.set_dimensions(source, source.record(), cloud, unfit)
                clouds.add_extras(source, placed)
                writer.append(source.file.points)
                done += len(source.file.points)
                yield done
            writer.finish()

    def sources(self, size: int) -> Iterator[LasSource]:
        """The file with `size` of its points at a time."""
        for points in self._read(size) if self._kept is None else self._again(self._kept, size):
            yield with_points(self.source, points)

    def _read(self, size: int) -> Iterator[NDArray[np.uint8]]:
        """The points as stored (n, record size); kept, if asked to, once all of them are read."""
        kept = np.empty((self.count, self.point_bytes), np.uint8) if self._keeps else None
        with self.path.open("rb") as file:
            reader = binary.Reader(self.path, file)
            for start in range(0, self.count, size):
                points = reader.read(min(size, self.count - start))
                if kept is not None:
                    kept[start : start + len(points)] = points
                yield points
        self._kept = kept

    def _again(self, kept: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.uint8]]:
        return (kept[start : start + size].copy() for start in range(0, self.count, size))

    @cached_property
    def _deep(self) -> bool | None:
        """The colours have 16 bits; None if all are black."""
        bright = False
        for source in self.sources(SCAN):
            rgb = clouds.stored_colours(source.record())
            if rgb is None:
                return None
            if rgb.max() > 255:
                return True
            bright = bright or bool(rgb.any())
        return False if bright else None


def with_points(source: LasSource, points: NDArray[np.uint8]) -> LasSource:
    """The source with other points (n, record size)."""
    file = source.file
    file = replace(file, points=points, header=bytearray(file.header), vlrs=list(file.vlrs))
    return replace(source, file=file)


def _plan(source: LasSource, sample: PointCloud) -> tuple[LasFile, set[str], list[str]]:
    """The new file without its points, dimensions not to be used, and remarks."""
    points = np.zeros((len(sample), source.file.points.shape[1]), np.uint8)
    source = with_points(source, points)
    placed = clouds.set_dimensions(source, source.record(), sample)
    # As if all of them changed: the points that do not are yet to come.
    dims.forget_limits(source.file, placed.stored)
    clouds.name_classes(source, sample, placed)
    clouds.add_extras(source, placed)
    return source.file, placed.unfit, placed.remarks
