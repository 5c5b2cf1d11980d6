"""The vertical axis and the unit of generated rooms, and of what is no room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_choose import AERIAL, MODELS, ROOMS
from test_fit import room

from salanet.adapt.choose import choose
from salanet.adapt.fit import FitOptions, examine
from salanet.adapt.kind import implausible, stance
from salanet.cloud import PointCloud
from salanet.datasets.rooms import KINDS, generate
from salanet.io import read
from salanet.model_card import ModelCard
from salanet.sampling.survey import survey

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}

WIDE = generate(3, 60_000, "lobby").xyz


def lying(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([xyz[:, 0], xyz[:, 2], -xyz[:, 1]], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_rooms_that_stand_are_left_standing(kind: str) -> None:
    xyz = generate(1000 + KINDS.index(kind), 200_000 if kind == "lobby" else 100_000, kind).xyz
    for unit, metres in UNITS.items():
        cloud = survey(PointCloud(xyz / metres))
        assert choose(cloud, "a.ply", MODELS)[0] is ROOMS, unit
        fit = examine(ROOMS, cloud)
        assert fit.scale[0] == pytest.approx(metres) and not fit.y_up, unit
        fit = examine(ROOMS, survey(PointCloud(lying(xyz) / metres)), FitOptions(unit, up="y"))
        assert fit.scale[0] == pytest.approx(metres) and fit.y_up, unit
    feet = survey(PointCloud(xyz / 0.3048))
    assert not examine(ROOMS, feet).y_up


@pytest.mark.parametrize("metres", UNITS.values())
def test_a_room_in_small_units_with_y_up(metres: float) -> None:
    """Its walls follow no axis."""
    xyz = lying(WIDE) / metres
    model, why = choose(survey(PointCloud(xyz)), "a.ply", MODELS)
    assert model is ROOMS and "looks like rooms" in why
    fit = examine(ROOMS, survey(PointCloud(xyz)))
    assert fit.y_up and fit.scale[0] == pytest.approx(metres)
    assert any("y is up: most planes" in remark for remark in fit.remarks)
    if metres == 0.001:
        assert "as it would be 3,436 m high" in fit.remarks[0]  # along y, without strays


def test_noise_does_not_hide_the_floor() -> None:
    xyz = WIDE
    xyz = xyz + np.random.default_rng(0).normal(0, 0.015, xyz.shape)
    assert examine(ROOMS, survey(PointCloud(lying(xyz) * 1000))).y_up
    assert not examine(ROOMS, survey(PointCloud(xyz * 1000))).y_up


def facade(depth: float) -> NDArray[np.float64]:
    xyz = np.random.default_rng(0).random((50_000, 3)) * [20, 0.02, 10]
    xyz[(xyz[:, 0] % 3 < 1.2) & (xyz[:, 2] % 3 < 1.5), 1] += depth
    return xyz


def gables() -> NDArray[np.float64]:
    """Front and back of a narrow house, and its roof with the ridge along y."""
    rng = np.random.default_rng(0)
    xyz = rng.random((50_000, 3)) * [10, 3, 5]
    part = rng.integers(0, 6, len(xyz))
    for axis in (0, 1):
        for end in (0, 1):
            xyz[part == 2 * axis + end, axis] = end * (10, 3)[axis]
    roof = part >= 4
    xyz[roof, 2] = 5 + 3 * (1 - np.abs(xyz[roof, 0] / 5 - 1))
    return xyz


def test_what_is_no_room_is_not_turned() -> None:
    tree = np.random.default_rng(0).normal(0, 1, (50_000, 3)) * [2, 2, 2]
    corridors = [room(size=size).xyz for size in ((18, 1.6, 4), (12, 1.5, 2.5), (4, 3, 9))]
    for xyz in (facade(0.3), facade(1.6), gables(), tree, *corridors):
        cloud = survey(PointCloud(xyz))
        assert not examine(ROOMS, cloud).y_up
        assert not examine(ROOMS, cloud, FitOptions(units="m")).y_up


def test_surveys_from_the_air_are_never_turned(ign_tiles: Path, shared_data: Path) -> None:
    autzen = shared_data / "autzen" / "autzen-crop.laz"
    for path in [*sorted(ign_tiles.glob("*.laz")), *([autzen] if autzen.exists() else [])]:
        xyz = read(path).xyz
        for bare in (xyz, xyz - xyz.min(axis=0)):
            found = stance("auto", "auto", survey(PointCloud(bare)), 0.2, 0.17, "a.ply")
            assert not found.y_up, path


def test_the_users_word_decides_the_model() -> None:
    xyz = lying(WIDE) * 1000
    for options in (FitOptions("mm", up="y"), FitOptions(up="y"), FitOptions("mm")):
        assert choose(survey(PointCloud(xyz)), "a.ply", MODELS, options)[0] is ROOMS


def test_a_model_for_other_scans() -> None:
    indoor = survey(room(size=(9, 8, 2.6)))
    bare = type(AERIAL)(
        AERIAL.name,
        AERIAL.path,
        AERIAL.config.model_copy(update={"features": ["one"]}),
        ModelCard(domain="airborne"),
    )
    said = examine(bare, indoor).remarks[0]
    assert said.startswith("the model is for a survey from the air, but this looks like rooms")
    assert not any("the model is for" in remark for remark in examine(ROOMS, indoor).remarks)
    unknown = type(bare)(bare.name, bare.path, bare.config, ModelCard())
    assert not any("the model is for" in remark for remark in examine(unknown, indoor).remarks)


def test_results_that_cannot_be_right() -> None:
    config = ROOMS.config.model_copy(update={"classes": ["ceiling", "floor", "table"]})
    rooms = type(ROOMS)("rooms", ROOMS.path, config, ModelCard(domain="indoor"))
    (said,) = implausible(rooms, [3, 4, 993])
    assert (
        said.startswith("next to nothing (0.7%) became ceiling or floor")
        and said.code == "implausible"
    )
    assert implausible(rooms, [0, 400, 600]) == []
    assert implausible(ROOMS, [0, 10]) == []  # it knows neither
    assert implausible(type(ROOMS)("x", ROOMS.path, config, ModelCard()), [0, 0, 10]) == []
