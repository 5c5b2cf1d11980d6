"""Roofs, ground and plants of generated surveys have the shapes they are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from salanet.datasets.surveys import furniture, roofs, terrain, trees
from salanet.datasets.surveys.bridges import bridge
from salanet.datasets.surveys.materials import BRIDGE, BUILDING, Stuff
from salanet.datasets.surveys.roofs import Roof, any_roof, building
from salanet.datasets.surveys.scanner import Scanner, fly
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import Body, Crown, Place

EXACT = Scanner(
    density=20, lines=1, noise=0, wander=0, strips=0, lost=0, threshold=0.001, rays=1, swath=5
)


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def flat(size: float = 40.0) -> Site:
    return Site.empty(size, random())


def slopes(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slope in degrees and plan direction of the plane through each point's 8 neighbours."""
    from scipy.spatial import cKDTree

    near = xyz[cKDTree(xyz).query(xyz, 8)[1]]
    near = near - near.mean(axis=1, keepdims=True)
    values, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", near, near))
    normal = axes[:, :, 0] * np.sign(axes[:, 2:3, 0])
    flat_ones = values[:, 0] < 1e-4 * values[:, 1]
    slope = np.degrees(np.arccos(np.clip(normal[:, 2], -1, 1)))
    return slope[flat_ones], np.degrees(np.arctan2(normal[:, 1], normal[:, 0]))[flat_ones]


@pytest.mark.parametrize("pitch", [8, 20, 35, 45, 60])
@pytest.mark.parametrize("kind", ["gable", "hip", "shed", "pyramid"])
def test_roofs_have_planes_of_their_pitch(kind: str, pitch: float) -> None:
    site = flat()
    pitches = {
        "gable": (90, 90, pitch, pitch),
        "hip": (pitch, pitch, pitch, pitch),
        "pyramid": (pitch, pitch, pitch, pitch),
        "shed": (90, 90, pitch, 0),
    }[kind]
    half = (6.0, 6.0) if kind == "pyramid" else (8.0, 4.0)
    roof = Roof(pitches, overhang=0.3)
    turn = 0.4
    site.add(*building(Place(20, 20, turn), half, -1, 5, roof))
    found = fly(site, EXACT, random(1))
    on_roof = (found.code == BUILDING) & (found.xyz[:, 2] > 5.1)
    slope, direction = slopes(found.xyz[on_roof])
    slope, direction = slope[slope < 80], direction[slope < 80]  # without walls
    assert (np.abs(slope - pitch) < 1).mean() > 0.9
    side = np.rint((direction - np.rad2deg(turn)) / 90).astype(int) % 4
    large = np.bincount(side) > 0.03 * len(side)  # some planes lie across an edge
    assert large.sum() == {"gable": 2, "shed": 1}.get(kind, 4)
    assert found.xyz[:, 2].max() <= 5 + roof.rise(half) + 1e-3
    assert found.xyz[:, 2].max() > 5 + roof.rise(half) - 0.5


def test_the_rise_of_roofs() -> None:
    half = (8.0, 4.0)
    assert Roof((90, 90, 45, 45)).rise(half) == pytest.approx(4)
    assert Roof((90, 90, 45, 0)).rise(half) == pytest.approx(8)
    assert Roof((45, 45, 45, 45)).rise(half) == pytest.approx(4)
    assert Roof((0, 0, 0, 0)).rise(half) == 0
    uneven = Roof((90, 90, 30, 60))  # the sides meet where their heights agree
    assert uneven.rise(half) == pytest.approx(8 / (1 / np.tan(np.pi / 6) + 1 / np.tan(np.pi / 3)))


def test_mansards_are_steep_below_and_gentle_above() -> None:
    site = flat()
    roof = Roof((15, 15, 15, 15), lower=70, lower_height=2.5)
    site.add(*building(Place(20, 20), (8, 6), -1, 5, roof))
    found = fly(site, replace(EXACT, density=60), random(2))
    slope, _ = slopes(found.xyz[(found.code == BUILDING) & (found.xyz[:, 2] > 5.1)])
    assert (np.abs(slope - 15) < 1).sum() > 1000 and (np.abs(slope - 70) < 2).sum() > 50


def test_random_roofs_are_of_every_pitch() -> None:
    rng = random(3)
    found = [any_roof(rng, (6.0, 4.0)) for _ in range(2000)]
    pitch = np.array([roof.pitches[2] for roof in found])
    assert (pitch == 0).mean() == pytest.approx(0.15, abs=0.03)
    counts = np.histogram(pitch[pitch > 0], [5, 15, 25, 35, 45, 60.1])[0]
    assert (counts > 0.05 * len(found)).all() and pitch.max() <= 60


@pytest.mark.parametrize("seed", range(8))
def test_nothing_of_a_building_is_below_its_ground(seed: int) -> None:
    rng = random(seed)
    site = flat(60)
    terrain.relief(site, 4, 50, 0.1)
    place, half = Place(30, 30, float(rng.uniform(0, 3))), (9.0, 5.0)
    low, high = site.span(place, half)
    site.add(*roofs.house(place, half, low - 1, high + 4, rng))
    site.add(*roofs.hall(Place(12, 45), (8, 8), site.z(12, 45) - 2, site.z(12, 45) + 8, rng))
    site.add(*roofs.church(Place(45, 12), site.z(45, 12) - 3, rng))
    found = fly(site, EXACT, random(seed))
    is_building = found.code == BUILDING
    ground = site.grid.bilinear(site.ground, *found.xyz[is_building, :2].T.astype(np.float32))
    above = found.xyz[is_building, 2] - ground
    assert is_building.sum() > 3000 and above.min() > -0.05
    low, high = site.span(place, (half[0] + 1, half[1] + 1))
    on_house = np.abs(found.xyz[is_building, :2] - [30, 30]).max(axis=1) < 4
    assert (above[on_house] > 3).mean() > 0.95, "its roof hides its floor"


