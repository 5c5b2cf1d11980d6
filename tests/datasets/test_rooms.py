"""Generated rooms: rays against solids, what is seen of a room, scenes from the command line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.cli.main import main
from salanet.datasets import scannet
from salanet.datasets.rooms import CLASSES, KINDS, furniture, generate, raycast
from salanet.datasets.rooms.generator import any_kind, build, scan_room
from salanet.datasets.rooms.layout import inside, shell
from salanet.datasets.rooms.placing import at_wall, footprint, overlaps
from salanet.datasets.rooms.primitives import BALL, BOX, Model, Paint, Parts, turn_x, turn_z
from salanet.datasets.rooms.raycast import Sensor, camera, cast, panorama
from salanet.datasets.rooms.scenes import HOMES, plan, room_seed, sensor_of
from salanet.datasets.rooms.sensors import Errors
from salanet.datasets.rooms.survey import survey
from salanet.datasets.rooms.things import S3DIS, SCANNET, THING_OF
from salanet.datasets.rooms.walls import build_walls
from salanet.errors import ConfigError
from salanet.scenes import open_scenes

GREY = Paint((0.5, 0.5, 0.5))
EXACT = Errors()
LEVEL = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])  # a camera that looks along +y


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def seen(model: Model, sensor: Sensor) -> tuple[np.ndarray, np.ndarray]:
    """Points and the parts they lie on."""
    hits = cast(sensor, model.pack(), random())
    rows = hits.part >= 0
    rays = np.stack([axis[rows] for axis in sensor.rays], axis=1)
    return sensor.origin + hits.range[rows, None] * rays.astype(float), hits.part[rows]


def depth_inside(xyz: np.ndarray, parts: Parts, index: int) -> np.ndarray:
    """1 - |u| of points in the frame of a solid: positive inside, 0 on its surface."""
    u = (xyz - parts.centre[index]) @ parts.inverse[index].T
    if parts.kind[index] == BOX:
        return 1 - np.abs(u).max(axis=1)
    if parts.kind[index] == BALL:
        return 1 - np.linalg.norm(u, axis=1)
    radius = np.linalg.norm(u[:, :2], axis=1) - parts.taper[index] * u[:, 2]
    return 1 - np.maximum(radius, np.abs(u[:, 2]))


@pytest.mark.parametrize("solid", ["box", "ball", "cylinder", "cone", "tilted"])
@pytest.mark.parametrize("view", ["panorama", "camera"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_windows_miss_no_ray(solid: str, view: str, data: st.DataObject) -> None:
    """The rays of a solid's window give what all rays give, and end on its surface."""
    place = np.array([data.draw(st.floats(-4, 4)) for _ in range(3)])
    size = np.array([data.draw(st.floats(0.05, 1.0)) for _ in range(3)])
    if np.abs(place).max() < 2.5:
        place[1] += 4
    model = Model()
    if solid == "box":
        model.box("table", GREY, place - size, place + size, turn_z(size[0] * 3))
    elif solid == "tilted":
        model.box("table", GREY, place - size, place + size, turn_z(size[0] * 3) @ turn_x(0.7))
    elif solid == "ball":
        model.ball("table", GREY, place, size)
    else:
        last = size[1] if solid == "cone" else size[0]
        model.rod("table", GREY, place - size, place + size, size[0] / 2, last / 2)
    origin = np.zeros(3)
    round_about = panorama(origin, 3000, -90, 90)
    sensor = round_about if view == "panorama" else camera(origin, LEVEL, 60, 45, 80, 60)
    parts = model.pack()
    eye = (parts.inverse[0] @ -parts.centre[0]).astype(np.float32)
    matrix = parts.inverse[0].astype(np.float32)
    local = [m[0] * sensor.rays[0] + m[1] * sensor.rays[1] + m[2] * sensor.rays[2] for m in matrix]
    every = raycast._distance(int(parts.kind[0]), eye, local, parts.taper[0])
    hits = cast(sensor, parts, random())
    assert np.array_equal(hits.range, every)
    xyz, _ = seen(model, sensor)
    # float32, and rays that graze: half a millimetre off the surface.
    thinnest = np.sqrt((parts.axes[0] ** 2).sum(axis=0)).min()
    assert np.abs(depth_inside(xyz, parts, 0)).max(initial=0) * thinnest < 5e-4


