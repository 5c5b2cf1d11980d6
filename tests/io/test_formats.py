"""What holds for every format: choice by suffix, conversion, and bad input as one clear line."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest
from clouds import some_cloud

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError, FileError, SalaNetError

every = pytest.mark.parametrize("suffix", io.WRITABLE)


@every
@pytest.mark.parametrize("other", [".las", ".ply", ".npz", ".csv"])
def test_conversion_keeps_everything_shared(tmp_path: Path, suffix: str, other: str) -> None:
    cloud = some_cloud()
    assert io.write(tmp_path / f"a{suffix}", cloud) == []
    assert io.write(tmp_path / f"b{other}", io.read(tmp_path / f"a{suffix}")) == []
    back = io.read(tmp_path / f"b{other}")
    assert np.abs(back.xyz - cloud.xyz).max() <= 5.01e-4
    for name, array in cloud.arrays().items():
        np.testing.assert_array_equal(back.arrays()[name].astype(array.dtype), array)


@every
def test_point_order_and_upper_case_suffixes(tmp_path: Path, suffix: str) -> None:
    cloud = some_cloud()
    path = tmp_path / f"a{suffix.upper()}"
    io.write(path, cloud)
    np.testing.assert_allclose(io.read(path).xyz, cloud.xyz, rtol=0, atol=5.01e-4)
    assert list(tmp_path.iterdir()) == [path]


@every
@pytest.mark.parametrize("count", [1, 2])
def test_one_point_and_two_identical_ones(tmp_path: Path, suffix: str, count: int) -> None:
    cloud = PointCloud(np.full((count, 3), 7.25))
    io.write(tmp_path / f"a{suffix}", cloud)
    assert io.read(tmp_path / f"a{suffix}").xyz.tolist() == cloud.xyz.tolist()


@pytest.mark.parametrize("suffix", [s for s in io.WRITABLE if s not in (".las", ".laz")])
def test_nan_coordinates_pass_reading(tmp_path: Path, suffix: str) -> None:
    io.write(tmp_path / f"a{suffix}", PointCloud([[np.nan, np.inf, -np.inf], [1, 2, 3]]))
    cloud = io.read(tmp_path / f"a{suffix}")
    with pytest.raises(DataError, match="1 of 2 points have NaN"):
        cloud.require_finite()


@every
def test_label_codes(tmp_path: Path, suffix: str) -> None:
    cloud = PointCloud(np.ones((3, 3)), label=np.array([0, 2, 1]))
    io.write(tmp_path / f"a{suffix}", cloud, label_codes=[2, 6, 64])
    assert io.read(tmp_path / f"a{suffix}").label.tolist() == [2, 64, 6]
    assert cloud.label.tolist() == [0, 2, 1]
    with pytest.raises(DataError, match="labels go from 0 to 2, there are codes for 0 to 1"):
        io.write(tmp_path / f"a{suffix}", cloud, label_codes=[2, 6])


def refused(path: Path, message: str) -> None:
    with pytest.raises(FileError, match=message) as caught:
        io.read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@every
def test_files_that_are_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    refused(path, "no such file")
    path.touch()
    refused(path, "the file is empty")
    path.unlink()
    path.mkdir()
    refused(path, "this is a folder")
    with pytest.raises(FileError, match="this is a folder"):
        io.write(path, some_cloud())
    path.rmdir()
    path.symlink_to("/dev/null")
    refused(path, "not a regular file")
    path.unlink()
    path.write_bytes(bytes(range(256)) * 4)
    refused(path, "not a|zero|damaged")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text("ply")
    (tmp_path / "a.ply").chmod(0)
    refused(tmp_path / "a.ply", "cannot read: Permission denied")


@pytest.mark.parametrize(
    "name, message", [("a.foo", r"unknown suffix '\.foo'"), ("a", "no suffix")]
)
def test_unknown_suffixes_list_the_known(tmp_path: Path, name: str, message: str) -> None:
    for call in (io.read, lambda path: io.write(path, some_cloud())):
        with pytest.raises(FileError, match=rf"{message}; known are \.las \.laz \.ply"):
            call(tmp_path / name)


@every
def test_failed_writes_leave_nothing(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(FileError, match="missing does not exist"):
        io.write(tmp_path / "missing" / f"a{suffix}", some_cloud())
    with pytest.raises(DataError, match="no points to write"):
        io.write(tmp_path / f"a{suffix}", PointCloud(np.zeros((0, 3))))
    cloud = some_cloud()
    cloud.label = cloud.label[1:]
    with pytest.raises(DataError, match="'label' has 49 values for 50 points"):
        io.write(tmp_path / f"a{suffix}", cloud)
    cloud.label = None
    cloud.attributes["bad"] = np.array([object()] * 50)
    with pytest.raises(DataError):
        io.write(tmp_path / f"a{suffix}", cloud)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".las", ".laz", ".ply", ".pcd", ".npz"])
def test_column_specs_are_for_files_without_names(tmp_path: Path, suffix: str) -> None:
    io.write(tmp_path / f"a{suffix}", some_cloud())
    with pytest.raises(FileError, match="leave columns out"):
        io.read(tmp_path / f"a{suffix}", columns="x,y,z")


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """The file cut at a random place, with random bits turned, or extreme bytes in its head."""
    kind = rng.integers(3)
    if kind == 0:
        return data[: rng.integers(len(data))]
    changed = bytearray(data)
    for _ in range(rng.integers(1, 10)):
        if kind == 1:
            changed[rng.integers(len(data))] ^= 1 << rng.integers(8)
        else:
            at, width = rng.integers(min(len(data), 600)), rng.choice([1, 2, 4, 8])
            changed[at : at + width] = bytes([rng.choice([0, 127, 255])]) * width
    return bytes(changed)


@every
def test_damage_is_an_error_or_a_cloud(tmp_path: Path, suffix: str) -> None:
    """Never another exception, never long, never much memory."""
    io.write(tmp_path / f"a{suffix}", some_cloud())
    data = (tmp_path / f"a{suffix}").read_bytes()
    path = tmp_path / f"b{suffix}"
    rng = np.random.default_rng(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = {"cloud": 0, "error": 0}
    for _ in range(150):
        path.write_bytes(damaged(rng, data))
        start = time.monotonic()
        try:
            io.read(path).check()
            outcomes["cloud"] += 1
        except SalaNetError as error:
            assert str(error).startswith(str(path))
            assert "\n" not in str(error)
            outcomes["error"] += 1
        assert time.monotonic() - start < 10
    assert outcomes["error"] > 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000  # KB
