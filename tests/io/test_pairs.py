"""Every pair of formats: shared attributes bit for bit, UTM coordinates to the millimetre."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.cloud import PointCloud
from salanet.io.convert import convert, losses

pairs = pytest.mark.parametrize("suffix", io.WRITABLE)
others = pytest.mark.parametrize("other", io.WRITABLE)


def survey(count: int = 40) -> PointCloud:
    """Millimetres at UTM coordinates, and attributes at the ends of their types."""
    rng = np.random.default_rng(0)
    corner = np.array([400_000_000, 6_000_000_123, -50_000])
    millimetres = corner + rng.integers(0, 900_000, (count, 3))
    integers = {"u1": np.uint8, "i2": np.int16, "u2": np.uint16, "i4": np.int32, "u4": np.uint32}
    attributes = {
        f"whole_{name}": np.array([np.iinfo(kind).min, np.iinfo(kind).max] * (count // 2), kind)
        for name, kind in integers.items()
    }
    return PointCloud(
        millimetres / 1000,
        rgb=rng.integers(0, 256, (count, 3)),
        intensity=rng.integers(0, 65536, count),
        label=rng.integers(0, 256, count),
        attributes=attributes
        | {
            "return_number": rng.integers(1, 5, count).astype(np.uint8),
            "gps_time": rng.random(count) * 1e9,
            "tiny": np.array([5e-324, 1.7e308] * (count // 2)),
            "single": rng.random(count, dtype=np.float32),
            "normals": rng.normal(size=(count, 3)).astype(np.float32),
        },
    )


def check_shared(before: PointCloud, after: PointCloud) -> None:
    np.testing.assert_array_equal(np.rint(after.xyz * 1000), np.rint(before.xyz * 1000))
    assert np.abs(after.xyz - before.xyz).max() < 2e-9
    found = after.arrays()
    for name, array in before.arrays().items():
        if name not in found:  # several values per point, where a format has none such
            parts = [found[f"{name}_{i}"] for i in range(array.shape[1])]
            found[name] = np.stack(parts, axis=1)
        again = found[name]
        np.testing.assert_array_equal(again.astype(array.dtype), array, err_msg=name)
        assert (again.dtype.kind == "f") == (array.dtype.kind == "f"), name
    assert losses(before, after) == []


@pairs
@others
def test_between_formats(tmp_path: Path, suffix: str, other: str) -> None:
    cloud = survey()
    assert io.write(tmp_path / f"a{suffix}", cloud) == []
    said = convert(tmp_path / f"a{suffix}", tmp_path / f"b{other}")
    assert said == []
    check_shared(cloud, io.read(tmp_path / f"b{other}"))
    convert(tmp_path / f"b{other}", tmp_path / f"c{suffix}")  # and back
    check_shared(cloud, io.read(tmp_path / f"c{suffix}"))


@pairs
def test_the_same_format_again(tmp_path: Path, suffix: str) -> None:
    """Reading and writing changes no bit of any array, and from the second time no byte."""
    io.write(tmp_path / f"a{suffix}", survey())
    first = io.read(tmp_path / f"a{suffix}")
    io.write(tmp_path / f"b{suffix}", first)
    second = io.read(tmp_path / f"b{suffix}")
    assert first.xyz.tobytes() == second.xyz.tobytes()
    assert list(first.arrays()) == list(second.arrays())
    for name, array in first.arrays().items():
        assert array.dtype == second.arrays()[name].dtype
        assert array.tobytes() == second.arrays()[name].tobytes(), name
    if suffix != ".npz":  # a ZIP holds the time of writing
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
