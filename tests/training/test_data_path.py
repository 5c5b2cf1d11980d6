"""Batches: the same whoever makes them, ready in time, and no more memory after many than few."""

from __future__ import annotations

import gc
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from salanet.errors import ConfigError
from salanet.models.superpoint_graph import SuperpointPyramid
from salanet.scenes import Scene, open_scenes
from salanet.training import Recipe, Trainer, search
from salanet.training.samples import IN_FLIGHT, Batch, Samples
from salanet.training.task import SceneTask
from salanet.training.workers import Waiting, ahead


def recipe(**sections: dict[str, Any]) -> Recipe:
    usual: dict[str, dict[str, Any]] = {
        "model": {"width": 8, "features": ["one", "intensity"], "neighbours": [8] * 5},
        "sampling": {"shape": "cylinder", "sphere_radius": 6, "max_points": 400},
        "training": {
            "epochs": 2,
            "samples_per_epoch": 6,
            "batch_size": 2,
            "optimiser": "adamw",
            "learning_rate": 0.01,
        },
    }
    return Recipe.model_validate({name: usual[name] | sections.get(name, {}) for name in usual})


def samples(scenes: Path, wanted: Recipe, rank: int = 0, processes: int = 1) -> Samples:
    task = SceneTask(wanted, open_scenes(scenes, "train"), [])
    torch.manual_seed(0)
    return task.samples(task.model(), rank, processes)


def content(batch: Batch) -> tuple[Any, ...]:
    finest = batch.pyramid.levels[0]
    tensors = (finest.points, batch.features, batch.labels, finest.neighbours, finest.splits)
    return (*(tensor.numpy().tobytes() for tensor in tensors), batch.origin)


@pytest.mark.parametrize("centres", ["random", "potentials"])
def test_batches_do_not_depend_on_the_workers(town_scenes: Path, centres: str) -> None:
    wanted = recipe(sampling={"centres": centres, "balance": 0.5})
    expected = [content(b) for b in samples(town_scenes, wanted).batches(0, 9)]  # three epochs
    assert len(set(expected)) == 9
    for workers in (2, 5):
        found = [content(b) for b in samples(town_scenes, wanted).batches(0, 9, workers)]
        assert found == expected
    late = [content(b) for b in samples(town_scenes, wanted).batches(4, 9, 2)]
    assert late == expected[4:], "a resumed run goes on with the same"


def test_samples_are_parted_as_their_scenes_are(town_scenes: Path, tmp_path: Path) -> None:
    kept_by_others = shutil.ignore_patterns("partitions")
    shutil.copytree(town_scenes, tmp_path / "scenes", ignore=kept_by_others)
    drawn = samples(tmp_path / "scenes", recipe(model={"network": "spg"}))
    kept = {path.parent.parent.parent.name for path in tmp_path.rglob("partition.json")}
    assert kept == {scene.name for scene in drawn.scenes}
    batch = drawn.batch(0, 0)
    assert isinstance(batch.pyramid, SuperpointPyramid)
    found, given = batch.pyramid.graph, [drawn.sample(0, index).superpoints for index in (0, 1)]
    assert np.array_equal(found.geometry, np.concatenate([one.geometry for one in given if one]))
    clouds = found.parts.split(batch.pyramid.levels[0].splits.diff().tolist())
    assert not set(clouds[0].tolist()) & set(clouds[1].tolist())
    for cloud, one in zip(clouds, given, strict=True):
        assert one is not None
        pairs = set(zip(cloud.tolist(), one.parts.tolist(), strict=True))
        assert len(pairs) == len(set(cloud.tolist())) == len(set(one.parts.tolist())) > 3


