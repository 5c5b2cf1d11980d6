"""Names of classes go into files with the labels, and come back; whatever is there instead."""

from __future__ import annotations

import tempfile
from pathlib import Path

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from las_files import make
from laspy.vlrs.known import ClassificationLookupVlr
from test_stream import copy

from salanet import io
from salanet.cloud import LONGEST_NAME, MOST_NAMES, PointCloud, usable_names
from salanet.errors import DataError, FileError
from salanet.io.convert import convert, losses
from salanet.io.las import binary, lookup
from salanet.io.names import from_lines, to_lines
from salanet.io.stream import open_stream

ROOMS = dict(
    enumerate(["ceiling", "floor", "wall", "beam", "column", "window", "door", "table", "chair"])
)
AERIAL = {1: "other", 2: "ground", 3: "low vegetation", 5: "high vegetation", 6: "building"}
LABELS = np.arange(40) % 9
# What these formats have no place for: tables of numbers, and text that knows no comments.
SILENT = (".npy", ".csv")
HOLDING = [suffix for suffix in io.WRITABLE if suffix not in SILENT]
INT32 = st.integers(-(2**31), 2**31 - 1)


def cloud(names: dict[int, str], label: np.ndarray = LABELS) -> PointCloud:
    xyz = np.random.default_rng(0).integers(0, 1000, (len(label), 3)) / 1000
    return PointCloud(xyz, label=label, class_names=names)


names_of_any_kind = st.dictionaries(
    INT32, st.text(min_size=1, max_size=LONGEST_NAME).filter(lambda t: usable_names([(0, t)])),
    max_size=12,
).map(lambda found: usable_names(found.items()))  # fmt: skip


@pytest.mark.parametrize("suffix", HOLDING)
@settings(max_examples=40, deadline=None)
@given(names=names_of_any_kind, codes=st.lists(INT32, min_size=1, max_size=5))
def test_names_come_back(suffix: str, names: dict[int, str], codes: list[int]) -> None:
    before = cloud(names, np.array(codes))
    with tempfile.TemporaryDirectory() as folder:
        io.write(Path(folder) / f"a{suffix}", before)
        after = io.read(Path(folder) / f"a{suffix}")
        assert (after.class_names, after.label.tolist()) == (names, codes)
        io.write(Path(folder) / f"b{suffix}", after)
        written = [(Path(folder) / f"{name}{suffix}").read_bytes() for name in "ab"]
        assert suffix == ".npz" or written[0] == written[1]  # a ZIP holds the time
        after.class_names = {7: "seven"}
        io.write(Path(folder) / f"c{suffix}", after)
        assert io.read(Path(folder) / f"c{suffix}").class_names == {7: "seven"}
        after.class_names = {}
        io.write(Path(folder) / f"d{suffix}", after)
        again = io.read(Path(folder) / f"d{suffix}")
        assert again.class_names == {} and losses(after, again) == []


@pytest.mark.parametrize("suffix", io.WRITABLE)
@pytest.mark.parametrize("other", io.WRITABLE)
def test_between_formats(tmp_path: Path, suffix: str, other: str) -> None:
    """Without a note, or with one that says what happens to them."""
    io.write(tmp_path / f"a{suffix}", cloud(ROOMS))
    said = convert(tmp_path / f"a{suffix}", tmp_path / f"b{other}")
    back = io.read(tmp_path / f"b{other}")
    if suffix in SILENT:
        assert said == [] and back.class_names == {}
    elif other == ".npy" or (other == ".csv" and suffix not in (".xyz", ".txt", ".asc", ".pts")):
        assert said == ["the names of the classes are not kept"] and back.class_names == {}
    else:
        assert back.class_names == ROOMS
        las, was = (s in (".las", ".laz") for s in (other, suffix))
        assert len(said) == (las and not was)
        assert all("6 door" in s and "2 ground, 3 low vegetation, …" in s for s in said)


