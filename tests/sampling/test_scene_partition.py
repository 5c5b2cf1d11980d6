"""Partitions that scenes keep."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet.sampling import scene_partition as module
from salanet.sampling.partition import PartitionOptions, partition
from salanet.sampling.scene_partition import scene_partition
from salanet.scenes import Scene, find_scenes


def scene(folder: Path, seed: int = 0) -> Scene:
    coord = np.random.default_rng(seed).random((120, 3))
    return Scene.write(folder, coord=coord, offset=[0, 0, 0], classes=["a"], grid=0.1)


def test_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = scene(tmp_path / "scene")
    options = PartitionOptions()
    made = scene_partition(given, options)
    expected = partition(given.coord, options)
    assert np.array_equal(made.parts, expected.parts)
    folder = given.folder / "partitions" / options.key
    assert sorted(p.name for p in folder.iterdir()) == [
        "geometry.npy",
        "partition.json",
        "parts.npy",
    ]
    assert json.loads((folder / "partition.json").read_text())["regularisation"] == 0.03
    monkeypatch.setattr(module, "partition", lambda *_: pytest.fail("made again"))
    kept = scene_partition(Scene.open(given.folder), options)
    assert np.array_equal(kept.parts, expected.parts)
    assert np.array_equal(kept.geometry, expected.geometry)
    assert find_scenes(tmp_path) == [given.folder]


def test_other_options_and_other_points_are_parted_anew(tmp_path: Path) -> None:
    options = PartitionOptions()
    scene_partition(scene(tmp_path / "scene"), options)
    coarse = scene_partition(Scene.open(tmp_path / "scene"), PartitionOptions(regularisation=1))
    assert len(list((tmp_path / "scene" / "partitions").iterdir())) == 2
    changed = scene(tmp_path / "scene", seed=1)  # prepared again: what was kept has gone
    assert not (tmp_path / "scene" / "partitions").exists()
    found = scene_partition(changed, options)
    assert np.array_equal(found.parts, partition(changed.coord, options).parts)
    assert coarse.parts.max() < found.parts.max()


@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_partition_is_made_again(tmp_path: Path, damage: str) -> None:
    given, options = scene(tmp_path / "scene"), PartitionOptions()
    expected = scene_partition(given, options).parts.copy()
    folder = given.folder / "partitions" / options.key
    if damage == "cut":
        (folder / "parts.npy").write_bytes((folder / "parts.npy").read_bytes()[:-9])
    elif damage == "gone":
        (folder / "geometry.npy").unlink()
    else:
        header = json.loads((folder / "partition.json").read_text())
        (folder / "partition.json").write_text(json.dumps(header | {"points": 7}))
    assert np.array_equal(scene_partition(given, options).parts, expected)
    assert np.array_equal(np.load(folder / "parts.npy"), expected)


def test_a_scene_that_cannot_be_written_is_parted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = scene(tmp_path / "scene")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(module, "write_folder", refuse)
    found = scene_partition(given, PartitionOptions())
    assert np.array_equal(found.parts, partition(given.coord, PartitionOptions()).parts)
