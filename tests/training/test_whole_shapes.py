"""Training on whole shapes: which are drawn, what the loss is, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from salanet.datasets.partnet import HEADER, Shapes
from salanet.errors import ConfigError, DataError
from salanet.evaluation import ShapeVotes, predicted_parts
from salanet.models import load
from salanet.scenes import write_folder
from salanet.training import Recipe, Trainer
from salanet.training.optimisation import Objective
from salanet.training.shapes import ShapeSamples, part_names
from salanet.training.task import ShapeTask

COUNTS = {"Bottle": (4, 5), "Door": (3, 2)}  # parts and shapes


def recipe(**training: object) -> Recipe:
    content = {
        "model": {"width": 8, "features": ["one", "xyz"], "neighbours": [8] * 5},
        "sampling": {"shape": "whole"},
        "augmentation": {"rotation": 0, "scale": [0.9, 1.1], "mirror_x": 0, "colour_drop": 0},
        "training": {"epochs": 1, "samples_per_epoch": 7, "batch_size": 3, "optimiser": "adamw"}
        | training,
    }
    return Recipe.model_validate(content)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[Shapes]:
    root, rng = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    found = []
    for category, (parts, count) in COUNTS.items():
        points = rng.uniform(-0.5, 0.5, (count, 90, 3)).astype(np.float32)
        label = ((points[..., 2] + 0.5) * parts).astype(np.int16)
        meta = {"category": category, "parts": parts, "grid": 0.1}
        write_folder(root / category, {"points": points, "parts": label}, meta, HEADER)
        found.append(Shapes.open(root / category))
    return found


def test_every_shape_once_before_any_twice(shapes: list[Shapes]) -> None:
    wanted = recipe()
    model = ShapeTask(wanted, shapes, []).model()
    samples = ShapeSamples(wanted, shapes, model)
    turns = [samples._order(0, 0), samples._order(0, 1), samples._order(1, 0)]
    assert all(sorted(turn) == list(range(7)) for turn in turns)
    assert len({tuple(turn) for turn in turns}) == 3
    heads = [samples.sample(0, index)[2] for index in range(14)]
    assert [heads.count(0), heads.count(1)] == [10, 4]
    again = ShapeSamples(wanted, shapes, model).sample(0, 9)
    assert (again[0] == samples.sample(0, 9)[0]).all()
    assert part_names(model)[4:] == ["Door 0", "Door 1", "Door 2"]


def test_loss_is_the_mean_over_shapes_of_their_own_heads(shapes: list[Shapes]) -> None:
    wanted = recipe()
    torch.manual_seed(0)
    model = ShapeTask(wanted, shapes, []).model()
    batch = ShapeSamples(wanted, shapes, model).batch(0, 0)
    assert len(set(batch.heads)) == 2 and (batch.labels == 4).any(), "label 0 of doors is there"
    objective = Objective(model, None, 0.0).eval()
    loss, prediction = objective(batch)
    logits = model(batch.features, batch.pyramid)
    expected, predicted = [], []
    for i, head in enumerate(batch.heads):
        rows = slice(90 * i, 90 * i + 90)
        start = (0, 4)[head]
        probability = logits[head][rows].softmax(1)
        own = batch.labels[rows] - start
        expected.append(-probability[torch.arange(90), own].log().mean())
        predicted.append(probability.argmax(1) + start)
    assert loss.item() == pytest.approx(sum(expected).item() / 3, rel=1e-5)
    assert torch.equal(prediction, torch.cat(predicted))


def test_it_learns(shapes: list[Shapes], tmp_path: Path) -> None:
    wanted = recipe(epochs=25, learning_rate=0.01, validate_every=25, batch_size=4)

    quiet = Console(quiet=True)
    run = Trainer(wanted, shapes, shapes[:1], tmp_path, accelerator="cpu", console=quiet).train()
    history = [float(row["loss"]) for row in run.read_metrics()]
    assert history[-1] < 0.65 * history[0]
    assert float(run.read_metrics()[-1]["val_miou"]) > 0.4
    model = load(run.last)
    assert model.config.parts == {"Bottle": 4, "Door": 3} and model.metadata["validation"]
    logits = ShapeVotes().logits(model, shapes[1], [0])[0].numpy()
    known = shapes[1].parts[0] > 0
    assert (predicted_parts(logits) == shapes[1].parts[0])[known].mean() > 0.6


def test_recipes_that_are_not_for_shapes(shapes: list[Shapes]) -> None:
    base = recipe().model_dump(mode="json")
    for section, change, error, message in (
        ("sampling", {"shape": "sphere"}, ConfigError, "sampled whole"),
        ("training", {"class_weights": "inverse-sqrt"}, ConfigError, "class_weights"),
        ("model", {"features": ["one", "rgb"]}, DataError, "needs 'rgb'"),
    ):
        changed = Recipe.model_validate(base | {section: base[section] | change})
        with pytest.raises(error, match=message):
            ShapeTask(changed, shapes, [])