def test_the_standard_names_leave_las_with_the_labels(tmp_path: Path) -> None:
    io.write(tmp_path / "a.laz", cloud({}))
    assert convert(tmp_path / "a.laz", tmp_path / "b.ply") == []
    found = io.read(tmp_path / "b.ply").class_names
    assert found[2] == "ground" and 8 not in found and 9 not in found
    assert convert(tmp_path / "b.ply", tmp_path / "c.laz") == []
    assert (tmp_path / "a.laz").read_bytes() == (tmp_path / "c.laz").read_bytes()


def test_labels_written_as_other_codes_keep_their_names(tmp_path: Path) -> None:
    io.write(tmp_path / "a.ply", cloud({0: "x", 8: "y"}), label_codes=range(10, 19))
    assert io.read(tmp_path / "a.ply").class_names == {10: "x", 18: "y"}


# LAS


def records(path: Path) -> list[tuple[tuple[bytes, int], bytes]]:
    with path.open("rb") as file:
        las = binary.read_head(path, file, path.stat().st_size)
    return [(vlr.key, vlr.data) for vlr in las.vlrs if vlr.key != binary.LASZIP]


def named(path: Path, entries: dict[int, str], extended: bool = False) -> None:
    """A LAS file whose codes somebody else has named."""
    make(path)
    las = laspy.read(path)
    record = ClassificationLookupVlr()
    for code, name in entries.items():
        record[code] = name
    if extended:
        data = b"".join(bytes([c]) + n.encode().ljust(15, b"\0") for c, n in entries.items())
        las.evlrs.append(laspy.VLR("LASF_Spec", 0, "", data))
    else:
        las.vlrs.append(record)
    las.write(path)


def test_the_record_is_the_standard_one(tmp_path: Path) -> None:
    remarks = io.write(tmp_path / "a.laz", cloud(ROOMS))
    (record,) = laspy.read(tmp_path / "a.laz").vlrs.get("ClassificationLookupVlr")
    assert len(record.record_data_bytes()) == 256 * 16
    assert {k: v for k, v in record.lookups.items() if v.strip("\0")} == ROOMS
    assert len(remarks) == 1 and "0 ceiling, 1 floor, 2 wall" in remarks[0]
    make(tmp_path / "b.laz")
    before, labelled = records(tmp_path / "b.laz"), io.read(tmp_path / "b.laz")
    labelled.label, labelled.class_names = LABELS, ROOMS
    io.write(tmp_path / "c.laz", labelled)
    assert records(tmp_path / "c.laz")[: len(before)] == before
    assert len(records(tmp_path / "c.laz")) == len(before) + 1


def test_names_of_the_standard_need_no_record(tmp_path: Path) -> None:
    for entries in ({}, {2: "Ground", 6: "Building"}):
        named(tmp_path / "a.laz", entries)
        before, one = records(tmp_path / "a.laz"), io.read(tmp_path / "a.laz")
        assert one.class_names == entries
        one.label, one.class_names = np.full(40, 6), AERIAL
        assert io.write(tmp_path / "b.laz", one) == []
        assert records(tmp_path / "b.laz") == before
    one.class_names = ROOMS
    io.write(tmp_path / "c.laz", one)
    assert [k for k, _ in records(tmp_path / "c.laz")] == [k for k, _ in before]  # in its place
    one = io.read(tmp_path / "c.laz")
    assert one.class_names == ROOMS
    one.class_names = AERIAL  # would be wrong under the old record
    assert io.write(tmp_path / "d.laz", one) == []
    assert io.read(tmp_path / "d.laz").class_names == AERIAL


def test_a_record_behind_the_points(tmp_path: Path) -> None:
    named(tmp_path / "a.laz", {64: "pole", 65: "sign"}, extended=True)
    one = io.read(tmp_path / "a.laz")
    assert one.class_names == {64: "pole", 65: "sign"}
    one.class_names = ROOMS
    io.write(tmp_path / "b.laz", one)
    assert io.read(tmp_path / "b.laz").class_names == ROOMS


