"""Up and units: known as predict knows them, drawn with z up, shown as in the file."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from salanet.cloud import PointCloud
from salanet.datasets.rooms import generate
from salanet.datasets.town import town
from salanet.errors import ConfigError
from salanet.io import write
from salanet.view import Sample, load
from salanet.view.colours import values
from salanet.view.frame import alike, framed, said
from salanet.view.page import make_page
from salanet.view.picture import ceiling


@cache
def room() -> PointCloud:
    cloud = generate(9, 60_000, "office", "tripod")
    return PointCloud(cloud.xyz, label=cloud.label)


def lying(xyz: np.ndarray) -> np.ndarray:
    """z up to y up: the file's y is the height, its z points south."""
    return np.stack([xyz[:, 0], xyz[:, 2], -xyz[:, 1]], axis=1)


def sample(xyz: np.ndarray, name: str = "a") -> Sample:
    return Sample.of(PointCloud(xyz), name)


@pytest.mark.parametrize(("unit", "name", "plural"), [
    (1.0, "m", ""), (0.001, "mm", "millimetres"), (0.01, "cm", "centimetres"),
])  # fmt: skip
@pytest.mark.parametrize("y_up", [False, True])
def test_rooms_stand_and_are_open_above(unit: float, name: str, plural: str, y_up: bool) -> None:
    metres = room().xyz
    xyz = (lying(metres) if y_up else metres) / unit
    one = framed(sample(xyz))
    assert (one.up == "y", one.unit) == (y_up, unit)
    assert np.array_equal(one.xyz, xyz), "the file's own"
    assert np.allclose(one.drawn * unit, metres)
    assert np.allclose(values(one, "height") * unit, metres[:, 2])
    cut = ceiling(one.drawn, one.unit) * unit
    assert np.isclose(cut, ceiling(metres)) and np.isfinite(cut)
    remarks = said(one, "auto", "auto")
    assert [r for r in remarks if "y is up" in r] == ["a: y is up"] * y_up
    assert plural in " ".join(remarks) and len(remarks) == y_up + (unit != 1)
    other = framed(sample(xyz), up="y" if y_up else "z", units=name)
    assert (other.up == "y", other.unit) == (y_up, unit)
    assert said(other, "y" if y_up else "z", name) == []


def test_what_is_asked_goes() -> None:
    xyz = lying(room().xyz)
    assert framed(sample(xyz), up="z").up == "z"
    assert framed(sample(room().xyz), up="y").up == "y"
    assert framed(sample(room().xyz), units="ft").unit == pytest.approx(0.3048)
    with pytest.raises(ConfigError):
        framed(sample(xyz), up="x")


def test_files_of_the_same_points_lie_alike(tmp_path: Path) -> None:
    """LAS says that z is up, PLY says nothing."""
    write(tmp_path / "a.ply", PointCloud(lying(room().xyz), label=room().label))
    write(tmp_path / "b.laz", PointCloud(lying(room().xyz), label=room().label))
    ply, las = load(tmp_path / "a.ply", 10**6), load(tmp_path / "b.laz", 10**6)
    assert [s.up for s in alike([ply, las])] == ["y", "z"]
    assert [s.up for s in alike([ply, replace(las, truth=ply.label)])] == ["y", "y"]


def test_a_page_has_the_files_coordinates() -> None:
    xyz = lying(room().xyz) + np.array([100, 20, -3000])
    one = replace(framed(sample(xyz)), up="y")
    (panel,) = make_page([one]).head["panels"]
    assert panel["up"] == "y" and panel["top"] is not None
    steps = (one.drawn - panel["low"]) / panel["step"]
    drawn = np.asarray(panel["low"]) + np.rint(steps) * panel["step"]
    back = np.stack([sign * drawn[:, k] for k, sign in panel["axes"]], axis=1)
    assert np.abs(back - xyz).max() < 1e-3
    assert panel["ends"]["height"] == pytest.approx(np.percentile(xyz[:, 1], (1, 99)).tolist())
    (usual,) = make_page([framed(sample(room().xyz))]).head["panels"]
    assert usual["up"] == "z" and usual["axes"] == ((0, 1), (1, 1), (2, 1))


def test_degrees_can_be_looked_at() -> None:
    from salanet.io.crs import Crs

    one = sample(room().xyz)
    one.crs = Crs("WGS 84", unit="degree")
    assert (framed(one).up == "y", framed(one).unit) == (False, 1.0)


def test_a_survey_in_feet_that_nothing_says() -> None:
    """As `predict` takes it, so that bars of scale and measures are not metres."""
    metres = town(3, size=170).xyz * [1, 1, 2.3]
    assert framed(sample(metres)).unit == 1
    one = framed(sample(metres / 0.3048))
    assert one.unit == 0.3048 and said(one, "auto", "auto") == ["a: coordinates are in feet"]
    assert framed(sample(metres / 0.3048), units="m").unit == 1
