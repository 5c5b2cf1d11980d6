from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError
from salanet.io.convert import convert
from salanet.io.describe import describe


def read(tmp_path: Path, name: str, content: str, columns: str | None = None) -> PointCloud:
    (tmp_path / name).write_bytes(content.encode())
    return io.read(tmp_path / name, columns=columns)


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.xyz", "1.5 2 -3\n4.0 5 6\n"),
        ("a.xyz", "1.5 2 -3 17\n4.0 5 6 18\n"),
        ("a.txt", "1.5 2 -3 10 20 30\n4.0 5 6 70 80 90\n"),
        ("a.pts", "2\n1.5 2 -3 -1200 10 20 30\n4.0 5 6 99 70 80 90\n"),
        ("a.csv", "x,y,z,label\n1.5,2.0,-3.0,7\n4.0,5.0,6.0,8\n"),
        ("a.csv", "class;Z;Y;X;gps\r\n7;-3;2;1.5;9007199254740993\r\n8;6;5;4.0;2\r\n"),
        ("a.txt", "# by hand\n//X Y Z R G B Intensity\n1.5 2 -3 1 2 3 0.5\n4.0 5 6 7 8 9 1.0\n"),
        ("a.txt", "x\ty\tz\ttime\n1.5\t2\t-3\t0.1\n4.0\t5\t6\t1e-05\n"),
        ("a.asc", "//X Y Z R G B\n2\n1.5 2 -3 1 2 3\n4.0 5 6 7 8 9\n"),
        ("a.txt", "X Y Z\n2\n1.5 2 -3\n4.0 5 6\n"),
        ("a.pts", "1\n1.5 2 -3 -1200 10 20 30\n0\n1\n4.0 5 6 99 70 80 90\n"),
        ("a.csv", "X,Y,Z,\n1.5,2,-3,\n4.0,5,6,\n"),
        ("a.csv", "X;Y;Z\r\n1.5;2;-3;\r\n4.0;5;6;\r\n"),
        ("a.csv", "\ufeffX,Y,Z\n1.5,2,-3\n4.0,5,6\n"),
        ("a.txt", "x y z t\n1.5 2 -3 18446744073709551615\n4.0 5 6 9223372036854775808\n"),
        ("a.txt", "x y z t\n1.5 2 -3 1614596400.123456789\n4.0 5 6 1614596400.5\n"),
        ("a.txt", "x y z t\n1.5 2 -3 36893488147419103233\n4.0 5 6 1\n"),
    ],
)
def test_round_trip_is_the_same_file(tmp_path: Path, name: str, content: str) -> None:
    cloud = read(tmp_path, name, content)
    assert cloud.xyz.tolist() == [[1.5, 2, -3], [4, 5, 6]]
    assert io.write(tmp_path / f"b{Path(name).suffix}", cloud) == []
    assert (tmp_path / f"b{Path(name).suffix}").read_bytes() == content.encode()


