"""Several rooms behind doors: a plan without overlaps, one walk through all, scenes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet.cli.main import main
from salanet.datasets.rooms import CLASSES, STOREY, generate
from salanet.datasets.rooms.generator import build
from salanet.datasets.rooms.layout import Room, inside
from salanet.datasets.rooms.scenes import plan
from salanet.datasets.rooms.sensors import Errors, sensors_of
from salanet.datasets.rooms.storey import NARROWEST
from salanet.datasets.rooms.survey import survey
from salanet.errors import ConfigError
from salanet.scenes import open_scenes

EXACT = Errors()


@pytest.fixture(scope="module", params=[0, 1, 3])
def storey(request: pytest.FixtureRequest) -> Room:
    return build(STOREY, np.random.default_rng(request.param))


def boxes(storey: Room) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(room.outline.min(axis=0), room.outline.max(axis=0)) for room in storey.rooms]


def test_rooms_lie_beside_each_other(storey: Room) -> None:
    found = boxes(storey)
    assert 2 <= len(found) <= 5
    for i, (low, high) in enumerate(found):
        assert (high - low).min() >= NARROWEST - 1e-9
        assert (low >= storey.outline.min(axis=0)).all()
        assert (high <= storey.outline.max(axis=0)).all()
        for other_low, other_high in found[:i]:
            gap = np.maximum(other_low - high, low - other_high).max()
            assert gap > 0.09  # a wall


def test_doors_lead_into_every_room(storey: Room) -> None:
    assert len(storey.doors) == len(storey.rooms) - 1
    reached = {0}
    for _ in storey.rooms:
        for one, other, middle in storey.doors:
            reached |= {one, other} if reached & {one, other} else set()
            for number in (one, other):
                low, high = boxes(storey)[number]
                assert (middle > low - 0.13).all() and (middle < high + 0.13).all()
                assert not inside(middle, storey.rooms[number].outline)
    assert reached == set(range(len(storey.rooms)))


@pytest.mark.parametrize("sensor", ["handheld", "mobile", "tripod"])
def test_a_walk_comes_into_every_room(storey: Room, sensor: str) -> None:
    stations = sensors_of(sensor, storey, 20_000, np.random.default_rng(1))
    places = np.array([station.origin[:2] for station in stations])
    doors = np.array([door for _, _, door in storey.doors])
    seen = set()
    for place in places:
        found = [i for i, room in enumerate(storey.rooms) if inside(place, room.outline)]
        assert found or np.linalg.norm(doors - place, axis=1).min() < 1.0
        seen |= set(found)
    assert seen == set(range(len(storey.rooms)))


def test_what_is_seen_from_one_room_of_another_is_seen_through_the_doors(storey: Room) -> None:
    """Walls are closed: what lies in other rooms is in line with a door."""
    scan = survey(storey, 30_000, np.random.default_rng(2), EXACT)
    stations = np.array(
        [s.origin for s in sensors_of("tripod", storey, 30_000, np.random.default_rng(2))]
    )
    assert len(np.unique(scan.position)) >= len(storey.rooms) - 1 and len(stations)
    label = storey.model.pack().label[scan.part]
    floors = scan.xyz[label == CLASSES.index("floor")]
    for room in storey.rooms:
        low, high = room.outline.min(axis=0), room.outline.max(axis=0)
        mine = ((floors[:, :2] > low) & (floors[:, :2] < high)).all(axis=1)
        assert mine.any() and np.abs(floors[mine, 2]).max() < 0.03  # rugs
        deep = (scan.xyz[:, :2] > low + 0.35) & (scan.xyz[:, :2] < high - 0.35)
        inner = deep.all(axis=1) & (label == CLASSES.index("wall"))
        assert not inner.any()


def test_the_same_seed_gives_the_same_storey() -> None:
    one, two = generate(5, 20_000, STOREY), generate(5, 20_000, STOREY)
    assert np.array_equal(one.xyz, two.xyz) and np.array_equal(one.label, two.label)
    assert not np.array_equal(one.xyz[:50], generate(6, 20_000, STOREY).xyz[:50])


def test_a_share_of_the_scenes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["prepare", "rooms", str(tmp_path / "out"), "--rooms", "3", "--points", "3000"]
    command += ["--test", "0", "--val", "0", "--workers", "1", "--sensors", "tripod", "--json"]
    assert main([*command, "--storeys", "0.5"]) == 0
    capsys.readouterr()
    scenes = open_scenes(tmp_path / "out", "train")
    kinds = [scene.meta["kind"] for scene in scenes]
    assert 0 < kinds.count(STOREY) < 3
    most = {scene.meta["kind"] == STOREY: scene.meta["figures"]["points"] for scene in scenes}
    assert 3000 < most[True] <= 9000 and most[False] <= 3000
    assert main([*command, "--storeys", "0.5"]) == 0
    assert all(scene["skipped"] for scene in json.loads(capsys.readouterr().out)["scenes"])
    with pytest.raises(ConfigError, match=r"--storeys 1\.5: a share is from 0 to 1"):
        plan(tmp_path, storeys=1.5)
    assert "storeys" not in plan(tmp_path).settings  # folders of before stay as they are