def test_a_box_hides_what_is_behind_it() -> None:
    model = Model()
    model.box("table", GREY, [-1, 2, -1], [1, 2.2, 1])
    model.ball("chair", GREY, [0, 3, 0], [0.4, 0.4, 0.4])
    xyz, part = seen(model, panorama(np.zeros(3), 50_000))
    assert set(part) == {0}
    assert xyz[:, 1].min() == pytest.approx(2, abs=1e-4)
    _, part = seen(model, panorama(np.array([0.0, 6, 0]), 50_000))
    assert set(part) == {0, 1}


def test_glass_lets_rays_through() -> None:
    model = Model()
    model.box("window", GREY._replace(opacity=0.25), [-2, 1, -2], [2, 1.01, 2])
    model.box("wall", GREY, [-9, 3, -9], [9, 3.1, 9])
    _, part = seen(model, camera(np.zeros(3), LEVEL, 200, 150, 60, 20))
    assert (part == 0).mean() == pytest.approx(0.25, abs=0.02)


def test_density_falls_with_distance() -> None:
    model = Model()
    for distance in (1, 2, 4):
        x = {1: -0.5, 2: 0.0, 4: 2.0}[distance]
        model.box("board", GREY, [x - 0.1, distance, -0.1], [x + 0.1, distance + 0.1, 0.1])
    _, part = seen(model, camera(np.zeros(3), LEVEL, 640, 480, 80, 20))
    near, middle, far = np.bincount(part, minlength=3)
    assert 2.5 < near / middle < 6 and 2.5 < middle / far < 6


def test_points_lie_on_surfaces() -> None:
    """Without errors of measurement, every point is on its own part and inside of none."""
    room = build("office", random(5))
    scan = survey(room, 20_000, random(1), EXACT)
    parts = room.model.pack()
    size = np.sqrt((parts.axes**2).sum(axis=1))
    for index in range(len(parts.kind)):
        depth = depth_inside(scan.xyz, parts, index) * size[index].min()
        if parts.opacity[index] == 1 and parts.kind[index] == BOX:
            assert depth.max() < 2e-3
        own = depth[scan.part == index]
        assert np.abs(own).max(initial=0) < 2e-3


def test_points_stay_in_a_closed_room() -> None:
    room = shell("meeting", random(3))
    build_walls(room, [], random(0))
    scan = survey(room, 20_000, random(1), EXACT)
    low, high = room.outline.min(axis=0), room.outline.max(axis=0)
    assert (scan.xyz[:, :2] >= low - 1e-3).all() and (scan.xyz[:, :2] <= high + 1e-3).all()
    assert scan.xyz[:, 2].min() > -1e-3
    labels = room.model.pack().label[scan.part]
    floor = labels == CLASSES.index("floor")
    assert np.abs(scan.xyz[floor, 2]).max() < 1e-3
    walls = scan.xyz[labels == CLASSES.index("wall")]
    ahead = np.roll(room.outline, -1, axis=0) - room.outline
    inward = np.column_stack([-ahead[:, 1], ahead[:, 0]]) / np.linalg.norm(ahead, axis=1)[:, None]
    distance = ((walls[:, None, :2] - room.outline) * inward).sum(axis=2)
    assert np.abs(distance).min(axis=1).max() < 0.02  # a skirting board is 12 mm thick


