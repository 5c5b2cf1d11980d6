"""What a file itself flags as noise, and the terrain that does not rest on lonely points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from salanet import read, write
from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.datasets.town import town
from salanet.errors import DataError
from salanet.sampling.ground import height_above_ground
from salanet.sampling.noise import flagged, left_out, require_some, without_flags
from salanet.sampling.terrain import terrain_of


def five(**more: object) -> PointCloud:
    return PointCloud(np.zeros((5, 3)), label=np.array([2, 7, 18, 2, 6], np.int32), **more)  # type: ignore[arg-type]


def test_noise_of_las_by_its_standard(tmp_path: Path) -> None:
    withheld = np.array([0, 0, 0, 1, 0], np.uint8)
    write(tmp_path / "a.laz", five(attributes={"withheld": withheld}))
    cloud = read(tmp_path / "a.laz")
    assert flagged(cloud).tolist() == [False, True, True, True, False]
    assert flagged(cloud, but=[7]).tolist() == [False, False, True, True, False]


def test_noise_of_other_formats_by_its_name() -> None:
    assert not flagged(five()).any()  # 7 may be anything
    named = five(class_names={7: "table", 18: "High Noise"})
    assert flagged(named).tolist() == [False, False, True, False, False]


def test_a_las_file_that_gives_the_codes_other_names(tmp_path: Path) -> None:
    write(tmp_path / "a.laz", five(class_names={2: "wall", 6: "door", 7: "table", 18: "board"}))
    assert not flagged(read(tmp_path / "a.laz")).any()


def test_what_is_left_out() -> None:
    xyz = np.random.default_rng(0).uniform(0, 9, (4_000, 3))
    xyz[0] = 1e7
    withheld = np.arange(4_000) == 1
    cloud = PointCloud(xyz, attributes={"withheld": withheld.astype(np.uint8)})
    company = Company.of(xyz)
    assert np.flatnonzero(left_out(cloud, company)).tolist() == [0, 1]
    assert np.flatnonzero(left_out(cloud, company, noise=True)).tolist() == [0]
    with pytest.raises(DataError, match="all 4,000 points are flagged as noise or withheld"):
        require_some(4_000, 4_000, "a.laz")


def test_flags_do_not_stay_where_they_are_not_wanted() -> None:
    cloud = five(attributes={"withheld": np.zeros(5, np.uint8), "time": np.zeros(5)})
    assert [*without_flags(cloud, ["time"]).arrays()] == ["time"]
    assert [*without_flags(cloud, ["label"]).arrays()] == ["label", "time"]


@pytest.mark.parametrize("kind", ["ten under one place", "sixty under all", "far", "deep"])
def test_lonely_points_leave_the_terrain_as_it_is(kind: str) -> None:
    xyz = town(5, size=40, density=25).xyz
    rng = np.random.default_rng(0)
    low, middle = xyz.min(axis=0), (xyz.min(axis=0) + xyz.max(axis=0)) / 2
    added = {
        "ten under one place": np.c_[rng.uniform(-2, 2, (10, 2)) + middle[:2], [low[2] - 10] * 10],
        "sixty under all": np.c_[rng.uniform(0, 40, (60, 2)) + low[:2], [low[2] - 10] * 60],
        "far": middle + [[4_000.0, 0, 0]],
        "deep": middle - [[0, 0, 30.0]],
    }[kind]
    alone = height_above_ground(xyz)
    cloud = np.concatenate([xyz, added])
    found = terrain_of(cloud).heights(cloud)
    np.testing.assert_allclose(found[: len(xyz)], alone, atol=1e-4)
    if kind != "far":
        np.testing.assert_allclose(found[len(xyz) :], added[:, 2] - low[2], atol=5)
