from __future__ import annotations

import numpy as np
import pytest

from salanet.cloud import PointCloud
from salanet.errors import DataError


def test_arrays_are_brought_to_their_types() -> None:
    cloud = PointCloud(
        [[0, 0, 0], [1, 2, 3]], rgb=np.zeros((2, 3), int), intensity=[1, 2], label=np.array([2, 6])
    )
    assert len(cloud) == 2
    assert cloud.xyz.dtype == np.float64
    assert (cloud.rgb.dtype, cloud.intensity.dtype, cloud.label.dtype) == (
        np.uint8,
        np.float32,
        np.int32,
    )
    assert list(cloud.arrays()) == ["rgb", "intensity", "label"]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"xyz": np.zeros((2, 2))}, r"shape \(N, 3\)"),
        ({"label": np.zeros(3, np.int32)}, "'label' has 3 values for 2 points"),
        ({"label": np.zeros(2, np.float32)}, "'label' must be int32"),
        ({"label": np.array([0, 1 << 31])}, "'label' holds 0 to 2147483648"),
        ({"rgb": np.zeros((2, 4), np.uint8)}, "'rgb' must be uint8"),
        ({"rgb": np.full((2, 3), 256)}, "outside 0 to 255"),
        ({"attributes": {"height": np.zeros(1)}}, "'height' has 1 values for 2 points"),
        ({"attributes": {"height": np.float32(1)}}, "'height' has no values"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        PointCloud(**{"xyz": np.zeros((2, 3)), **fields})


def test_check_sees_what_was_assigned_later() -> None:
    cloud = PointCloud(np.zeros((2, 3)))
    cloud.label = np.zeros(3, np.int32)
    with pytest.raises(DataError, match="'label' has 3 values"):
        cloud.check()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_require_finite_names_the_first_bad_point(value: float) -> None:
    xyz = np.zeros((4, 3))
    xyz[2:, 1] = value
    cloud = PointCloud(xyz)
    with pytest.raises(DataError, match=r"tile: 2 of 4 points .* first is point 2"):
        cloud.require_finite("tile")


def test_require_finite_refuses_no_points() -> None:
    with pytest.raises(DataError, match="holds no points"):
        PointCloud(np.zeros((0, 3))).require_finite()
    PointCloud(np.zeros((1, 3))).require_finite()


def test_a_cloud_says_little_of_itself() -> None:
    cloud = PointCloud(
        np.random.default_rng(0).uniform(0, 9, (1000, 3)),
        rgb=np.zeros((1000, 3), np.uint8),
        attributes={f"a{i}": np.zeros(1000, np.float32) for i in range(40)},
    )
    shown = repr(cloud)
    assert shown.startswith("PointCloud of 1,000 points\n  x 0.0") and "rgb uint8 × 3" in shown
    assert len(shown.splitlines()) <= 8 and len(shown) < 500
    page = cloud._repr_html_()
    assert page.startswith("<table><caption>PointCloud of 1,000 points") and "a39" in page
    assert repr(PointCloud(np.full((2, 3), np.nan))) == "PointCloud of 2 points"


def test_clouds_are_equal_to_themselves_alone() -> None:
    cloud = PointCloud(np.zeros((2, 3)))
    assert cloud == cloud and cloud != PointCloud(np.zeros((2, 3))) and len({cloud, cloud}) == 1


def test_clouds_one_after_the_other() -> None:
    first = PointCloud(
        np.zeros((2, 3)), intensity=np.ones(2), attributes={"a": np.arange(2)}, class_names={1: "x"}
    )
    second = PointCloud(
        np.ones((1, 3)), attributes={"a": np.arange(1)}, class_names={1: "y", 2: "z"}
    )
    both = PointCloud.concat([first, second])
    assert both.xyz.tolist() == [[0, 0, 0], [0, 0, 0], [1, 1, 1]]
    assert both.intensity is None and both.attributes["a"].tolist() == [0, 1, 0]
    assert both.class_names == {1: "x", 2: "z"} and both.crs is None and not both.upright
    with pytest.raises(DataError, match="no clouds"):
        PointCloud.concat([])
