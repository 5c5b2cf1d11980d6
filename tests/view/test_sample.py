"""Samples: even, the same every time, the same points of files that belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.errors import ConfigError, DataError, FileError
from salanet.io import read, write
from salanet.scenes import find_scenes
from salanet.view import Classes, Sample, load
from salanet.view.colours import best_mode, colour, modes
from salanet.view.sample import picked, together, with_truth


@given(total=st.integers(1, 10**12), limit=st.integers(1, 1000))
def test_one_point_is_picked_from_each_stretch(total: int, limit: int) -> None:
    rows = picked(min(total, 10**4) if limit >= total else total, limit)
    assert len(rows) == min(len(rows), limit) and (np.diff(rows) >= 0).all()
    if limit < total:
        assert len(rows) == limit and rows[0] >= 0 and rows[-1] < total
        stretch = np.arange(limit) * (total / limit)
        assert (rows >= np.floor(stretch)).all() and (rows <= stretch + total / limit).all()


def test_a_las_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = town(1, size=30)
    write(tmp_path / "town.laz", cloud)
    monkeypatch.setattr("salanet.view.sample.AT_ONCE", 1000)
    sample = load(tmp_path / "town.laz", 700)
    back, rows = read(tmp_path / "town.laz"), picked(len(cloud), 700)
    assert sample.total == len(cloud) and len(sample) == 700
    assert (sample.xyz == back.xyz[rows]).all()
    assert sample.label is not None and (sample.label == cloud.label[rows]).all()
    assert sample.names[2] == "ground" and sample.rgb is None
    assert modes(sample)[:3] == ["class", "intensity", "height"] and best_mode(sample) == "class"
    assert modes(sample)[3:] == ["return_number", "number_of_returns"], "those that vary"
    assert (sample.further["return_number"] == cloud.attributes["return_number"][rows]).all()


def test_the_truth_comes_from_a_file_of_the_same_points(tmp_path: Path) -> None:
    cloud = town(1, size=24)
    write(tmp_path / "truth.laz", cloud)
    wrong = np.arange(len(cloud)) % 10 == 0
    found = PointCloud(cloud.xyz, label=np.where(wrong, 9, cloud.label).astype(np.int32))
    found.attributes = {
        "p_a": np.full(len(cloud), 0.25, np.float32), "p_b": np.full(len(cloud), 0.75, np.float32)
    }  # fmt: skip
    write(tmp_path / "found.ply", found)
    sample = load(tmp_path / "found.ply", 10**6, truth=tmp_path / "truth.laz")
    assert modes(sample) == ["class", "truth", "error", "confidence", "height"]
    assert sample.confidence is not None and (sample.confidence == 0.75).all()
    classes = Classes.of_samples([sample])
    shown = colour(sample, "error", classes)
    assert (shown[wrong] == (230, 57, 70)).all() and (shown[~wrong] == (108, 118, 130)).all()
    write(tmp_path / "fewer.laz", PointCloud(cloud.xyz[1:], label=cloud.label[1:]))
    with pytest.raises(FileError, match="not the same"):
        load(tmp_path / "found.ply", 10**6, truth=tmp_path / "fewer.laz")
    write(tmp_path / "turned.laz", PointCloud(cloud.xyz[::-1], label=cloud.label[::-1]))
    with pytest.raises(FileError, match="another order"):
        load(tmp_path / "found.ply", 10**6, truth=tmp_path / "turned.laz")
    write(tmp_path / "bare.ply", PointCloud(cloud.xyz))
    with pytest.raises(FileError, match="no labels"):
        load(tmp_path / "found.ply", 10**6, truth=tmp_path / "bare.ply")


def test_points_that_are_nowhere_are_left_out(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).random((50, 3))
    xyz[7] = np.nan
    write(tmp_path / "a.npy", PointCloud(xyz))
    assert len(load(tmp_path / "a.npy", 100)) == 49
    write(tmp_path / "b.npy", PointCloud(np.full((3, 3), np.inf)))
    with pytest.raises(FileError, match="no point has finite"):
        load(tmp_path / "b.npy", 100)
    with pytest.raises(FileError, match="no such file"):
        load(tmp_path / "c.laz", 100)
    with pytest.raises(ConfigError):
        load(tmp_path / "a.npy", 0)


def test_prepared_scenes_know_their_classes(town_scenes: Path) -> None:
    (folder,) = find_scenes(town_scenes, "test")
    sample = load(folder, 500)
    assert sample.names[3] == "building" and len(sample) == 500
    assert Classes.of_samples([sample]).names[:2] == ("ground", "shrub")


def test_tiles_together_have_what_all_have() -> None:
    a, b = town(1, size=24), town(2, size=24)
    b.intensity = None
    one = together([Sample.of(a, "a"), Sample.of(b, "b")], "both")
    assert one.intensity is None and one.total == len(a) + len(b) == len(one)


def test_classes_are_named_by_the_model_and_else_by_themselves() -> None:
    labels = np.array([2, 5, -1], np.int32)
    sample = Sample("x", 3, np.zeros((3, 3)), label=labels)
    bare = Classes.of_samples([sample])
    assert bare.codes == (-1, 2, 5) and bare.names == ("no label", "class 2", "class 5")
    metadata = {"classes": ["soil", "oak"], "codes": [2, 5], "colours": {"oak": [1, 2, 3]}}
    named = Classes.of_samples([sample], metadata)
    assert named.names[1:] == ("soil", "oak") and named.colours[2] == (1, 2, 3)
    assert named.index(labels).tolist() == [1, 2, 0]
    many = Sample("y", 300, np.zeros((300, 3)), label=np.arange(300, dtype=np.int32))
    with pytest.raises(DataError, match="300 values"):
        Classes.of_samples([many])
    with pytest.raises(DataError, match="by rgb; it can by class, height"):
        colour(sample, "rgb", bare)
    other = Sample("z", 4, np.zeros((4, 3)), label=np.zeros(4, np.int32))
    with pytest.raises(FileError, match="4 points"):
        with_truth(sample, other, Path("z"))
