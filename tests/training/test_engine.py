"""The training loop: it learns, resumes exactly, survives tiny scenes, and stops when it should."""

from __future__ import annotations

import csv
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import salanet
from salanet.errors import ConfigError, DataError, FileError, MissingExtraError
from salanet.scenes import Scene, open_scenes
from salanet.training import Recipe, Run, Trainer
from salanet.training.workers import ahead

QUIET = Console(quiet=True)
BASE: dict[str, Any] = {
    "model": {"width": 8, "features": ["one", "height_above_ground"]},
    "sampling": {"shape": "cylinder", "sphere_radius": 8, "max_points": 1500},
    "training": {
        "epochs": 2,
        "samples_per_epoch": 4,
        "batch_size": 2,
        "optimiser": "adamw",
        "learning_rate": 0.01,
        "validate_every": 1,
    },
}


def recipe(**training: Any) -> Recipe:
    sampling = training.pop("sampling", {})
    return Recipe.model_validate(
        BASE | {"training": BASE["training"] | training} | {"sampling": BASE["sampling"] | sampling}
    )


def train(
    scenes: Path, folder: Path, wanted: Recipe, *, resume: bool = False, budget: float | None = None
) -> Trainer:
    trainer = Trainer(
        wanted,
        open_scenes(scenes, "train"),
        open_scenes(scenes, "val"),
        folder,
        budget=budget,
        accelerator="cpu",
        console=QUIET,
    )
    trainer.train(resume=resume)
    return trainer


