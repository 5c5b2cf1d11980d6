from __future__ import annotations

import io as streams
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError

XYZ = np.array([[1.5, 2, 3], [4, 5, 6.25]])


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_round_trip_is_bit_exact(tmp_path: Path, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 5))
    kinds = st.sampled_from(["i1", "u2", "i8", "f2", "f4", ">f8", "?", "U3", "c8"])
    shapes = st.sampled_from([(count,), (count, 2), (count, 3, 2)])
    arrays = {
        name: data.draw(hnp.arrays(data.draw(kinds), data.draw(shapes)))
        for name in data.draw(st.lists(st.sampled_from(["a", "file", "B c"]), unique=True))
    }
    arrays["xyz"] = data.draw(hnp.arrays(data.draw(st.sampled_from(["f4", "f8"])), (count, 3)))
    arrays["segment"] = data.draw(hnp.arrays("i2", count))
    arrays["voxel"] = np.array(0.04)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array)
    cloud = io.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.xyz, arrays["xyz"].astype(np.float64))
    np.testing.assert_array_equal(cloud.label, arrays["segment"])
    io.write(tmp_path / "b.npz", cloud)
    with np.load(tmp_path / "b.npz") as back:
        assert sorted(back) == sorted(arrays)
        assert all(same(back[name], array) for name, array in arrays.items())


def test_new_files(tmp_path: Path) -> None:
    cloud = PointCloud(
        XYZ,
        rgb=np.array([[1, 2, 3], [4, 5, 6]], np.uint8),
        intensity=np.array([0.5, 7], np.float32),
        label=np.array([2, -1]),
        attributes={"normal": np.ones((2, 3), np.float32)},
    )
    for suffix in (".npz", ".npy"):
        path = tmp_path / f"a{suffix}"
        assert io.write(path, cloud) == []
        loaded = np.load(path)
        names = loaded.dtype.names if suffix == ".npy" else list(loaded)
        assert set(names) == {"xyz", "rgb", "intensity", "label", "normal"}
        for name, array in {"xyz": cloud.xyz, **cloud.arrays()}.items():
            assert same(np.ascontiguousarray(loaded[name]), array)
        back = io.read(path)
        assert {k: v.tolist() for k, v in back.arrays().items()} == {
            k: v.tolist() for k, v in cloud.arrays().items()
        }
        io.write(tmp_path / f"b{suffix}", back)
        again = np.load(tmp_path / f"b{suffix}")
        assert all(same(np.array(again[name]), np.array(loaded[name])) for name in names)


def test_only_what_changed_changes(tmp_path: Path) -> None:
    np.savez_compressed(
        tmp_path / "a.npz", coord=XYZ.astype("f4"), color=np.zeros((2, 3)), label=np.zeros(2, "u1")
    )
    cloud = io.read(tmp_path / "a.npz")
    cloud.label = np.array([3, 4], np.int32)
    cloud.attributes["confidence"] = np.array([0.5, 1], np.float32)
    io.write(tmp_path / "b.npz", cloud)
    with np.load(tmp_path / "b.npz") as back:
        assert sorted(back) == ["color", "confidence", "coord", "label"]
        assert back["coord"].dtype == np.float32
        assert back["color"].dtype == np.float64
        assert back["label"].dtype == np.uint8
        assert back["label"].tolist() == [3, 4]
    with zipfile.ZipFile(tmp_path / "b.npz") as archive:
        assert archive.infolist()[0].compress_type == zipfile.ZIP_DEFLATED


def test_a_plain_array(tmp_path: Path) -> None:
    array = np.column_stack([XYZ, [[10, 20, 30], [40, 50, 60]]]).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    cloud = io.read(tmp_path / "a.npy")
    assert cloud.rgb.tolist() == [[10, 20, 30], [40, 50, 60]]
    assert io.write(tmp_path / "b.npy", cloud) == []
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    cloud.label = np.array([1, 2], np.int32)
    assert "z, r, g, b, label" in io.write(tmp_path / "b.npy", cloud)[0]
    assert np.load(tmp_path / "b.npy").dtype == np.float32
    assert io.read(tmp_path / "b.npy", columns="x,y,z,r,g,b,label").label.tolist() == [1, 2]
    with pytest.raises(FileError, match="7 columns and no header"):
        io.read(tmp_path / "b.npy")


def npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    "content, message",
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3)}"), "cut short"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 3)}"), "cut short"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 3)}", b"cos\n"), "pickled"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}", bytes(24)), r"\(N, C\)"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3)}"), "holds no points"),
        (npy("__import__('os').abort()"), "damaged, or not a .npy file"),
        (b"\x93NUMPY", "damaged, or not a NumPy array"),
        (b"PK\3\4", "damaged, or not a NumPy array"),
    ],
)
def test_bad_arrays(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(FileError, match=message) as caught:
        io.read(tmp_path / "a.npy")
    assert "\n" not in str(caught.value)


def test_zip_bombs(tmp_path: Path) -> None:
    header = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (12000000, 3)}")
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("xyz.npy", "w", force_zip64=True) as file,
    ):
        file.write(header)
        for _ in range(18):
            file.write(bytes(16_000_000))
    with pytest.raises(FileError, match=r"a bomb: it would unpack to 0\.3 GiB"):
        io.read(tmp_path / "a.npz")


def test_an_archive_without_points(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weights=np.zeros(3))
    with pytest.raises(FileError, match="no xyz and no x, y, z among its arrays: weights"):
        io.read(tmp_path / "a.npz")
    buffer = streams.BytesIO()
    np.savez(buffer, xyz=np.array([[object()] * 3]))
    (tmp_path / "b.npz").write_bytes(buffer.getvalue())
    with pytest.raises(FileError, match="pickled"):
        io.read(tmp_path / "b.npz")


def test_objects_are_refused(tmp_path: Path) -> None:
    cloud = PointCloud(XYZ, attributes={"name": np.array([None, "tree"], object)})
    with pytest.raises(DataError, match="Python objects"):
        io.write(tmp_path / "a.npz", cloud)
    assert not list(tmp_path.iterdir())
