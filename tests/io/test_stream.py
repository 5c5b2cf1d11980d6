"""A file written a few points at a time is the file written at once, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_las import VERSIONS, make

from salanet import io
from salanet.cloud import PointCloud
from salanet.io.las.laz import Unpacker
from salanet.io.stream import Stream, open_stream


def labelled(count: int, codes: list[int], extras: bool, seed: int = 0) -> PointCloud:
    rng = np.random.default_rng(seed)
    shares = {"p_a": rng.random(count, np.float32), "p_b": rng.random(count, np.float32)}
    return PointCloud(
        np.zeros((count, 3)),
        label=rng.choice(codes, count).astype(np.int32),
        attributes=shares if extras else {},
    )


def copy(stream: Stream, to: Path, size: int, values: PointCloud) -> list[str]:
    codes = np.unique(values.label)
    sample = PointCloud(
        np.zeros((len(codes), 3)),
        label=codes,
        attributes={n: np.full(len(codes), 0.3, a.dtype) for n, a in values.attributes.items()},
        class_names=values.class_names,
    )

    def part(start: int, stop: int) -> PointCloud:
        return PointCloud(
            np.zeros((stop - start, 3)),
            label=values.label[start:stop],
            attributes={name: array[start:stop] for name, array in values.attributes.items()},
        )

    with io.atomic_path(to) as temporary:
        *_, done = stream.copy(temporary, size, sample, part)
    assert done == stream.count
    return stream.remarks


def check(a: Path, folder: Path, suffix: str, values: PointCloud, size: int) -> None:
    whole, streamed = folder / f"whole{suffix}", folder / f"streamed{suffix}"
    cloud = io.read(a)
    cloud.label = values.label
    cloud.attributes |= values.attributes
    remarks = io.write(whole, cloud)
    stream = open_stream(a, streamed)
    assert stream is not None
    assert copy(stream, streamed, size, values) == remarks
    assert streamed.read_bytes() == whole.read_bytes()
    stream.keep(stream.count * stream.point_bytes)
    for _ in range(2):  # read again and kept, then from memory
        assert copy(stream, streamed, size, values) == remarks
        assert streamed.read_bytes() == whole.read_bytes()


def check_reading(a: Path, size: int) -> None:
    cloud, stream = io.read(a), open_stream(a, a)
    assert stream is not None and stream.count == len(cloud)
    parts = list(stream.clouds(size, [*stream.names, "rgb"]))
    assert [len(part) for part in parts[:-1]] == [size] * (len(parts) - 1)
    np.testing.assert_array_equal(np.concatenate([part.xyz for part in parts]), cloud.xyz)
    arrays = cloud.arrays()
    assert arrays.keys() == parts[0].arrays().keys()
    for name, array in arrays.items():
        found = np.concatenate([part.arrays()[name] for part in parts])
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array, err_msg=name)
    (first, *_) = stream.clouds(size, ["intensity"])
    assert [*first.arrays()] == ["intensity"]


@pytest.mark.parametrize("suffix", [".las", ".laz"])
@pytest.mark.parametrize("version, point_format", VERSIONS)
def test_las(tmp_path: Path, version: str, point_format: int, suffix: str) -> None:
    a = tmp_path / f"a{suffix}"
    make(a, version, point_format)
    check_reading(a, 7)
    for codes, extras in (([2, 6], False), ([2, 6], True), ([2, 300], True)):
        for target in (".las", ".laz"):
            check(a, tmp_path, target, labelled(40, codes, extras), 7)


def test_points_that_are_kept_are_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = 0
    read = Unpacker.read

    def counted(self: Unpacker, count: int) -> NDArray[np.uint8]:
        nonlocal unpacked
        unpacked += count
        return read(self, count)

    monkeypatch.setattr(Unpacker, "read", counted)
    make(tmp_path / "a.laz")
    stream = open_stream(tmp_path / "a.laz", tmp_path / "a.laz")
    assert stream is not None and stream.count == 40
    names = [*{*stream.names} - {"rgb"}]  # whose depth is looked for in all points, once
    taken = 40 * stream.point_bytes
    assert stream.keep(taken - 1) == 0  # too large
    for _ in range(2):
        list(stream.clouds(7, names))
    assert unpacked == 80
    assert stream.keep(taken) == taken
    next(stream.clouds(7, names))  # not all of them: nothing to keep
    assert unpacked == 87
    before, after = (list(stream.clouds(size, names)) for size in (7, 9))
    assert unpacked == 127
    for name, array in before[0].arrays().items():
        assert np.array_equal(array, after[0].arrays()[name][:7])
    after[0].xyz[:] = 0
    np.testing.assert_array_equal(next(stream.clouds(7, ())).xyz, before[0].xyz)
    make(tmp_path / "a.las")
    plain = open_stream(tmp_path / "a.las", tmp_path / "a.las")
    assert plain is not None and plain.keep(10**9) == 0  # nothing to unpack


def test_las_with_dimensions_of_these_names(tmp_path: Path) -> None:
    """Labels and probabilities of an earlier run are replaced, as when read and written whole."""
    a = tmp_path / "a.laz"
    make(a)
    cloud = io.read(a)
    values = labelled(40, [2, 300], True)
    cloud.label = values.label
    cloud.attributes |= values.attributes
    io.write(tmp_path / "b.laz", cloud)
    check_reading(tmp_path / "b.laz", 9)
    check(tmp_path / "b.laz", tmp_path, ".laz", labelled(40, [3, 301], True, seed=5), 9)


def test_pieces_do_not_change_the_compression(tmp_path: Path) -> None:
    from salanet.datasets.town import town

    cloud = town(1, size=130)
    assert len(cloud) > 120_000  # more than two chunks of LAZ
    io.write(tmp_path / "a.laz", cloud)
    values = labelled(len(cloud), [1, 2], True)
    for size in (33_333, 100_000):
        check(tmp_path / "a.laz", tmp_path, ".laz", values, size)
    check_reading(tmp_path / "a.laz", 33_333)


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("label", [None, "u1", "i4"])
def test_ply(tmp_path: Path, order: str, label: str | None) -> None:
    rng = np.random.default_rng(0)
    kinds = {"x": "f8", "y": "f8", "red": "u1", "green": "u1", "blue": "u1", "z": "f8"}
    kinds |= {"intensity": "u2", "nx": "f4"} | ({"class": label} if label else {})
    mark = "<" if order == "little" else ">"
    row = np.dtype([(name, mark + kind) for name, kind in kinds.items()])
    rows = rng.integers(0, 256, (31, row.itemsize), dtype=np.uint8).view(row)[:, 0]
    for name in "xyz":
        rows[name] = rng.normal(0, 10, 31)
    rows["nx"] = 1.5
    names = {"f8": "double", "f4": "float", "u1": "uchar", "u2": "ushort", "i4": "int"}
    header = f"ply\nformat binary_{order}_endian 1.0\ncomment a scan\nelement vertex 31\n"
    header += "".join(f"property {names[kind]} {name}\n" for name, kind in kinds.items())
    header += "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    faces = b"".join(b"\3" + np.array(f, mark + "i4").tobytes() for f in ([0, 1, 2], [3, 4, 5]))
    (tmp_path / "a.ply").write_bytes(header.encode() + rows.tobytes() + faces)
    check_reading(tmp_path / "a.ply", 7)
    for codes, extras in (([2, 6], False), ([2, 300], True)):
        check(tmp_path / "a.ply", tmp_path, ".ply", labelled(31, codes, extras), 7)


def test_what_is_read_at_once(tmp_path: Path) -> None:
    cloud = PointCloud(np.zeros((3, 3)), attributes={"label": np.array([0.5, 1, 2])})
    io.write(tmp_path / "a.ply", cloud)
    io.write(tmp_path / "a.npz", cloud)
    (tmp_path / "b.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
        "property float z\nend_header\n1 2 3\n"
    )
    for name in ("a.ply", "a.npz", "b.ply"):
        assert open_stream(tmp_path / name, tmp_path / name) is None
    make(tmp_path / "a.laz")
    assert open_stream(tmp_path / "a.laz", tmp_path / "b.ply") is None
