"""What has to be known of a file before any of it is labelled: looked at once, and handed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import DataError
from salanet.io import read
from salanet.io.ahead import ahead
from salanet.io.stream import open_stream
from salanet.io.streams import Again, Stream
from salanet.io.unchanged import State, states
from salanet.sampling.summary import Sampler, Summary, restored

POINTS_AT_ONCE = 1_000_000

Arrays = dict[str, NDArray[Any]]


@dataclass
class Look:
    """A file that somebody has looked at.

    Attributes:
        path: the file.
        before: its state at that time.
        facts: what `Sampler` tells of it.
        source: what its format says of it.
        stream: the file, if its points can be read piece by piece.
        cloud: all of it, if they cannot.
    """

    path: Path
    before: dict[Path, State | None]
    facts: Arrays
    source: Any
    stream: Stream | None = None
    cloud: PointCloud | None = None

    @cached_property
    def summary(self) -> Summary:
        count = self.stream.count if self.stream else None
        return restored(self.facts, self.source, count)


def look(path: Path, columns: str | None = None, scan: int | None = None) -> Look:
    """Look at a file, a large one a few points at a time; raises as `salanet.read` does."""
    before = states([path])
    plain = columns is None and scan is None and path.is_file()
    stream = open_stream(path, path) if plain else None
    if stream is not None:
        facts = facts_of(stream, POINTS_AT_ONCE)
        return Look(path, before, facts, source_of(stream), stream)
    cloud = read(path, columns=columns, scan=scan)
    return Look(path, before, facts_of_cloud(cloud), cloud.source, cloud=cloud)


def facts_of_cloud(cloud: PointCloud) -> Arrays:
    sampler = Sampler(len(cloud))
    sampler.add(cloud)
    return sampler.arrays()


def facts_of(
    stream: Stream, size: int, progress: Callable[[int, int], None] = lambda *_: None
) -> Arrays:
    """Look at every point once, `size` at once.

    Raises DataError if no point has finite coordinates.
    """
    while True:
        sampler, done = Sampler(stream.count), 0
        try:
            for cloud in ahead(stream.first_clouds(size, [*stream.names, "rgb"])):
                sampler.add(cloud)
                done += len(cloud)
                progress(done, stream.count)
        except Again:
            continue
        break
    if sampler.not_finite == stream.count:
        raise DataError(
            f"{stream.path}: none of its {stream.count:,} points has finite coordinates"
        )
    facts = sampler.arrays()
    if stream.black:
        facts.pop("a_rgb", None)
    return facts


def source_of(stream: Stream) -> Any:
    return head_of(stream).source


def head_of(stream: Stream) -> PointCloud:
    """The first point, with everything that the file has but colours, whose depth all points
    tell."""
    clouds = stream.clouds(1, {*stream.names} - {"rgb"})
    try:
        return next(clouds)
    finally:
        clouds.close()
