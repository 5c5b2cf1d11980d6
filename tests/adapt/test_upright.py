"""The vertical axis and the unit of generated rooms, and of what is no room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from test_alignment import room
from test_choose import AERIAL, LARGE, MODELS, ROOMS

from salanet.adapt.alignment import AlignmentOptions, examine
from salanet.adapt.choose import choose
from salanet.adapt.kind import find_axes, implausible
from salanet.adapt.upright import turned
from salanet.cloud import PointCloud
from salanet.datasets.rooms import KINDS, generate
from salanet.io import read
from salanet.model_card import ModelCard
from salanet.sampling.summary import summarise

UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}


def whole_room(seed: int, points: int, kind: str) -> NDArray[np.float64]:
    """The first room from a seed on that lacks neither floor nor ceiling."""
    while True:
        cloud = generate(seed, points, kind, "tripod")
        ceiling, floor = np.bincount(cloud.label, minlength=2)[:2] / len(cloud)
        if ceiling > 0.1 and floor > 0.05:
            return cloud.xyz
        seed += 100


WIDE = whole_room(3, 60_000, "lobby")


def lying(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([xyz[:, 0], xyz[:, 2], -xyz[:, 1]], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_rooms_that_stand_are_left_standing(kind: str) -> None:
    points = 200_000 if kind == "lobby" else 100_000
    xyz = whole_room(1000 + KINDS.index(kind), points, kind)
    for unit, metres in UNITS.items():
        cloud = summarise(PointCloud(xyz / metres))
        assert choose(cloud, "a.ply", MODELS)[0] is LARGE, unit
        alignment = examine(ROOMS, cloud)
        assert alignment.scale[0] == pytest.approx(metres) and alignment.up == "z", unit
        alignment = examine(
            ROOMS, summarise(PointCloud(lying(xyz) / metres)), AlignmentOptions(unit, up="y")
        )
        assert alignment.scale[0] == pytest.approx(metres) and alignment.up == "y", unit
    feet = summarise(PointCloud(xyz / 0.3048))
    assert examine(ROOMS, feet).up == "z"


@pytest.mark.parametrize("metres", UNITS.values())
def test_a_room_in_small_units_with_y_up(metres: float) -> None:
    """Its walls follow no axis."""
    xyz = lying(WIDE) / metres
    model, why = choose(summarise(PointCloud(xyz)), "a.ply", MODELS)
    assert model is LARGE and "looks like rooms" in why
    alignment = examine(ROOMS, summarise(PointCloud(xyz)))
    assert alignment.up == "y" and alignment.scale[0] == pytest.approx(metres)
    assert any("y is up: most planes" in remark for remark in alignment.remarks)
    if metres == 0.001:
        assert "as it would be 3,590 m high" in alignment.remarks[0]  # along y, without strays


def test_noise_does_not_hide_the_floor() -> None:
    xyz = WIDE
    xyz = xyz + np.random.default_rng(0).normal(0, 0.015, xyz.shape)
    assert examine(ROOMS, summarise(PointCloud(lying(xyz) * 1000))).up == "y"
    assert examine(ROOMS, summarise(PointCloud(xyz * 1000))).up == "z"


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
        cloud = summarise(PointCloud(xyz))
        assert examine(ROOMS, cloud).up == "z"
        assert examine(ROOMS, cloud, AlignmentOptions(units="m")).up == "z"


def test_surveys_from_the_air_are_never_turned(ign_tiles: Path, shared_data: Path) -> None:
    autzen = shared_data / "autzen" / "autzen-crop.laz"
    for path in [*sorted(ign_tiles.glob("*.laz")), *([autzen] if autzen.exists() else [])]:
        xyz = read(path).xyz
        for bare in (xyz, xyz - xyz.min(axis=0)):
            found = find_axes("auto", "auto", summarise(PointCloud(bare)), 0.2, 0.17, "a.ply")
            assert found.up == "z", path


def test_the_users_word_decides_the_model() -> None:
    xyz = lying(WIDE) * 1000
    for options in (
        AlignmentOptions("mm", up="y"),
        AlignmentOptions(up="y"),
        AlignmentOptions("mm"),
    ):
        assert choose(summarise(PointCloud(xyz)), "a.ply", MODELS, options)[0] is LARGE


def test_a_model_for_other_scans() -> None:
    indoor = summarise(room(size=(9, 8, 2.6)))
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


def seen_by_camera(
    room: NDArray[np.float64], corner: tuple[float, float], pitch: float, back: bool = False
) -> NDArray[np.float64]:
    """What a camera in a corner of a room sees, looking to its middle: x to the right, y down, z
    ahead, or with y up and z back, as OpenGL has it; the nearest point of each pixel."""
    low, high = np.percentile(room, [1, 99], axis=0)
    eye = np.append(low[:2] + (high - low)[:2] * corner, low[2] + 1.6)
    yaw = np.arctan2(*((low + high) / 2 - eye)[1::-1])
    ahead = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    down = np.cross(ahead, right)
    xyz = (room - eye) @ np.stack([right, down, ahead], axis=1)
    xyz = xyz[(xyz[:, 2] > 0.3) & (np.abs(xyz[:, :2]) < [0.6, 0.45] * xyz[:, 2:]).all(axis=1)]
    pixel = np.floor((xyz[:, :2] / xyz[:, 2:] + 1) * 110).astype(np.int64)
    nearest = np.full((224, 224), np.inf)
    np.minimum.at(nearest, tuple(pixel.T), xyz[:, 2])
    around = np.lib.stride_tricks.sliding_window_view(np.pad(nearest, 3, "edge"), (7, 7))
    xyz = xyz[xyz[:, 2] < 1.1 * around.min(axis=(2, 3))[tuple(pixel.T)]]  # surfaces have no holes
    return xyz[::3] * ([1, -1, -1] if back else [1, 1, 1])


ROOM = whole_room(5, 1_000_000, "bedroom")


@pytest.mark.parametrize("metres", UNITS.values())
@pytest.mark.parametrize("pitch", [-0.2, -0.4, -0.6])
@pytest.mark.parametrize("corner", [(0.1, 0.15), (0.85, 0.1), (0.5, 0.9)])
def test_what_a_camera_sees(corner: tuple[float, float], pitch: float, metres: float) -> None:
    for back, up in ((False, "-y"), (True, "y")):
        xyz = seen_by_camera(ROOM, corner, pitch, back) / metres
        alignment = examine(ROOMS, summarise(PointCloud(xyz)))
        assert alignment.up == up and alignment.scale[0] == pytest.approx(metres)
        assert any("as from a camera in the origin" in remark for remark in alignment.remarks)
        upright = alignment.apply(xyz)
        floor, ceiling = np.percentile(upright[:, 2], [1, 99])
        assert floor < 0 and ceiling > -0.5 and ceiling - floor < 4
        model, _ = choose(summarise(PointCloud(xyz)), "a.ply", MODELS)
        assert model is LARGE
    asked = examine(ROOMS, summarise(PointCloud(xyz)), AlignmentOptions(up="z"))
    assert asked.up == "z"
    down = examine(ROOMS, summarise(PointCloud(xyz)), AlignmentOptions(up="-y"))
    assert down.up == "-y" and any("y points down, as asked" in r for r in down.remarks)


def test_turning_keeps_what_is_right_and_left() -> None:
    xyz = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(turned(xyz, "z"), xyz)
    np.testing.assert_array_equal(turned(xyz, "y"), [[1, -3, 2]])
    np.testing.assert_array_equal(turned(xyz, "-y"), [[1, 3, -2]])
    basis = np.eye(3)
    for up in ("z", "y", "-y"):
        assert np.linalg.det(turned(basis, up)) == pytest.approx(1)


def test_rooms_and_hills_before_the_origin_are_no_views() -> None:
    """In a cone around the z axis, but more than one surface or from far away."""
    inside = ROOM - ROOM.mean(axis=0) + [0, 0, 9]
    assert examine(ROOMS, summarise(PointCloud(inside))).up == "z"
    rng = np.random.default_rng(0)
    hills = rng.uniform(-150, 150, (60_000, 3))
    hills[:, 2] = 300 + 100 * np.sin(hills[:, 0] / 90)
    assert examine(ROOMS, summarise(PointCloud(hills))).up == "z"
