"""Splits by area: whole blocks, fractions met, nothing in two splits, nothing lost."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salanet import io
from salanet.cloud import PointCloud
from salanet.datasets.blocks import assign, block_cells, count, count_file, plan_blocks
from salanet.datasets.classes import ClassMap
from salanet.datasets.files import Settings, prepare
from salanet.datasets.jobs import SPLITS, Job
from salanet.errors import ConfigError, DataError
from salanet.scenes import BELOW, Scene, find_scenes

SETTINGS = Settings(ClassMap.parse("ground=2,other=6,ignore=7"), 0.5)
CELLS = 20  # blocks of 10 m


def strip(path: Path, x: float, seed: int, count: int = 6000) -> Path:
    """40 m by 20 m at UTM-like coordinates, one tenth ignored."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, [40, 20, 3], (count, 3)) + np.array([651000 + x, 6861000, 20])
    label = rng.choice([2, 6, 7], count, p=[0.6, 0.3, 0.1]).astype(np.int32)
    io.write(path, PointCloud(xyz, label=label))
    return path


@pytest.fixture
def strips(tmp_path: Path) -> list[Path]:
    """Two that overlap by half, none of whose edges is that of a block."""
    return [strip(tmp_path / "a.npz", 3.3, 0), strip(tmp_path / "b.npz", 23.3, 1)]


def parts_of(strips: list[Path], to: Path, **options: float) -> list[Job]:
    return plan_blocks(count(strips, SETTINGS, CELLS), to, CELLS, **options)


def test_no_block_is_in_two_splits_and_no_point_lost(strips: list[Path], tmp_path: Path) -> None:
    jobs = parts_of(strips, tmp_path / "s", val=0.2, test=0.2)
    results = prepare(jobs, SETTINGS, workers=2)
    assert sum(r.figures["points"] for r in results) == 12_000
    seen: dict[tuple[int, int], set[str]] = {}
    for result in results:
        scene = Scene.open(result.job.folder)
        xy = scene.coord[:, :2] + scene.offset[:2]
        for x, y in np.unique(np.floor((xy + BELOW * SETTINGS.grid) / 10), axis=0).tolist():
            seen.setdefault((x, y), set()).add(result.job.split)
        assert len(scene.raw["segment"]) == len(scene.raw["to_cell"]) == result.figures["points"]
        assert sorted(set(scene.raw["to_cell"].tolist())) == list(range(len(scene)))
        counts = np.bincount(scene.raw["segment"] + 1, minlength=3)[1:].tolist()
        assert counts == list(result.counts.values())
    assert {frozenset(splits) for splits in seen.values()} == {frozenset({s}) for s in SPLITS}


def test_fractions_are_of_the_area(strips: list[Path]) -> None:
    found = count(strips, SETTINGS, CELLS)
    areas = {block: area for one in found for block, area in one.areas.items()}
    splits = assign(areas, val=0.1, test=0.3)
    shares = Counter[str]()
    for block, split in splits.items():
        shares[split] += areas[block] / sum(areas.values())
    largest = max(areas.values()) / sum(areas.values())
    assert abs(shares["test"] - 0.3) <= largest / 2 and abs(shares["val"] - 0.1) <= largest / 2
    assert max(areas.values()) <= 100 and sum(areas.values()) == pytest.approx(60 * 20, rel=0.15)


@given(st.integers(3, 40), st.floats(0.01, 0.45), st.floats(0.01, 0.45), st.integers(0, 99))
def test_assigning(count: int, val: float, test: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    areas = {(i % 7 - 3, i // 7): area for i, area in enumerate(rng.uniform(0.1, 99, count))}
    splits = assign(areas, val=val, test=test, seed=seed)
    assert splits == assign(dict(reversed(areas.items())), val=val, test=test, seed=seed)
    assert set(splits.values()) == set(SPLITS) and splits.keys() == areas.keys()


def test_the_seed_matters() -> None:
    areas = {(x, y): 1.0 for x in range(10) for y in range(10)}
    first, second = (assign(areas, val=0.1, test=0.2, seed=seed) for seed in (0, 1))
    assert first != second
    assert Counter(first.values()) == {"train": 70, "test": 20, "val": 10}


def test_too_little_for_a_split() -> None:
    with pytest.raises(ConfigError, match="nothing to train on"):
        assign({(0, 0): 1.0}, val=0.5, test=0.5)
    with pytest.raises(ConfigError, match="cover 2 blocks, too few for 3 splits"):
        assign({(0, 0): 1.0, (0, 1): 1.0}, val=0.1, test=0.1)
    with pytest.raises(ConfigError, match=r"larger than the grid of 0\.5"):
        block_cells(0.1, 0.5)
    assert block_cells(50.1, 0.4) == 125


def test_parts_are_skipped_until_they_change(strips: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "s"
    jobs = parts_of(strips, out, val=0.2, test=0.2)
    prepare(jobs, SETTINGS)
    assert all(r.skipped for r in prepare(jobs, SETTINGS))
    again = prepare(parts_of(strips, out, val=0.0, test=0.3), SETTINGS)
    assert not any(r.skipped for r in again)
    assert not list((out / "val").iterdir())  # no block of it is left there
    whole = [Job.of_file(path, "train", out / "train" / path.stem) for path in strips]
    assert [r.figures["points"] for r in prepare(whole, SETTINGS)] == [6000, 6000]
    assert [path.parent.name for path in find_scenes(out)] == ["train", "train"]


def test_scenes_of_another_file_are_not_deleted(strips: list[Path], tmp_path: Path) -> None:
    foreign = tmp_path / "b.csv"
    io.write(foreign, io.read(strips[1]))
    prepare([Job.of_file(foreign, "val", tmp_path / "s" / "val" / "b")], SETTINGS)
    with pytest.raises(ConfigError, match="is of another file"):
        prepare(parts_of(strips, tmp_path / "s", val=0.0, test=0.2), SETTINGS)
    assert (tmp_path / "s" / "val" / "b" / "coord.npy").exists()


def test_contents(strips: list[Path]) -> None:
    found = count_file(strips[0], SETTINGS, CELLS)
    label = np.asarray(io.read(strips[0]).label)
    assert found.points == 6000
    assert sum(found.counts.values()).tolist() == [(label == 2).sum(), (label == 6).sum()]
    whole = count_file(strips[0], SETTINGS, None)
    assert list(whole.counts) == [(0, 0)]
    assert sum(found.areas.values()) == pytest.approx(800, rel=0.15)


def test_unknown_labels_of_all_files_at_once(strips: list[Path]) -> None:
    narrow = replace(SETTINGS, classes=ClassMap.parse("ground=2"))
    message = r"label 6 \(\d,\d+ points in 2 files, such as .*a\.npz\), 7 \(.* or give one class"
    with pytest.raises(DataError, match=message):
        count(strips, narrow, None)


def test_far_away(tmp_path: Path) -> None:
    io.write(tmp_path / "a.npz", PointCloud([[1e30, 0, 0], [0, 0, 0]], label=np.array([2, 2])))
    with pytest.raises(DataError, match="reaches too far"):  # of two points neither is a stray
        count_file(tmp_path / "a.npz", SETTINGS, CELLS)
