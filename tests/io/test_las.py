"""LAS and LAZ, with laspy as the independent reader and writer of the test files."""

from __future__ import annotations

import struct
from pathlib import Path

import laspy
import numpy as np
import pytest
from las_files import COUNT, VERSIONS, both, make

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError
from salanet.io.las import binary


def pieces(path: Path) -> tuple[binary.LasFile, list[binary.Vlr]]:
    las = binary.read(path)
    return las, [vlr for vlr in las.vlrs if vlr.key != binary.LASZIP]


def assert_same_but(a: Path, b: Path, *changed: str) -> None:
    """Every dimension, record and header field is the same, but for the dimensions named."""
    old, new = laspy.read(a), laspy.read(b)
    for name in old.point_format.dimension_names:
        same = np.array(old[name]).tobytes() == np.array(new[name]).tobytes()
        assert same == (name not in changed), name
    (first, records), (second, new_records) = pieces(a), pieces(b)
    assert new_records == records
    assert second.tail == first.tail
    for field in (binary.SCALES, binary.OFFSETS, binary.BOUNDS, binary.OLD_RETURNS):
        assert second.get(field) == first.get(field)
    assert first.header[:94] == second.header[:94]
    assert new.header.evlrs == old.header.evlrs


@both
@pytest.mark.parametrize("version, point_format", VERSIONS)
def test_round_trip_and_new_labels(
    tmp_path: Path, version: str, point_format: int, suffix: str
) -> None:
    a, b = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    make(a, version, point_format)
    cloud = io.read(a)
    las = laspy.read(a)
    np.testing.assert_array_equal(cloud.xyz, las.xyz)
    assert cloud.label.tolist() == np.array(las.classification).tolist()
    assert cloud.intensity.tolist() == las.intensity.tolist()
    assert (cloud.rgb is None) == ("red" not in las.point_format.dimension_names)
    for name, array in cloud.attributes.items():
        assert np.asarray(array).tobytes() == np.array(las[name]).tobytes()
    assert {"return_number", "height", "scaled", "normal"} <= set(cloud.attributes)

    assert io.write(b, cloud) == []
    assert b.read_bytes() == a.read_bytes() or suffix == ".laz"
    assert_same_but(a, b)
    other = tmp_path / ("c.las" if suffix == ".laz" else "c.laz")
    io.write(other, cloud)
    assert_same_but(a, other)

    cloud.label = (cloud.label + 1) % 32
    assert io.write(b, cloud) == []
    assert_same_but(a, b, "classification")
    assert np.array(laspy.read(b).classification).tolist() == cloud.label.tolist()


def test_waveforms_are_not_damaged_by_compression(tmp_path: Path) -> None:
    make(tmp_path / "a.las", "1.4", 9)
    cloud = io.read(tmp_path / "a.las")
    cloud.attributes["scanner_channel"] = np.arange(COUNT, dtype=np.uint8) % 4
    io.write(tmp_path / "b.las", cloud)
    with pytest.raises(DataError, match=r"write to \.las instead"):
        io.write(tmp_path / "b.laz", cloud)
    assert not (tmp_path / "b.laz").exists()


@both
def test_new_attributes_become_extra_dimensions(tmp_path: Path, suffix: str) -> None:
    a, b = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    make(a)
    cloud = io.read(a)
    cloud.attributes["probability_ground"] = np.linspace(0, 1, COUNT, dtype=np.float32)
    cloud.attributes["vote"] = np.arange(2 * COUNT).reshape(COUNT, 2)
    cloud.attributes["a name that is longer than thirty-two bytes"] = np.ones(COUNT, bool)
    remarks = io.write(b, cloud)
    assert len(remarks) == 1
    assert "is called 'a name that is longer than thi_2'" in remarks[0]
    old, new = laspy.read(a), laspy.read(b)
    for name in old.point_format.dimension_names:
        assert np.array(old[name]).tobytes() == np.array(new[name]).tobytes()
    added = list(new.point_format.extra_dimension_names)[4:]
    assert added == [
        "probability_ground",
        "vote_0",
        "vote_1",
        "a name that is longer than thi_2",
    ]
    assert new["probability_ground"].dtype == np.float32
    np.testing.assert_array_equal(new["probability_ground"], cloud.attributes["probability_ground"])
    assert new["vote_1"].tolist() == cloud.attributes["vote"][:, 1].tolist()
    assert new.point_format["height"].description == "above ground"
    assert [v.user_id for v in new.vlrs] == [v.user_id for v in old.vlrs]
    back = io.read(b)
    assert io.write(tmp_path / f"c{suffix}", back) == []
    assert_same_but(b, tmp_path / f"c{suffix}")


