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
