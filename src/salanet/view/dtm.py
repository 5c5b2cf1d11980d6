"""A terrain model from labelled files: their ground points as a GeoTIFF of heights.

rasterio writes it (extra `raster`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.errors import ConfigError, DataError, FileError, MissingExtraError
from salanet.io import crs, read
from salanet.io.atomic import atomic_path, protect
from salanet.io.describe import meanings
from salanet.io.stream import open_stream
from salanet.sampling.elevation import Elevation, elevation

GROUND = "ground"  # the name of the class
PIECE = 1 << 18  # points at once
NOWHERE = -9999.0  # where no height is known
BANDS = ("height", "1: filled from around, 0: measured")
SUFFIXES = (".tif", ".tiff")


Progress = Callable[[Path, int, int], None]


@dataclass
class Report:
    """What became of some files.

    Attributes:
        points, ground: how many there are, and how many of them are ground.
        columns, rows: of the raster.
        filled: share of its cells without ground points that got a height from around.
        empty: share of its cells that have none.
        remarks: one line each.
    """

    points: int = 0
    ground: int = 0
    columns: int = 0
    rows: int = 0
    filled: float = 0.0
    empty: float = 0.0
    remarks: list[str] = field(default_factory=list)


def write_dtm(
    files: Sequence[Path],
    to: Path,
    *,
    cell: float | None = None,
    codes: Sequence[int] = (),
    reach: float | None = None,
    progress: Progress | None = None,
) -> Report:
    """Write the heights of the ground of labelled files, which may be tiles side by side.

    Args:
        files: point clouds with labels; LAS, LAZ, COPC and binary PLY of any size.
        to: a .tif: float32 heights in the units of z, and in a second band what is filled.
        cell: size of its cells, in the units of x and y; by default a metre, as far as the files
            say their unit.
        codes: labels that are ground; by default those that are called so.
        reach: how far from measured ground gaps are filled; by default 50 cells.
        progress: called with a file, points done and all of them, in each of three passes.

    Raises:
        FileError: a file cannot be read, has no labels, or the result cannot be written.
        DataError: there is no ground, the files have different reference systems, or the cells
            are too many.
        ConfigError: values that make no sense.
        MissingExtraError: rasterio is not installed.
    """
    if to.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{to}: a terrain model is a GeoTIFF, name it .tif")
    for name, value in (("cell", cell), ("reach", reach)):
        if value is not None and not 0 < value < np.inf:
            raise ConfigError(f"{name} {value}: must be positive")
    _rasterio()
    protect(to, files)
    report = Report()
    sources = [_Ground(path, {*codes}) for path in files]
    system, found = _system(sources, report)
    if cell is None:
        cell = 1.0 if found is None or found.metres is None else 1 / found.metres
    report.points = sum(source.count for source in sources)

    def pieces() -> Iterator[NDArray[np.float64]]:
        for source in sources:
            yield from source.points(progress or _silent)

    company = Company.of_pieces(pieces(), report.points)
    report.ground = sum(source.ground for source in sources)
    if not report.ground:
        raise DataError("no point is ground; say which labels are")
    held = 0

    def near() -> Iterator[NDArray[np.float64]]:
        nonlocal held
        held = 0
        for xyz in pieces():
            some = xyz[~company.strays(xyz)]
            held += len(some)
            yield some

    surface = elevation(near, cell, 50 * cell if reach is None else reach)
    if held < report.ground:
        report.remarks.append(
            f"{report.ground - held:,} ground points lie far off and were left out"
        )
    report.rows, report.columns = surface.heights.shape
    report.filled = float(surface.filled.mean())
    report.empty = float(np.isnan(surface.heights).mean())
    _write(to, surface, system)
    return report


class _Ground:
    """The ground points of a file, a few at a time."""

    def __init__(self, path: Path, codes: set[int]) -> None:
        self.path, self.ground = path, 0
        self._stream = open_stream(path, path)
        if self._stream is None:
            self._cloud = read(path)
            self.count, source = len(self._cloud), self._cloud.source
            head = self._cloud
        else:
            self.count = self._stream.count
            head = next(self._stream.clouds(1, ["label"]))
            source = getattr(self._stream, "source", head.source)
        if head.label is None:
            raise FileError(path, "has no labels: label it with `salanet predict` first")
        self.source = source
        self._codes = codes

    def points(self, progress: Progress) -> Iterator[NDArray[np.float64]]:
        done, self.ground = 0, 0
        for cloud in self._clouds():
            assert cloud.label is not None
            codes = self._codes or _called_ground(cloud)
            chosen = np.isin(cloud.label, [*codes]) & np.isfinite(cloud.xyz).all(axis=1)
            done += len(cloud)
            self.ground += int(chosen.sum())
            yield cloud.xyz[chosen]
            progress(self.path, done, self.count)

    def _clouds(self) -> Iterator[PointCloud]:
        if self._stream is None:
            yield self._cloud
        else:
            yield from self._stream.clouds(PIECE, ["label"])


def _silent(path: Path, done: int, total: int) -> None:
    """Show nothing."""
    del path, done, total


def _called_ground(cloud: PointCloud) -> set[int]:
    """The codes of this cloud that are called ground."""
    assert cloud.label is not None
    named = meanings(cloud, np.unique(cloud.label).tolist())
    return {code for code, name in named.items() if name.casefold() == GROUND}


def _system(sources: Sequence[_Ground], report: Report) -> tuple[str | None, crs.Crs | None]:
    """The reference system of the files, as text and understood."""
    texts = {crs.text_of_source(source.source) for source in sources}
    understood = {getattr(source.source, "crs", None) for source in sources}
    if len({(found.name, found.epsg) if found else None for found in understood}) > 1:
        names = " and ".join(sorted(found.name if found else "none" for found in understood))
        raise DataError(f"the files have different reference systems: {names}")
    found = next(iter(understood))
    if found is not None and found.angular:
        raise DataError(f"x and y are degrees ({found.name}): project the files to metres first")
    text = min(filter(None, texts), default=None)
    if text is None:
        report.remarks.append("no file names a reference system: the raster has none")
    return text, found


def _rasterio() -> Any:
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtraError("rasterio", "raster") from error
    return rasterio


def _write(to: Path, found: Elevation, system: str | None) -> None:
    rasterio = _rasterio()
    from rasterio.transform import from_origin

    nowhere = np.isnan(found.heights)
    bands = [np.where(nowhere, NOWHERE, band) for band in (found.heights, found.filled)]
    rows, columns = found.heights.shape
    with (
        atomic_path(to) as temporary,
        rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            width=columns,
            height=rows,
            count=len(bands),
            dtype="float32",
            crs=system,
            transform=from_origin(found.west, found.north, found.cell, found.cell),
            nodata=NOWHERE,
            compress="deflate",
            predictor=3,
            tiled=True,
            BIGTIFF="IF_SAFER",
        ) as file,
    ):
        file.write(np.stack(bands).astype(np.float32))
        file.descriptions = BANDS
