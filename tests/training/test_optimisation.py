"""Loss, class weights, learning rates, moving average: values worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

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


class OfClasses(Fixed):
    """`Fixed`, with as many classes as asked for."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(classes=[str(i) for i in range(classes)])


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 0.5, 3.0])])
def test_points_of_a_union_are_learned_as_one_of_it(weights: torch.Tensor | None) -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    objective = Objective(OfClasses(4), weights, unions=[(0, 2), (1, 2, 3)])
    labels, unions = torch.tensor([1, -1, -1, -1]), torch.tensor([-1, 0, 1, -1])
    found = objective(Batch(logits, labels, None, unions=unions))[0]
    p, w = logits.softmax(1), torch.ones(4) if weights is None else weights
    losses = [-w[1] * p[0, 1].log()]
    losses.append(-w[[0, 2]].mean() * (p[1, 0] + p[1, 2]).log())
    losses.append(-w[1:].mean() * p[2, 1:].sum().log())
    total = w[1] + w[[0, 2]].mean() + w[1:].mean()
    assert found.item() == pytest.approx(sum(losses).item() / total.item(), rel=1e-6)


def test_a_union_pulls_at_none_of_its_classes() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]], requires_grad=True)
    objective = Objective(OfClasses(3), None, unions=[(0, 1)])
    batch = Batch(logits, torch.tensor([-1]), None, unions=torch.tensor([0]))
    objective(batch)[0].backward()
    assert logits.grad is not None and logits.grad[0, 2] > 0
    ratio = logits.grad[0, 0] / logits.grad[0, 1]  # both rise, by their own shares
    assert ratio.item() == pytest.approx(math.exp(3), rel=1e-5)


def test_class_weights_have_mean_one_over_points() -> None:
    counts = np.array([900, 100, 0])
    weights = class_weights(counts, "inverse-sqrt")
    assert weights is not None
    assert weights[1] / weights[0] == pytest.approx(3)
    assert (weights[:2] * torch.tensor([0.9, 0.1])).sum() == pytest.approx(1)
    assert torch.isfinite(weights).all()
    assert class_weights(counts, "none") is None


def test_weights_by_effective_number() -> None:
    counts = np.array([100_000, 1000, 10, 0])
    beta = 0.999
    weights = class_weights(counts, "effective-number", beta)
    assert weights is not None
    expected = np.array([(1 - beta) / (1 - beta**n) for n in (100_000, 1000, 10, 1)])
    expected *= counts.sum() / (expected * counts).sum()  # mean one over points
    assert weights.numpy() == pytest.approx(expected, rel=1e-5)
    # Far fewer points than 1 / (1 - β) weigh by 1 / n, far more by the same.
    assert weights[2] / weights[1] == pytest.approx(0.632 * 1000 / 10, rel=0.01)
    assert weights[1] / weights[0] == pytest.approx(1 / 0.632, rel=0.01)
    nearly_one = class_weights(np.array([10**9, 10**8]), "effective-number", 1 - 1e-12)
    assert nearly_one is not None and nearly_one[1] / nearly_one[0] == pytest.approx(10, rel=1e-3)


def test_label_smoothing_is_pytorchs_over_labelled_points() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 2, 1, -1])
    found = Objective(Fixed(), None, 0.2)(Batch(logits, labels, None))[0]
    shares = logits[:3].log_softmax(1)
    mixed = 0.8 * -shares[torch.arange(3), labels[:3]] + 0.2 * -shares.mean(1)
    assert found.item() == pytest.approx(mixed.mean().item(), rel=1e-6)


def rate(schedule: str, progress: float, **more: object) -> float:
    given = {"schedule": schedule, "learning_rate": 2.0, "epochs": 400} | more
    return learning_rate(Training.model_validate(given), progress) / 2


def test_schedules() -> None:
    assert rate("constant", 0.7) == 1
    assert rate("exponential", 0.5) == pytest.approx(0.1)
    assert rate("exponential", 1.0) == pytest.approx(0.01)
    assert rate("exponential", 0.25, decay_epochs=100) == pytest.approx(0.1)
    assert [rate("cosine", p) for p in (0, 0.25, 0.5, 1)] == pytest.approx([1, 0.853553, 0.5, 0])
    top = [rate("one-cycle", p) for p in (0, 0.15, 0.3, 0.65, 1)]
    assert top == pytest.approx([0.04, 0.52, 1, 0.5, 0])
    steps = [rate("steps", p, milestones=(200, 300)) for p in (0, 0.49, 0.5, 0.74, 0.75, 1)]
    assert steps == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("schedule", ["constant", "exponential", "cosine", "one-cycle", "steps"])
def test_warmup_rises_linearly_to_the_schedule(schedule: str) -> None:
    for progress in (0.0, 0.02, 0.05):
        plain = rate(schedule, progress, milestones=(300,))
        warm = rate(schedule, progress, milestones=(300,), warmup=0.1)
        assert warm == pytest.approx(plain * progress / 0.1)
    for progress in (0.1, 0.6, 1.0):
        plain = rate(schedule, progress, milestones=(300,))
        assert rate(schedule, progress, milestones=(300,), warmup=0.1) == plain


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
