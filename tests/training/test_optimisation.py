"""Loss, class weights, learning rates, moving average: values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from salanet.training.optimisation import MovingAverage, Objective, class_weights, learning_rate
from salanet.training.recipe import Training
from salanet.training.samples import Batch


class Fixed(nn.Module):
    """Returns its features as logits."""

    def forward(self, features: torch.Tensor, pyramid: object) -> torch.Tensor:
        del pyramid
        return features

    def regularisation(self) -> torch.Tensor:
        return torch.zeros(())


def loss_of(logits: torch.Tensor, labels: list[int], weights: torch.Tensor | None = None) -> float:
    objective = Objective(Fixed(), weights, 0.0)
    return objective(Batch(logits, torch.tensor(labels), None))[0].item()


def test_ignored_points_do_not_count() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.cross_entropy(logits[:2], torch.tensor([0, 2])).item()
    assert loss_of(logits, [0, 2, -1, -1]) == pytest.approx(expected)


def test_weighted_loss_is_pytorchs() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    weights, labels = torch.tensor([1.0, 2.0, 0.5]), [0, 2, 1, -1]
    expected = nn.functional.cross_entropy(
        logits, torch.tensor(labels), weight=weights, ignore_index=-1
    ).item()
    assert loss_of(logits, labels, weights) == pytest.approx(expected)


def test_a_batch_without_labels_has_no_loss() -> None:
    assert loss_of(torch.randn(3, 2), [-1, -1, -1]) == 0.0


def test_class_weights_have_mean_one_over_points() -> None:
    counts = np.array([900, 100, 0])
    weights = class_weights(counts, "inverse-sqrt")
    assert weights is not None
    assert weights[1] / weights[0] == pytest.approx(3)
    assert (weights[:2] * torch.tensor([0.9, 0.1])).sum() == pytest.approx(1)
    assert torch.isfinite(weights).all()
    assert class_weights(counts, "none") is None


def test_schedules() -> None:
    def rate(schedule: str, progress: float, **more: float) -> float:
        recipe = Training(schedule=schedule, learning_rate=1.0, epochs=400, **more)
        return learning_rate(recipe, progress)

    assert rate("constant", 0.7) == 1
    assert rate("exponential", 0.5) == pytest.approx(0.1)
    assert rate("exponential", 1.0) == pytest.approx(0.01)
    assert [rate("cosine", p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert [rate("one-cycle", p) for p in (0, 0.3, 1)] == pytest.approx([0.04, 1, 0])
    assert rate("constant", 0.05, warmup=0.1) == pytest.approx(0.5)


def test_moving_average() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = MovingAverage(model, 0.5)
    nn.init.ones_(model.weight)
    average.update(model)
    assert average.state["weight"].item() == pytest.approx(0.9)  # decay 1/10 at first
    for _ in range(50):
        average.update(model)
    assert math.isclose(average.state["weight"].item(), 1, abs_tol=1e-6)
