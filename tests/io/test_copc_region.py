"""Parts of COPC files: the points a brute-force search finds, and a LAZ file of them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from copc_files import ENTRY, SPACING, make_copc

from salanet import io
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError
from salanet.io.las import binary
from salanet.io.las.octree import ELSEWHERE, is_copc
from salanet.io.las.region import read_part

COUNT = 4000


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
    assert header.get(binary.COUNT) == len(found)
    bounds = np.array(header.get(binary.BOUNDS)).reshape(3, 2)
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


def first_entry(data: bytearray) -> int:
    """Where the root page begins; its entries have 32 bytes each."""
    return int.from_bytes(data[375 + 54 + 40 :][:8], "little")


def entry(data: bytearray, number: int) -> tuple[int, ...]:
    return struct.unpack_from(ENTRY, data, first_entry(data) + 32 * number)


def with_entry(path: Path, number: int, *values: int) -> None:
    """The place, bytes and points of a node of the root page made others."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q2i", data, first_entry(data) + 32 * number + 16, *values)
    path.write_bytes(data)


def test_pages_that_point_to_each_other(copc: tuple[Path, PointCloud]) -> None:
    path, cloud = copc
    page = first_entry(bytearray(path.read_bytes()))
    with_entry(path, 8, page, 9 * 32, ELSEWHERE)
    with pytest.raises(FileError, match="pages of its hierarchy point to each other; the whole"):
        read_part(path, resolution=0.01)
    assert rows(io.read(path)) == rows(cloud)


def test_pages_that_overlap(copc: tuple[Path, PointCloud]) -> None:
    """Each page is another one, but all of them are more than the file holds."""
    path, _ = copc
    page = first_entry(bytearray(path.read_bytes()))
    for number in range(1, 9):
        with_entry(path, number, page - 32 * number, page, ELSEWHERE)
    with pytest.raises(FileError, match="beyond the end of the file"):
        read_part(path)


@pytest.mark.parametrize("place", ["at", "size", "points"])
def test_a_node_that_the_file_does_not_have(copc: tuple[Path, PointCloud], place: str) -> None:
    path, _ = copc
    _, _, _, _, at, size, points = entry(bytearray(path.read_bytes()), 1)
    wrong = {"at": (at + 1, size, points), "size": (at, 2**31 - 1, points)}
    with_entry(path, 1, *wrong.get(place, (at, size, 2**31 - 1)))
    with pytest.raises(FileError, match="its hierarchy promises points that are not there"):
        read_part(path, resolution=0.01)


def test_a_node_that_is_left_out(copc: tuple[Path, PointCloud]) -> None:
    """Also where it would not be asked for."""
    path, cloud = copc
    points = entry(bytearray(path.read_bytes()), 1)[6]
    with_entry(path, 1, 0, 0, 0)
    with pytest.raises(FileError, match=f"its hierarchy leaves out {points} of 4,000 points"):
        read_part(path, (50, 50, 60, 60))
    assert len(io.read(path)) == len(cloud)


def test_a_chunk_of_two_nodes(copc: tuple[Path, PointCloud]) -> None:
    path, _ = copc
    with_entry(path, 1, *entry(bytearray(path.read_bytes()), 2)[4:])
    with pytest.raises(FileError, match="points that are not there"):
        read_part(path)


@pytest.mark.parametrize("at, value", [(24, np.nan), (24, 0.0), (0, np.inf), (32, -1.0)])
def test_facts_of_the_tree_that_make_no_sense(
    copc: tuple[Path, PointCloud], at: int, value: float
) -> None:
    path, _ = copc
    data = bytearray(path.read_bytes())
    struct.pack_into("<d", data, 375 + 54 + at, value)
    path.write_bytes(data)
    with pytest.raises(FileError, match="the facts of its octree make no sense"):
        read_part(path, (10, 5, 40, 33))


def test_too_little_memory_is_said(
    copc: tuple[Path, PointCloud], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MemoryError("Unable to allocate 3 TiB")

    monkeypatch.setattr("salanet.io.las.octree.unpack", refuse)
    with pytest.raises(FileError, match=r"not enough memory to read it \(Unable to allocate 3 TiB"):
        read_part(copc[0])
