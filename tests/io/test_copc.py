"""COPC written, planted or with the tree it came with: laspy reads it, and nothing is lost."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pytest
from copc_files import make_copc

from salanet import io
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.errors import FileError
from salanet.io.las import binary, copc, planting
from salanet.io.las.octree import Tree, is_copc, tree_of

TINY = {"FEW": 40, "CELL_BITS": 3, "LAST": planting.BITS - 3, "PIECE": 700}


@pytest.fixture
def small_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees of several levels from few points."""
    for name, value in TINY.items():
        monkeypatch.setattr(planting if hasattr(planting, name) else copc, name, value)
    monkeypatch.setattr(copc, "PIECE", TINY["PIECE"])


def scan(count: int, seed: int = 0) -> PointCloud:
    """A wavy surface and a pole, in millimetres far from the origin, with many attributes."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, 100, (count, 3))
    xyz[:, 2] = 5 * np.sin(xyz[:, 0] / 9)
    xyz[: count // 10] = [50, 50, 0] + rng.normal(0, [0.05, 0.05, 20], (count // 10, 3))
    return PointCloud(
        (xyz + [651_000, 6_861_000, 40]).round(3),
        rgb=rng.integers(0, 256, (count, 3)).astype(np.uint8),
        intensity=rng.integers(0, 60_000, count).astype(np.float32),
        label=rng.integers(0, 20, count).astype(np.int32),
        attributes={
            "gps_time": rng.uniform(1e8, 2e8, count),
            "return_number": rng.integers(1, 6, count).astype(np.uint8),
            "quality": rng.normal(size=count).astype(np.float32),
        },
    )


def points_of(path: Path) -> Any:
    """Every byte of every point, sorted."""
    raw = binary.read(path).points
    return raw[np.lexsort(raw.T)]


def tree(path: Path) -> Tree:
    with path.open("rb") as file:
        found = tree_of(path, file, binary.Reader(path, file))
    assert found is not None
    return found


@pytest.mark.usefixtures("small_nodes")
@pytest.mark.parametrize("count", [1, 30, 5000])
@pytest.mark.parametrize("at_once", [planting.AT_ONCE, 900])
def test_laspy_reads_it(
    count: int, at_once: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(planting.plant, "__defaults__", (at_once,))
    io.write(tmp_path / "a.laz", scan(count))
    assert io.write(tmp_path / "a.copc.laz", io.read(tmp_path / "a.laz")) == [copc.OTHER_ORDER]
    np.testing.assert_array_equal(points_of(tmp_path / "a.copc.laz"), points_of(tmp_path / "a.laz"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.copc.laz", "a.laz"]

    want = laspy.read(tmp_path / "a.laz")
    with laspy.CopcReader.open(str(tmp_path / "a.copc.laz")) as reader:
        found = reader.query()
        names = list(want.point_format.dimension_names)
        assert sorted(found.point_format.dimension_names) == sorted(names)
        order, same = (np.lexsort((p.gps_time, p.x, p.y)) for p in (want, found))
        for name in names:
            np.testing.assert_array_equal(found[name][same], want[name][order])
        low, high = np.array([651_020, 6_861_030]), np.array([651_060, 6_861_070])
        part = reader.query(bounds=laspy.copc.Bounds(mins=low, maxs=high))
        inside = (want.x >= low[0]) & (want.x <= high[0]) & (want.y >= low[1]) & (want.y <= high[1])
        assert len(part.x) == inside.sum()
        coarse = reader.query(level=0)
        assert len(coarse.x) == count if count <= 40 else 0 < len(coarse.x) < count / 2
        info = reader.copc_info
        assert (info.gps_min, info.gps_max) == (want.gps_time.min(), want.gps_time.max())


@pytest.mark.usefixtures("small_nodes")
def test_nodes_are_sampled_evenly(tmp_path: Path) -> None:
    io.write(tmp_path / "a.copc.laz", scan(20_000))
    found = tree(tmp_path / "a.copc.laz")
    sizes = dict(found.nodes)
    assert sum(sizes.values()) == 20_000 and len(sizes) == len(found.nodes)
    deepest = max(key[0] for key in sizes)
    assert deepest > 3
    for level, x, y, z in sizes:
        assert level == 0 or (level - 1, x // 2, y // 2, z // 2) in sizes
    raw = binary.read(tmp_path / "a.copc.laz")
    xyz = io.read(tmp_path / "a.copc.laz").xyz
    assert len(raw.points) == len(xyz)
    start, low = 0, np.array(found.centre) - found.half
    for (level, *place), count in found.nodes:
        side = 2 * found.half / 2**level
        local = (xyz[start : start + count] - low - side * np.array(place)) / side
        assert ((local > -1e-6) & (local < 1 + 1e-6)).all()
        children = (level + 1, *(2 * p for p in place))
        if any((level + 1, *(np.array(children[1:]) + d)) in sizes for d in np.ndindex(2, 2, 2)):
            cells = np.floor(local * 8).astype(int)  # a point in each, in the middle of the tree
            assert len(np.unique(cells, axis=0)) == count
        start += count


@pytest.mark.usefixtures("small_nodes")
def test_cut_into_cubes_gives_the_same_points_to_the_same_nodes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud = scan(8000)
    io.write(tmp_path / "whole.copc.laz", cloud)
    monkeypatch.setattr(planting.plant, "__defaults__", (1500,))
    io.write(tmp_path / "cut.copc.laz", cloud)
    whole, cut = tree(tmp_path / "whole.copc.laz"), tree(tmp_path / "cut.copc.laz")
    assert sorted(whole.nodes) == sorted(cut.nodes)


def test_labels_change_and_the_tree_stays(tmp_path: Path) -> None:
    make_copc(tmp_path / "a.copc.laz")
    before = io.read(tmp_path / "a.copc.laz")
    after = replace(before, label=(before.label + 1) % 5)
    assert io.write(tmp_path / "b.copc.laz", after) == []
    again = io.read(tmp_path / "b.copc.laz")
    np.testing.assert_array_equal(again.xyz, before.xyz)
    np.testing.assert_array_equal(again.label, after.label)
    assert tree(tmp_path / "a.copc.laz") == tree(tmp_path / "b.copc.laz")
    with laspy.CopcReader.open(str(tmp_path / "b.copc.laz")) as reader:
        assert len(reader.query()) == len(before)


def test_moved_or_fewer_points_are_planted_anew(tmp_path: Path) -> None:
    make_copc(tmp_path / "a.copc.laz")
    cloud = io.read(tmp_path / "a.copc.laz")
    moved = replace(cloud, xyz=cloud.xyz[::-1].copy())
    for changed in (moved, cloud.rows(np.arange(100))):
        assert io.write(tmp_path / "b.copc.laz", changed) == [copc.OTHER_ORDER]
        np.testing.assert_array_equal(
            np.unique(io.read(tmp_path / "b.copc.laz").xyz, axis=0), np.unique(changed.xyz, axis=0)
        )


def test_convert_says_what_became_of_the_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    io.write(tmp_path / "a.ply", scan(3000))
    assert main(["convert", str(tmp_path / "a.ply"), str(tmp_path / "a.copc.laz")]) == 0
    said = capsys.readouterr()
    assert copc.OTHER_ORDER in said.out + said.err
    assert "lost digits" not in said.out + said.err and "rounded" not in said.out + said.err
    assert is_copc(tmp_path / "a.copc.laz")


def test_rounded_coordinates_are_compared_with_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    xyz = np.random.default_rng(0).uniform(0, 3, (400, 3))
    xyz[7, 0], xyz[9] = 1e200, np.nan
    np.savez(tmp_path / "a.npz", xyz=xyz, label=np.arange(400) % 3)
    assert main(["convert", str(tmp_path / "a.npz"), str(tmp_path / "a.copc.laz"), "--json"]) == 0
    left_out, too_far, order, rounded = json.loads(capsys.readouterr().out)["remarks"]
    assert "NaN" in left_out and "too far" in too_far and order == copc.OTHER_ORDER
    assert rounded == "coordinates are rounded, by 0.0005 at most"


def test_old_formats_are_refused_before_the_work(tmp_path: Path) -> None:
    las = laspy.create(point_format=3, file_version="1.2")
    las.x = las.y = las.z = np.arange(5.0)
    las.write(tmp_path / "a.las")
    with pytest.raises(FileError, match=r"formats 6 to 8, this file has 3: write \.laz"):
        io.require_writable(tmp_path / "b.copc.laz", tmp_path / "a.las")
    io.require_writable(tmp_path / "b.laz", tmp_path / "a.las")
    assert main(["convert", str(tmp_path / "a.las"), str(tmp_path / "b.copc.laz")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a.las"]