def test_names_changed_by_another_program_hold(tmp_path: Path) -> None:
    long = {2: "a wall that is far longer than a name can be", 3: "x"}
    io.write(tmp_path / "a.las", cloud(long))
    las = laspy.read(tmp_path / "a.las")
    assert [vlr.user_id for vlr in las.vlrs] == ["LASF_Spec", "SalaNet"]
    assert las.vlrs[0].lookups[2] == "a wall that is "
    las.vlrs[0].lookups[3] = "y"
    las.write(tmp_path / "b.las")
    assert io.read(tmp_path / "a.las").class_names == long
    assert io.read(tmp_path / "b.las").class_names == {2: "a wall that is", 3: "y"}


@pytest.mark.parametrize(
    "data",
    [b"", b"\2ground", bytes(4096), b"\2" + b"\xff" * 14, b"\1\0" + b"x" * 14, b"\2ground" * 9999],
)
def test_broken_records_name_nothing(tmp_path: Path, data: bytes) -> None:
    make(tmp_path / "a.las")
    las = binary.read(tmp_path / "a.las")
    las.vlrs += [binary.Vlr.new(*key, b"", data[:65535]) for key in (lookup.STANDARD, lookup.OURS)]
    binary.write(tmp_path / "b.las", las, compress=False)
    one = io.read(tmp_path / "b.las")
    assert one.class_names == {}
    io.write(tmp_path / "c.las", one)
    assert (tmp_path / "b.las").read_bytes() == (tmp_path / "c.las").read_bytes()


@given(data=st.binary(max_size=400), classified=st.booleans())
def test_any_bytes_as_records(data: bytes, classified: bool) -> None:
    vlrs = [binary.Vlr.new(*key, b"", data) for key in (lookup.STANDARD, lookup.OURS)]
    las = binary.LasFile(bytearray(375), vlrs, b"", np.empty((0, 0), np.uint8), b"", 0)
    PointCloud(np.zeros((0, 3)), class_names=lookup.read(las, classified))


# Lines of text


def ply(path: Path, comments: bytes) -> Path:
    head = b"ply\nformat ascii 1.0\n" + comments + b"element vertex 1\n"
    head += b"property float x\nproperty float y\nproperty float z\nproperty uchar label\n"
    path.write_bytes(head + b"end_header\n1.0 2.0 3.0 1\n")
    return path


def test_other_comments_stay_as_they_were(tmp_path: Path) -> None:
    # "Å" and "…" hold bytes that end a line in Latin-1.
    kept = "comment Åland … 1\ncomment label of the year\nobj_info label 0 x\ncomment end_header\n"
    names = "comment label 1 Straße\ncomment label 2 end_header\n"
    one = io.read(ply(tmp_path / "a.ply", (kept + names + kept).encode() + b"comment \xff\n"))
    assert one.class_names == {1: "Straße", 2: "end_header"}
    io.write(tmp_path / "b.ply", one)
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()
    one.class_names = {1: "Å"}
    io.write(tmp_path / "c.ply", one)
    new = (tmp_path / "a.ply").read_bytes().replace(names.encode(), "comment label 1 Å\n".encode())
    assert (tmp_path / "c.ply").read_bytes() == new


def test_too_many_lines(tmp_path: Path) -> None:
    lines = [f"comment label {i} class {i}\n".encode() for i in range(10_000)]
    assert io.read(ply(tmp_path / "a.ply", b"".join(lines))).class_names == {}
    one = io.read(ply(tmp_path / "a.ply", b"".join(lines[:MOST_NAMES])))
    assert len(one.class_names) == MOST_NAMES
    assert open_stream(tmp_path / "a.ply", tmp_path / "b.laz") is None
    io.write(tmp_path / "b.laz", one)
    assert io.read(tmp_path / "b.laz").class_names == one.class_names


def test_more_than_a_las_file_has_room_for(tmp_path: Path) -> None:
    long = {i: f"{i:05}" + 95 * "x" for i in range(MOST_NAMES)}
    remarks = io.write(tmp_path / "a.las", cloud(long))
    assert any("too long for a LAS file" in remark for remark in remarks)
    found = io.read(tmp_path / "a.las").class_names
    assert len(found) == 256 and found[0] == long[0][:15]