def test_same_seed_same_points_whatever_the_threads() -> None:
    threads = torch.get_num_threads()
    one = generate(11, 5000)
    torch.set_num_threads(threads % 2 + 1)
    two = generate(11, 5000)
    torch.set_num_threads(threads)
    assert one.rgb is not None and two.rgb is not None
    assert np.array_equal(one.xyz, two.xyz) and np.array_equal(one.rgb, two.rgb)
    assert np.array_equal(one.label, two.label)
    assert np.array_equal(one.attributes["scan"], two.attributes["scan"])
    assert not np.array_equal(one.xyz[:100], generate(12, 5000).xyz[:100])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_room(kind: str) -> None:
    cloud = generate(1, 8000, kind)
    assert 1000 < len(cloud) <= 8000
    assert cloud.label is not None and cloud.label.min() >= 0
    assert np.isfinite(cloud.xyz).all() and cloud.attributes["scan"].dtype == np.uint8
    assert np.ptp(cloud.xyz[:, :2], axis=0).max() < 35


def test_all_classes_come_up() -> None:
    counts = sum(
        np.bincount(generate(seed, 6000).label, minlength=len(CLASSES)) for seed in range(12)
    )
    assert (counts > 0).all()
    share = counts / counts.sum()
    assert share[CLASSES.index("wall")] > 0.2 and share[CLASSES.index("clutter")] < 0.25


def test_furniture_does_not_collide() -> None:
    room, rng, model = shell("office", random(2)), random(0), Model()
    model.box("table", GREY, [-0.6, -0.4, 0], [0.6, 0.4, 0.7])
    places = [place for _ in range(12) if (place := at_wall(room, model, rng))]
    outlines = [footprint(model, *place, 0) for place in places]
    assert len(places) >= 2
    for i, outline in enumerate(outlines):
        assert all(inside(corner, room.outline) for corner in outline)
        assert not any(overlaps(outline, other) for other in outlines[:i])


def test_overlap_and_inside() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    beside = square + np.array([1.01, 0])
    assert overlaps(square, square + 0.9) and not overlaps(square, beside)
    turned = (square - 0.5) @ turn_z(np.pi / 4)[:2, :2].T
    assert not overlaps(square, turned + 1.4)
    assert overlaps(square, turned + np.array([1.6, 0.5]))
    assert inside(np.array([0.5, 0.5]), square, 0.4)
    assert not inside(np.array([0.5, 0.9]), square, 0.2)
    assert not inside(np.array([1.5, 0.5]), square)


def test_unknown_kind_and_too_few_points() -> None:
    with pytest.raises(ConfigError, match="no room kind 'garage'"):
        generate(0, 5000, "garage")
    with pytest.raises(ConfigError, match="no sensor 'sonar'"):
        generate(0, 5000, sensor="sonar")
    with pytest.raises(ConfigError, match="at least 1,000"):
        generate(0, 10)


def test_prepare_rooms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", "rooms", str(tmp_path / "out"), "--rooms", "3", "--points", "4000"]
    command += ["--test", "1", "--val", "1", "--workers", "1", "--json"]
    command += ["--sensors", "tripod", "view"]
    assert main([*command, "--dry-run"]) == 0
    names = [scene["scene"] for scene in json.loads(capsys.readouterr().out)["scenes"]]
    assert [name.rsplit("_", 1)[0] for name in names] == [
        "test/room_00000", "val/room_00001", "train/room_00002",
    ]  # fmt: skip
    assert {sensor_of(name) for name in names} <= {"tripod", "view"}
    assert not (tmp_path / "out").exists()
    assert main(command) == 0
    report = json.loads(capsys.readouterr().out)["scenes"]
    assert not any(scene["skipped"] for scene in report)
    assert [scene["kind"] for scene in report] == [sensor_of(name) for name in names]
    scenes = [open_scenes(tmp_path / "out", split)[0] for split in ("train", "val", "test")]
    assert scenes[0].classes == list(CLASSES) and [scene.grid for scene in scenes] == [
        0.025,
        0.04,
        0.04,
    ]
    assert all(scene.color is not None for scene in scenes)
    assert all(scene.meta["sensor"] == sensor_of(scene.name) for scene in scenes)
    assert all(("camera" in scene.meta) == (scene.meta["sensor"] == "view") for scene in scenes)
    # More rooms leave those that are there alone.
    command[command.index("3")] = "4"
    assert main(command) == 0
    skipped = [scene["skipped"] for scene in json.loads(capsys.readouterr().out)["scenes"]]
    assert skipped == [True, True, True, False]


