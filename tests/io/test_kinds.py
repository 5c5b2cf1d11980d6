"""Fields of another kind under a known name are attributes, in every format; nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import DataError
from salanet.io.describe import describe, remarks

N = 50
RNG = np.random.default_rng(0)
XYZ = RNG.random((N, 3))
COLOURS = RNG.integers(0, 256, (N, 3)).astype(np.uint32)
BITS = COLOURS[:, 0] << 16 | COLOURS[:, 1] << 8 | COLOURS[:, 2]
NAMES = {"u4": "uint", "f4": "float", "i4": "int"}


def ply(path: Path, field: str, values: Any) -> None:
    """A PLY with one more property, as plain programs write it."""
    row = np.dtype([("x", "<f8"), ("y", "<f8"), ("z", "<f8"), (field, values.dtype)])
    rows = np.zeros(N, row)
    rows["x"], rows["y"], rows["z"] = XYZ.T
    rows[field] = values
    kind = NAMES[values.dtype.str[1:]]
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {N}\n"
    head += "".join(f"property double {axis}\n" for axis in "xyz")
    path.write_bytes(f"{head}property {kind} {field}\nend_header\n".encode() + rows.tobytes())


@pytest.mark.parametrize(
    "values",
    [
        np.where(np.arange(N) < 5, 2**32 - 1, 3).astype(np.uint32),
        RNG.random(N).astype(np.float32),
        np.where(np.arange(N) < 5, np.inf, 3).astype(np.float32),
    ],
    ids=["unset as the largest number", "fractions", "infinite"],
)
@pytest.mark.parametrize("suffix", [".ply", ".npz", ".laz", ".csv", ".pcd"])
def test_labels_that_are_none_stay_beside_new_ones(
    tmp_path: Path, values: Any, suffix: str
) -> None:
    ply(tmp_path / "a.ply", "label", values)
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.label is None
    (said,) = remarks(cloud)
    assert said.startswith("'label' (") and "is not taken for the class" in said
    cloud.label = np.arange(N) % 7
    io.write(tmp_path / f"b{suffix}", cloud)
    back = io.read(tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(back.label, np.arange(N) % 7)
    np.testing.assert_array_equal(back.attributes["label"].astype(values.dtype), values)
    assert back.arrays().keys() >= {"label", "label_value"}


def test_arrays_of_a_cloud_never_confuse_an_attribute_with_a_field() -> None:
    odd = {"rgb": np.zeros(N), "label": np.zeros(N), "label_value": np.ones(N)}
    cloud = PointCloud(XYZ, intensity=np.ones(N), attributes=odd)
    names = ["intensity", "rgb_value", "label_value_value", "label_value"]
    assert [*cloud.arrays()] == names
    assert cloud.rows(np.arange(3)).attributes.keys() == odd.keys()
    with pytest.raises(DataError, match="'intensity' must be one a point"):
        PointCloud(XYZ, intensity=np.ones((N, 2)))


@pytest.mark.parametrize(
    "field, array",
    [
        ("label", np.eye(5)[np.arange(N) % 5]),
        ("label", np.array(["a", "b"])[np.arange(N) % 2]),
        ("intensity", np.ones((N, 2))),
        ("return_number", np.ones((N, 2), np.int64)),
        ("rgb", np.full((N, 3), "red")),
    ],
)
def test_several_values_and_text_are_attributes(tmp_path: Path, field: str, array: Any) -> None:
    np.savez(tmp_path / "a.npz", xyz=XYZ, **{field: array})
    cloud = io.read(tmp_path / "a.npz")
    assert cloud.label is cloud.intensity is cloud.rgb is None
    np.testing.assert_array_equal(cloud.attributes[field], array)
    assert f"'{field}' (" in remarks(cloud)[0]
    assert remarks(cloud)[0] in describe(tmp_path / "a.npz").warnings
    cloud.label = np.arange(N) % 7
    io.write(tmp_path / "b.npz", cloud)
    back = io.read(tmp_path / "b.npz")
    np.testing.assert_array_equal(back.label, np.arange(N) % 7)
    np.testing.assert_array_equal(back.attributes[field], array)


def test_arrays_of_one_column_are_fields_and_keep_their_shape(tmp_path: Path) -> None:
    label, intensity = np.arange(N)[:, None] % 5, np.arange(N, dtype=np.float32)[:, None]
    np.savez(tmp_path / "a.npz", coord=XYZ, label=label, intensity=intensity)
    cloud = io.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.label, label[:, 0])
    np.testing.assert_array_equal(cloud.intensity, intensity[:, 0])
    io.write(tmp_path / "b.npz", cloud)
    with np.load(tmp_path / "b.npz") as written:
        np.testing.assert_array_equal(written["label"], label)
        np.testing.assert_array_equal(written["intensity"], intensity)


def test_colours_with_opacity(tmp_path: Path) -> None:
    rgba = RNG.integers(0, 256, (N, 4))
    np.savez(tmp_path / "a.npz", xyz=XYZ, rgb=rgba)
    cloud = io.read(tmp_path / "a.npz")
    np.testing.assert_array_equal(cloud.rgb, rgba[:, :3])
    np.testing.assert_array_equal(cloud.attributes["alpha"], rgba[:, 3])
    io.write(tmp_path / "b.npz", cloud)
    with np.load(tmp_path / "b.npz") as written:
        np.testing.assert_array_equal(written["rgb"], rgba)


@pytest.mark.parametrize("values", [BITS, BITS.view("f4"), (BITS | 0xFF000000).view("i4")])
def test_packed_colours_are_colours_and_packed_again(tmp_path: Path, values: Any) -> None:
    ply(tmp_path / "a.ply", "rgb", values)
    cloud = io.read(tmp_path / "a.ply")
    np.testing.assert_array_equal(cloud.rgb, COLOURS)
    io.write(tmp_path / "b.ply", cloud)
    assert (tmp_path / "b.ply").read_bytes() == (tmp_path / "a.ply").read_bytes()
    cloud.rgb = cloud.rgb[::-1].copy()
    io.write(tmp_path / "b.ply", cloud)
    np.testing.assert_array_equal(io.read(tmp_path / "b.ply").rgb, COLOURS[::-1])


def test_one_shade_a_point_is_no_packed_colour(tmp_path: Path) -> None:
    ply(tmp_path / "a.ply", "rgb", np.linspace(0.1, 1, N, dtype=np.float32))
    cloud = io.read(tmp_path / "a.ply")
    assert cloud.rgb is None and "rgb" in cloud.attributes
    assert "is not taken for colours" in remarks(cloud)[0]


def test_colours_that_are_missing_are_black(tmp_path: Path) -> None:
    red, green, blue = RNG.random((3, N)).astype(np.float32)
    red[:5] = green[:5] = blue[:5] = np.nan
    columns = {"x": XYZ[:, 0], "y": XYZ[:, 1], "z": XYZ[:, 2], "r": red, "g": green, "b": blue}
    np.savez(tmp_path / "a.npz", **columns)
    cloud = io.read(tmp_path / "a.npz")
    assert cloud.rgb is not None and not cloud.rgb[:5].any() and cloud.rgb[5:].any()
    io.write(tmp_path / "b.npz", cloud)
    with np.load(tmp_path / "b.npz") as written:
        np.testing.assert_array_equal(written["r"], red)


def test_fields_of_several_values_in_pcd(tmp_path: Path) -> None:
    head = "VERSION .7\nFIELDS x y z intensity\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 4\n"
    rows = "0 0 0 1 2 3 4\n1 0 0 1 2 3 4\n"
    (tmp_path / "a.pcd").write_text(f"{head}WIDTH 2\nHEIGHT 1\nPOINTS 2\nDATA ascii\n{rows}")
    cloud = io.read(tmp_path / "a.pcd")
    assert cloud.intensity is None and cloud.attributes["intensity"].shape == (2, 4)
    assert "(4 values of float32 a point) is not taken for the intensity" in remarks(cloud)[0]


def tree_numbers(path: Path) -> None:
    """A LAS whose extra dimension `label` is not of classes."""
    header = laspy.LasHeader(version="1.2", point_format=1)
    header.scales = [0.001] * 3
    header.add_extra_dim(laspy.ExtraBytesParams("label", "uint16", "tree number"))
    las = laspy.LasData(header)
    las.xyz = XYZ
    las["label"] = np.arange(N) + 1000
    las.classification[:] = 2
    las.write(path)


@pytest.mark.parametrize("codes", [np.full(N, 6), np.full(N, 200), np.full(N, -1)])
def test_tree_numbers_stay_and_the_classification_is_the_label(tmp_path: Path, codes: Any) -> None:
    tree_numbers(tmp_path / "a.las")
    cloud = io.read(tmp_path / "a.las")
    np.testing.assert_array_equal(cloud.label, 2)
    np.testing.assert_array_equal(cloud.attributes["label"], np.arange(N) + 1000)
    assert "'label' (uint16 a point) is not taken for the class" in remarks(cloud)[0]
    cloud.label = codes
    said = io.write(tmp_path / "b.las", cloud)
    back = io.read(tmp_path / "b.las")
    np.testing.assert_array_equal(back.label, codes)
    np.testing.assert_array_equal(back.attributes["label"], np.arange(N) + 1000)
    # What does not fit the five bits of LAS 1.2 has a dimension that is known again as ours.
    assert bool(said) == bool(codes[0] not in range(32))
    back.label = codes + 1
    io.write(tmp_path / "c.laz", back)
    again = io.read(tmp_path / "c.laz")
    np.testing.assert_array_equal(again.label, codes + 1)
    np.testing.assert_array_equal(again.attributes["label"], np.arange(N) + 1000)
