"""PLY against plyfile, an independent reader and writer."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import plyfile
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io.describe import describe
from salanet.io.stream import open_stream

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]
FORMATS = [(True, "="), (False, "<"), (False, ">")]
FACES = np.array(
    [([0, 1, 2], 7), ([2, 1, 0, 1], 8), ([], 9)], dtype=[("vertex_indices", "O"), ("flag", "i2")]
)
# plyfile warns of the empty list among the faces
pytestmark = pytest.mark.filterwarnings("ignore:loadtxt:UserWarning")
relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write_with_plyfile(
    path: Path, vertex: np.ndarray, text: bool, order: str, **more: bool
) -> None:
    faces = plyfile.PlyElement.describe(
        FACES, "face", len_types={"vertex_indices": "u1"}, val_types={"vertex_indices": "i4"}
    )
    grid = plyfile.PlyElement.describe(np.array([(3, 2.5)], [("n", "i4"), ("s", "f8")]), "grid")
    elements = [plyfile.PlyElement.describe(vertex, "vertex", comments=["of vertices"])]
    if more.get("faces_first"):
        elements = [faces, grid, *elements]
    elif more.get("faces"):
        elements += [faces, grid]
    plyfile.PlyData(
        elements, text=text, byte_order=order, comments=["made by hand"], obj_info=["scanner 1"]
    ).write(path)


@st.composite
def vertices(draw: st.DrawFn) -> np.ndarray:
    count = draw(st.integers(1, 6))
    names = ["x", "y", "z", *draw(st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=5))]
    names += draw(st.sampled_from([[], ["red", "green", "blue"], ["Label"], ["scalar_Intensity"]]))
    names = draw(st.permutations(names))
    row = np.dtype([(name, draw(st.sampled_from(TYPES))) for name in names])
    vertex = np.empty(count, row)
    for name in names:
        vertex[name] = draw(
            hnp.arrays(
                row[name], count, elements={"allow_nan": False} if row[name].kind == "f" else None
            )
        )
    return vertex


@relaxed
@given(vertices(), st.sampled_from(FORMATS))
def test_round_trip_keeps_values_types_and_order(
    tmp_path: Path, vertex: np.ndarray, kind: tuple[bool, str]
) -> None:
    text, order = kind
    write_with_plyfile(tmp_path / "a.ply", vertex, text, order, faces=True)
    cloud = io.read(tmp_path / "a.ply")
    for i, name in enumerate("xyz"):
        np.testing.assert_array_equal(cloud.xyz[:, i], vertex[name].astype(np.float64))
    for name, array in cloud.attributes.items():
        np.testing.assert_array_equal(array, vertex[name])
        assert array.dtype == vertex[name].dtype
    assert io.write(tmp_path / "b.ply", cloud) == []
    before, after = (
        plyfile.PlyData.read(tmp_path / "a.ply"),
        plyfile.PlyData.read(tmp_path / "b.ply"),
    )
    assert after.header == before.header
    for name in vertex.dtype.names:
        assert after["vertex"][name].tobytes() == before["vertex"][name].tobytes()
    assert after["face"].data.tolist().__repr__() == before["face"].data.tolist().__repr__()
    if not text:  # plyfile prints floats with more digits than they need
        assert (tmp_path / "b.ply").read_bytes() == (tmp_path / "a.ply").read_bytes()


@pytest.mark.parametrize("text, order", FORMATS)
@pytest.mark.parametrize("faces_first", [False, True])
def test_changed_and_new_values_leave_the_rest(
    tmp_path: Path, text: bool, order: str, faces_first: bool
) -> None:
    row = [
        ("nx", "f4"),
        ("x", "f4"),
        ("y", "f4"),
        ("z", "f8"),
        ("class", "u1"),
        ("red", "u1"),
        ("green", "u1"),
        ("blue", "u1"),
    ]
    vertex = np.array([(0.1, 1, 2, 3.3, 4, 5, 6, 7), (0.2, 8, 9, 10.1, 5, 6, 7, 8)], row)
    write_with_plyfile(tmp_path / "a.ply", vertex, text, order, faces=True, faces_first=faces_first)
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.label.tolist() == [4, 5]
    assert cloud.rgb.tolist() == [[5, 6, 7], [6, 7, 8]]
    cloud.label = np.array([300, 5], np.int32)
    cloud.attributes["probability_ground"] = np.array([0.25, 0.1], np.float32)
    assert io.write(tmp_path / "b.ply", cloud) == []
    after = plyfile.PlyData.read(tmp_path / "b.ply")
    assert after.text is text
    assert [p.name for p in after["vertex"].properties] == [
        *vertex.dtype.names,
        "probability_ground",
    ]
    assert after["vertex"]["class"].tolist() == [300, 5]
    assert after["vertex"]["probability_ground"].dtype.str[1:] == "f4"
    for name in set(vertex.dtype.names) - {"class"}:
        np.testing.assert_array_equal(after["vertex"][name], vertex[name])
    assert [e.name for e in after.elements] == (
        ["face", "grid", "vertex"] if faces_first else ["vertex", "face", "grid"]
    )
    assert after["face"]["vertex_indices"][1].tolist() == [2, 1, 0, 1]
    assert after.comments == ["made by hand"]
    assert after.obj_info == ["scanner 1"]


def test_fewer_points_leave_the_faces_out_and_say_so(tmp_path: Path) -> None:
    vertex = np.array([(1, 2, 3), (4, 5, 6)], [("x", "f8"), ("y", "f8"), ("z", "f8")])
    write_with_plyfile(tmp_path / "a.ply", vertex, False, "<", faces=True)
    source = io.read(tmp_path / "a.ply").source
    remarks = io.write(tmp_path / "b.ply", PointCloud(np.ones((1, 3)), source=source))
    assert remarks == ["the other elements (faces) no longer fit the points: left out"]
    assert io.read(tmp_path / "b.ply").xyz.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    "stored, expected",
    [
        (np.array([[0, 128, 255]], np.uint8), [0, 128, 255]),
        (np.array([[0, 128 * 256, 65535]], np.uint16), [0, 128, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
    ],
)
def test_colours_of_every_depth(tmp_path: Path, stored: np.ndarray, expected: list[int]) -> None:
    kind = stored.dtype.str[1:]
    row = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("r", kind), ("g", kind), ("b", kind)]
    vertex = np.array([(0, 0, 0, *stored[0])], row)
    write_with_plyfile(tmp_path / "a.ply", vertex, False, "<")
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.rgb.tolist() == [expected]
    io.write(tmp_path / "b.ply", cloud)
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()
    cloud.rgb = np.array([[255, 128, 0]], np.uint8)
    io.write(tmp_path / "b.ply", cloud)
    assert io.read(tmp_path / "b.ply").rgb.tolist() == [[255, 128, 0]]
    assert plyfile.PlyData.read(tmp_path / "b.ply")["vertex"]["r"].dtype.str[1:] == kind


def test_labels_that_are_floats(tmp_path: Path) -> None:
    row = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("scalar_Label", "f4"), ("class", "f4")]
    vertex = np.array([(0, 0, 0, 3, 0.5), (0, 0, 0, np.nan, 0.5)], row)
    write_with_plyfile(tmp_path / "a.ply", vertex, False, "<")
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.label.tolist() == [3, -1]  # NaN: no label
    assert cloud.attributes["class"].tolist() == [0.5, 0.5]  # these cannot be labels
    io.write(tmp_path / "b.ply", cloud)
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()


def test_new_clouds_are_binary_doubles(tmp_path: Path) -> None:
    xyz = np.array([[651234.0625, 6861234.001, 35.25]])
    attributes = {
        "id": np.array([1 << 40]),
        "small": np.array([5]),
        "ok": np.array([True]),
        "half": np.array([0.5], np.float16),
        "wide": np.array([[1, 2]], np.float32),
        "huge": np.array([(1 << 60) + 1]),
        "two words": np.array([1.5]),
    }
    remarks = io.write(
        tmp_path / "a.ply", PointCloud(xyz, label=np.array([6]), attributes=attributes)
    )
    assert remarks == ["'huge' lost digits: PLY has no int64"]
    vertex = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"].data
    types = {name: vertex.dtype[name].str[1:] for name in vertex.dtype.names}
    assert types == {
        "x": "f8",
        "y": "f8",
        "z": "f8",
        "label": "i4",
        "id": "f8",
        "small": "i4",
        "ok": "u1",
        "half": "f4",
        "wide_0": "f4",
        "wide_1": "f4",
        "huge": "f8",
        "two_words": "f8",
    }
    np.testing.assert_array_equal(io.read(tmp_path / "a.ply").xyz, xyz)


def test_strings_are_refused(tmp_path: Path) -> None:
    cloud = PointCloud(np.zeros((1, 3)), attributes={"name": np.array(["tree"])})
    with pytest.raises(DataError, match="cannot hold 'name'"):
        io.write(tmp_path / "a.ply", cloud)
    assert not list(tmp_path.iterdir())


HEADER = """\
ply
format ascii 1.0
element vertex {}
property float x
property float y
property float z
"""


@pytest.mark.parametrize(
    "content, message",
    [
        ("solid cube", "not a PLY file"),
        (HEADER.format(1), "its header is cut short"),
        (HEADER.format(2) + "end_header\n1 2 3\n", "promises 2 of 'vertex'"),
        (HEADER.format(10**15) + "end_header\n1 2 3\n", "cut short"),
        (HEADER.format(2) + "end_header\n1 2 3\n1 2\n", "line 9 has 2 columns where 3"),
        (HEADER.format(2) + "end_header\n1 2 3\n1 2 x\n", "line 9: 'x' is not a number"),
        (HEADER.format(2) + "end_header\n1 2 3\n\n", "line 9 has 0 columns"),
        (HEADER.format(0) + "end_header\n", "holds no points"),
        (HEADER.format(-1) + "end_header\n", "header is wrong"),
        (HEADER.format(1) + "property float z\nend_header\n1 2 3 4\n", "doubled"),
        (HEADER.format(1) + "property list uchar int n\nend_header\n1 2 3 2 5\n", "line 9 is too"),
        (HEADER.format(1) + "property list uchar int n\nend_header\n1 2 3 -1\n", "list: 'n'"),
        (
            HEADER.format(1) + "property list uchar int n\nend_header\n1 2 3 0 7\n",
            "1 values too many",
        ),
        (HEADER.format(1) + "property list uchar int n\nend_header\n1 2 3 1 x\n", "line 9: 'x'"),
        (HEADER.format(1) + "property quad q\nend_header\n1 2 3 4\n", "header is wrong"),
        (HEADER.format(1).replace(" z", " w") + "end_header\n1 2 3\n", "no x, y and z"),
        (HEADER.format(1).replace("ascii", "morse") + "end_header\n1 2 3\n", "header is wrong"),
        (
            HEADER.format(1).replace("vertex", "point").replace("float z", "float w")
            + "end_header\n1 2 3\n",
            "without an element 'vertex' .it has point.",
        ),
        (
            HEADER.format(1).replace("float x", "uchar x") + "end_header\n300 2 3\n",
            "'300' is no uint8",
        ),
        (
            HEADER.format(1) + "element face 9\nproperty list uchar int i\nend_header\n1 2 3\n",
            "'face'",
        ),
    ],
)
def test_damaged_headers_and_rows(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.ply"
    path.write_text(content)
    with pytest.raises(FileError, match=message) as caught:
        io.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_faces_that_run_past_the_end(tmp_path: Path) -> None:
    vertex = np.zeros(2, [("x", "f8"), ("y", "f8"), ("z", "f8")])
    write_with_plyfile(tmp_path / "a.ply", vertex, False, ">", faces=True)
    data = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "a.ply").write_bytes(data[:-20])
    with pytest.raises(FileError, match="cut short: the header promises 3 of 'face'"):
        io.read(tmp_path / "a.ply")


def test_windows_line_ends(tmp_path: Path) -> None:
    text = (HEADER.format(2) + "end_header\n1 2 3\n4 5 6\n").replace("\n", "\r\n")
    (tmp_path / "a.ply").write_bytes(text.encode())
    assert io.read(tmp_path / "a.ply").xyz.tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("kind", ["binary_little_endian", "binary_big_endian", "ascii"])
@pytest.mark.parametrize("lengths", [[2, 2, 2], [2, 0, 3], [0, 0, 0]])
def test_lists_at_the_points_stay_beside_the_cloud(
    tmp_path: Path, kind: str, lengths: list[int]
) -> None:
    order = ">" if "big" in kind else "<"
    header = f"ply\nformat {kind} 1.0\nelement vertex 3\nproperty float x\nproperty float y\n"
    header += "property list uchar int near\nproperty list ushort double w\nproperty float z\n"
    header += "property uchar label\nelement other 1\nproperty uchar v\nend_header\n"
    body = b""
    for i, n in enumerate(lengths):
        near, w, last = list(range(n)), [0.5] * (i % 2), (2.5, i)
        if kind == "ascii":
            row = [float(i), 1.5, n, *near, len(w), *w, *last]
            body += " ".join(map(str, row)).encode() + b"\n"
        else:
            types = f"{order}ffB{n}iH{len(w)}dfB"
            body += struct.pack(types, i, 1.5, n, *near, len(w), *w, *last)
    path, again = tmp_path / "a.ply", tmp_path / "b.ply"
    path.write_bytes(header.encode() + body + (b"7\n" if kind == "ascii" else b"7"))
    cloud = io.read(path)
    np.testing.assert_array_equal(cloud.xyz, [[0, 1.5, 2.5], [1, 1.5, 2.5], [2, 1.5, 2.5]])
    assert cloud.label.tolist() == [0, 1, 2] and not cloud.attributes
    assert len(describe(path).warnings) >= 2 and "'near' is a list" in describe(path).warnings[0]
    assert io.write(again, cloud) == []
    assert again.read_bytes() == path.read_bytes()
    cloud.label, cloud.attributes["new"] = np.array([900, 1, 2], np.int32), np.ones(3, np.float32)
    io.write(again, cloud)
    back = io.read(again)
    assert back.label.tolist() == [900, 1, 2] and back.attributes["new"].tolist() == [1, 1, 1]
    for name, (counts, values) in cloud.source.lists.items():
        np.testing.assert_array_equal(back.source.lists[name].counts, counts)
        np.testing.assert_array_equal(back.source.lists[name].values, values)
    remarks = io.write(again, PointCloud(np.ones((1, 3)), source=cloud.source))
    assert remarks[1] == "lists of other points are left out: near, w"
    path.write_bytes(header.encode() + body[:-5])
    with pytest.raises(FileError, match=r"a\.ply: "):
        io.read(path)


def test_points_under_another_name(tmp_path: Path) -> None:
    """DALES calls them "testing"."""
    path, again = tmp_path / "a.ply", tmp_path / "b.ply"
    row = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("sem_class", "i4")])
    write_with_plyfile(path, np.ones(3, row), False, "<")
    path.write_bytes(path.read_bytes().replace(b"element vertex", b"element testing"))
    cloud = io.read(path)
    assert cloud.attributes["sem_class"].tolist() == [1, 1, 1]
    assert "the points are the element 'testing'" in describe(path).warnings
    assert io.write(again, cloud) == []
    assert again.read_bytes() == path.read_bytes()
    stream = open_stream(path, again)
    sample = PointCloud(np.zeros((1, 3)), label=np.array([3]))
    labels = lambda a, b: PointCloud(np.zeros((b - a, 3)), label=np.full(b - a, 3))  # noqa: E731
    assert list(stream.copy(again, 2, sample, labels)) == [2, 3]
    assert stream.remarks == ["the points are the element 'testing'"]
    assert io.read(again).label.tolist() == [3, 3, 3]
    assert b"element testing 3" in again.read_bytes()


def test_integers_of_eight_bytes_stay_such_where_they_were(tmp_path: Path) -> None:
    head = "ply\nformat binary_little_endian 1.0\nelement vertex 2\n"
    head += "".join(f"property float {c}\n" for c in "xyz")
    head += "property int64 label\nproperty uint64 time\nend_header\n"
    times = [2**64 - 1, 2**63 + 1]
    rows = np.array(
        [(1, 2, 3, 4, times[0]), (5, 6, 7, 8, times[1])], np.dtype("<f4,<f4,<f4,<i8,<u8")
    )
    (tmp_path / "a.ply").write_bytes(head.encode() + rows.tobytes())
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.label.tolist() == [4, 8] and cloud.attributes["time"].tolist() == times
    io.write(tmp_path / "b.ply", cloud)
    assert (tmp_path / "b.ply").read_bytes() == (tmp_path / "a.ply").read_bytes()
    cloud.source = None
    assert io.write(tmp_path / "b.ply", cloud) == ["'time' lost digits: PLY has no uint64"]


@pytest.mark.parametrize("kind", ["binary_little_endian", "ascii"])
def test_a_header_whose_lines_end_with_cr(tmp_path: Path, kind: str) -> None:
    """The first byte of the points is LF: it is no end of a line."""
    head = f"ply\rformat {kind} 1.0\relement vertex 1\r"
    head += "property uchar x\rproperty float y\rproperty float z\rend_header\r"
    body = b"10 2 3\r" if kind == "ascii" else struct.pack("<Bff", 10, 2, 3)
    (tmp_path / "a.ply").write_bytes(head.encode() + body)
    assert io.read(tmp_path / "a.ply").xyz.tolist() == [[10, 2, 3]]


@pytest.mark.parametrize(
    "columns",
    [
        ("diffuse_red", "diffuse_green", "diffuse_blue"),
        ("Rf", "Gf", "Bf"),
        ("red", "green", "blue"),
    ],
)
def test_colours_under_other_names_and_with_fractions(tmp_path: Path, columns: list[str]) -> None:
    row = np.dtype([*((c, "f4") for c in "xyz"), *((c, "f4") for c in columns)])
    write_with_plyfile(tmp_path / "a.ply", np.array([(1, 2, 3, 9.2, 90.6, 254.9)], row), False, "<")
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.rgb.tolist() == [[9, 91, 255]] and not cloud.attributes
    io.write(tmp_path / "b.ply", cloud)
    assert (tmp_path / "b.ply").read_bytes() == (tmp_path / "a.ply").read_bytes()