def test_processes_share_the_potentials_of_one(town_scenes: Path) -> None:
    wanted = recipe(sampling={"centres": "potentials"}, training={"batch_size": 1})
    one = samples(town_scenes, wanted)
    alone = [content(one.batch(0, number)) for number in range(6)]
    two = [samples(town_scenes, wanted, rank, 2) for rank in (0, 1)]
    assert [content(two[n % 2].batch(0, n // 2)) for n in range(6)] == alone


def test_draws_that_nobody_takes_are_forgotten(town_scenes: Path) -> None:
    wanted = recipe(sampling={"centres": "potentials"}, training={"batch_size": 1})
    one = samples(town_scenes, wanted)
    far, _ = one.potentials.draw(0, 3 * IN_FLIGHT)
    assert len(one.potentials.epochs[0].ready) < IN_FLIGHT + 1
    early, _ = one.potentials.draw(0, 0)  # drawn and forgotten: all again
    assert not np.array_equal(early.centre, far.centre)
    assert np.array_equal(one.potentials.draw(0, 3 * IN_FLIGHT)[0].centre, far.centre)


def test_workers_compute_alone_and_the_step_does_not() -> None:
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        both = threading.Barrier(2, timeout=10)  # two workers are at work at once

        def job() -> int:
            both.wait()
            return torch.get_num_threads()

        results = ahead((job for _ in range(4)), 2)
        assert list(results) == [1] * 4
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(usual)


def test_the_search_may_be_left_to_the_device(town_scenes: Path) -> None:
    one = samples(town_scenes, recipe())
    now = one.batch(0, 0)
    one.on_device = True
    later = one.batch(0, 0)
    assert len(later) == len(now) and not later.pyramid.levels
    for a, b in zip(later.pyramid.to("cpu").levels, now.pyramid.levels, strict=True):
        assert torch.equal(a.points, b.points) and torch.equal(a.neighbours, b.neighbours)


@pytest.mark.parametrize("workers, chosen", [(1, True), (2, True), (4, False)])
def test_where_to_search_is_measured(
    town_scenes: Path, monkeypatch: pytest.MonkeyPatch, workers: int, chosen: bool
) -> None:
    one = samples(town_scenes, recipe())
    assert not search.faster_on_device(one, torch.device("cpu"), workers)
    finest = one.batch(0, 0).pyramid.levels[0]
    assert search._seconds(one.model, finest.points, finest.splits, torch.device("cpu")) > 0
    times = {"cpu": 0.03, "cuda": 0.01}
    monkeypatch.setattr(search, "_seconds", lambda *given: times[given[-1].type])
    assert search.faster_on_device(one, torch.device("cuda"), workers) is chosen


def test_waiting_is_counted() -> None:
    def slow() -> Generator[int]:
        for n in range(3):
            time.sleep(0.03)
            yield n

    batches = Waiting(slow())
    assert list(batches) == [0, 1, 2]
    assert 0.09 <= batches.seconds < 1


def test_origin_names_scene_place_and_sample(town_scenes: Path) -> None:
    batch = samples(town_scenes, recipe()).batch(1, 2)
    first, second = batch.origin
    assert first.startswith(("town-0 around (", "town-1 around (")) and "epoch 1, sample 4" in first
    assert second.endswith("epoch 1, sample 5")


def test_mixed_samples_lie_in_one_cloud(town_scenes: Path) -> None:
    apart = samples(town_scenes, recipe(training={"batch_size": 3, "samples_per_epoch": 6}))
    wanted = recipe(sampling={"mix": 1}, training={"batch_size": 3, "samples_per_epoch": 6})
    mixed = samples(town_scenes, wanted)
    one, both = apart.batch(0, 1), mixed.batch(0, 1)
    counts = one.pyramid.levels[0].splits.diff().tolist()
    first = both.pyramid.levels[0]
    assert first.splits.diff().tolist() == [counts[0] + counts[1], counts[2]]
    assert both.origin == (f"{one.origin[0]}; {one.origin[1]}", one.origin[2])
    assert torch.equal(both.labels, one.labels) and torch.equal(both.features, one.features)
    # Neighbours are of both: some of the first sample's points have one of the second's.
    near = first.neighbours[: counts[0]]
    assert ((near >= counts[0]) & (near < counts[0] + counts[1])).any()
    assert content(mixed.batch(0, 1)) == content(both), "drawn again, mixed again"
    with pytest.raises(ConfigError, match="parts of one scene"):
        samples(town_scenes, recipe(sampling={"mix": 0.5}, model={"network": "spg"}))


def test_a_scene_with_nan_is_skipped_kept_and_reported(town_scenes: Path, tmp_path: Path) -> None:
    """NaN in one of two scenes: steps with it are skipped, the others train."""
    shutil.copytree(town_scenes / "train", tmp_path / "scenes" / "train")
    intensity = tmp_path / "scenes" / "train" / "town-1" / "intensity.npy"
    values = np.load(intensity)
    values[:] = np.nan
    np.save(intensity, values)
    wanted = recipe(
        training={"epochs": 6, "batch_size": 1, "seed": seed_that_starts_in("town-0", town_scenes)}
    )
    console = Console(record=True, width=250)
    trainer = Trainer(
        wanted,
        open_scenes(tmp_path / "scenes", "train"),
        [],
        tmp_path / "run",
        accelerator="cpu",
        console=console,
    )
    trainer.task.intensity_scale = 1000.0  # type: ignore[attr-defined]  NaN has no percentile
    run = trainer.train()
    skipped = sum(int(row["skipped"]) for row in run.read_metrics())
    assert 0 < skipped < 36 and trainer.step == 36
    said = console.export_text()
    assert said.count("no finite intensity (town-1 around") == skipped
    kept = sorted((run.folder / "bad-batches").iterdir())
    assert 0 < len(kept) <= min(skipped, 5)
    with np.load(kept[0], allow_pickle=False) as batch:
        assert np.isnan(batch["features"][:, 1]).all() and "town-1" in batch["origin"][0]
    state = trainer.model.state_dict()
    assert all(torch.isfinite(value).all() for value in state.values())
    assert "steps skipped" in said
    figures = json.loads((run.folder / "metrics.json").read_text())
    assert figures["training"]["points"] > 0


def seed_that_starts_in(scene: str, scenes: Path) -> int:
    """A seed whose first sample, which the sanity check sees, is of a scene."""
    for seed in range(20):
        wanted = recipe(training={"batch_size": 1, "seed": seed})
        if samples(scenes, wanted).batch(0, 0).origin[0].startswith(scene):
            return seed
    raise AssertionError("no such seed")


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_over_steps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = 3000
    scene = Scene.write(
        tmp_path / "train" / "one",
        coord=rng.uniform(0, [20, 20, 2], (points, 3)),
        offset=np.zeros(3),
        classes=["a", "b"],
        grid=0.5,
        segment=rng.integers(0, 2, points),
        arrays={"intensity": rng.random(points).astype(np.float32)},
    )
    wanted = recipe(sampling={"max_points": 200}, training={"epochs": 8, "samples_per_epoch": 40})
    seen: list[float] = []

    class Memory:
        def log(self, row: dict[str, Any]) -> None:
            del row
            gc.collect()
            seen.append(resident_megabytes())

        def close(self) -> None:
            pass

    trainer = Trainer(
        wanted,
        [scene],
        [],
        tmp_path / "run",
        accelerator="cpu",
        workers=2,
        console=Console(quiet=True),
    )
    begin = trainer.record.begin

    def watched(*arguments: Any) -> Any:
        state = begin(*arguments)
        trainer.record.loggers.append(Memory())
        return state

    trainer.record.begin = watched  # type: ignore[method-assign]
    trainer.train()
    assert trainer.step == 160 and len(seen) == 8
    # The first half settles the allocator; 80 steps of 400 points then leave nothing behind.
    assert seen[-1] - seen[3] < 8, seen