def test_labels_beyond_the_field(tmp_path: Path) -> None:
    for point_format, top in ((3, 31), (6, 255)):
        make(tmp_path / "a.las", "1.4", point_format)
        cloud = io.read(tmp_path / "a.las")
        before = cloud.label.copy()
        cloud.label = np.arange(top, top - COUNT, -1, dtype=np.int32) % (top + 1)
        assert io.write(tmp_path / "b.las", cloud) == []
        assert laspy.read(tmp_path / "b.las").classification.max() == top
        for wrong in (top + 1, -1):
            cloud.label[3] = wrong
            (remark,) = io.write(tmp_path / "b.las", cloud)
            assert "'classification' does not fit" in remark
            assert "dimension 'label'" in remark
            las = laspy.read(tmp_path / "b.las")
            assert las["label"].tolist() == cloud.label.tolist()
            assert np.array(las.classification).tolist() == before.tolist()
            back = io.read(tmp_path / "b.las")
            assert back.label.tolist() == cloud.label.tolist()
            assert back.attributes["classification"].tolist() == before.tolist()
            back.label += 1
            assert io.write(tmp_path / "c.las", back) == []
            assert_same_but(tmp_path / "b.las", tmp_path / "c.las", "label")


def test_other_changes(tmp_path: Path) -> None:
    make(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    cloud.xyz[5] = [651001.126, 6861003.002, -98.99]
    cloud.rgb[7] = [1, 2, 3]
    cloud.attributes["scaled"][9] = 12.34
    cloud.attributes["user_data"][11] ^= 1
    cloud.attributes["return_number"][:] = 2
    cloud.intensity[13] = 0.5
    (remark,) = io.write(tmp_path / "b.las", cloud)
    assert (
        remark == "'intensity' does not fit its LAS field: written as dimension 'intensity_value'"
    )
    old, new = laspy.read(tmp_path / "a.las"), laspy.read(tmp_path / "b.las")
    changed = {
        "X": 5,
        "Y": 5,
        "Z": 5,
        "red": 7,
        "green": 7,
        "blue": 7,
        "scaled": 9,
        "user_data": 11,
    }
    for name in old.point_format.dimension_names:
        where = np.flatnonzero(
            (np.array(old[name]) != np.array(new[name])).reshape(COUNT, -1).any(1)
        )
        if name == "return_number":
            assert np.all(new[name] == 2)
        else:
            assert where.tolist() == ([changed[name]] if name in changed else []), name
    assert [new.X[5], new.Y[5], new.Z[5]] == [1001, 1501, 101]
    assert [new.red[7], new.green[7], new.blue[7]] == [256, 512, 768]
    assert new["scaled"][9] == 12.34
    assert new["intensity_value"][13] == 0.5
    assert new.header.number_of_points_by_return.tolist() == [0, COUNT, *[0] * 13]
    np.testing.assert_array_equal(new.header.mins, new.xyz.min(axis=0))
    np.testing.assert_array_equal(new.header.maxs, new.xyz.max(axis=0))


def test_fewer_points_keep_the_reference_system(tmp_path: Path) -> None:
    make(tmp_path / "a.las", extra=False)
    cloud = io.read(tmp_path / "a.las")
    part = PointCloud(
        cloud.xyz[::2],
        cloud.rgb[::2],
        cloud.intensity[::2],
        cloud.label[::2],
        {name: array[::2] for name, array in cloud.attributes.items()},
        cloud.source,
    )
    io.write(tmp_path / "b.laz", part)
    old, new = laspy.read(tmp_path / "a.las"), laspy.read(tmp_path / "b.laz")
    assert new.header.point_count == COUNT // 2
    for name in set(old.point_format.dimension_names) - {"red", "green", "blue"}:
        np.testing.assert_array_equal(np.array(old[name])[::2], np.array(new[name]))
    assert new.header.number_of_points_by_return.sum() == (new.return_number > 0).sum()
    np.testing.assert_array_equal(new.header.mins, new.xyz.min(axis=0))
    assert new.vlrs[0].string == 'PROJCS["RGF93 / Lambert-93"]'


@pytest.mark.parametrize(
    "red, expected",
    [([0, 128, 255], [0, 128, 255]), ([0, 32768, 65535], [0, 128, 255]), ([0] * 3, None)],
)
def test_colour_depth(tmp_path: Path, red: list[int], expected: list[int] | None) -> None:
    las = laspy.create(point_format=7)
    las.x = las.y = las.z = np.zeros(3)
    las.red = np.array(red, np.uint16)
    las.write(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    assert (cloud.rgb if cloud.rgb is None else cloud.rgb[:, 0].tolist()) == expected
    io.write(tmp_path / "b.las", cloud)
    assert laspy.read(tmp_path / "b.las").red.tolist() == red


def test_utm_coordinates_made_from_scratch_keep_the_millimetre(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.random((1000, 3)) * [1000, 1000, 80] + [651000, 6861000, -20]
    cloud = PointCloud(
        xyz,
        rgb=rng.integers(0, 256, (1000, 3)),
        intensity=rng.integers(0, 65536, 1000),
        label=rng.integers(0, 256, 1000),
        attributes={"confidence": rng.random(1000), "gps_time": rng.random(1000)},
    )
    for suffix in (".las", ".laz"):
        assert io.write(tmp_path / f"a{suffix}", cloud) == []
        las = laspy.read(tmp_path / f"a{suffix}")
        assert str(las.header.version) == "1.4"
        assert las.header.scales.tolist() == [0.001] * 3
        assert las.header.offsets.tolist() == [651000, 6861000, -1000]
        assert np.abs(las.xyz - xyz).max() <= 0.000501
        assert (np.array(las.number_of_returns) == 1).all()
        np.testing.assert_array_equal(las.header.mins, las.xyz.min(axis=0))
        back = io.read(tmp_path / f"a{suffix}")
        for name, array in cloud.arrays().items():
            np.testing.assert_array_equal(back.arrays()[name], array)


@pytest.mark.parametrize("size, error", [(1e-3, 1e-8), (0.5, 1e-8), (5, 5e-4), (1e8, 0.1)])
def test_the_scale_follows_the_extent(tmp_path: Path, size: float, error: float) -> None:
    xyz = np.array([[2.3522, 48.8566, 35.5], [2.3522 + size, 48.8566 + size, 35.5 + size]])
    io.write(tmp_path / "a.laz", PointCloud(xyz))
    assert np.abs(io.read(tmp_path / "a.laz").xyz - xyz).max() <= error


@pytest.mark.parametrize("suffix", [".las", ".laz", ".copc.laz"])
@pytest.mark.parametrize("far", [1e9, -1e30, 1e200, 1e308])
def test_a_point_too_far_away_does_not_round_the_others(
    tmp_path: Path, suffix: str, far: float
) -> None:
    xyz = np.random.default_rng(0).uniform(0, 3, (400, 3))
    xyz[7, 0], xyz[9], xyz[11, 2] = far, np.nan, -9999  # which is near enough
    there = np.delete(xyz, [7, 9], axis=0)
    remarks = io.write(tmp_path / f"a{suffix}", PointCloud(xyz, label=np.arange(400) % 3))
    assert "1 point has NaN or infinite coordinates" in remarks[0]
    assert "1 point lies too far from the rest: left out" in remarks[1]
    back = io.read(tmp_path / f"a{suffix}")
    assert len(back) == len(there)
    assert np.abs(np.sort(back.xyz, axis=0) - np.sort(there, axis=0)).max() <= 0.000501


def test_what_lies_on_earth_is_kept_in_centimetres(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).uniform(0, 3, (400, 3)) + [651000, 6861000, 0]
    xyz[7] = 0
    assert io.write(tmp_path / "a.laz", PointCloud(xyz)) == []
    assert np.abs(io.read(tmp_path / "a.laz").xyz - xyz).max() <= 0.00501


def test_coordinates_that_cannot_be_stored(tmp_path: Path) -> None:
    make(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    cloud.xyz[0, 1] = 1e9
    with pytest.raises(
        DataError, match=r"y from .* does not fit into the source's LAS scale 0.002"
    ):
        io.write(tmp_path / "b.las", cloud)
    with pytest.raises(DataError, match="none of its 1 points has finite coordinates"):
        io.write(tmp_path / "b.las", PointCloud(np.full((1, 3), np.nan)))
    with pytest.raises(DataError, match="reach too far for LAS"):
        io.write(tmp_path / "b.las", PointCloud(np.outer(np.resize([1e308, -1e308], 400), [1] * 3)))
    with pytest.raises(DataError, match="cannot hold 'name'"):
        io.write(
            tmp_path / "b.las", PointCloud(np.zeros((1, 3)), attributes={"name": np.array(["a"])})
        )
    assert [path.name for path in tmp_path.iterdir()] == ["a.las"]


def test_bytes_that_nothing_describes(tmp_path: Path) -> None:
    """A point record longer than its format, and a description of extra bytes that lies."""
    make(tmp_path / "a.las", extra=True)
    las, records = pieces(tmp_path / "a.las")
    for data in (b"", b"\xff" * 192, next(v.data for v in records if v.key[1] == 4)[:192]):
        las.vlrs = [v for v in records if v.key[1] != 4]
        if data:
            las.vlrs.insert(0, binary.Vlr.new(b"LASF_Spec", 4, b"", data))
        binary.write(tmp_path / "b.las", las, compress=False)
        cloud = io.read(tmp_path / "b.las")
        described = 4 if len(data) == 192 and data[0] == 0 else 0
        assert cloud.attributes["ExtraBytes"].shape == (COUNT, 34 - described)
        io.write(tmp_path / "c.las", cloud)
        assert (tmp_path / "b.las").read_bytes() == (tmp_path / "c.las").read_bytes()
        cloud.attributes["confidence"] = np.ones(COUNT, np.float32)
        io.write(tmp_path / "c.laz", cloud)
        back = io.read(tmp_path / "c.laz")
        np.testing.assert_array_equal(back.attributes["ExtraBytes"], cloud.attributes["ExtraBytes"])
        assert back.attributes["confidence"].tolist() == [1] * COUNT


def test_copc_is_read_and_written_as_laz(tmp_path: Path) -> None:
    """Its records describe the chunks of the file they came in, so they are left out."""
    make(tmp_path / "a.laz", "1.4", 7)
    las, _ = pieces(tmp_path / "a.laz")
    las.vlrs.insert(0, binary.Vlr.new(b"copc", 1, b"COPC info", bytes(160)))
    las.tail = struct.pack("<2x16sHQ32s", b"copc", 1000, 32, b"") + bytes(32) + las.tail
    las.set(binary.EVLR_COUNT, 2)
    binary.write(tmp_path / "b.copc.laz", las, compress=True)
    io.write(tmp_path / "c.laz", io.read(tmp_path / "b.copc.laz"))
    assert_same_but(tmp_path / "a.laz", tmp_path / "c.laz")


def test_real_tiles(ign_tiles: Path, tmp_path: Path) -> None:
    for a in sorted(ign_tiles.glob("770*.laz"))[:3]:
        cloud = io.read(a)
        assert set(np.unique(cloud.label)) <= {1, 2, 3, 4, 5, 6, 64}
        assert cloud.rgb is None
        io.write(tmp_path / "same.laz", cloud)
        assert_same_but(a, tmp_path / "same.laz")
        cloud.label = np.where(cloud.label == 6, 9, cloud.label).astype(np.int32)
        assert io.write(tmp_path / "b.laz", cloud) == []
        assert_same_but(a, tmp_path / "b.laz", "classification")
        cloud.attributes["confidence"] = np.linspace(0, 1, len(cloud), dtype=np.float32)
        cloud.label[0] = 256
        assert len(io.write(tmp_path / "c.laz", cloud)) == 1
        back = io.read(tmp_path / "c.laz")
        np.testing.assert_array_equal(back.xyz, cloud.xyz)
        np.testing.assert_array_equal(back.label, cloud.label)
        np.testing.assert_array_equal(back.attributes["confidence"], cloud.attributes["confidence"])


def test_a_part_of_a_file_keeps_its_reference_system(tmp_path: Path) -> None:
    """So do several put together: what was read with it is written with it."""
    source = laspy.LasHeader(point_format=6, version="1.4")
    source.scales, source.offsets = [0.001] * 3, [650_000, 6_860_000, 0]
    source.vlrs.append(
        laspy.vlrs.known.WktCoordinateSystemVlr('PROJCS["RGF93 / Lambert-93",UNIT["metre",1]]')
    )
    points = laspy.LasData(source)
    points.x, points.y = np.arange(10) + 650_000.123, np.arange(10) + 6_860_000.456
    points.z, points.intensity = np.arange(10.0), np.arange(10) * 7
    points.return_number[:], points.number_of_returns[:] = 2, 3
    points.write(tmp_path / "whole.laz")
    whole = io.read(tmp_path / "whole.laz")
    assert whole.crs is not None
    for part, rows in (
        (whole.rows(np.arange(10) % 3 == 0), [0, 3, 6, 9]),
        (PointCloud.concat([whole.rows(np.arange(5)), whole]), [*range(5), *range(10)]),
    ):
        io.write(tmp_path / "part.laz", part)
        found, expected = io.read(tmp_path / "part.laz"), laspy.read(tmp_path / "part.laz")
        assert found.crs == whole.crs and expected.header.scales.tolist() == [0.001] * 3
        assert np.array_equal(found.xyz, whole.xyz[rows])
        assert np.array_equal(expected.intensity, points.intensity[rows])
        assert np.array_equal(expected.return_number, np.full(len(rows), 2))
        assert expected.header.point_count == len(rows)
    foreign = PointCloud(np.zeros((2, 3)))
    assert PointCloud.concat([whole, foreign]).crs is None, "no one says what all of them are in"