def test_what_the_columns_are(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.pts", "1\n1 2 3 -5 10 20 30\n")
    assert cloud.intensity.tolist() == [-5]
    assert cloud.rgb.tolist() == [[10, 20, 30]]
    cloud = read(tmp_path, "a.xyz", "1 2 3 10 20 30\n")
    assert cloud.rgb.tolist() == [[10, 20, 30]]
    assert cloud.label is None
    cloud = read(tmp_path, "a.csv", '"X", "Y", "Z", "Classification", "ring"\n1, 2, 3, 6, 4\n')
    assert cloud.label.tolist() == [6]
    assert cloud.attributes["ring"].tolist() == [4]
    assert cloud.attributes["ring"].dtype == np.int64


def test_a_column_spec_names_them(tmp_path: Path) -> None:
    content = "9 8 1 2 3 4 6\n9 8 1 2 3 4 6\n"
    cloud = read(tmp_path, "a.txt", content, "_,time,x,y,z,intensity,label")
    assert cloud.xyz[0].tolist() == [1, 2, 3]
    assert (cloud.intensity[0], cloud.label[0]) == (4, 6)
    assert sorted(cloud.attributes) == ["column_1", "time"]
    cloud.label = np.array([2, 2], np.int32)
    cloud.attributes["confidence"] = np.array([0.1, 0.5], np.float32)
    remarks = io.write(tmp_path / "b.txt", cloud)
    header = "# column_1 time x y z intensity label confidence\n"
    assert (tmp_path / "b.txt").read_text() == header + "9 8 1 2 3 4 2 0.1\n9 8 1 2 3 4 2 0.5\n"
    assert remarks == [
        "the file had no header; a line before its points names its columns: "
        "column_1, time, x, y, z, intensity, label, confidence"
    ]


def test_columns_of_a_spec_add_no_header(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.txt", "1 2 3 4 5 6 7\n", "x,y,z,intensity,r,g,b")
    assert io.write(tmp_path / "b.txt", cloud) == []
    assert (tmp_path / "b.txt").read_text() == "1 2 3 4 5 6 7\n"


@pytest.mark.parametrize(
    "name, content, written",
    [
        ("a.xyz", "1.5 2 3\n", "# x y z label\n1.5 2 3 5\n"),
        ("a.xyz", "1 2 3 4\n", "# x y z intensity label\n1 2 3 4 5\n"),
        ("a.txt", "// by hand\n1;2;3;7;8;9\n", "// by hand\n# x;y;z;r;g;b;label\n1;2;3;7;8;9;5\n"),
        ("a.asc", "1\t2\t3\r\n", "# x\ty\tz\tlabel\r\n1\t2\t3\t5\r\n"),
        ("a.txt", "1;2;3;\n" * 2, "# x;y;z;label;\n" + "1;2;3;5;\n" * 2),
        ("a.csv", "1,2,3\n", "x,y,z,label\n1,2,3,5\n"),
        ("a.csv", "1\n1,2,3\n", "1\nx,y,z,label\n1,2,3,5\n"),
        (
            "a.pts",
            "1\n1 2 3 4 7 8 9\n",
            "1\n# x y z intensity r g b label\n1 2 3 4 7 8 9 5\n",
        ),
    ],
)
def test_a_file_without_header_gets_one_with_its_new_column(
    tmp_path: Path, name: str, content: str, written: str
) -> None:
    cloud = read(tmp_path, name, content)
    cloud.label = np.full(len(cloud), 5, np.int32)
    target = tmp_path / f"b{Path(name).suffix}"
    assert len(io.write(target, cloud)) == 1
    assert target.read_bytes() == written.encode()
    back = io.read(target)
    assert set(back.label.tolist()) == {5}
    assert set(back.arrays()) == set(cloud.arrays())
    io.write(tmp_path / f"c{Path(name).suffix}", back)
    assert (tmp_path / f"c{Path(name).suffix}").read_bytes() == written.encode()


def test_names_of_classes_come_with_the_header(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.xyz", "1 2 3\n")
    cloud.label, cloud.class_names = np.array([1], np.int32), {1: "wall"}
    io.write(tmp_path / "b.xyz", cloud)
    assert (tmp_path / "b.xyz").read_text() == "# label 1 wall\n# x y z label\n1 2 3 1\n"
    assert io.read(tmp_path / "b.xyz").class_names == {1: "wall"}


def test_columns_that_only_pts_has_without_a_header(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.pts", "1\n1 2 3 4 7 8 9\n")
    assert len(io.write(tmp_path / "b.xyz", cloud)) == 1
    assert (tmp_path / "b.xyz").read_text() == "1\n# x y z intensity r g b\n1 2 3 4 7 8 9\n"
    assert io.read(tmp_path / "b.xyz").rgb.tolist() == [[7, 8, 9]]


def test_a_fourth_column_is_the_label_where_classes_are_named(tmp_path: Path) -> None:
    content = "# label 2 ground\n# label 6 roof\n1 2 3 2\n1 2 4 6\n"
    cloud = read(tmp_path, "a.xyz", content)
    assert cloud.label.tolist() == [2, 6] and cloud.intensity is None
    io.write(tmp_path / "b.xyz", cloud)
    assert (tmp_path / "b.xyz").read_text() == content
    cloud.class_names = {}
    io.write(tmp_path / "b.xyz", cloud)
    assert (tmp_path / "b.xyz").read_text() == "# x y z label\n1 2 3 2\n1 2 4 6\n"


@pytest.mark.parametrize("values", [["1", "2", "6"], ["1.0e+00", "2.0e+00", "6.0e+00"]])
def test_a_fourth_column_that_may_be_labels(tmp_path: Path, values: list[str]) -> None:
    rows = [f"1 {i} 3 {value}" for i in range(20) for value in values]
    cloud = read(tmp_path, "a.xyz", "\n".join(rows))
    assert cloud.label is None and cloud.intensity[:3].tolist() == [1, 2, 6]
    assert cloud.source.remarks == [
        "the 4th of its columns is taken for intensity: with 3 values, whole numbers from 1 to 6, "
        "it may be labels; name its columns then, as in 'x,y,z,label'"
    ]
    assert cloud.source.remarks[0].code == "columns"
    named = io.read(tmp_path / "a.xyz", columns="x,y,z,intensity")
    assert named.source.remarks == []


@pytest.mark.parametrize("values", ["0", "0.5 1", "1 300", " ".join(map(str, range(40))), "nan 1"])
def test_a_fourth_column_that_is_intensity(tmp_path: Path, values: str) -> None:
    rows = [f"1 {i} 3 {value}" for i in range(20) for value in values.split()]
    assert read(tmp_path, "a.xyz", "\n".join(rows)).source.remarks == []


def test_new_columns_extend_the_header(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.csv", "z;y;x\n3;2;1\n")
    cloud.label = np.array([5], np.int32)
    cloud.attributes["two words"] = np.array([0.5])
    assert io.write(tmp_path / "b.csv", cloud) == []
    assert (tmp_path / "b.csv").read_text() == "z;y;x;label;two_words\n3;2;1;5;0.5\n"


def test_whole_numbers_that_turn_out_not_to_be(tmp_path: Path) -> None:
    rows = ["1 2 3 4"] * 1500 + ["1 2 3 4.5"]
    cloud = read(tmp_path, "a.xyz", "\n".join(rows))
    assert cloud.intensity[-1] == 4.5
    io.write(tmp_path / "b.xyz", cloud)
    assert (tmp_path / "b.xyz").read_text().splitlines()[::1500] == ["1 2 3 4.0", "1 2 3 4.5"]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_random_values_survive(tmp_path: Path, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    suffix = data.draw(st.sampled_from([".csv", ".txt", ".xyz", ".pts"]))
    attributes = {
        name: data.draw(hnp.arrays(kind, count))
        for name, kind in {"a": "f8", "b": "f4", "c": "i8", "d": "u1"}.items()
    }
    label = data.draw(hnp.arrays(np.int32, count))
    xyz = data.draw(hnp.arrays(np.float64, (count, 3)))
    io.write(tmp_path / f"a{suffix}", PointCloud(xyz, label=label, attributes=attributes))
    first = io.read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(first.xyz, xyz)
    np.testing.assert_array_equal(first.label, label)
    for name, array in attributes.items():
        back = first.attributes[name].astype(array.dtype)
        np.testing.assert_array_equal(back, array)
    io.write(tmp_path / f"b{suffix}", first)
    second = io.read(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(second.xyz, xyz)
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)
        assert second.arrays()[name].dtype == array.dtype


@pytest.mark.parametrize(
    "content, message",
    [
        ("1 2 3\n4 5\n", "line 2 has 2 columns where 3"),
        ("# c\n\n1 2 3\n\n4 5 6 7\n", "line 5 has 4 columns where 3"),
        ("1 2 3\n4 5 six\n", "line 2: 'six' is not a number"),
        ("1 2 3\n" * 2000 + "4 5 \x1b[31m\n", r"line 2001: '\\x1b\[31m' is not a number"),
        ("x y z label\n1 2 3\n", "header names 4 columns, the first point has 3"),
        ("a b c\n1 2 3\n", "no x, y and z among its columns: a, b, c; name its columns, as in"),
        ("x y y\n1 2 3\n", "two columns have one name"),
        ("1 2\n", "2 columns and no header: name its columns"),
        ("1 2 3 4 5 6 7 8\n", "name its columns, as in 'x,y,z,r,g,b,label'"),
        ("x y z\n", "holds no points"),
        ("# nothing\n\n", "holds no points"),
        (" \n\n", "holds no points"),
        ("5\n1 2 3\n", "cut short: 1 of the 5 points"),
        ("1\n1 2 3\n5\n4 5 6\n", "cut short: 1 of the 5 points"),
        ("1,5 2,5 3\n", r"line 1: '1,5' has a decimal comma; .*'1.5'.*sed 's/,/./g'"),
        ("1 2 3\n1,5 2 3\n", r"line 2: '1,5' is not a number \(numbers need a point"),
        ("ncols 3\nnrows 2\n1 2 3\n4 5 6\n", "an ESRI grid"),
        ("1,5;2;3\n", "line 1: '1,5' has a decimal comma"),
        ("1 2 3\0\n", "is not a number"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        read(tmp_path, "a.xyz", content)
    assert str(caught.value).startswith(str(tmp_path / "a.xyz"))
    assert "\n" not in str(caught.value)


def test_bytes_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    with pytest.raises(FileError, match="not a text file"):
        io.read(tmp_path / "a.txt")


def test_bad_specs_and_strings(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="2 columns are named, the first point has 3"):
        read(tmp_path, "a.txt", "1 2 3\n", "x,y")
    with pytest.raises(FileError, match="two columns have one name"):
        read(tmp_path, "a.txt", "1 2 3 4\n", "x,y,z,z")
    cloud = PointCloud(np.zeros((1, 3)), attributes={"name": np.array(["tree"])})
    with pytest.raises(DataError, match="text cannot hold 'name'"):
        io.write(tmp_path / "b.txt", cloud)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / "a.csv").write_bytes((mark + "X,Y,Z,Höhe\n1,2,3,4\n").encode(encoding))
    cloud = io.read(tmp_path / "a.csv")
    assert cloud.attributes["Höhe"].tolist() == [4]
    io.write(tmp_path / "b.csv", cloud)
    assert (tmp_path / "b.csv").read_bytes().decode("utf-16") == "X,Y,Z,Höhe\n1,2,3,4\n"
    (tmp_path / "a.csv").write_bytes(codecs.BOM_UTF16_LE + b"\x00\xd8\x00")
    with pytest.raises(FileError, match="is not UTF-16"):
        io.read(tmp_path / "a.csv")


def test_new_columns_behind_delimiters_at_the_end(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.csv", "X,Y,Z,\n1,2,3,\n4,5,6,\n")
    cloud.label = np.array([5, 6], np.int32)
    io.write(tmp_path / "b.csv", cloud)
    assert (tmp_path / "b.csv").read_text() == "X,Y,Z,label,\n1,2,3,5,\n4,5,6,6,\n"


def test_scans_in_one_file(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.pts", "2\n1 2 3 4\n2 3 4 5\n1\n3 4 5 6\n")
    assert cloud.intensity.tolist() == [4, 5, 6]
    cloud.label = np.array([7, 8, 9], np.int32)
    io.write(tmp_path / "b.pts", cloud)
    header = "# x y z intensity label\n"
    written = f"2\n{header}1 2 3 4 7\n2 3 4 5 8\n1\n3 4 5 6 9\n"
    assert (tmp_path / "b.pts").read_text() == written
    assert io.read(tmp_path / "b.pts").label.tolist() == [7, 8, 9]
    io.write(tmp_path / "b.pts", PointCloud(np.ones((2, 3)), source=cloud.source))
    assert (tmp_path / "b.pts").read_text() == "2\n1 1 1\n1 1 1\n"


def test_digits_that_only_text_can_keep(tmp_path: Path) -> None:
    """Times of ROS: seconds with nine decimals."""
    rows = "x y z t\n1 2 3 1614596400.123456789\n4 5 6 0.10000000000000000555\n"
    cloud = read(tmp_path, "a.txt", rows)
    assert cloud.attributes["t"].tolist() == [1614596400.123456789, 0.1]
    said = "'t' has more digits than float64 holds: only text files keep all of them"
    assert describe(tmp_path / "a.txt").warnings[0] == said
    assert convert(tmp_path / "a.txt", tmp_path / "b.ply")[0] == said
    cloud.attributes["t"] = cloud.attributes["t"] + 1
    io.write(tmp_path / "b.txt", cloud)
    assert (tmp_path / "b.txt").read_text().splitlines()[2] == "4 5 6 1.1"
    cloud = read(tmp_path, "a.txt", "x y z t\n1 2 3 0.10000000000000000555\n")
    assert cloud.source.remarks == []  # the digits of a float64, all of them


def test_whole_numbers_of_64_bits_with_and_without_a_sign(tmp_path: Path) -> None:
    rows = ["1 2 3 4"] * 1500 + [f"1 2 3 {2**64 - 1}"]
    cloud = read(tmp_path, "a.txt", "x y z t\n" + "\n".join(rows))
    assert cloud.attributes["t"].dtype == np.uint64 and cloud.attributes["t"][-1] == 2**64 - 1
    assert convert(tmp_path / "a.txt", tmp_path / "b.laz") == []
    assert io.read(tmp_path / "b.laz").attributes["t"][-1] == 2**64 - 1


DECIMAL_COMMAS = [
    "770600,160, 6277566,060, 21,510\n770600,250, 6277566,420, 21,700\n",
    "770600,160,6277566,060,21,510\n770600,250,6277566,420,21,700\n",
    "0,16,-7,06,21,5\n0,05,-7,42,21,07\n",
    "X,Y,Z\n1,5, 2,5, 3,5\n",
    "1,05,2,50,3,50,868\n1,15,2,50,3,50,900\n",
]


@pytest.mark.parametrize("content", DECIMAL_COMMAS)
def test_decimal_commas_between_commas(tmp_path: Path, content: str) -> None:
    said = r"line [12]: '[0-9]+,[0-9]+' seems to be one number with a decimal comma.*decimal points"
    with pytest.raises(FileError, match=said) as caught:
        read(tmp_path, "a.csv", content)
    assert caught.value.code == "columns"


@pytest.mark.parametrize(
    "content",
    [
        "1000,2000,3000,120,110,100\n1001,2001,3001,120,110,9\n",
        "1000,2000,3000,012,034,056\n1001,2001,3001,120,110,009\n",
        "1.5,2.5,3.5,120,110,100\n",
        "1000, 2000, 3000, 012, 110, 100\n",
        "r,x,g,y,b,z\n1,05,2,06,3,07\n",
    ],
)
def test_commas_between_whole_numbers(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, "a.csv", content).rgb is not None


def test_whole_numbers_that_look_like_fractions_can_be_named(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.csv", DECIMAL_COMMAS[1], "x,y,z,r,g,b")
    assert cloud.xyz[0].tolist() == [770600, 160, 6277566]


@pytest.mark.parametrize(
    "header",
    [
        "id,northing,easting,elevation",
        "id,Hochwert,Rechtswert,Höhe",
        "id,NORDWERT,OSTWERT,HOEHE",
        "# id,Northing,Easting,Height",
    ],
)
def test_coordinates_as_surveyors_call_them(tmp_path: Path, header: str) -> None:
    content = f"{header}\n7,2.5,1.5,3.5\n"
    cloud = read(tmp_path, "a.csv", content)
    assert cloud.xyz.tolist() == [[1.5, 2.5, 3.5]]
    assert io.write(tmp_path / "b.csv", cloud) == []
    assert (tmp_path / "b.csv").read_bytes() == content.encode()


def test_x_y_and_z_go_before_what_surveyors_call_them(tmp_path: Path) -> None:
    cloud = read(tmp_path, "a.csv", "easting,northing,elevation,x,y,z\n1,2,3,4,5,6\n")
    assert cloud.xyz.tolist() == [[4, 5, 6]]
    cloud.source = None
    io.write(tmp_path / "b.ply", cloud)
    assert io.read(tmp_path / "b.ply").xyz.tolist() == [[4, 5, 6]]


def test_a_header_in_latin_1(tmp_path: Path) -> None:
    content = "Rechtswert;Hochwert;Höhe\r\n1;2;3\r\n".encode("latin-1")
    (tmp_path / "a.csv").write_bytes(content)
    cloud = io.read(tmp_path / "a.csv")
    assert cloud.xyz.tolist() == [[1, 2, 3]]
    io.write(tmp_path / "b.csv", cloud)
    assert (tmp_path / "b.csv").read_bytes() == content
    cloud.attributes["建物"] = np.array([4])  # which Latin-1 has no letters for
    io.write(tmp_path / "b.csv", cloud)
    assert (tmp_path / "b.csv").read_text().splitlines()[0] == "Rechtswert;Hochwert;Höhe;建物"
    (tmp_path / "a.csv").write_bytes(content + "Höhe".encode("latin-1"))
    with pytest.raises(FileError, match="is not UTF-8"):
        io.read(tmp_path / "a.csv")
