"""Two real processes: the same training as one with twice the batch; and when one is killed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from salanet.errors import ConfigError
from salanet.models import load
from salanet.training.processes import start_others

# PosPool averages neighbours. A maximum turns rounding into another gradient: those of SALA differ
# by a per cent when weights differ in the eighth digit, and such curves part after some steps.
RECIPE = """
model: {operator: pospool, width: 12, features: [one, height_above_ground]}
sampling: {shape: cylinder, sphere_radius: 8, max_points: 1500}
training: {epochs: 4, samples_per_epoch: 8, batch_size: 2, optimiser: sgd, learning_rate: 0.001,
  class_weights: inverse-sqrt, label_smoothing: 0.1, ema: 0.5, validate_every: 2}
"""
ENV = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE)
    return path


def command(recipe: Path, scenes: Path, out: Path, *more: str) -> list[str]:
    start = [sys.executable, "-m", "salanet.cli.main", "train", str(recipe), "--data", str(scenes)]
    return [*start, "-o", str(out), "--accelerator", "cpu", *more]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_two_processes_train_as_one_with_twice_the_batch(
    town_scenes: Path, tmp_path: Path, recipe: Path
) -> None:
    one = command(recipe, town_scenes, tmp_path / "one", "--batch-size", "4")
    two = command(recipe, town_scenes, tmp_path / "two", "--devices", "2")
    for arguments in (one, two):
        done = subprocess.run(arguments, env=ENV, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
    assert done.stderr.count("epoch    1") == 1, "one process speaks"
    curve, other = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["step"] for row in curve] == [row["step"] for row in other] == ["2", "4", "6", "8"]
    for a, b in zip(curve, other, strict=True):
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-5)
        assert float(a["train_oa"]) == pytest.approx(float(b["train_oa"]), abs=2e-4)
    assert float(curve[-1]["val_oa"]) == pytest.approx(float(other[-1]["val_oa"]), abs=5e-3)
    a, b = (load(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    for name, tensor in a.state_dict().items():
        torch.testing.assert_close(tensor, b.state_dict()[name], atol=1e-4, rtol=1e-4, msg=name)


@pytest.fixture
def running(town_scenes: Path, tmp_path: Path, recipe: Path) -> Iterator[subprocess.Popen[str]]:
    """Two processes that would train for long, after their first epoch."""
    arguments = command(recipe, town_scenes, tmp_path / "run", "--devices", "2")
    process = subprocess.Popen(
        [*arguments, "--epochs", "100000"], env=ENV, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while not (tmp_path / "run" / "metrics.csv").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    yield process
    process.kill()
    process.wait()


def child(pid: int) -> int:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("needs Linux's /proc to find the second process")
    return int(listed.read_text().split()[0])


def test_a_killed_process_ends_the_others(running: subprocess.Popen[str]) -> None:
    other = child(running.pid)
    os.kill(other, signal.SIGKILL)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 2
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"salanet train: rank 1 (process {other} on ")
    assert last.endswith("is gone; --resume goes on")


def test_the_first_process_killed(running: subprocess.Popen[str]) -> None:
    first, other = running.pid, child(running.pid)
    os.kill(first, signal.SIGKILL)
    assert running.stderr is not None
    said = running.stderr.read()  # ends when the last process that holds it does
    status = Path(f"/proc/{other}/status")
    assert not status.exists() or "zombie" in status.read_text(), "it is over"
    assert f"rank 0 (process {first} on " in said.strip().splitlines()[-1]


def test_a_signal_saves_and_ends_both(
    running: subprocess.Popen[str], tmp_path: Path, recipe: Path, town_scenes: Path
) -> None:
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "stopped by SIGTERM, saved; go on with:" in said and "--resume" in said
    done = int(rows(tmp_path / "run")[-1]["epoch"])
    again = command(recipe, town_scenes, tmp_path / "run", "--devices", "2", "--resume")
    again += ["--epochs", str(done + 3)]
    assert subprocess.run(again, env=ENV, timeout=120).returncode == 0
    assert len(rows(tmp_path / "run")) == done + 3


@pytest.mark.parametrize("devices", [0, -2])
def test_no_processes_are_refused(devices: int) -> None:
    with pytest.raises(ConfigError, match=f"--devices {devices}: at least one process"):
        start_others(devices)