@given(st.lists(st.text()))
def test_any_lines(lines: list[str]) -> None:
    found = from_lines(["# label 3 " + line for line in lines] + lines)
    PointCloud(np.zeros((0, 3)), class_names=found)
    assert from_lines(to_lines(found)) == found


def test_the_first_name_of_a_code_holds() -> None:
    lines = [
        "// label 1 a",
        "#label 1 b",
        "comment label 2 \x1b[31mred\t\u202ex",
        "label 2147483648 c",
    ]
    assert from_lines([*lines, "label 3 ", "label x y", "# label -1 none"]) == {
        1: "a", 2: "[31mred x", -1: "none"
    }  # fmt: skip


def test_a_name_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("# label 0 x y z\n# a b c d e\n1 2 3 4 5 6\n")
    one = io.read(tmp_path / "a.xyz")
    assert one.class_names == {0: "x y z"} and one.rgb is not None


@pytest.mark.parametrize("head", ["", "x y z label\n"])
def test_text_without_comments_gets_none(tmp_path: Path, head: str) -> None:
    (tmp_path / "a.txt").write_text(head + "1 2 3 4\n")
    one = io.read(tmp_path / "a.txt", columns="x,y,z,label")
    one.class_names = ROOMS
    io.write(tmp_path / "b.txt", one)
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes()


def test_arrays_of_that_name_that_are_something_else(tmp_path: Path) -> None:
    own = {
        "xyz": np.zeros((2, 3)),
        "label": np.zeros(2, int),
        "class_names": np.array(["a", "b", "c"]),
    }
    np.savez(tmp_path / "a.npz", **own)
    one = io.read(tmp_path / "a.npz")
    assert one.class_names == {}
    one.class_names = ROOMS
    io.write(tmp_path / "b.npz", one)
    assert np.load(tmp_path / "b.npz")["class_names"].tolist() == ["a", "b", "c"]
    broken = np.zeros(2, [("code", "<i4"), ("name", "<U4")])
    broken.view(np.uint8)[:] = 255
    np.savez(tmp_path / "c.npz", xyz=np.zeros((2, 3)), class_names=broken)
    assert io.read(tmp_path / "c.npz").class_names == {}


# In memory, and piece by piece


@pytest.mark.parametrize(
    "names", [{0: "a\nb"}, {0: ""}, {0: " a"}, {0: "\x07"}, {0: "a" * 101}, {1 << 31: "a"},
              dict.fromkeys(range(MOST_NAMES + 1), "a")],
)  # fmt: skip
def test_names_that_no_cloud_can_have(names: dict[int, str]) -> None:
    with pytest.raises(DataError, match="cannot be the name"):
        cloud(names)


@pytest.mark.parametrize("suffix", [".las", ".laz", ".ply"])
@pytest.mark.parametrize(
    "names", [{}, ROOMS, AERIAL, {2: "a name that is too long for it", 300: "x"}]
)
@pytest.mark.parametrize("codes", [[2, 6], [2, 300]])
@pytest.mark.parametrize("before", [{}, {2: "Ground"}, {2: "wall"}])
def test_piece_by_piece(
    tmp_path: Path, suffix: str, names: dict[int, str], codes: list[int], before: dict[int, str]
) -> None:
    a, whole, streamed = (tmp_path / f"{name}{suffix}" for name in ("a", "whole", "streamed"))
    if suffix == ".ply":
        io.write(a, cloud(before))
    else:
        named(a, before)
    values = PointCloud(np.zeros((40, 3)), label=np.resize(codes, 40), class_names=names)
    one = io.read(a)
    one.label, one.class_names = values.label, names
    remarks = io.write(whole, one)
    stream = open_stream(a, streamed)
    assert stream is not None and copy(stream, streamed, 7, values) == remarks
    assert streamed.read_bytes() == whole.read_bytes()


def test_a_damaged_header_is_still_an_error(tmp_path: Path) -> None:
    path = ply(tmp_path / "a.ply", b"comment label 1 a\n")
    path.write_bytes(path.read_bytes().replace(b"\nend_header", b" end_header"))
    with pytest.raises(FileError, match="header"):
        io.read(path)
