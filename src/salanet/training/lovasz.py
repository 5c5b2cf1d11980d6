"""A loss for the mean IoU itself."""

from __future__ import annotations

import torch
from torch import Tensor

from salanet.evaluation import IGNORE


def lovasz_softmax(logits: Tensor, labels: Tensor) -> Tensor:
    """The Lovász-softmax loss: a convex surrogate of 1 - mean IoU over the classes present.

    For class c let e_i = |1[y_i = c] - p_ic| be the errors, from large to small. The Jaccard loss
    of the first i points taken as wrong is

        Δ_i = 1 - (n - Σ_{k≤i} 1[y_k = c]) / (n + Σ_{k≤i} 1[y_k ≠ c]),    n = Σ 1[y = c]

    and the loss is Σ_i e_i (Δ_i - Δ_{i-1}), averaged over the classes with n > 0. Source: Berman,
    Rannen Triki, Blaschko, "The Lovász-Softmax loss", CVPR 2018, eq. 8-11.

    Args:
        logits: float (N, C).
        labels: int64 (N,), -1 where unlabelled.

    Returns:
        A scalar between 0 and 1; 0 if nothing is labelled.
    """
    known = labels != IGNORE
    if not bool(known.any()):
        return logits.sum() * 0
    probabilities, labels = logits[known].softmax(1), labels[known]
    losses = []
    for c in labels.unique().tolist():
        truth = (labels == c).to(logits.dtype)
        errors, order = (truth - probabilities[:, c]).abs().sort(descending=True)
        truth = truth[order]
        n = truth.sum()
        jaccard = 1 - (n - truth.cumsum(0)) / (n + (1 - truth).cumsum(0))
        steps = torch.diff(jaccard, prepend=jaccard.new_zeros(1))
        losses.append(errors @ steps)
    return torch.stack(losses).mean()
