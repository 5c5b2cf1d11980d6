"""A real training process, killed at random moments ten times, ends as if nothing had happened."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from salanet.models import load

# Small enough that starting takes most of the time, long enough for eleven lives.
RECIPE = """
model: {width: 4, features: [one, height_above_ground], neighbours: [8, 8, 8, 8, 8]}
sampling: {shape: cylinder, sphere_radius: 5, max_points: 200, centres: potentials, balance: 0.3}
training: {epochs: 80, samples_per_epoch: 6, batch_size: 1, accumulate: 2, optimiser: adamw,
  learning_rate: 0.01, schedule: cosine, ema: 0.9, lovasz: 1, validate_every: 5}
"""
KILLS = 10
# Of real life: out of memory or power, a scheduler's time limit, Ctrl-C.
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGINT)
# They differ from run to run whatever happens.
TIMES = ("seconds", "points_per_second", "data_wait")
ENV = os.environ | {"OMP_NUM_THREADS": "1"}


def start(recipe: Path, scenes: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "salanet.cli.main", "train", str(recipe), "-o", str(out)]
    command += ["--data", str(scenes), "--accelerator", "cpu", *more]
    return subprocess.Popen(command, env=ENV, stderr=subprocess.PIPE, text=True)


def moment(process: subprocess.Popen[str], checkpoint: Path, since: int) -> bool:
    """Wait for the process to have written a checkpoint and then a random while."""
    until = time.monotonic() + 120
    while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == since:
        assert time.monotonic() < until
        if process.poll() is not None:
            return False
        time.sleep(0.005)
    time.sleep(random.random() * 0.4)
    return process.poll() is None


def test_ten_kills_change_nothing(town_scenes: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(RECIPE)
    whole = start(recipe, town_scenes, tmp_path / "whole")
    out = tmp_path / "killed"
    checkpoint, resume, seen = out / "checkpoint.pt", [], 0
    for kill in range(KILLS):
        process = start(recipe, town_scenes, out, *resume)
        assert moment(process, checkpoint, seen), f"it ended before kill {kill + 1}"
        how = SIGNALS[kill % len(SIGNALS)]
        process.send_signal(how)
        said = process.communicate(timeout=60)[1]
        if how == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 128 + how, said
            assert f"stopped by {how.name}, saved; go on with:" in said
        resume, seen = ["--resume"], checkpoint.stat().st_mtime_ns
    last = start(recipe, town_scenes, out, *resume)
    assert last.communicate(timeout=240)[1] and last.returncode == 0
    assert whole.communicate(timeout=240)[1] and whole.returncode == 0

    for name in ("last.safetensors", "best.safetensors"):
        expected = load(tmp_path / "whole" / name).state_dict()
        found = load(out / name).state_dict()
        for key, tensor in expected.items():
            assert torch.equal(tensor, found[key]), f"{name}: {key}"
    assert figures(out) == figures(tmp_path / "whole")
    assert not [path for path in out.glob(".*") if path.suffix != ".pt"], "temporary files are left"


def figures(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
