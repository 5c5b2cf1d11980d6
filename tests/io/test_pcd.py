"""PCD of every encoding, against pypcd4 as an independent reader and writer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pypcd4 import Encoding
from pypcd4 import PointCloud as Pcd
from test_formats import damaged

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError, MissingExtraError, SalaNetError

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
ENCODINGS = [Encoding.ASCII, Encoding.BINARY, Encoding.BINARY_COMPRESSED]
every = pytest.mark.parametrize("encoding", ENCODINGS)
relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HEADER = """\
# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z
SIZE 4 4 4
TYPE F F F
COUNT 1 1 1
WIDTH {0}
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS {0}
DATA ascii
"""


@st.composite
def fields(draw: st.DrawFn) -> dict[str, np.ndarray]:
    count = draw(st.integers(1, 6))
    names = ["x", "y", "z", *draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5))]
    names += draw(st.sampled_from([[], ["red", "green", "blue"], ["Label"], ["intensity"]]))
    found = {}
    for name in draw(st.permutations(names)):
        dtype = np.dtype(draw(st.sampled_from(TYPES)))
        elements = {"allow_nan": False} if dtype.kind == "f" else None
        found[name] = draw(hnp.arrays(dtype, count, elements=elements))
    return found


@every
def test_colours_in_three_fields_stay_there(tmp_path: Path, encoding: Encoding) -> None:
    found = {name: np.arange(3, dtype=np.uint8) for name in ("x", "red", "y", "green", "blue", "z")}
    columns = [
        column.astype(np.float32) if name in "xyz" else column for name, column in found.items()
    ]
    written = Pcd.from_points(columns, list(found), [c.dtype for c in columns])
    written.save(tmp_path / "a.pcd", encoding=encoding)
    io.write(tmp_path / "b.pcd", io.read(tmp_path / "a.pcd"))
    assert list(Pcd.from_path(tmp_path / "b.pcd").fields) == list(found)


@relaxed
@given(fields(), st.sampled_from(ENCODINGS))
def test_round_trip_keeps_values_types_and_order(
    tmp_path: Path, found: dict[str, np.ndarray], encoding: Encoding
) -> None:
    a, b = tmp_path / "a.pcd", tmp_path / "b.pcd"
    written = Pcd.from_points(list(found.values()), list(found), [c.dtype for c in found.values()])
    kind = Encoding.BINARY if encoding is Encoding.ASCII else encoding
    written.save(a, encoding=kind)  # its ascii loses digits
    cloud = io.read(a)
    for i, name in enumerate("xyz"):
        np.testing.assert_array_equal(cloud.xyz[:, i], found[name].astype(np.float64))
    for name, array in cloud.attributes.items():
        assert array.tobytes() == found[name].tobytes() and array.dtype == found[name].dtype
    if encoding is Encoding.ASCII:
        cloud.source.encoding = "ascii"
    assert io.write(b, cloud) == []
    if encoding is Encoding.BINARY:
        assert b.read_bytes() == a.read_bytes()
    back = io.read(b)
    assert back.source.header == cloud.source.header
    for name, column in back.source.table.columns.items():
        assert column.tobytes() == found[name].tobytes() and column.dtype == found[name].dtype
    if encoding is not Encoding.ASCII:
        other = Pcd.from_path(b)
        assert list(other.fields) == list(found)
        for name, column in found.items():
            assert other.pc_data[name].tobytes() == column.tobytes()


@every
def test_new_labels_leave_the_rest(tmp_path: Path, encoding: Encoding) -> None:
    xyz = np.random.default_rng(0).integers(0, 9, (50, 3)).astype(np.float32)  # compressible
    ring = np.arange(50, dtype=np.uint16)
    Pcd.from_points([*xyz.T, ring], ["x", "y", "z", "ring"], ["f4", "f4", "f4", "u2"]).save(
        tmp_path / "a.pcd", encoding=encoding
    )
    cloud = io.read(tmp_path / "a.pcd")
    cloud.label = np.arange(50) % 7
    assert io.write(tmp_path / "b.pcd", cloud) == []
    back = Pcd.from_path(tmp_path / "b.pcd")
    assert list(back.fields) == ["x", "y", "z", "ring", "label"]
    assert back.metadata.data is encoding
    assert back.pc_data["label"].tolist() == cloud.label.tolist()
    assert back.pc_data["ring"].tolist() == ring.tolist()
    np.testing.assert_array_equal(back.pc_data["x"], cloud.xyz[:, 0])


def test_ascii_keeps_every_digit(tmp_path: Path) -> None:
    cloud = PointCloud([[651234.0625000001, 1 / 3, 1e-300]])
    cloud.attributes["time"] = np.array([0.1], np.float32)
    io.write(tmp_path / "a.pcd", cloud)
    cloud = io.read(tmp_path / "a.pcd")
    cloud.source.encoding = "ascii"
    io.write(tmp_path / "b.pcd", cloud)
    assert b"651234.0625000001 0.3333333333333333 1e-300 0.1\n" in (tmp_path / "b.pcd").read_bytes()
    assert io.read(tmp_path / "b.pcd").xyz.tolist() == cloud.xyz.tolist()


@every
@pytest.mark.parametrize("name, kind", [("rgb", "f4"), ("rgb", "u4"), ("rgba", "u4")])
def test_packed_colours(tmp_path: Path, encoding: Encoding, name: str, kind: str) -> None:
    rgb = np.array([[255, 0, 1], [2, 128, 3]], np.uint8)
    alpha = np.array([0, 0x40], np.uint32) if kind == "u4" else np.zeros(2, np.uint32)
    bits = alpha << 24 | rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    zeros = np.zeros(2, np.float32)
    columns = [zeros, bits.view(kind), zeros, zeros + 1]
    a, b = tmp_path / "a.pcd", tmp_path / "b.pcd"
    kind_of_file = Encoding.BINARY if encoding is Encoding.ASCII else encoding
    Pcd.from_points(columns, ["x", name, "y", "z"], ["f4", kind, "f4", "f4"]).save(
        a, encoding=kind_of_file
    )
    cloud = io.read(a)
    assert cloud.rgb.tolist() == rgb.tolist() and not cloud.attributes
    cloud.source.encoding = encoding.value
    io.write(b, cloud)
    assert Pcd.from_path(b).fields == ("x", name, "y", "z")
    assert io.read(b).source.packed[1].tobytes() == columns[1].tobytes()
    cloud.rgb = 255 - rgb
    io.write(b, cloud)
    back = io.read(b)
    assert back.rgb.tolist() == (255 - rgb).tolist()
    assert (back.source.packed[1].view(np.uint32) >> 24).tolist() == alpha.tolist()


def test_new_clouds_are_what_pcl_reads(tmp_path: Path) -> None:
    xyz = np.array([[0.5, 1.25, -3], [8, 9, 10]])
    cloud = PointCloud(xyz, rgb=np.array([[1, 2, 3], [4, 5, 6]]), label=np.array([7, 300]))
    cloud.attributes = {
        "two words": np.array([True, False]),
        "half": np.array([0.5, 2], np.float16),
        "normal": np.arange(6, dtype=np.float32).reshape(2, 3),
    }
    assert io.write(tmp_path / "a.pcd", cloud) == []
    found = Pcd.from_path(tmp_path / "a.pcd")
    names = ("x", "y", "z", "rgb", "label", "two_words", "half", "normal")
    assert found.metadata.fields == names
    assert found.metadata.count == (1, 1, 1, 1, 1, 1, 1, 3)
    assert found.metadata.size == (4, 4, 4, 4, 4, 1, 4, 4)
    assert "".join(found.metadata.type) == "FFFFIUFF"
    assert Pcd.decode_rgb(found.pc_data["rgb"]).tolist() == cloud.rgb.tolist()
    assert found.pc_data["normal__0002"].tolist() == [2, 5]
    assert io.read(tmp_path / "a.pcd").attributes["normal"].tolist() == [[0, 1, 2], [3, 4, 5]]
    io.write(tmp_path / "b.pcd", PointCloud(xyz + 651234.001))  # single precision would lose this
    assert io.read(tmp_path / "b.pcd").xyz.tolist() == (xyz + 651234.001).tolist()
    cloud.attributes = {"name": np.array(["a", "b"])}
    with pytest.raises(DataError, match="cannot hold 'name'"):
        io.write(tmp_path / "c.pcd", cloud)


@pytest.mark.parametrize("kind", ["binary", "binary_compressed"])
def test_organised_clouds_with_padding_and_wide_fields(tmp_path: Path, kind: str) -> None:
    row = np.dtype(
        [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("p", "u1", 4), ("h", "<f4", 3), ("q", "u1", 2)]
    )
    points = np.frombuffer(np.random.default_rng(0).bytes(6 * row.itemsize), row)
    head = (
        "# by hand\nVERSION .7\nFIELDS x y z _ h _\nSIZE 4 4 4 1 4 1\nTYPE F F F U F U\n"
        "COUNT 1 1 1 4 3 2\nWIDTH 3\nHEIGHT 2\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS 6\nDATA binary\n"
    )
    a, b = tmp_path / "a.pcd", tmp_path / "b.pcd"
    a.write_bytes(head.encode() + points.tobytes() + b"behind")
    cloud = io.read(a)
    assert list(cloud.attributes) == ["h"]
    assert cloud.attributes["h"].tobytes() == np.ascontiguousarray(points["h"]).tobytes()
    cloud.source.encoding = kind
    io.write(b, cloud)
    back = io.read(b)
    back.source.encoding = "binary"
    io.write(b, back)
    assert b.read_bytes() == a.read_bytes()
    fewer = PointCloud(np.ones((2, 3)), source=cloud.source)
    io.write(b, fewer)
    assert io.read(b).source.header[-4:] == [
        "WIDTH 2",
        "HEIGHT 1",
        "VIEWPOINT 1 2 3 1 0 0 0",
        "POINTS 2",
    ]


@pytest.mark.parametrize(
    "content, message",
    [
        ("solid cube", "not a PCD file"),
        (HEADER.format(1).replace("DATA ascii", ""), "its header is cut short"),
        (HEADER.format(2) + "1 2 3\n", "promises 2 points, there are 1 rows"),
        (HEADER.format(1) + "1 2 3\n1 2 3\n", "promises 1 points, there are 2 rows"),
        (HEADER.format(10**15) + "1 2 3\n", "there are 1 rows"),
        (HEADER.format(10**15).replace("ascii", "binary") + "1", "no room for the 10000"),
        (HEADER.format(0), "holds no points"),
        (HEADER.format(-1), "WIDTH is no number"),
        (HEADER.format(2).replace("WIDTH 2", "WIDTH 3") + "1 2 3\n", "POINTS is 2, but WIDTH"),
        (HEADER.format(1) + "1 2 x\n", "line 12: 'x' is not a number"),
        (HEADER.format(1) + "1 2\n", "line 12 has 2 columns where 3"),
        (HEADER.format(1).replace("F F F", "F F S") + "1 2 3\n", "unknown type: S 4"),
        (HEADER.format(1).replace("4 4 4", "4 4 2") + "1 2 3\n", "unknown type: F 2"),
        (HEADER.format(1).replace("4 4 4", "4 4") + "1 2 3\n", "does not describe its fields"),
        (HEADER.format(1).replace("1 1 1", "1 1 0") + "1 2\n", "no x, y and z"),
        (HEADER.format(1).replace("1 1 1", "1 1 -1") + "1 2 3\n", "wrong count: -1"),
        (HEADER.format(1).replace("1 1 1", f"1 1 {10**12}") + "1 2 3\n", "wrong count"),
        (HEADER.format(1).replace("x y z", "x y y") + "1 2 3\n", "two fields have one name"),
        (HEADER.format(1).replace("x y z", "x y w") + "1 2 3\n", "no x, y and z"),
        (HEADER.format(1).replace("ascii", "morse") + "1 2 3\n", "unknown kind of PCD"),
        (HEADER.format(1).replace("ascii", "binary_compressed"), "compressed points are missing"),
    ],
)
def test_damaged_headers_and_rows(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.pcd"
    path.write_text(content)
    with pytest.raises(FileError, match=message) as caught:
        io.read(path)
    assert str(caught.value).startswith(str(path))


@every
def test_damage_of_every_encoding(tmp_path: Path, encoding: Encoding) -> None:
    rng = np.random.default_rng(1)
    columns = [*rng.integers(0, 50, (3, 60)).astype(np.float64), rng.integers(0, 9, 60)]
    Pcd.from_points(columns, ["x", "y", "z", "label"], ["f8", "f8", "f8", "i4"]).save(
        tmp_path / "a.pcd", encoding=encoding
    )
    data, outcomes = (tmp_path / "a.pcd").read_bytes(), {"cloud": 0, "error": 0}
    for _ in range(200):
        (tmp_path / "b.pcd").write_bytes(damaged(rng, data))
        try:
            io.read(tmp_path / "b.pcd").check()
            outcomes["cloud"] += 1
        except SalaNetError as error:
            assert str(error).startswith(str(tmp_path / "b.pcd")) and "\n" not in str(error)
            outcomes["error"] += 1
    assert outcomes["error"] > 20


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = Pcd.from_xyz_points(np.zeros((9, 3)))
    points.save(tmp_path / "a.pcd", encoding=Encoding.BINARY_COMPRESSED)
    monkeypatch.setitem(sys.modules, "lzf", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'salanet\[formats\]'"):
        io.read(tmp_path / "a.pcd")


def ouster(path: Path, encoding: str) -> np.ndarray:
    """A PCD as drivers write it: padding between the fields, and fields of no values."""
    names = "x y z _ intensity _ ring _"
    header = f"VERSION 0.7\nFIELDS {names}\nSIZE 4 4 4 1 4 1 2 1\nTYPE F F F U F U U U\n"
    header += "COUNT 1 1 1 4 1 0 1 3\nWIDTH 2\nHEIGHT 1\nPOINTS 2\nDATA binary\n"
    row = np.dtype("<f4,<f4,<f4,V4,<f4,<u2,V3")
    rows = np.frombuffer(bytes(range(50)), row)
    path.write_bytes(header.encode() + rows.tobytes())
    if encoding != "binary":
        cloud = io.read(path)
        cloud.source.encoding = encoding
        io.write(path, cloud)
    return rows


@pytest.mark.parametrize("encoding", ["binary", "ascii", "binary_compressed"])
def test_fields_of_no_values_stay_unseen_and_in_the_file(tmp_path: Path, encoding: str) -> None:
    rows = ouster(tmp_path / "a.pcd", encoding)
    cloud = io.read(tmp_path / "a.pcd")
    assert [*cloud.arrays()] == ["intensity", "ring"]
    np.testing.assert_array_equal(cloud.attributes["ring"], rows["f5"])
    assert io.write(tmp_path / "b.pcd", cloud) == []
    assert (tmp_path / "b.pcd").read_bytes() == (tmp_path / "a.pcd").read_bytes()
    cloud.label = np.array([3, 4], np.int32)
    io.write(tmp_path / "b.pcd", cloud)
    header = (tmp_path / "b.pcd").read_bytes().split(b"DATA")[0].decode()
    assert "FIELDS x y z _ intensity _ ring _ label" in header
    assert "COUNT 1 1 1 4 1 0 1 3 1" in header
    assert io.read(tmp_path / "b.pcd").label.tolist() == [3, 4]


def test_a_named_field_of_no_values_keeps_its_name(tmp_path: Path) -> None:
    ouster(tmp_path / "a.pcd", "binary")
    data = (tmp_path / "a.pcd").read_bytes().replace(b"intensity _ ring", b"intensity p ring")
    (tmp_path / "a.pcd").write_bytes(data)
    io.write(tmp_path / "b.pcd", io.read(tmp_path / "a.pcd"))
    assert (tmp_path / "b.pcd").read_bytes() == data
    (tmp_path / "a.pcd").write_bytes(data.replace(b"intensity p ring", b"intensity p r\0ng"))
    with pytest.raises(FileError, match="zero byte"):
        io.read(tmp_path / "a.pcd")


def test_blank_lines_between_points(tmp_path: Path) -> None:
    (tmp_path / "a.pcd").write_text(HEADER.format(2) + "1 2 3\n\n4 5 6\n \n\n")
    assert io.read(tmp_path / "a.pcd").xyz.tolist() == [[1, 2, 3], [4, 5, 6]]
    (tmp_path / "a.pcd").write_text(HEADER.format(2) + "1 2 3\n\n4 5 x\n")
    with pytest.raises(FileError, match="line 14: 'x' is not a number"):
        io.read(tmp_path / "a.pcd")