def test_scenes_with_the_classes_of_scannet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["prepare", "rooms", str(out), "--rooms", "2", "--points", "4000", "--test", "1"]
    command += ["--val", "0", "--workers", "1", "--sensors", "tripod", "--classes", "scannet"]
    assert main(command) == 0
    assert "test: 1 tripod\ntrain: 1 tripod" in capsys.readouterr().out
    (scene,) = open_scenes(out, "test")
    assert tuple(scene.classes) == tuple(scannet.CLASSES)
    assert tuple(scene.meta["codes"]) == scannet.BENCHMARK.codes
    number = int(scene.name.split("_")[1])
    room = scan_room(room_seed(0, number), 4000, scene.meta["kind"], sensor="tripod")
    assert np.array_equal(np.load(scene.folder / "raw_segment.npy"), room.scannet)


def test_rooms_for_the_classes_of_scannet_hold_them() -> None:
    found = [any_kind(random(seed), HOMES) for seed in range(300)]
    assert set(found) == set(KINDS)
    assert min(found.count("bathroom"), found.count("kitchen")) > 30
    usual = [any_kind(random(seed)) for seed in range(300)]
    assert found.count("bathroom") > 1.5 * usual.count("bathroom")
    seen: set[int] = set()
    for kind in ("bathroom", "kitchen", "bedroom"):
        for seed in range(6):
            room = build(kind, random(seed))
            seen |= set(SCANNET[room.model.pack().thing].tolist())
    assert seen == set(range(-1, len(scannet.CLASSES)))


# Kinds: parts, digest of their labels and places to a millimetre, what the generator draws next.
BUILT = {
    "office": (222, "d6ac474dd9e4", 1140507509),
    "lobby": (623, "0320c33d2e9e", 3559796989),
    "living": (232, "10a8e1dd0279", 390718127),
    "kitchen": (171, "050bc2934b5a", 875259604),
    "bedroom": (261, "e493f6f162ac", 3999600568),
    "bathroom": (66, "4c3011e72d91", 2573594329),
}


@pytest.mark.parametrize("kind", BUILT)
def test_rooms_stay_what_they_are(kind: str) -> None:
    """The thirteen classes of a seed do not change with finer things or other draws of rooms."""
    rng = random(3)
    parts = build(kind, rng).model.pack()
    places = np.rint(parts.centre * 1000).astype("<i8")
    found = hashlib.sha256(parts.label.astype("<i4").tobytes() + places.tobytes()).hexdigest()
    assert (len(parts.label), found[:12], int(rng.integers(2**32))) == BUILT[kind]


def test_things_that_the_two_benchmarks_call_differently() -> None:
    armchair = furniture.sofa(random(0), 1).pack()
    assert set(armchair.label) == {CLASSES.index("sofa")}
    assert {list(scannet.CLASSES)[i] for i in SCANNET[armchair.thing]} == {"chair"}
    sofa = furniture.sofa(random(0), 2).pack()
    assert {list(scannet.CLASSES)[i] for i in SCANNET[sofa.thing]} == {"sofa"}
    poster = THING_OF["poster"]
    assert CLASSES[S3DIS[poster]] == "wall"
    assert list(scannet.CLASSES)[SCANNET[poster]] == "picture"


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave none to train on"):
        plan(tmp_path, rooms=5, val=2, test=3)
    with pytest.raises(ConfigError, match="--sensors sonar: choose some of tripod"):
        plan(tmp_path, sensors=["tripod", "sonar"])
