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
from salanet.io.las import binary


def patched(path: Path, field: binary.Field, *values: int) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into("<" + field.kind, data, field.at, *values)
    path.write_bytes(data)


@both
@pytest.mark.parametrize(
    "field, value, message",
    [
        (binary.COUNT, 1 << 60, "cut short: room for"),
        (binary.COUNT, 1 << 31, "cut short: room for"),
        (binary.VLR_COUNT, 0xFFFFFFFF, "run into the points"),
        (binary.EVLR_COUNT, 0xFFFFFFFF, "cut short: its extended records"),
        (binary.EVLRS_AT, 1 << 40, "extended records"),
        (binary.POINTS_AT, 1 << 31, "points beyond the end"),
        (binary.HEADER_SIZE, 20, "points beyond the end"),
        (binary.RECORD_SIZE, 20, "smaller than their format"),
        (binary.MINOR, 9, "unknown LAS version"),
        (binary.FORMAT, 0x1F, "point format 31"),
    ],
)
def test_headers_that_lie(
    tmp_path: Path, suffix: str, field: binary.Field, value: int, message: str
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
    las = binary.read(tmp_path / "a.laz")
    data = (tmp_path / "a.laz").read_bytes()
    laszip = next(vlr.data for vlr in las.vlrs if vlr.key == binary.LASZIP)
    lie = laszip[:12] + (10_000_000).to_bytes(4, "little") + laszip[16:]
    (tmp_path / "a.laz").write_bytes(data.replace(laszip, lie))
    patched(tmp_path / "a.laz", binary.COUNT, 10_000_000)
    with pytest.raises(FileError, match=r"would unpack to 0\.3 GiB"):
        io.read(tmp_path / "a.laz")
    patched(tmp_path / "a.laz", binary.COUNT, 5_000_000)
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
