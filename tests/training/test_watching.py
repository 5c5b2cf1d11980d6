"""Loggers, the summary, and which data it was."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from salanet.errors import ConfigError, FileError, MissingExtraError
from salanet.evaluation import Confusion, PartScores
from salanet.scenes import Scene
from salanet.training.fingerprint import differing, fingerprints
from salanet.training.loggers import open_loggers, scalars
from salanet.training.progress import TrainingProgress
from salanet.training.recipe import Recipe
from salanet.training.run import Run
from salanet.training.summary import summarise, write_figures

ROW: dict[str, Any] = {
    "epoch": 2,
    "step": 10,
    "seconds": 3.5,
    "loss": 0.25,
    "train_miou": 0.5,
    "train_oa": math.nan,
    "val_miou": None,
    "val_oa": None,
    "points_per_second": 52_300.0,
    "data_wait": 0.031,
    "skipped": 0,
}


def test_only_numbers_are_logged() -> None:
    numbers = {"seconds", "loss", "train_miou", "points_per_second", "data_wait", "skipped"}
    assert scalars(ROW).keys() == numbers


class FakeWandb(SimpleNamespace):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(started=[], rows=[], finished=0)

    def init(self, **options: Any) -> Any:
        self.started.append(options)

        def finish() -> None:
            self.finished += 1

        return SimpleNamespace(
            id=options["id"] or "abc",
            log=lambda row, step: self.rows.append((step, row)),
            finish=finish,
        )


def test_weights_and_biases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    for step in (0, 10):  # started, then resumed
        (logger,) = open_loggers(["wandb"], tmp_path, Recipe(), step)
        logger.log(ROW)
        logger.close()
    assert [options["id"] for options in fake.started] == [None, "abc"]
    assert fake.started[0]["project"] == "salanet" and fake.started[0]["name"] == tmp_path.name
    assert fake.started[0]["config"]["training"]["epochs"] == 600
    assert fake.rows == 2 * [(10, scalars(ROW))] and fake.finished == 2


def test_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def start(run_id: str | None, run_name: str | None) -> Any:
        told.append((run_id, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id="r1"))

    fake = SimpleNamespace(
        set_experiment=told.append,
        start_run=start,
        log_params=lambda given: told.append(given["training.epochs"]),
        log_metrics=lambda row, step: told.append((step, row["loss"])),
        end_run=lambda: told.append("end"),
    )
    monkeypatch.setitem(sys.modules, "mlflow", fake)
    for step in (0, 10):
        (logger,) = open_loggers(["mlflow", "mlflow"], tmp_path, Recipe(), step)
        logger.log(ROW)
        logger.close()
    first = ["salanet", (None, tmp_path.name), 600, (10, 0.25), "end"]
    assert told == [*first, "salanet", ("r1", None), (10, 0.25), "end"]


def test_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (logger,) = open_loggers(["tensorboard"], tmp_path, Recipe(), 0)
    logger.log(ROW)
    logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == scalars(ROW).keys()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(10, 0.25)]


def test_a_logger_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no logger 'paper'; there are tensorboard, wandb, ml"):
        open_loggers(["paper"], tmp_path, Recipe(), 0)
    for package in ("wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'salanet\[{package}\]'"):
            open_loggers([package], tmp_path, Recipe(), 0)


def test_the_line_of_an_epoch() -> None:
    console = Console(record=True, width=150)
    with TrainingProgress(console, 20, 0) as show:
        show.step(1, 0.5, 0.25, 1000.0)
        show.epoch(ROW | {"skipped": 2, "val_miou": 0.4, "val_oa": 0.9}, best=True)
    line = console.export_text()
    for part in (
        "epoch    2",
        "loss 0.2500",
        "training mIoU 50.00",
        "52k points/s",
        "3.1 % waiting for data",
    ):
        assert part in line, part
    assert "validation mIoU 40.00 OA 90.00  (2 steps skipped: loss not finite)  best so" in line


ABOUT = {
    "command": "salanet train demo --data scenes -o run",
    "directory": "/home/someone",
    "versions": {"salanet": "0.1.0", "torch": "2.5"},
    "git": {"commit": "0123456789abcdef", "modified": True},
    "data": {"training": [1, 2], "validation": [3]},
    "seed": 0,
}


def new_run(folder: Path) -> Run:
    run = Run(folder)
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(ABOUT))
    return run


def test_the_summary_of_a_run(tmp_path: Path) -> None:
    run, names = new_run(tmp_path / "run"), ["ground", "tree"]
    worse, best = Confusion(names, [[5, 5], [5, 5]]), Confusion(names, [[80, 20], [0, 100]])
    history = [ROW | {"epoch": 1, "val_miou": best.mean_iou}]
    write_figures(run, history, worse, best, best=True)
    history.append(ROW | {"val_miou": worse.mean_iou})
    write_figures(run, history, worse, worse, best=False)
    run.write_metrics(history)
    figures = json.loads((run.folder / "metrics.json").read_text())
    assert figures["best_epoch"] == 1 and figures["latest"]["epoch"] == 2
    assert figures["latest"]["train_oa"] is None
    assert figures["validation"]["miou"] == pytest.approx((80 / 100 + 100 / 120) / 2)
    assert figures["training"]["confusion"] == [[5, 5], [5, 5]]
    console = Console(record=True, width=100)
    text = summarise(run, console).read_text()
    assert "mIoU **81.67**, OA 90.00" in text and "after epoch 1 (best.safetensors)" in text
    assert "| ground | 80.00 | 80.00 | 100 |" in text
    assert "    salanet train demo --data scenes -o run" in text
    assert "In `/home/someone`, with salanet 0.1.0, torch 2.5, commit 0123456789ab with ch" in text
    assert "80.00" in console.export_text()
    for name in ("confusion.svg", "curves.svg", "loss.svg"):
        assert (run.folder / name).read_text().startswith("<svg"), name
        assert f"({name})" in text


def test_the_summary_without_validation(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    console = Console(record=True, width=100)
    write_figures(run, [ROW], Confusion(["a"], [[3]]), None, best=False)
    run.write_metrics([ROW])
    assert (
        "On the training batches of the last epoch; there is no validation data: mIoU **100.00**"
        in (text := summarise(run, console).read_text())
    )
    assert "learned from these very points" in text
    assert "there is no validation data" in console.export_text()


def test_the_summary_of_parts(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    scores = PartScores({"Bottle": 3})
    scores.add("Bottle", np.array([1, 1, 2]), np.array([1, 1, 2]))
    write_figures(run, [ROW], Confusion(["Bottle 0"], [[3]]), scores, best=True)
    run.write_metrics([ROW])
    text = summarise(run, Console(quiet=True)).read_text()
    assert "| Bottle | 100.00 | 100.00 | 1 |" in text and "confusion.svg" not in text


def test_a_summary_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"run\.json: cannot be read"):
        summarise(Run(tmp_path), Console(quiet=True))


def test_fingerprints_tell_scenes_apart(tmp_path: Path) -> None:
    def scene(name: str, points: int, licence: str = "") -> Scene:
        return Scene.write(
            tmp_path / name,
            coord=np.zeros((points, 3)),
            offset=np.zeros(3),
            classes=["a"],
            grid=0.1,
            meta={"licence": licence},
        )

    first = fingerprints([scene("a", 3), scene("b", 3)])
    assert first[0]["name"] == "a" and first[0]["points"] == 3
    assert first[0]["folder"] == str(tmp_path / "a")
    assert differing(first, fingerprints([scene("a", 3), scene("b", 3)])) == []
    now = fingerprints([scene("a", 4), scene("b", 3, "CC0"), scene("c", 1)])
    assert differing(first, now) == ["a", "b", "c"]
