"""Input features by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from salanet.errors import ConfigError, DataError
from salanet.sampling import features
from salanet.scenes import Scene

XYZ = np.array([[0, 0, 1], [1, 2, 3]], np.float32)
ARRAYS = {
    "rgb": np.array([[0, 51, 255], [255, 255, 0]], np.uint8),
    "intensity": np.array([50, 900], np.float32),
    "return_number": np.array([1, 2], np.uint8),
    "number_of_returns": np.array([2, 8], np.uint8),
    "height_above_ground": np.array([0.25, 7], np.float32),
    "height_above_lowest": np.array([0.5, 9], np.float32),
    "terrain_slope": np.array([0.25, 5], np.float32),
    "cell_size": np.array(0.5),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("one", [[1], [1]]),
        ("rgb", [[0, 0.2, 1], [1, 1, 0]]),
        ("xyz", [[0, 0, 1], [1, 2, 3]]),
        ("intensity", [[0.5], [2.0]]),  # clipped
        ("returns", [[0.5, 0.5], [0.25, 1.5]]),
        ("height_above_ground", [[0.5, 0.25 / 3], [1, 1]]),
        ("height_above_lowest", [[0.25 / 0.5 * 2, 0.5 / 3], [1, 1]]),
        ("terrain_slope", [[0.25], [2]]),
        ("cell_size", [[1], [1]]),
        ("height-above-ground", [[0.5, 0.25 / 3], [1, 1]]),
    ],
)
def test_values(name: str, expected: list[list[float]]) -> None:
    out = features.compute([name], xyz=XYZ, intensity_scale=100.0, **ARRAYS)
    assert out.dtype == np.float32 and out.shape[1] == features.width([name])
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_channels_follow_the_names() -> None:
    names = ["height_above_ground", "one", "rgb"]
    out = features.compute(names, xyz=XYZ, **ARRAYS)
    np.testing.assert_allclose(out[1], [1, 1, 1, 1, 1, 0])
    assert features.width(names) == 6
    assert features.width(["one", "rgb", "height"]) == 5  # the paper's ZRGB1
    assert features.required(names) == ["height_above_ground", "rgb"]


def test_height_is_given_or_of_the_whole_cloud() -> None:
    assert features.compute(["height"], xyz=XYZ, height=np.array([8, 9])).tolist() == [[8], [9]]
    out = features.compute(["height"], xyz=XYZ)
    np.testing.assert_allclose(out[:, 0], [-0.01, 1.99], atol=1e-6)  # 0.5 percentile: 1.01


def test_no_points_and_one_point() -> None:
    names = ["one", "height", "xyz"]
    assert features.compute(names, xyz=np.zeros((0, 3))).shape == (0, 5)
    assert features.compute(names, xyz=np.ones((1, 3))).tolist() == [[1, 0, 1, 1, 1]]


def test_a_missing_array_is_named_with_what_there_is() -> None:
    with pytest.raises(DataError, match=r"a\.ply: the feature 'rgb' needs 'rgb'.*has intensity"):
        features.compute(["rgb"], xyz=XYZ, intensity=ARRAYS["intensity"], where="a.ply")
    with pytest.raises(DataError, match="needs 'number_of_returns'"):
        features.compute(["returns"], xyz=XYZ, return_number=ARRAYS["return_number"])
    with pytest.raises(DataError, match="coordinates only"):
        features.compute(["intensity"], xyz=XYZ, intensity_scale=1)


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "no input features"), (["colour"], "unknown feature 'colour'"), (["one"] * 2, "twice")],
)
def test_bad_names(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        features.width(names)


def test_intensity_needs_a_scale() -> None:
    with pytest.raises(ConfigError, match="intensity_scale"):
        features.compute(["intensity"], xyz=XYZ, **ARRAYS)
    assert features.intensity_scale_of([np.arange(101), np.arange(101) * 3]) == 190
    assert features.intensity_scale_of([np.zeros(4)]) == 1
    assert features.intensity_scale_of([]) == 1


def test_gather_takes_rows_of_a_scene(tmp_path: Path) -> None:
    rows = np.array([1])
    scene = Scene.write(
        tmp_path / "a",
        coord=XYZ,
        offset=[0, 0, 0],
        classes=[],
        grid=1,
        color=ARRAYS["rgb"],
        arrays={"intensity": ARRAYS["intensity"]},
    )
    arrays = features.gather(scene, rows)
    out = features.compute(["rgb", "height", "intensity"], **arrays, intensity_scale=900)
    np.testing.assert_allclose(out, [[1, 1, 0, 1.99, 1]], atol=1e-6)
    assert sorted(features.available(scene)) == ["intensity", "rgb"]


def test_unknown_returns_are_only_returns() -> None:
    zeros, ones = np.zeros(3, np.uint8), np.ones(3, np.uint8)
    unknown, single = (
        features.compute(["returns"], xyz=np.zeros((3, 3)), return_number=n, number_of_returns=n)
        for n in (zeros, ones)
    )
    assert (unknown == single).all() and (unknown[:, 0] == 1).all()
