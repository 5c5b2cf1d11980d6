"""LAS and LAZ files that lie, hold nothing, or meet a full disk."""

from __future__ import annotations

import struct
from pathlib import Path

import laspy
import numpy as np
import pytest
from las_files import both, make

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io import lasfile


def patched(path: Path, field: lasfile.Field, *values: int) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into("<" + field.kind, data, field.at, *values)
    path.write_bytes(data)


@both
@pytest.mark.parametrize(
    "field, value, message",
    [
        (lasfile.COUNT, 1 << 60, "cut short: room for"),
        (lasfile.COUNT, 1 << 31, "cut short: room for"),
        (lasfile.VLR_COUNT, 0xFFFFFFFF, "run into the points"),
        (lasfile.EVLR_COUNT, 0xFFFFFFFF, "cut short: its extended records"),
        (lasfile.EVLRS_AT, 1 << 40, "extended records"),
        (lasfile.POINTS_AT, 1 << 31, "points beyond the end"),
        (lasfile.HEADER_SIZE, 20, "points beyond the end"),
        (lasfile.RECORD_SIZE, 20, "smaller than their format"),
        (lasfile.MINOR, 9, "unknown LAS version"),
        (lasfile.FORMAT, 0x1F, "point format 31"),
    ],
)
def test_headers_that_lie(
    tmp_path: Path, suffix: str, field: lasfile.Field, value: int, message: str
) -> None:
    path = tmp_path / f"a{suffix}"
    make(path)
    patched(path, field, value)
    with pytest.raises(FileError, match=message):
        io.read(path)


def test_no_points(tmp_path: Path) -> None:
    laspy.LasData(laspy.LasHeader()).write(tmp_path / "a.las")
    with pytest.raises(FileError, match=r"a\.las: holds no points"):
        io.read(tmp_path / "a.las")


def test_a_small_laz_does_not_fill_the_memory(tmp_path: Path) -> None:
    """One chunk that claims ten million points, and a header that agrees."""
    make(tmp_path / "a.laz", extra=False)
    las = lasfile.read(tmp_path / "a.laz")
    data = (tmp_path / "a.laz").read_bytes()
    laszip = next(vlr.data for vlr in las.vlrs if vlr.key == lasfile.LASZIP)
    lie = laszip[:12] + (10_000_000).to_bytes(4, "little") + laszip[16:]
    (tmp_path / "a.laz").write_bytes(data.replace(laszip, lie))
    patched(tmp_path / "a.laz", lasfile.COUNT, 10_000_000)
    with pytest.raises(FileError, match=r"would unpack to 0\.3 GiB"):
        io.read(tmp_path / "a.laz")
    patched(tmp_path / "a.laz", lasfile.COUNT, 5_000_000)
    with pytest.raises(FileError, match="damaged or cut short"):
        io.read(tmp_path / "a.laz")


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_a_full_disk(tmp_path: Path, suffix: str) -> None:
    resource = pytest.importorskip("resource")
    cloud = PointCloud(np.random.default_rng(0).uniform(0, 100, (20_000, 3)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(FileError, match=f"scan{suffix}: cannot write"):
            io.write(tmp_path / f"scan{suffix}", cloud)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
