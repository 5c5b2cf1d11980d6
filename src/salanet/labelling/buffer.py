"""Neighbouring files: what lies near the edge of one file and belongs to another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.adapt.alignment import Alignment
from salanet.cloud import PointCloud
from salanet.errors import SalaNetError
from salanet.io.atomic import reason
from salanet.io.las import binary
from salanet.io.las.stream import LasStream
from salanet.io.stream import Stream, open_stream
from salanet.labelling.margins import Margin
from salanet.model_file import Described
from salanet.sampling import features
from salanet.sampling.boxes import BUFFER_RADII
from salanet.sampling.ground import WINDOW
from salanet.sampling.noise import FLAGS, flagged, without_flags
from salanet.sampling.terrain import TOLD

# The ground's openings look this many windows far, one after the other.
GROUND = 2
UNITS_PER_METRE = 4  # as many feet at the most; headers do not always say


def reach_of(model: Described, zoom: float = 1.0) -> float:
    """How far beyond a file's edge, in metres, what the network says of its points can depend."""
    buffer = BUFFER_RADII * model.config.radius / zoom
    ground = GROUND * WINDOW if TOLD.keys() & features.required(model.config.features) else 0.0
    return buffer + ground


def touching(model: Described, path: Path, files: Iterable[Path]) -> tuple[Path, ...]:
    """Those of some files that a model would want to see beyond the edge of one.

    Units are not known yet: what is taken too much here is left out later.
    """
    return neighbours_of(path, files, UNITS_PER_METRE * reach_of(model))


def neighbours_of(path: Path, files: Iterable[Path], reach: float) -> tuple[Path, ...]:
    """Those of some files that come within `reach` of a file, seen from above.

    Only the headers of LAS and LAZ files are read; other files have no neighbours. `reach` is in
    the files' units.
    """
    own = header_bounds(path)
    if own is None:
        return ()
    found = []
    for other in files:
        if other.resolve() == path.resolve():
            continue
        bounds = header_bounds(other)
        if bounds is not None and close(own, bounds, reach):
            found.append(other)
    return tuple(found)


def header_bounds(path: Path) -> NDArray[np.float64] | None:
    """Least and greatest x, y, z (2, 3) as the header of a LAS or LAZ file has them."""
    if path.suffix.lower() not in (".las", ".laz") or not path.is_file():
        return None
    return _bounds(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=100_000)  # every file is looked at for every other
def _bounds(path: Path, _modified: int) -> NDArray[np.float64] | None:
    try:
        with path.open("rb") as file:
            las = binary.read_head(path, file, path.stat().st_size)
    except (OSError, SalaNetError):  # its own turn will say so
        return None
    bounds = np.array(las.get(binary.BOUNDS)).reshape(3, 2)[:, ::-1].T
    return bounds if np.isfinite(bounds).all() else None


def close(a: NDArray[np.float64], b: NDArray[np.float64], reach: float) -> bool:
    """Whether two boxes (2, 3) come within `reach` of each other in x and y."""
    apart = np.maximum(a[0] - b[1], b[0] - a[1])
    return bool((apart[:2] <= reach).all())


@dataclass
class Buffer:
    """What other files have just beyond the edge of a file, as the network sees it.

    What lies within the file's own bounds, seen from above, is left out.

    Attributes:
        model: what is to see it.
        to: the result of the file.
        alignment: how the file itself becomes what the model expects.
        bounds: any two opposite corners (2, 3) of the file itself, in metres.
        keep: the arrays wanted.
        size: points at once.
        margins: keep what is near the edges of those files beside the result, for the next file
            that looks; see `salanet.labelling.margins`.
        remarks: gets a line for each file that cannot be used.
        further: metres to look beyond what the network does.
    """

    model: Described
    to: Path
    alignment: Alignment
    bounds: NDArray[np.float64]
    keep: Collection[str]
    size: int
    margins: bool
    remarks: list[str]
    further: float = 0.0

    def clouds(self, paths: Sequence[Path]) -> Iterator[PointCloud]:
        """The points of some files, in their order."""
        margins = [self._margin(path) for path in paths]
        for path, margin in zip(paths, margins, strict=True):
            yield from self._of(path, margin)

    def _of(self, path: Path, margin: Margin | None) -> Iterator[PointCloud]:
        alignment, keep = self.alignment, self.keep
        (low, high), reach = self._box, self._reach
        try:
            stream = margin.stream if margin else open_stream(path, path)
            if stream is None:
                why = "cannot be read piece by piece: its points are not seen"
                self.remarks.append(f"{path.name} {why}")
                return
            lacking = {*keep} - {*stream.names, *TOLD, *(name for name, _ in alignment.fill)}
            if lacking:
                why = f"has no {', '.join(sorted(lacking))}: it is not seen"
                self.remarks.append(f"{path.name} {why}")
                return
            for cloud in self._near(stream, margin):
                xyz = alignment.apply(cloud.xyz)
                near = ((xyz >= low - reach) & (xyz <= high + reach)).all(axis=1)  # NaN is not
                # Two flight strips would be twice as dense.
                own = ((xyz >= low) & (xyz <= high))[:, :2].all(axis=1)
                near &= ~own
                if not alignment.noise:
                    near &= ~flagged(cloud)
                part = without_flags(cloud.rows(near), keep)
                if "rgb" in keep and part.rgb is None:  # all of that file is black
                    part.rgb = np.zeros((len(part), 3), np.uint8)
                if len(part):
                    yield alignment.cloud(part)
        except SalaNetError as error:
            self.remarks.append(f"its points are not seen beyond the edge: {error}")

    def _near(self, stream: Stream, margin: Margin | None) -> Iterator[PointCloud]:
        """The clouds of a file, or what a margin has of each."""
        done = 0
        try:
            if margin is not None and margin.ready(self.size):
                for cloud in margin.clouds(self.size):
                    yield cloud
                    done += 1
                return
        except (OSError, SalaNetError):  # the file itself has all that a margin has
            pass
        yield from islice(stream.clouds(self.size, self._wanted), done, None)

    def _margin(self, path: Path) -> Margin | None:
        """The margin of a file, which another process may be at; None if there can be none."""
        bounds = header_bounds(path) if self.margins and self.alignment.up == "z" else None
        if bounds is None:
            return None
        scale, reach = np.array(self.alignment.scale)[:2], self._reach[:2]
        low, high = self._box[:, :2]
        box = np.stack([low - 1.001 * reach, high + 1.001 * reach]) / scale  # a hair, for rounding
        try:
            width = float((reach / scale).max())
            margin = Margin.beside(self.to, LasStream(path), bounds, box, width, self._wanted)
            margin.ready(self.size, patience=0)
        except SalaNetError:  # of the file: its turn will say so
            return None
        except OSError as error:
            self.margins = False
            why = reason(error, self.to.parent)
            self.remarks.append(f"nothing can be kept of neighbouring files, each is read: {why}")
            return None
        return margin

    @property
    def _box(self) -> NDArray[np.float64]:
        """Least and greatest coordinates (2, 3) of the file itself, in metres."""
        return np.stack([self.bounds.min(axis=0), self.bounds.max(axis=0)])

    @property
    def _wanted(self) -> set[str]:
        """What is read of another file."""
        return {*self.keep, *FLAGS}

    @property
    def _reach(self) -> NDArray[np.float64]:
        """How far beyond the box a point matters, along x, y and z: (3,).

        No neighbour's terrain rises or falls by more than the file reaches: strays do.
        """
        across = reach_of(self.model, self.alignment.zoom) + self.further
        low, high = self._box
        return np.array([across, across, across + float((high - low).max())])
