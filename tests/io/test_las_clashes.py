"""Attributes called like something in LAS, or like what laspy once called it: they come back."""

from __future__ import annotations

import struct
from pathlib import Path

import laspy
import numpy as np
import pytest
from las_files import COUNT, both, make
from laspy.point import dims as laspy_dims

from salanet import io
from salanet.cloud import PointCloud
from salanet.io.convert import convert
from salanet.io.las import binary, clouds, dims
from salanet.io.las.rows import only
from salanet.io.las.stream import LasStream, with_points
from salanet.io.stream import open_stream

OLD = {*laspy_dims.OLD_LASPY_NAMES}
STORED = {*laspy_dims.DIMENSIONS_TO_TYPE}
NAMES = sorted({*OLD, *STORED, *laspy.PointFormat(3).dimension_names, "overlap", "x"})
VALUES = np.arange(COUNT, dtype=np.uint8) % 5 + 1
FORMATS = pytest.mark.parametrize(
    "version, point_format", [("1.2", 0), ("1.4", 3), ("1.4", 6), ("1.4", 8), ("1.3", 5)]
)


def found(name: str, values: np.ndarray, path: Path, remarks: list[str]) -> str:
    """Under which name a file has values: this one, or what the remark on it says."""
    said = [remark for remark in remarks if remark.startswith(f"'{name}' ")]
    held = said[0].split("'")[3] if said else name
    (back, stream) = io.read(path), open_stream(path, path)
    assert stream is not None and {*back.arrays()} == {*stream.names}
    streamed = PointCloud.concat([*stream.clouds(7, stream.names)])
    for cloud in (back, streamed):
        arrays = cloud.arrays()
        assert not [name for name in arrays if name.startswith("ExtraBytes")]
        again = arrays["label" if held == "classification" else held]
        np.testing.assert_array_equal(again, values, err_msg=name)
    return held


def by_laspy(path: Path, name: str) -> np.ndarray:
    points = laspy.read(path).points
    extra = name in points.point_format.extra_dimension_names
    return np.array(points.array[name] if extra else points[name])


@both
@FORMATS
def test_every_name_comes_back(
    tmp_path: Path, version: str, point_format: int, suffix: str
) -> None:
    make(tmp_path / "a.las", version, point_format, extra=False)
    for name in NAMES:
        cloud = io.read(tmp_path / "a.las")
        if name == "classification":
            cloud.label = None
        if name == "intensity":
            cloud.intensity = None
        cloud.attributes[name] = VALUES
        path = tmp_path / f"b{suffix}"
        remarks = io.write(path, cloud)
        held = found(name, VALUES, path, remarks)
        np.testing.assert_array_equal(by_laspy(path, held), VALUES, err_msg=name)
        assert held == name or name not in OLD
        after = io.read(path)
        for other, array in io.read(tmp_path / "a.las").arrays().items():
            if other not in (name, "label"):
                np.testing.assert_array_equal(after.arrays()[other], array, err_msg=other)
        # And so does what is changed then: over what is there, and piece by piece.
        after.attributes[held] = VALUES[::-1]
        if name not in ("intensity", "classification"):
            assert io.write(tmp_path / f"c{suffix}", after) == []
            found(held, VALUES[::-1], tmp_path / f"c{suffix}", [])


@both
@pytest.mark.parametrize("name", sorted(OLD | {"bit_fields", "classification_flags"}))
def test_in_pieces(tmp_path: Path, name: str, suffix: str) -> None:
    make(tmp_path / f"a{suffix}")
    stream = open_stream(tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
    assert stream is not None

    def labelled(start: int, stop: int) -> PointCloud:
        return PointCloud(np.zeros((stop - start, 3)), attributes={name: VALUES[start:stop]})

    for _ in stream.copy(tmp_path / f"b{suffix}", 7, labelled(0, 5), labelled):
        pass
    held = found(name, VALUES, tmp_path / f"b{suffix}", stream.remarks)
    np.testing.assert_array_equal(by_laspy(tmp_path / f"b{suffix}", held), VALUES)
    (source,) = LasStream(tmp_path / f"b{suffix}").sources(COUNT)
    kept = clouds.to_cloud(with_points(source, only(source, [held])))
    np.testing.assert_array_equal(kept.attributes[held], VALUES)


def test_new_files(tmp_path: Path) -> None:
    columns = {name: VALUES for name in NAMES if name.lower() not in ("x", "y", "z")}
    columns |= {"intensity": VALUES.astype(np.float32)}
    cloud = PointCloud.of_arrays(
        np.random.default_rng(0).random((COUNT, 3)),
        columns | {"rgb": np.full((COUNT, 3), 7, np.uint8)},
    )
    io.write(tmp_path / "a.npz", cloud)
    remarks = io.write(tmp_path / "a.laz", cloud)
    for name in columns:
        if name not in ("rgb", "intensity"):
            found(name, VALUES, tmp_path / "a.laz", remarks)


def test_from_a_table_and_back(tmp_path: Path) -> None:
    rows = [f"{i},{2 * i},0,{100 + i},5,{i % 5 + 1}" for i in range(COUNT)]
    head = "x,y,z,intensity,num_returns,return_num"
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]) + "\n")
    assert convert(tmp_path / "a.csv", tmp_path / "b.laz") == []
    back = io.read(tmp_path / "b.laz")
    assert back.attributes["return_num"].tolist() == VALUES.tolist()
    assert back.attributes["return_number"].tolist() == [1] * COUNT
    assert convert(tmp_path / "b.laz", tmp_path / "c.csv") == []
    assert io.read(tmp_path / "c.csv").attributes["return_num"].tolist() == VALUES.tolist()


