"""Files in which something cannot be as it seems are doubted aloud."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.adapt.alignment import AlignmentOptions, examine
from salanet.adapt.coordinates import doubtful, step
from salanet.cloud import PointCloud
from salanet.datasets.rooms import generate as room
from salanet.datasets.surveys import Scanner, generate
from salanet.engine import open_runner
from salanet.remark import Remark
from salanet.sampling.summary import summarise


@pytest.fixture(scope="module")
def village() -> PointCloud:
    return generate(4, "village", size=70, scanner=Scanner(density=10))


def codes(cloud: PointCloud, cell: float = 0.2) -> list[str]:
    said = doubtful(summarise(cloud), cell, terrain=True)
    assert all(isinstance(remark, Remark) for remark in said)
    return [remark.code for remark in said if isinstance(remark, Remark)]


def moved(cloud: PointCloud, xyz: np.ndarray) -> PointCloud:
    return PointCloud.of_arrays(xyz, cloud.arrays())


@pytest.mark.parametrize("kind", ["terraces", "works", "woods", "coast", "mountains", "farmland"])
def test_sound_surveys_are_not_doubted(kind: str) -> None:
    for density in (1, 15):
        assert codes(generate(2, kind, size=80, scanner=Scanner(density=density))) == []


@pytest.mark.parametrize("sensor", ["tripod", "handheld", "mobile", "view"])
def test_sound_rooms_are_not_doubted(sensor: str) -> None:
    cloud = room(5, 40_000, sensor=sensor)
    assert doubtful(summarise(cloud), 0.04, terrain=False) == []
    voxels = np.unique(np.floor(cloud.xyz / 0.05), axis=0) * 0.05  # centres of 5 cm
    assert doubtful(summarise(PointCloud(voxels)), 0.04, terrain=False) == []


def test_heights_that_were_lost(village: PointCloud) -> None:
    flat = village.xyz * [1, 1, 0] + [0, 0, 7.5]
    assert codes(moved(village, flat)) == ["level"]
    assert codes(PointCloud(np.zeros((60, 3)))) == []  # one place tells nothing
    assert codes(PointCloud(flat[:30])) == []


def test_degrees_and_kilometres(village: PointCloud) -> None:
    for scale in (1 / 111_000, 1 / 1000):
        assert "thin" in codes(moved(village, village.xyz * [scale, scale, 1]))


@pytest.mark.parametrize("far", [455_000.0, 5_430_000.0])
def test_coordinates_of_32_bits(far: float) -> None:
    cloud = room(5, 60_000, sensor="tripod")
    cloud.xyz = (cloud.xyz + [0, far, 0]).astype(np.float32).astype(np.float64)
    said = doubtful(summarise(cloud), 0.04, terrain=False)
    rounded = [r for r in said if isinstance(r, Remark) and r.code == "rounded"]
    assert len(rounded) == (far > 1e6)
    for remark in rounded:
        assert remark.values == {"step": 0.5} and "y comes in steps of 0.5 m" in remark


def test_rounded_to_a_metre_and_points_of_a_raster(village: PointCloud) -> None:
    assert codes(moved(village, np.round(village.xyz))) == ["rounded"]
    assert codes(moved(village, np.round(village.xyz, 2))) == []
    places = np.stack(np.meshgrid(np.arange(80), np.arange(80), indexing="ij"), -1).reshape(-1, 2)
    heights = np.random.default_rng(0).normal(0, 1, len(places))
    assert codes(PointCloud(np.column_stack([places, heights]))) == []


def test_step() -> None:
    assert step(np.array([1.5, 1.0, 1.5, 4.0])) == 0.5
    assert step(np.ones(3)) == 0


def test_z_that_points_down_shows_in_the_returns(village: PointCloud) -> None:
    turned = moved(village, village.xyz * [1, -1, -1])
    assert codes(turned) == ["down"]
    model = open_runner("aerial")
    asked = AlignmentOptions(up="-z")
    alignment = examine(model, summarise(turned), asked)
    assert alignment.up == "-z" and not any("point down" in r for r in alignment.remarks)
    assert any(remark.startswith("z points down, as asked") for remark in alignment.remarks)
    np.testing.assert_allclose(alignment.apply(turned.xyz), village.xyz, atol=1e-9)
    plain = moved(village, village.xyz * [1, 1, -1])
    del plain.attributes["return_number"]
    assert codes(plain) == []  # nothing tells


def test_labels_with_z_down_are_those_with_z_up(town_model: Path, tmp_path: Path) -> None:
    cloud = generate(4, "village", size=40, scanner=Scanner(density=6))
    turned = moved(cloud, cloud.xyz * [1, -1, -1])
    for name, one in (("up", cloud), ("down", turned)):
        salanet.write(tmp_path / f"{name}.ply", one)
    salanet.label(tmp_path / "up.ply", tmp_path / "a.ply", town_model, units="m", up="z")
    salanet.label(tmp_path / "down.ply", tmp_path / "b.ply", town_model, units="m", up="-z")
    a, b = (salanet.read(tmp_path / f"{name}.ply") for name in "ab")
    assert a.label is not None and b.label is not None
    assert (a.label == b.label).mean() > 0.98  # cells lie a little otherwise


def test_ground_that_was_taken_out(village: PointCloud) -> None:
    assert village.label is not None
    without = village.rows(village.label != 2)
    assert codes(without) == ["no-ground"]
    assert doubtful(summarise(without), 0.2, terrain=False) == []
    without.label = None
    assert codes(without) == []
    assert codes(village.rows(village.label == 6)) == []  # one thing alone is a choice
