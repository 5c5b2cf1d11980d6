"""LAS and LAZ as real writers made them, not always by the book: read, and nothing lost."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import laspy
import lazrs
import numpy as np
import pytest
from las_files import COUNT, both, make

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.las import binary, dims
from salanet.io.las.binary import LasFile, Vlr
from salanet.io.stream import open_stream

NAMES = ["height", "ring", "scaled", "normal"]


def extended(record: Vlr) -> bytes:
    """A record as an extended one."""
    user, number = record.key
    head = struct.pack("<2x16sHQ32s", user, number, len(record.data), record.head[22:54])
    return head + record.data


def in_two_records(las: LasFile) -> None:
    place = [vlr.key for vlr in las.vlrs].index(dims.EXTRA_BYTES)
    data = las.vlrs[place].data
    las.vlrs[place : place + 1] = [
        Vlr.new(*dims.EXTRA_BYTES, name, part)
        for name, part in ((b"one program", data[:192]), (b"another", data[192:]))
    ]


def in_extended_record(las: LasFile) -> None:
    record = next(vlr for vlr in las.vlrs if vlr.key == dims.EXTRA_BYTES)
    las.vlrs.remove(record)
    las.tail += extended(record)
    las.set(binary.EVLR_COUNT, las.get(binary.EVLR_COUNT) + 1)


def in_both(las: LasFile) -> None:
    record = next(vlr for vlr in las.vlrs if vlr.key == dims.EXTRA_BYTES)
    in_extended_record(las)
    las.vlrs.append(record)


def copied(path: Path, to: Path, confidence: np.ndarray) -> None:
    """As `predict` copies a file a few points at a time, with a new dimension."""
    stream = open_stream(path, to)
    assert stream is not None

    def labelled(begin: int, end: int) -> PointCloud:
        columns = {"confidence": confidence[begin:end]}
        return PointCloud(np.zeros((end - begin, 3)), attributes=columns)

    assert [*stream.copy(to, 7, labelled(0, 2), labelled)][-1] == COUNT


@both
@pytest.mark.parametrize("change", [in_two_records, in_extended_record, in_both])
def test_dimensions_described_in_several_records(
    tmp_path: Path, suffix: str, change: Callable[[LasFile], None]
) -> None:
    make(tmp_path / "plain.las")
    expected = io.read(tmp_path / "plain.las")
    las = binary.read(tmp_path / "plain.las")
    change(las)
    path = tmp_path / f"a{suffix}"
    binary.write(path, las, compress=suffix == ".laz")
    cloud = io.read(path)
    for name in NAMES:
        np.testing.assert_array_equal(cloud.attributes[name], expected.attributes[name])
    io.write(tmp_path / f"b{suffix}", cloud)
    assert suffix == ".laz" or (tmp_path / "b.las").read_bytes() == path.read_bytes()

    confidence = np.linspace(0, 1, COUNT, dtype=np.float32)
    cloud.attributes["confidence"] = confidence
    io.write(tmp_path / f"c{suffix}", cloud)
    copied(path, tmp_path / f"d{suffix}", confidence)
    for again in (tmp_path / f"c{suffix}", tmp_path / f"d{suffix}"):
        new = laspy.read(again)
        assert [*new.point_format.extra_dimension_names] == [*NAMES, "confidence"]
        for name in [*NAMES, "confidence"]:
            np.testing.assert_array_equal(np.array(new[name]), cloud.attributes[name])
        file = io.read(again).source.file
        found = [vlr for vlr in (*file.vlrs, *file.extended()) if vlr.key == dims.EXTRA_BYTES]
        assert len(found) == 1 and len(found[0].data) == 192 * 5
        assert (b"someone", 8) in file.records()  # the extended record that was there


def test_limits_in_an_extended_record_are_forgotten(tmp_path: Path) -> None:
    make(tmp_path / "a.las")
    las = binary.read(tmp_path / "a.las")
    place = [vlr.key for vlr in las.vlrs].index(dims.EXTRA_BYTES)
    data = bytearray(las.vlrs[place].data)
    for at in (3, 195):  # of height and ring
        data[at] |= 0b110
    las.vlrs[place] = las.vlrs[place]._replace(data=bytes(data))
    in_extended_record(las)
    binary.write(tmp_path / "b.las", las, compress=False)
    cloud = io.read(tmp_path / "b.las")
    cloud.attributes["height"] = cloud.attributes["height"] * 0
    io.write(tmp_path / "c.las", cloud)
    described = io.read(tmp_path / "c.las").source.described
    assert (described[3], described[195]) == (0, 0b110)


def test_a_header_of_1_3_as_short_as_that_of_1_2(tmp_path: Path) -> None:
    make(tmp_path / "a.las", "1.2", 1)
    data = bytearray((tmp_path / "a.las").read_bytes())
    data[25] = 3
    (tmp_path / "b.las").write_bytes(data)
    expected, cloud = io.read(tmp_path / "a.las"), io.read(tmp_path / "b.las")
    np.testing.assert_array_equal(cloud.xyz, expected.xyz)
    io.write(tmp_path / "c.las", cloud)
    assert (tmp_path / "c.las").read_bytes() == data
    io.write(tmp_path / "c.laz", cloud)
    np.testing.assert_array_equal(io.read(tmp_path / "c.laz").xyz, expected.xyz)


@both
@pytest.mark.parametrize("count", [1, 2])
def test_extended_records_whose_place_is_not_said(tmp_path: Path, suffix: str, count: int) -> None:
    path = tmp_path / f"a{suffix}"
    make(path)
    las = binary.read(path)
    las.tail += extended(Vlr.new(b"PDAL", 12, b"PDAL metadata", b"{}")) * (count - 1)
    las.set(binary.EVLR_COUNT, count)
    binary.write(path, las, compress=suffix == ".laz")
    expected = io.read(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<Q", data, binary.EVLRS_AT.at, 0)
    path.write_bytes(data)
    cloud = io.read(path)
    assert cloud.source.remarks == [
        f"its header has byte 0 for the place of its {count} extended records: they are taken "
        "from behind the points"
    ]
    assert cloud.source.file.extended() == expected.source.file.extended()
    io.write(tmp_path / f"b{suffix}", cloud)
    again = io.read(tmp_path / f"b{suffix}")
    assert again.source.file.extended() == expected.source.file.extended()
    assert again.source.remarks == []


def test_extended_records_that_are_not_there(tmp_path: Path) -> None:
    make(tmp_path / "a.las")
    las = binary.read(tmp_path / "a.las")
    las.tail = b""
    las.set(binary.EVLRS_AT, 0)
    binary.write(tmp_path / "b.las", las, compress=False)
    cloud = io.read(tmp_path / "b.las")
    assert cloud.source.remarks == ["its header promises 1 extended records that are not there"]
    np.testing.assert_array_equal(cloud.xyz, io.read(tmp_path / "a.las").xyz)


def make_pointwise(path: Path, version: str, point_format: int, cut: int = 0) -> None:
    """A LAZ with all points compressed in one go, as LASzip did at first."""
    plain = path.with_name("plain.las")
    make(plain, version, point_format)
    las = binary.read(plain)
    packed = lazrs.LazVlr.new_for_compression(
        point_format, las.points.shape[1] - binary.RECORD_SIZES[point_format], True
    )
    with path.open("wb+") as file:
        compressor = lazrs.LasZipCompressor(file, packed)
        compressor.compress_many(las.points.reshape(-1))
        compressor.done()
    points = path.read_bytes()
    end = int.from_bytes(points[:8], "little")
    record = struct.pack("<H", 1) + packed.record_data()[2:12] + b"\xff" * 4
    record += packed.record_data()[16:]
    las.vlrs.append(Vlr.new(*binary.LASZIP, b"", record))
    body = las.header + b"".join(vlr.head + vlr.data for vlr in las.vlrs)
    las.set(binary.POINTS_AT, len(body))
    las.set(binary.VLR_COUNT, len(las.vlrs))
    las.set(binary.FORMAT, point_format | binary.COMPRESSED)
    head = las.header + body[len(las.header) :]
    path.write_bytes(head + points[8 : end - cut])


@pytest.mark.parametrize("version, point_format", [("1.2", 0), ("1.2", 1), ("1.2", 3)])
def test_points_compressed_in_one_go(tmp_path: Path, version: str, point_format: int) -> None:
    make_pointwise(tmp_path / "a.laz", version, point_format)
    expected = io.read(tmp_path / "plain.las")
    cloud = io.read(tmp_path / "a.laz")
    assert cloud.source.file.points.tobytes() == expected.source.file.points.tobytes()
    stream = open_stream(tmp_path / "a.laz", tmp_path / "b.laz")
    assert stream is not None
    pieces = [piece.xyz for piece in stream.clouds(7, [])]
    np.testing.assert_array_equal(np.concatenate(pieces), expected.xyz)
    io.write(tmp_path / "b.laz", cloud)
    assert len(laspy.read(tmp_path / "b.laz").points) == COUNT


def test_points_compressed_in_one_go_and_cut_short(tmp_path: Path) -> None:
    make_pointwise(tmp_path / "a.laz", "1.2", 1, cut=200)
    with pytest.raises(FileError, match="damaged or cut short"):
        io.read(tmp_path / "a.laz")


@both
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("field, name", [(binary.SCALES, "scale"), (binary.OFFSETS, "offset")])
def test_coordinates_that_the_header_loses(
    tmp_path: Path, suffix: str, value: float, field: binary.Field, name: str
) -> None:
    path = tmp_path / f"a{suffix}"
    make(path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<d", data, field.at + 16, value)
    path.write_bytes(data)
    if (name, value) == ("offset", 0.0):
        assert len(io.read(path)) == COUNT
        return
    for read in (io.read, lambda path: open_stream(path, path)):
        with pytest.raises(FileError, match=rf"{name} {value}.* for z, which is lost so"):
            read(path)
