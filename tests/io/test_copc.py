"""Parts of COPC files: the points a brute-force search finds, and a LAZ file of them."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import lazrs
import numpy as np
import pytest

from salanet import io
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError
from salanet.io import las, lasfile
from salanet.io.copc import is_copc, read_part
from salanet.io.lasfile import Vlr

COUNT, SIDE, SPACING = 4000, 64.0, 8.0


def make_copc(path: Path) -> PointCloud:
    """A root node with every eighth point and its eight children with the others."""
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.uniform(0, SIDE, (COUNT, 3)).round(3), label=np.arange(COUNT) % 7)
    io.write(path, cloud)
    head = lasfile.read(path)
    cloud = las.to_cloud(las.source_of(head))
    octant = (cloud.xyz >= SIDE / 2).astype(int)
    node = np.where(np.arange(COUNT) % 8 == 0, 8, octant @ [1, 2, 4])
    keys = [(0, 0, 0, 0), *[(1, n & 1, n >> 1 & 1, n >> 2) for n in range(8)]]
    rows = [np.flatnonzero(node == n) for n in (8, *range(8))]
    laz = lazrs.LazVlr.new_for_compression(head.format, 0, True)
    vlrs = [
        Vlr.new(b"copc", 1, b"COPC info", bytes(160)),
        Vlr.new(*lasfile.LASZIP, b"", laz.record_data()),
        *[vlr for vlr in head.vlrs if vlr.key != lasfile.LASZIP],
    ]
    points_at = len(head.header) + sum(54 + len(vlr.data) for vlr in vlrs)
    with path.open("wb+") as file:
        file.write(bytes(points_at))
        compressor = lazrs.ParLasZipCompressor(file, laz)
        compressor.compress_chunks([head.points[at].reshape(-1) for at in rows])
        compressor.done()
        end = file.seek(0, 2)
        file.seek(points_at)
        table = lazrs.read_chunk_table(file, laz)
        at, entries = points_at + 8, b""
        for key, (count, size) in zip(keys, table, strict=True):
            entries += struct.pack("<4iQ2i", *key, at, size, count)
            at += size
        file.seek(end)
        file.write(struct.pack("<2x16sHQ32s", b"copc", 1000, len(entries), b"") + entries)
        half = SIDE / 2
        info = struct.pack("<5d2Q2d88x", *[half] * 4, SPACING, end + 60, len(entries), 0, 0)
        vlrs[0] = vlrs[0]._replace(data=info)
        file.seek(len(head.header))
        file.write(b"".join(vlr.head + vlr.data for vlr in vlrs))
        head.set(lasfile.VLR_COUNT, len(vlrs))
        head.set(lasfile.POINTS_AT, points_at)
        head.set(lasfile.FORMAT, head.format | lasfile.COMPRESSED)
        head.set(lasfile.EVLRS_AT, end)
        head.set(lasfile.EVLR_COUNT, 1)
        file.seek(0)
        file.write(head.header)
    return replace(cloud, source=None)


@pytest.fixture
def copc(tmp_path: Path) -> tuple[Path, PointCloud]:
    path = tmp_path / "a.copc.laz"
    return path, make_copc(path)


def rows(cloud: PointCloud) -> set[tuple[float, ...]]:
    return set(map(tuple, np.column_stack([cloud.xyz, cloud.label]).tolist()))


def test_all_of_it(copc: tuple[Path, PointCloud]) -> None:
    path, cloud = copc
    assert is_copc(path)
    assert rows(io.read(path)) == rows(read_part(path)) == rows(cloud)


def test_region_and_resolution(copc: tuple[Path, PointCloud], tmp_path: Path) -> None:
    path, cloud = copc
    box = (10.0, 5.0, 40.0, 33.0)
    found = read_part(path, box)
    inside = ((cloud.xyz[:, :2] >= box[:2]) & (cloud.xyz[:, :2] <= box[2:])).all(axis=1)
    expected = PointCloud(cloud.xyz[inside], label=cloud.label[inside])
    assert rows(found) == rows(expected) and 0 < len(found) < COUNT
    coarse = read_part(path, resolution=SPACING)
    assert COUNT / 8 <= len(coarse) <= COUNT and rows(coarse) <= rows(cloud)
    io.write(tmp_path / "b.laz", found)
    again = io.read(tmp_path / "b.laz")
    assert not is_copc(tmp_path / "b.laz")
    np.testing.assert_array_equal(again.xyz, found.xyz)
    header = again.source.file
    assert header.get(lasfile.COUNT) == len(found)
    bounds = np.array(header.get(lasfile.BOUNDS)).reshape(3, 2)
    np.testing.assert_allclose(bounds, np.stack([found.xyz.max(0), found.xyz.min(0)], axis=1))


def test_what_makes_no_sense(copc: tuple[Path, PointCloud], tmp_path: Path) -> None:
    path, cloud = copc
    with pytest.raises(ConfigError, match="least x"):
        read_part(path, (5, 5, 1, 9))
    with pytest.raises(ConfigError, match="positive"):
        read_part(path, resolution=0)
    with pytest.raises(FileError, match="no points in this region"):
        read_part(path, (900, 900, 901, 901))
    io.write(tmp_path / "plain.laz", cloud)
    with pytest.raises(FileError, match="only parts of COPC"):
        read_part(tmp_path / "plain.laz", (0, 0, 1, 1))
    with pytest.raises(FileError, match="no such file"):
        read_part(tmp_path / "none.laz")
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(FileError, match="cut short"):
        read_part(path)


def test_from_the_command_line(copc: tuple[Path, PointCloud], tmp_path: Path) -> None:
    path, _ = copc
    arguments = ["convert", str(path), str(tmp_path / "b.ply"), "--resolution", "8"]
    assert main([*arguments, "--bounds", "10,5,40,33"]) == 0
    expected = read_part(path, (10, 5, 40, 33), 8.0)
    np.testing.assert_array_equal(io.read(tmp_path / "b.ply").xyz, expected.xyz)
    assert main([*arguments, "--bounds", "10,5,40"]) == 2