def test_a_run_leaves_models_figures_and_its_recipe(town_scenes: Path, tmp_path: Path) -> None:
    wanted = recipe(ema=0.5, class_weights="inverse-sqrt")
    run = train(town_scenes, tmp_path / "run", wanted).run
    rows = list(csv.DictReader((run.folder / "metrics.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert 0 <= float(rows[1]["val_miou"]) <= 1
    model = salanet.load(run.best)
    assert model.config.classes == ("ground", "shrub", "tree", "building", "car")
    assert model.config.grid == 0.5
    assert model.metadata["codes"] == [2, 4, 5, 6, 1]
    assert model.metadata["trained"] == {"epochs": 2, "seed": 0} or run.best != run.last
    assert run.last.exists() and (run.folder / "run.json").exists()
    assert list(run.folder.glob("events.out*"))
    assert not list(run.folder.glob(".*")), "temporary files are left"


def test_the_loss_falls(town_scenes: Path, tmp_path: Path) -> None:
    history = train(town_scenes, tmp_path / "run", recipe(epochs=12, validate_every=12)).history
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]


@pytest.mark.parametrize("centres", ["random", "potentials"])
def test_a_resumed_run_equals_an_uninterrupted_one(
    town_scenes: Path, tmp_path: Path, centres: str
) -> None:
    wanted = recipe(ema=0.9, epochs=3, schedule="cosine", sampling={"centres": centres})
    whole = train(town_scenes, tmp_path / "whole", wanted)
    part = Trainer(
        wanted,
        open_scenes(town_scenes, "train"),
        open_scenes(town_scenes, "val"),
        tmp_path / "part",
        accelerator="cpu",
        console=QUIET,
    )
    interrupt_in_step(part, 5)  # the first of epoch 3
    with pytest.raises(KeyboardInterrupt):
        part.train()
    resumed = train(town_scenes, tmp_path / "part", wanted, resume=True)
    assert len(resumed.history) == len(whole.history) == 3
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert whole.run.last.stat().st_size == resumed.run.last.stat().st_size
    one, other = salanet.load(whole.run.last), salanet.load(resumed.run.last)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def interrupt_in_step(trainer: Trainer, number: int) -> None:
    original, count = trainer._train_step, 0

    def step(group: Any, progress: float) -> float:
        nonlocal count
        count += 1
        if count == number:
            raise KeyboardInterrupt
        return original(group, progress)

    trainer._train_step = step  # type: ignore[method-assign]


def test_the_seed_decides(town_scenes: Path, tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> torch.Tensor:
        trainer = train(town_scenes, tmp_path / name, recipe(epochs=1, seed=seed))
        return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])

    first = weights("a", 0)
    assert torch.equal(first, weights("b", 0))
    assert not torch.equal(first, weights("c", 1))


def test_the_budget_stops_the_run_and_resume_goes_on(town_scenes: Path, tmp_path: Path) -> None:
    wanted = recipe(epochs=10_000, schedule="cosine", validate_every=10_000)
    stopped = train(town_scenes, tmp_path / "run", wanted, budget=1.0)
    assert 0 < stopped.step < 20_000
    assert stopped.run.checkpoint.exists() and stopped.run.best.exists()
    assert stopped.rate < 0.002, "the learning rate has come down in time"
    again = train(town_scenes, tmp_path / "run", wanted, resume=True, budget=1.0)
    assert again.step == stopped.step, "no time is left"
    longer = train(town_scenes, tmp_path / "run", wanted, resume=True, budget=3.0)
    assert longer.step > stopped.step
    assert longer.elapsed >= 3.0 and longer.elapsed < 3.0 + stopped.elapsed
    rates = [float(row["learning_rate"]) for row in longer.run.read_metrics()]
    assert rates[-1] < 0.002, "it has come down again when the longer time is up"


def test_resume_needs_the_same_recipe_and_a_run(town_scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no checkpoint"):
        train(town_scenes, tmp_path / "none", recipe(), resume=True)
    run = tmp_path / "run"
    train(town_scenes, run, recipe(epochs=1))
    with pytest.raises(FileError, match="--resume"):
        train(town_scenes, run, recipe(epochs=1))
    with pytest.raises(ConfigError, match=r"training\.learning_rate"):
        train(town_scenes, run, recipe(learning_rate=0.5), resume=True)
    assert train(town_scenes, run, recipe(epochs=2), resume=True).step == 4
    state, _ = Run(run).read_checkpoint()
    Run(run).save_checkpoint(state | {"processes": 2})
    with pytest.raises(ConfigError, match="started with 2 processes"):
        train(town_scenes, run, recipe(epochs=3), resume=True)


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(
    town_scenes: Path, tmp_path: Path
) -> None:
    whole = train(town_scenes, tmp_path / "whole", recipe(epochs=2))
    folder = tmp_path / "run"
    run = train(town_scenes, folder, recipe(epochs=1)).run
    content = bytearray(run.checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    run.checkpoint.write_bytes(content)

    state, remark = Run(folder).read_checkpoint()
    assert "checkpoint.pt: is damaged; going on from the checkpoint before it" in remark
    assert state["step"] == 2 and state["epoch"]["steps"] == 2, "before the validation"
    resumed = train(town_scenes, folder, recipe(epochs=2), resume=True)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    assert [row["loss"] for row in whole.history] == [row["loss"] for row in resumed.history]
    assert whole.history[-1]["train_miou"] == resumed.history[-1]["train_miou"]

    run.checkpoint.write_bytes(b"")
    run.previous.write_bytes(content)
    with pytest.raises(FileError, match=r"cannot be resumed: .*checkpoint\.pt: is damaged; .*prev"):
        train(town_scenes, folder, recipe(epochs=3), resume=True)


def tiny_scene(folder: Path, points: int, **more: Any) -> Path:
    rng = np.random.default_rng(0)
    usual = {
        "segment": np.arange(points) % 2,
        "arrays": {"height_above_ground": np.zeros(points, np.float32)},
    }
    Scene.write(
        folder / "train" / "tiny",
        coord=rng.uniform(0, 1, (points, 3)),
        offset=np.zeros(3),
        classes=["a", "b"],
        grid=0.5,
        **usual | more,
    )
    return folder


@pytest.mark.parametrize("points", [1, 2, 5])
def test_scenes_smaller_than_a_sphere(tmp_path: Path, points: int) -> None:
    scenes = open_scenes(tiny_scene(tmp_path, points), "train")
    trainer = Trainer(
        recipe(batch_size=1), scenes, [], tmp_path / "run", accelerator="cpu", console=QUIET
    )
    trainer.train()
    assert trainer.step == 8
    assert all(row["skipped"] == 0 for row in trainer.history)
    assert trainer.run.best.exists()


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_one(tmp_path: Path, workers: int) -> None:
    scenes = open_scenes(tiny_scene(tmp_path, 5), "train")
    folder = tmp_path / "run"
    trainer = Trainer(recipe(batch_size=1), scenes, [], folder, workers=workers, console=QUIET)
    trainer.train()
    assert trainer.run.best.exists()


def test_scenes_that_cannot_be_trained_on(tmp_path: Path) -> None:
    def refused(name: str, error: type[Exception], match: str, **more: Any) -> None:
        scenes = open_scenes(tiny_scene(tmp_path / name, 4, **more), "train")
        with pytest.raises(error, match=match):
            Trainer(recipe(), scenes, [], tmp_path / "run", console=QUIET).train()

    refused("unlabelled", FileError, "no labels", segment=None)
    refused("ignored", DataError, "labelled", segment=np.full(4, -1))
    refused("bare", DataError, "height_above_ground", arrays={})


def test_a_loss_that_is_not_finite_is_skipped_then_explained(
    town_scenes: Path, tmp_path: Path
) -> None:
    scenes = open_scenes(town_scenes, "train")
    trainer = Trainer(
        recipe(epochs=20), scenes, [], tmp_path / "run", accelerator="cpu", console=QUIET
    )
    trainer._build()
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    batch = trainer.samples.batch(0, 0)
    batch.features[0] = np.nan
    assert np.isnan(trainer._train_step([batch], 0.5))
    assert trainer.epoch.skipped == 1
    for name, tensor in trainer.model.state_dict().items():
        if tensor.is_floating_point():
            assert torch.equal(before[name], tensor), f"{name}: running statistics too"
    with pytest.raises(DataError, match="not finite 10 steps in a row"):
        for _ in range(9):
            trainer._train_step([batch], 0.5)


def test_fabric_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(MissingExtraError, match=r"salanet\[train\]"):
        Trainer(recipe(), [], [], tmp_path)


def test_batches_are_made_ahead_in_order_and_errors_arrive() -> None:
    started: list[int] = []
    ready = threading.Event()

    def job(n: int) -> int:
        started.append(n)
        if n == 2:
            ready.set()
        if n == 4:
            raise ValueError("four")
        return n

    results = ahead((lambda n=n: job(n) for n in range(6)), 2)
    assert next(results) == 0
    assert ready.wait(5), "two batches are made while the first is used"
    assert [next(results) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="four"):
        next(results)


def test_leaving_the_batches_early_does_not_wait_for_the_rest() -> None:
    begun = time.monotonic()
    results = ahead((lambda: time.sleep(0.05) for _ in range(1000)), 2)
    next(results)
    results.close()
    assert time.monotonic() - begun < 2