def test_a_scaled_dimension_under_an_old_name(tmp_path: Path) -> None:
    header = laspy.LasHeader(version="1.4", point_format=6)
    header.add_extra_dims(
        [laspy.ExtraBytesParams("return_num", "i2", scales=[0.5], offsets=[10.0])]
    )
    las = laspy.LasData(header)
    las.x = las.y = las.z = np.arange(4.0)
    las.points.array["return_num"] = [0, 1, 2, -3]
    las.write(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    assert cloud.attributes["return_num"].tolist() == [10, 10.5, 11, 8.5]
    cloud.attributes["return_num"] = np.array([9.0, 10, 10, 11])
    assert io.write(tmp_path / "b.las", cloud) == []
    assert laspy.read(tmp_path / "b.las").points.array["return_num"].tolist() == [-2, 0, 0, 2]


@both
@FORMATS
@pytest.mark.parametrize("name", ["return_number", "bit_fields", "X", "intensity", "red"])
def test_files_that_have_a_name_twice(
    tmp_path: Path, version: str, point_format: int, suffix: str, name: str
) -> None:
    """As other programs write them, and SalaNet did: both are there, and stay as they are."""
    make(tmp_path / "a.las", version, point_format, extra=False)
    expected = io.read(tmp_path / "a.las")
    las = binary.read(tmp_path / "a.las")
    dims.append(las, b"", set(), {name: VALUES}, [])
    described = bytearray(las.records()[dims.EXTRA_BYTES])
    described[3] |= 0b110  # has a least and a greatest value
    described[64:72] = described[88:96] = struct.pack("<Q", 9)
    place = [vlr.key for vlr in las.vlrs].index(dims.EXTRA_BYTES)
    las.vlrs[place] = las.vlrs[place]._replace(data=bytes(described))
    path = tmp_path / f"b{suffix}"
    binary.write(path, las, compress=suffix == ".laz")
    cloud = io.read(path)
    new = {*cloud.attributes} - {*expected.attributes}
    (held,) = new
    assert held == (name if name == "red" and point_format in (0, 6) else f"{name}_2")
    np.testing.assert_array_equal(cloud.attributes[held], VALUES)
    for other, array in expected.arrays().items():
        np.testing.assert_array_equal(cloud.arrays()[other], array)
    io.write(tmp_path / f"c{suffix}", cloud)
    if suffix == ".las":
        assert (tmp_path / "c.las").read_bytes() == path.read_bytes()
    cloud.attributes[held] = VALUES[::-1]
    io.write(tmp_path / f"c{suffix}", cloud)
    back = io.read(tmp_path / f"c{suffix}")
    assert back.attributes[held].tolist() == VALUES[::-1].tolist()
    assert back.source.file.records()[dims.EXTRA_BYTES][3] & 0b110 == 0


@both
def test_colours_that_are_none(tmp_path: Path, suffix: str) -> None:
    """Dimensions called like colours, but not of their kind, are attributes like any other."""
    make(tmp_path / "a.las", "1.4", 6, extra=False)
    cloud = io.read(tmp_path / "a.las")
    for name in clouds.COLOURS:
        cloud.attributes[name] = np.linspace(0, 1000, COUNT)
    assert io.write(tmp_path / f"b{suffix}", cloud) == []
    back = io.read(tmp_path / f"b{suffix}")
    assert back.rgb is None
    for name in clouds.COLOURS:
        np.testing.assert_array_equal(back.attributes[name], cloud.attributes[name])
    convert(tmp_path / f"b{suffix}", tmp_path / "c.npz")


def test_a_column_called_like_a_new_colour(tmp_path: Path) -> None:
    make(tmp_path / "a.las", "1.4", 6)
    cloud = io.read(tmp_path / "a.las")
    cloud.rgb = np.full((COUNT, 3), [1, 2, 3], np.uint8)
    cloud.attributes |= {"green": VALUES, "green_value": VALUES + 7}
    io.write(tmp_path / "b.las", cloud)
    back = io.read(tmp_path / "b.las")
    assert back.rgb is not None and (back.rgb == [1, 2, 3]).all()
    assert back.attributes["green_value"].tolist() == (VALUES + 7).tolist()
    assert back.attributes["green_value_value"].tolist() == VALUES.tolist()


def test_an_intensity_beside_the_intensity(tmp_path: Path) -> None:
    make(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    cloud.attributes["intensity"] = VALUES
    (remark,) = io.write(tmp_path / "b.las", cloud)
    assert remark.startswith("'intensity' ")
    back = io.read(tmp_path / "b.las")
    assert back.attributes["intensity_value"].tolist() == VALUES.tolist()
    np.testing.assert_array_equal(back.intensity, cloud.intensity)


@pytest.mark.parametrize("suffix", [".las", ".laz"])
def test_labels_of_their_own_are_kept_in_pieces(tmp_path: Path, suffix: str) -> None:
    make(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    cloud.attributes["label"] = VALUES
    cloud.label = np.arange(COUNT, dtype=np.int32) * 100
    io.write(tmp_path / f"b{suffix}", cloud)
    (source,) = LasStream(tmp_path / f"b{suffix}").sources(COUNT)
    assert source.label == "label_codes"
    kept = clouds.to_cloud(with_points(source, only(source, ["label"])))
    assert kept.label is not None and kept.label.tolist() == cloud.label.tolist()
