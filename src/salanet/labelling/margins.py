"""The points near the edges of a file, kept for the files beside it.

A tile has up to eight neighbours, and each looks for the points of the tile that are near itself.
The first to look decodes the tile and keeps all points near its edges beside the results; the
others read those. Seen from above, the tile is cut into

    6 7 8
    3   5
    0 1 2

so that a neighbour reads one side or corner of it. All of these together are a margin, a folder
`.salanet-margins/KEY`, where KEY tells the version of the file, the cuts and the arrays kept:

| file       | holds                                                                          |
|------------|--------------------------------------------------------------------------------|
| N.laz      | the points of a part in the file's order, numbered (`salanet.io.las.rows`)      |
| margin.json | a hash of each part that has points; whether the file's colours have 16 bits   |

Margins only save time: where one cannot be kept or read, the file itself is read.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet import __version__
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.ahead import ahead
from salanet.io.atomic import atomic_folder
from salanet.io.las import clouds
from salanet.io.las.rows import RowReader, RowWriter, only
from salanet.io.las.stream import LasStream, with_points
from salanet.labelling.workfolder import identity_of, locked

FOLDER = ".salanet-margins"
INDEX = "margin.json"
MIDDLE = 4  # the part that is not kept
SLACK = 1.05  # reaches: how wide margins are, as tiles overlap by a little
PATIENCE = 120.0  # seconds to wait for a margin that another process is at; see `Margin.ready`
LOOK = 0.1  # seconds between two looks

Box = NDArray[np.float64]


@contextmanager
def kept_for(outputs: Iterable[Path]) -> Iterator[None]:
    """Margins beside these results are removed when the block ends.

    They stay if it is interrupted, for the run that resumes it.
    """
    yield
    for folder in {to.parent for to in outputs}:
        shutil.rmtree(folder / FOLDER, ignore_errors=True)


@dataclass(frozen=True)
class Cut:
    """Where a file is cut into parts: at `low` and `high`, x and y each, in its units.

    Parts 0 to 8 have x below low, in between or above high, and so y. Those at the outside have
    no end. There is nothing in between where low is above high.
    """

    low: tuple[float, float]
    high: tuple[float, float]

    @classmethod
    def around(cls, bounds: Box, box: Box, reach: float) -> Cut:
        """For a file with these bounds, so that its middle is beyond a box (2, 2).

        It is cut `reach` from its edges, and a little. Files that overlap more than that make it
        twice that, and so on; few widths, so that several files share them.
        """
        width = SLACK * reach
        while True:
            low, high = bounds[0, :2] + width, bounds[1, :2] - width
            cut = cls((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))
            if MIDDLE not in cut.touched(box):
                return cut
            width *= 2

    def parts(self, xy: NDArray[np.float64]) -> NDArray[np.uint8]:
        """The part each point (N, 2) is in."""
        place = np.where(xy < self.low, 0, np.where(xy > self.high, 2, 1))
        part: NDArray[np.uint8] = (place[:, 0] + 3 * place[:, 1]).astype(np.uint8)
        return part

    def touched(self, box: Box) -> list[int]:
        """The parts that a point within a box, least and greatest x and y (2, 2), may be in."""
        low, high = np.array(self.low), np.array(self.high)
        between = (low <= high) & (box[1] >= low) & (box[0] <= high)
        there = [box[0] < low, between, box[1] > high]
        return [i + 3 * j for j in range(3) for i in range(3) if there[i][0] and there[j][1]]


@dataclass(frozen=True)
class Margin:
    """What is kept of a file for those beside it.

    Attributes:
        stream: the file.
        cut: where it is cut.
        keep: the arrays kept.
        within: the folder of margins.
        numbers: the parts that are of interest.
    """

    stream: LasStream
    cut: Cut
    keep: frozenset[str]
    within: Path
    numbers: Sequence[int]

    @classmethod
    def beside(
        cls, to: Path, stream: LasStream, bounds: Box, box: Box, reach: float, keep: Collection[str]
    ) -> Margin:
        """The margin beside a result for points within a box; see `Cut.around`."""
        cut = Cut.around(bounds, box, reach)
        return cls(stream, cut, frozenset(keep), to.parent / FOLDER, cut.touched(box))

    @cached_property
    def folder(self) -> Path:
        """Where it lies, or is to lie."""
        key = [__version__, identity_of(self.stream.path), self.cut.low, self.cut.high]
        text = json.dumps([*key, sorted(self.keep)])
        return self.within / blake2b(text.encode(), digest_size=16).hexdigest()

    def ready(self, size: int, patience: float = PATIENCE) -> bool:
        """See to it that the margin is there and sound, if need be by making it.

        Args:
            size: points in memory at once.
            patience: how long to wait for another process that is making it, in seconds.

        Returns False if that took longer. Raises OSError or SalaNetError if it cannot be made.
        """
        give_up = time.monotonic() + patience
        self.within.mkdir(parents=True, exist_ok=True)
        while not self._sound():
            with locked(self.folder.with_suffix(".lock")) as alone:
                if alone and not self._sound():
                    shutil.rmtree(self.folder, ignore_errors=True)
                    self._make(size)
                    return True
            if not alone:
                if time.monotonic() >= give_up:
                    return False
                time.sleep(LOOK)
        return True

    def clouds(self, size: int) -> Iterator[PointCloud]:
        """The clouds of `size` points that the file itself would give, but only the points kept.

        A margin that is `ready` is needed. Raises OSError or FileError if it is damaged.
        """
        index = self._index()
        source, keep = self.stream.source, self.keep
        if index["deep"] is None:  # as the stream has it: no colours, or black ones
            keep = keep - {"rgb"}
        with ExitStack() as files:
            readers = []
            for path in self._paths(index):
                readers.append(RowReader(path, files.enter_context(path.open("rb"))))
            for start in range(0, self.stream.count, size):
                found = [reader.until(start + size) for reader in readers]
                records = [np.empty_like(source.file.points), *(part for part, _ in found)]
                numbers = np.concatenate([np.zeros(0, np.uint64), *(rows for _, rows in found)])
                points = np.concatenate(records)[np.argsort(numbers)]
                yield clouds.to_cloud(with_points(source, points), keep, index["deep"])

    def _index(self) -> dict[str, Any]:
        path = self.folder / INDEX
        text, _, digest = path.read_text("utf-8", errors="replace").partition("\n")
        if digest != blake2b(text.encode()).hexdigest():
            raise FileError(path, "damaged")
        found: dict[str, Any] = json.loads(text)
        return found

    def _paths(self, index: dict[str, Any]) -> list[Path]:
        """The files of the parts of interest that have points."""
        return [self._part(self.folder, n) for n in self.numbers if str(n) in index["parts"]]

    def _part(self, folder: Path, number: int) -> Path:
        return folder / f"{number}{self.stream.path.suffix.lower()}"

    def _sound(self) -> bool:
        """Whether it is there, and its parts of interest are as they were written."""
        try:
            index = self._index()
            return all(_digest(p) == index["parts"][p.stem] for p in self._paths(index))
        except (OSError, FileError):
            return False

    def _make(self, size: int) -> None:
        """Read the file once; the margin appears when it is whole."""
        with atomic_folder(self.folder) as new:
            deep = self._write(new, size)
            digests = {path.stem: _digest(path) for path in new.iterdir()}
            text = json.dumps({"deep": deep, "parts": digests})
            (new / INDEX).write_text(f"{text}\n{blake2b(text.encode()).hexdigest()}", "utf-8")

    def _write(self, folder: Path, size: int) -> bool | None:
        """Write the parts; returns the depth of colours, None for none or black ones."""
        compress = self.stream.path.suffix.lower() == ".laz"
        brightest, start = 0, 0
        with ExitStack() as files:
            writers: dict[int, RowWriter] = {}
            for source in ahead(self.stream.sources(size)):
                parts = self.cut.parts(clouds.to_cloud(source, ()).xyz[:, :2])
                records = only(source, self.keep)
                for number in {*np.unique(parts).tolist()} - {MIDDLE}:
                    if number not in writers:
                        file = files.enter_context(self._part(folder, number).open("wb+"))
                        writers[number] = RowWriter(file, self.stream.source, compress)
                    rows = np.flatnonzero(parts == number)
                    writers[number].append(records[rows], rows + start)
                if (
                    "rgb" in self.keep
                    and (rgb := clouds.stored_colours(source.record())) is not None
                ):
                    brightest = max(brightest, int(rgb.max()))
                start += len(records)
            for writer in writers.values():
                writer.finish()
        return brightest > 255 if brightest else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "blake2b").hexdigest()
