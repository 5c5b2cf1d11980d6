"""Sensors in generated rooms: what each leaves of a surface, and that scans say what they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from salanet.datasets.rooms.fusion import fuse
from salanet.datasets.rooms.generator import any_sensor, build, scan_room
from salanet.datasets.rooms.measure import measure, moved, poses
from salanet.datasets.rooms.primitives import Model, Paint
from salanet.datasets.rooms.raycast import camera, cast, panorama
from salanet.datasets.rooms.sensors import SENSORS, Errors, errors_of, sensors_of
from salanet.datasets.rooms.survey import survey
from salanet.datasets.rooms.things import NAMES, S3DIS, SCANNET, THINGS
from salanet.datasets.s3dis import BENCHMARK
from salanet.datasets.scannet import CLASSES as TWENTY

LEVEL = np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]])  # a camera that looks along +y


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def wall(distance: float, paint: Paint, errors: Errors) -> tuple[np.ndarray, int]:
    """What a camera measures of a wall, and how many rays it has."""
    model = Model()
    model.box("wall", paint, [-9, distance, -9], [9, distance + 0.1, 9])
    sensor, parts = camera(np.zeros(3), LEVEL, 120, 90, 30, 20), model.pack()
    xyz, part, _ = measure(sensor, cast(sensor, parts, random()), errors, parts, random())
    assert (part == 0).all()
    return xyz, 120 * 90


def test_noise_of_depth_grows_with_the_square_of_the_distance() -> None:
    errors = Errors(growth=0.002)
    spread = [float(wall(d, Paint((0.5,) * 3), errors)[0][:, 1].std()) for d in (1.0, 2.0, 4.0)]
    assert spread[0] == pytest.approx(0.002, rel=0.1)
    assert spread[1] / spread[0] == pytest.approx(4, rel=0.1)
    assert spread[2] / spread[1] == pytest.approx(4, rel=0.1)


def test_depths_are_steps_that_grow_with_the_square_of_the_distance() -> None:
    for distance, gap in ((1.0, 0.002), (2.0, 0.008), (4.0, 0.032)):
        xyz, _ = wall(distance, Paint((0.5,) * 3), Errors(noise=0.02, step=0.002))
        ranges = np.linalg.norm(xyz, axis=1)
        steps = 1 / (0.002 * ranges)
        assert np.abs(steps - np.rint(steps)).max() < 1e-4  # rays are float32
        middle = 1 / (0.002 * np.unique(np.rint(steps[np.abs(ranges - distance) < 0.05])))
        assert -np.diff(middle).mean() == pytest.approx(gap, rel=0.15)


def test_black_and_glass_leave_holes() -> None:
    errors = Errors(dark=0.9)
    black, rays = wall(2, Paint((0.03,) * 3), errors)
    glass, _ = wall(2, Paint((0.9,) * 3, opacity=0.999), errors)
    white, _ = wall(2, Paint((0.9,) * 3), errors)
    assert len(white) == rays
    assert len(black) / rays == pytest.approx(0.1, abs=0.02)
    assert len(glass) / rays == pytest.approx(0.1, abs=0.02)


def test_photogrammetry_has_lumps_and_holes_where_walls_are_plain() -> None:
    errors = Errors(lumps=0.05)
    plain, rays = wall(2, Paint((0.8,) * 3, contrast=0.01), errors)
    printed, _ = wall(2, Paint((0.8,) * 3, contrast=0.5), errors)
    assert np.abs(printed[:, 1] - 2).max() < 1e-3 and len(printed) == rays
    assert 0.005 < np.abs(plain[:, 1] - 2).max() < 0.06 and 0.2 < len(plain) / rays < 0.98


def test_drift_adds_up_along_a_walk() -> None:
    stations = [camera(np.zeros(3), LEVEL, 8, 6, 60, 5)] * 100
    first, middle = [], []
    for seed in range(200):
        shifts = [shift for _, shift in poses("handheld", stations, 0.02, random(seed))]
        first.append(shifts[0][0])
        middle.append(shifts[50][0])
    assert np.std(first) < 0.004 and 0.007 < np.std(middle) < 0.02
    tripods = [panorama(np.zeros(3), 100)] * 100
    shifts = [shift[0] for _, shift in poses("tripod", tripods, 0.02, random())]
    assert np.std(shifts) == pytest.approx(0.02, rel=0.25)
    xyz = np.array([[1.0, 2, 3]])
    assert moved(xyz, stations[0], (np.pi / 2, np.array([0, 0, 1.0]))) == pytest.approx(
        np.array([[-2.0, 1, 4]])
    )


def fused(points: np.ndarray, part: np.ndarray, **options: float) -> tuple[np.ndarray, np.ndarray]:
    rgb = np.full((len(points), 3), 90, np.uint8)
    given = {"voxel": 0.02, "spacing": 0.02, "rounds": 2} | options
    xyz, label, colour = fuse(points, part, rgb, rng=random(), **given)  # type: ignore[arg-type]
    assert (colour == 90).all()
    return xyz, label


def test_fusion_makes_a_thin_surface_of_noise() -> None:
    rng = random()
    points = np.column_stack([rng.uniform(0, 1, (90_000, 2)), rng.normal(0, 0.01, 90_000)])
    xyz, label = fused(points, (points[:, 0] > 0.5).astype(np.int64))
    inner = (np.abs(xyz[:, :2] - 0.5) < 0.4).all(axis=1)
    assert xyz[inner, 2].std() < 0.005
    right = label == (xyz[:, 0] > 0.5)
    assert right[np.abs(xyz[:, 0] - 0.5) > 0.03].all()
    sparse, _ = fused(points, np.zeros(len(points), np.int64), spacing=0.05)
    apart = cKDTree(sparse).query(sparse, k=2)[0][:, 1]
    assert 0.02 < np.median(apart) < 0.06 and len(sparse) < len(xyz) / 3


def test_fusion_rounds_corners_and_keeps_walls_seen_twice() -> None:
    rng = random()
    flat = rng.uniform(0, 1, (60_000, 2))
    zero = np.zeros(len(flat))
    corner = np.vstack([np.column_stack([flat, zero]), np.column_stack([zero, flat])])
    xyz, _ = fused(corner, np.zeros(len(corner), np.int64), rounds=3)
    edge = xyz[(xyz[:, 1] > 0.1) & (xyz[:, 1] < 0.9)]
    assert 0.006 < np.hypot(edge[:, 0], edge[:, 2]).min() < 0.05  # nothing is left in the edge
    double = np.vstack([np.column_stack([flat, zero]), np.column_stack([flat, zero + 0.08])])
    xyz, _ = fused(double, np.zeros(len(double), np.int64))
    assert (np.minimum(np.abs(xyz[:, 2]), np.abs(xyz[:, 2] - 0.08)) < 0.005).all()


@pytest.mark.parametrize("sensor", SENSORS)
def test_each_sensor_says_what_it_is_and_repeats(sensor: str) -> None:
    one, two = (scan_room(4, 12_000, "office", sensor) for _ in range(2))
    assert one.sensor == sensor and one.kind == "office"
    assert np.array_equal(one.cloud.xyz, two.cloud.xyz)
    assert 1000 < len(one.cloud) <= 12_000
    assert np.array_equal(one.cloud.label, S3DIS[one.cloud.attributes["thing"]])


def test_a_single_view_knows_its_camera() -> None:
    found = scan_room(6, 8000, "living", "view")
    assert found.camera is not None
    local = found.cloud.xyz @ found.camera[:3, :3].T + found.camera[:3, 3]
    assert (local[:, 2] > 0).all()  # before the camera, within its picture
    assert np.abs(np.degrees(np.arctan2(local[:, 0], local[:, 2]))).max() < 45
    assert scan_room(6, 8000, "living", "tripod").camera is None


def test_hand_held_scans_lack_most_of_the_ceiling() -> None:
    ceiling = NAMES.index("ceiling")
    share = {}
    for sensor in ("tripod", "handheld"):
        room, rng = build("living", random(3)), random(5)
        part = survey(room, 20_000, rng, sensor=sensor).part
        share[sensor] = float((room.model.pack().thing[part] == ceiling).mean())
    assert share["handheld"] < 0.6 * share["tripod"]


def test_sensors_are_drawn_among_those_asked_for() -> None:
    drawn = {any_sensor(random(seed), ("mobile", "view")) for seed in range(40)}
    assert drawn == {"mobile", "view"}
    kinds = {any_sensor(random(seed)) for seed in range(80)}
    assert kinds == set(SENSORS)


def test_every_kind_of_sensor_has_errors_and_places() -> None:
    room = build("office", random(2))
    for kind in SENSORS:
        errors = errors_of(kind, random(1))
        assert replace(errors) == errors and errors.noise > 0
        stations = sensors_of(kind, room, 20_000, random(1))
        rays = sum(station.shape[0] * station.shape[1] for station in stations)
        assert 0.6 * 20_000 < rays < 1.3 * 20_000
        assert (len(stations) == 1) == (kind == "view")


def test_things_have_classes_of_both_benchmarks() -> None:
    assert {BENCHMARK.classes[i] for i in S3DIS} == set(BENCHMARK.classes)
    assert {list(TWENTY)[i] for i in SCANNET if i >= 0} == set(TWENTY)
    for name, one, other in zip(NAMES, S3DIS, SCANNET, strict=True):
        assert THINGS[name][0] == BENCHMARK.classes[one]
        assert THINGS[name][1] == ("" if other < 0 else list(TWENTY)[other])
