"""Cells of a cloud: float64 barycentres, mean attributes, majority classes, the way back."""

from __future__ import annotations

import numpy as np
import pytest

from salanet.cloud import PointCloud
from salanet.errors import DataError
from salanet.sampling.cells import to_cells

CORNER = np.array([770500.0, 6277500, 0])
XYZ = CORNER + np.array([[0.1, 0.1, 0], [0.3, 0.1, 0], [0.5, 0.1, 0], [0.3, 0.3, 0.2]])


def test_by_hand() -> None:
    cloud = PointCloud(
        XYZ,
        rgb=np.array([[0, 10, 20], [100, 11, 20], [7, 8, 9], [2, 12, 20]], np.uint8),
        intensity=np.array([3, 6, 100, 0], np.float32),
        attributes={"return_number": np.array([1, 2, 1, 3], np.uint8), "gps_time": np.zeros(4)},
    )
    cells = to_cells(cloud, 0.4, segment=np.array([1, 1, -1, 0], np.int16))
    np.testing.assert_allclose(
        cells.coord + cells.offset,
        [[770500.7 / 3 + 770500 * 2 / 3, 6277500 + 0.5 / 3, 0.2 / 3], XYZ[2]],
        atol=1e-5,
    )
    assert cells.coord.dtype == np.float32
    assert cells.of_point.tolist() == [0, 0, 1, 0] and cells.of_point.dtype == np.int32
    assert cells.rgb is not None and cells.rgb.tolist() == [[34, 11, 20], [7, 8, 9]]
    assert cells.segment is not None and cells.segment.tolist() == [1, -1]
    assert cells.segment.dtype == np.int16
    assert cells.arrays["intensity"].tolist() == [3, 100]
    assert cells.arrays["return_number"].tolist() == [2, 1]
    terrain = ["height_above_ground", "height_above_lowest", "terrain_slope"]
    assert sorted(cells.arrays) == sorted([*terrain, "intensity", "return_number"])


def test_points_without_a_value_do_not_count() -> None:
    nan, inf = np.nan, np.inf
    cloud = PointCloud(
        XYZ,
        intensity=np.array([3, nan, -inf, 6], np.float32),
        attributes={
            "return_number": np.array([2, 4, nan, inf]),
            "number_of_returns": np.array([2, 2, 3, 5]),
            "height_above_ground": np.array([0, nan, 0, 0]),
        },
    )
    cells = to_cells(cloud, 0.4)
    assert cells.arrays["intensity"].tolist() == [4.5, 0]  # the second has no other point
    assert cells.arrays["return_number"].tolist() == [3, 1]
    assert cells.arrays["number_of_returns"].tolist() == [3, 3]
    assert np.isfinite(cells.arrays["height_above_ground"]).all()
    assert {"height_above_ground", "intensity", "number_of_returns"} < set(cells.arrays)
    assert not any(name.endswith(" given") for name in cells.arrays)


def test_fields_of_several_values_are_left_out() -> None:
    odd = {"intensity": np.ones((4, 2)), "return_number": np.ones((4, 2))}
    cells = to_cells(PointCloud(XYZ, attributes=odd), 0.4, keep=("intensity", "return_number"))
    assert cells.arrays == {}


def test_only_what_is_wanted() -> None:
    cloud = PointCloud(XYZ, intensity=np.ones(4, np.float32), attributes={"nx": np.arange(4.0)})
    cells = to_cells(cloud, 0.4, keep=["nx"])
    assert list(cells.arrays) == ["nx"] and cells.arrays["nx"][0] == pytest.approx(4 / 3)
    assert cells.segment is None and cells.rgb is None


def test_colours_that_are_all_zero_are_absent() -> None:
    assert to_cells(PointCloud(XYZ, rgb=np.zeros((4, 3), np.uint8)), 0.4).rgb is None


def test_tiles_of_one_survey_share_their_cells() -> None:
    """A cell cut by a tile edge gets the same number from both sides, at every level."""
    rng = np.random.default_rng(0)
    xyz = CORNER + rng.uniform(0, 20, (4000, 3))
    whole = to_cells(PointCloud(xyz), 0.4, keep=[])
    left = xyz[:, 0] < 770510
    keys = []
    for part in (xyz[left], xyz[~left]):
        cells = to_cells(PointCloud(part), 0.4, keep=[])
        keys.append(np.floor((part - cells.offset) / 0.4) + np.rint(cells.offset / 0.4))
    expected = np.floor((xyz - whole.offset) / 0.4) + np.rint(whole.offset / 0.4)
    np.testing.assert_array_equal(np.concatenate(keys), np.r_[expected[left], expected[~left]])


def test_one_point_and_bad_input() -> None:
    cells = to_cells(PointCloud(XYZ[:1]), 0.4)
    assert cells.coord.shape == (1, 3) and cells.arrays["height_above_ground"].tolist() == [0]
    with pytest.raises(DataError, match=r"a\.ply: holds no points"):
        to_cells(PointCloud(np.zeros((0, 3))), 0.4, where="a.ply")
    with pytest.raises(DataError, match=r"a\.ply: 1 of 1 points have NaN"):
        to_cells(PointCloud(np.array([[0, np.nan, 0]])), 0.4, where="a.ply")
    far = PointCloud(np.array([[0.0, 0, 0], [1e30, 1, 1]]))
    with pytest.raises(DataError, match=r"a\.ply: cells of 0\.5.* too small"):
        to_cells(far, 0.5, where="a.ply")


def test_a_part_has_the_cells_of_the_whole() -> None:
    """Coordinates in whole centimetres lie on the borders of cells; no origin may tip them over."""
    rng = np.random.default_rng(0)
    corner = np.array([652_000.0, 6_862_000.0, 30.0])
    xyz = np.round(corner + rng.uniform(0, [90, 90, 4], (40_000, 3)), 2)
    part = (xyz[:, :2] > [652_048.0, 6_862_051.2]).all(axis=1)
    whole, alone = (to_cells(PointCloud(p), 0.2) for p in (xyz, xyz[part]))
    assert (whole.offset != alone.offset).any()
    inside = (xyz[part, :2] > [652_048.2, 6_862_051.4]).all(axis=1)
    pairs = np.unique(np.stack([whole.of_point[part], alone.of_point])[:, inside], axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
