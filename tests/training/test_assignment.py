"""How alive SALA's assignment is, told while it trains."""

from __future__ import annotations

import csv
from pathlib import Path

from rich.console import Console

from salanet.scenes import open_scenes
from salanet.training import Trainer
from salanet.training.assignment import described
from salanet.training.recipe import parse_recipe


def test_spreads_are_logged_layer_by_layer(town_scenes: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(
        {
            "model": {"width": 4, "features": ["one", "height"]},
            "sampling": {"shape": "cylinder", "sphere_radius": 6, "max_points": 2000},
            "training": {"epochs": 2, "samples_per_epoch": 4, "batch_size": 2},
        },
        "test",
    )
    with (tmp_path / "log").open("w") as file:
        console = Console(file=file, width=200)
        Trainer(
            recipe, open_scenes(town_scenes, "train"), [], tmp_path / "run", console=console
        ).train()
    with (tmp_path / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[-1] if name.startswith("spread/")]
    assert len(names) == 10 and "spread/encoder.first" in names
    values = [float(rows[-1][name]) for name in names]
    assert all(0 <= value < 0.5 for value in values) and sum(values) / len(values) > 0.05
    assert "assignment 0." in (tmp_path / "log").read_text()


def test_dead_layers_are_said() -> None:
    row = {"loss": 1.0, "spread/a": 0.011, "spread/b": 0.2}
    assert described(row) == (
        "assignment 0.01 to 0.20 (1 of 2 layers do not tell neighbours apart)"
    )
    assert described({"loss": 1.0}) == ""
