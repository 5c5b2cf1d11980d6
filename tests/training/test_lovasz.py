"""The Lovász-softmax loss against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from salanet.training.lovasz import lovasz_softmax


def hard_logits(prediction: list[int], classes: int) -> torch.Tensor:
    return 200.0 * torch.nn.functional.one_hot(torch.tensor(prediction), classes).double()


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [([0, 0, 1, 1], [0, 1, 1, 1]), ([0, 1, 2, 2], [0, 0, 0, 2]), ([1, 1], [1, 1])],
)
def test_for_certain_predictions_it_is_one_minus_the_iou(
    truth: list[int], prediction: list[int]
) -> None:
    ious = []
    for c in set(truth):
        true, predicted = np.array(truth) == c, np.array(prediction) == c
        ious.append((true & predicted).sum() / (true | predicted).sum())
    loss = lovasz_softmax(hard_logits(prediction, 3), torch.tensor(truth))
    assert loss.item() == pytest.approx(1 - np.mean(ious))


def test_loops_give_the_same() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (30,), generator=generator)
    probabilities = logits.softmax(1).numpy()
    total = []
    for c in range(3):
        true = labels.numpy() == c
        errors = np.abs(true - probabilities[:, c])
        loss, before = 0.0, 0.0
        wrong = np.zeros(30, bool)
        for i in np.argsort(-errors):
            wrong[i] = True
            # Jaccard index when the points taken as wrong so far are.
            jaccard = 1 - (true & ~wrong).sum() / (true | wrong).sum()
            loss += errors[i] * (jaccard - before)
            before = jaccard
        total.append(loss)
    assert lovasz_softmax(logits, labels).item() == pytest.approx(np.mean(total))


def test_unlabelled_points_and_gradients() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(20, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(0, 3, (20,), generator=generator)
    some = labels.clone()
    some[:5] = -1
    torch.testing.assert_close(lovasz_softmax(logits, some), lovasz_softmax(logits[5:], labels[5:]))
    assert torch.autograd.gradcheck(lambda x: lovasz_softmax(x, labels), logits)
    nothing = lovasz_softmax(logits, torch.full((20,), -1))
    nothing.backward()
    assert nothing.item() == 0 and logits.grad is not None and not logits.grad.any()