def test_terraces_are_level_and_steep() -> None:
    site = flat(60)
    x, _ = site.grid.xy
    site.ground = 0.2 * x
    terrain.terraces(site, 2.0)
    steep = terrain.steepness(site)
    assert (steep < 0.02).mean() > 0.75 and steep.max() > 1
    assert np.unique(np.round(site.ground[steep < 1e-6], 6) % 2.0).tolist() == [0.0]


def test_embankments_and_channels() -> None:
    site = flat(80)
    across = terrain.straight(site, 0.0, 0.0)
    terrain.embankment(site, across, 4.0, 6.0, 0.5)
    assert site.ground.max() == pytest.approx(4.0)
    assert (np.abs(across[site.ground > 3.99]) < 3.1).all()
    assert (site.ground[np.abs(across) > 11.1] == 0).all()
    assert terrain.steepness(site).max() == pytest.approx(0.5, abs=0.02)
    quay = flat(80)
    terrain.channel(quay, across, 20.0, -1.5, 50.0)
    wet = quay.water > quay.ground
    assert (np.abs(across[wet]) < 10.1).all() and wet[np.abs(across) < 9.9].all()
    assert (quay.surface[wet] == -1.5).all() and (quay.ground[~wet] > -1.6).all()
    assert (quay.stuff[wet] == Stuff.WATER).all() and quay.taken[wet].all()


@pytest.mark.parametrize("pitch", [45, 60, 80])
def test_cliffs_rise_and_are_steep(pitch: float) -> None:
    site = flat(100)
    across = terrain.straight(site, 0.3, 0.0)
    terrain.cliff(site, across - 10, 30.0, float(np.deg2rad(pitch)))
    rock = site.stuff == Stuff.ROCK
    top, foot = site.ground[across > 58], site.ground[across < -25]
    assert np.quantile(top, 0.95) == pytest.approx(30, abs=1.5) and top.min() < 28, "ramps"
    assert np.median(top) > 15 and np.median(foot) == pytest.approx(0, abs=1)
    assert rock.any() and terrain.steepness(site)[rock].max() > np.tan(np.deg2rad(pitch))
    found = fly(site, replace(EXACT, density=4), random(4))
    face = (found.xyz[:, 2] > 3) & (found.xyz[:, 2] < 27)
    assert face.sum() > 200 and (found.code == 2).all(), "steep bare ground is ground"


@pytest.mark.parametrize("form", trees.FORMS)
def test_trees_are_as_tall_as_asked(form: str) -> None:
    tall = []
    for seed in range(12):
        rng = random(seed)
        made = trees.tree(10.0, 10.0, 3.0, 12.0, rng, form)
        crowns = [thing for thing in made if isinstance(thing, Crown)]
        trunks = [thing for thing in made if isinstance(thing, Body)]
        tall.append(max(crown.centre[2] + crown.radii[1] for crown in crowns))
        assert min(crown.centre[2] - crown.radii[1] for crown in crowns) > 2.9
        assert len(trunks) == 1 and trunks[0].low[2] < 3.0
    np.testing.assert_allclose(tall, 15.0, atol=0.7)


def test_winter_lets_the_light_through() -> None:
    shares = []
    for leaves in (0.1, 1.0):
        site = flat(40)
        for seed in range(16):
            x, y = 5 + 10 * (seed % 4), 5 + 10 * (seed // 4)
            site.add(*trees.tree(x, y, 0.0, 15.0, random(seed), "broad", leaves))
        found = fly(site, replace(EXACT, rays=5, beam=0.3), random(5))
        shares.append((found.code == 2).mean())
    assert shares[0] > shares[1] + 0.15


def test_bridges_span_the_water() -> None:
    site = flat(60)
    across = terrain.straight(site, 0.0, 0.0)
    terrain.channel(site, across, 20.0, -3.0, 50.0)
    site.add(*bridge(Place(30, 30, np.pi / 2), 11, 4, (0.0, 0.0), -5, random(6)))
    found = fly(site, EXACT, random(7))
    deck = found.code == BRIDGE
    assert deck.sum() > 2000
    assert (np.abs(found.xyz[deck, 0] - 30) < 4.3).all()
    assert (np.abs(found.xyz[deck, 1] - 30) < 11.2).all()
    middle = deck & (np.abs(found.xyz[:, 0] - 30) < 3.5)
    assert (found.xyz[middle, 2] > -1.0).mean() > 0.99, "the deck is above the water"


def test_cars_have_the_size_of_cars() -> None:
    for seed in range(30):
        parts = furniture.car(Place(5, 5, 0.0), 1.0, random(seed))
        low = np.min([part.low for part in parts], axis=0)
        high = np.max([part.high for part in parts], axis=0)
        assert 3.5 < high[0] - low[0] < 17 and 1.6 < high[1] - low[1] < 2.6
        assert low[2] > 1.0 and 2.3 < high[2] < 5.1
