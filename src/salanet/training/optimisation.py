"""Loss, optimisers, learning rates, moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from salanet.evaluation import IGNORE
from salanet.models import Network
from salanet.models.network import clouds
from salanet.training.lovasz import lovasz_softmax
from salanet.training.recipe import Training
from salanet.training.samples import Batch

SGD_MOMENTUM = 0.98
# Share of a one-cycle schedule in which the rate rises.
RISE = 0.3


class Share(NamedTuple):
    """What a batch is to the whole step it belongs to.

    The mean over processes of the sum over a process's batches of their losses is then the loss
    of all the step's points together.

    Attributes:
        weight: what the losses of single points (or shapes) are divided by: `Objective.weight` of
            all batches of the step, over the number of processes.
        factor: of the terms that are means over one batch: 1 / batches of this process.
        heads: those that any batch of the step uses; all processes need gradients of the same.
    """

    weight: Tensor
    factor: float = 1.0
    heads: tuple[int, ...] = ()


class Objective(nn.Module):
    """A network and its loss: batch -> (loss, class of each point (N,)).

    The loss is the cross-entropy over labelled points, 0 without any, plus `lovasz` times the
    Lovász-softmax loss, plus what the network asks for (`Network.regularisation`). For a model
    with a head per category it is the mean over shapes of the mean over a shape's points, part 0
    included, at the head of the shape's category. All heads see all points, as their batch norms
    do in CloserLook3D.
    """

    def __init__(
        self,
        model: Network,
        weights: Tensor | None = None,
        label_smoothing: float = 0.0,
        lovasz: float = 0.0,
        unions: Sequence[Sequence[int]] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self.unions: Tensor | None
        self.register_buffer("unions", _union_matrix(model, unions), persistent=False)
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        self.label_smoothing = label_smoothing
        self.lovasz = lovasz

    def weight(self, batch: Batch) -> Tensor:
        """How much a batch has to say in a step: its labelled points, weighted; or its shapes."""
        if batch.heads:
            return torch.tensor(float(len(batch.heads)))
        known = batch.labels[batch.labels != IGNORE]
        total = (known >= 0).sum() if self.weights is None else self.weights[known].sum()
        return total.float() + (0 if batch.unions is None else self._weights_of(batch.unions).sum())

    def forward(self, batch: Batch, share: Share | None = None) -> tuple[Tensor, Tensor]:
        share = share or Share(self.weight(batch))
        logits = self.model(batch.features, batch.pyramid)
        if isinstance(logits, list):
            loss, prediction = self._of_parts(logits, batch, share)
            return loss + share.factor * self.model.regularisation(), prediction
        loss = nn.functional.cross_entropy(
            logits.float(),
            batch.labels,
            weight=self.weights,
            ignore_index=IGNORE,
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        if batch.unions is not None:
            loss = loss + self._of_unions(logits.float(), batch.unions)
        loss = loss / share.weight.clamp_min(torch.finfo(torch.float32).tiny)
        loss = loss + share.factor * self.model.regularisation()
        if self.lovasz:
            loss = loss + share.factor * self.lovasz * lovasz_softmax(logits.float(), batch.labels)
        return loss, logits.detach().argmax(1)

    def _of_unions(self, logits: Tensor, unions: Tensor) -> Tensor:
        """Σ -w log Σ_{c in union} p_c over the points of unions: which of them is left open."""
        assert self.unions is not None
        rows = torch.nonzero(unions >= 0)[:, 0]
        inside = self.unions[unions[rows]]
        log_p = logits[rows].log_softmax(1)
        of_union = log_p.masked_fill(~inside, -torch.inf).logsumexp(1)
        return -(self._weights_of(unions) * of_union).sum()

    def _weights_of(self, unions: Tensor) -> Tensor:
        """Of each point of a union, the weight of the commonest of its classes."""
        assert self.unions is not None
        chosen = unions[unions >= 0]
        if self.weights is None:
            return torch.ones_like(chosen, dtype=torch.float32)
        least = self.weights.expand_as(self.unions).masked_fill(~self.unions, torch.inf).amin(1)
        return least[chosen]

    def _of_parts(self, logits: list[Tensor], batch: Batch, share: Share) -> tuple[Tensor, Tensor]:
        first = np.cumsum([0, *(of_head.shape[1] for of_head in logits)]).tolist()
        losses, predictions = [], []
        shapes = clouds(batch.pyramid.levels[0].splits)
        for rows, head in zip(shapes, batch.heads, strict=True):
            own, labels = logits[head][rows].float(), batch.labels[rows] - first[head]
            losses.append(
                nn.functional.cross_entropy(own, labels, label_smoothing=self.label_smoothing)
            )
            predictions.append(own.detach().argmax(1) + first[head])
        loss = torch.stack(losses).sum() / share.weight
        for head in set(share.heads) - set(batch.heads):
            loss = loss + 0 * logits[head].float().sum()
        return loss, torch.cat(predictions)


def _union_matrix(model: Network, unions: Sequence[Sequence[int]]) -> Tensor | None:
    """Which classes are in each union: bool (U, C)."""
    if not unions:
        return None
    inside = torch.zeros(len(unions), len(model.config.classes), dtype=torch.bool)
    for row, members in zip(inside, unions, strict=True):
        row[list(members)] = True
    return inside


def class_weights(counts: NDArray[np.int64], kind: str, beta: float = 0.9999) -> Tensor | None:
    """Weights (C,) of the classes, with mean 1 over the points; None for "none".

    Args:
        counts: points of each class (C,); one without any counts as having one.
        kind: "inverse-sqrt" (1 / sqrt(share)), or "effective-number": (1 - β) / (1 - βⁿ) for n
            points, which is about 1 / n for n far below 1 / (1 - β) and constant far above. Source:
            Cui, Jia, Lin, Song, Belongie, "Class-balanced loss based on effective number of
            samples", CVPR 2019, eq. 3 and section 4.
        beta: β.
    """
    if kind == "none":
        return None
    at_least_one = np.maximum(counts, 1).astype(np.float64)
    if kind == "effective-number":
        # expm1 keeps the digits that 1 - βⁿ loses where β is close to 1.
        weights = -1 / np.expm1(at_least_one * math.log(beta))
    else:
        weights = 1 / np.sqrt(at_least_one)
    weights *= counts.sum() / max((weights * counts).sum(), 1e-12)
    return torch.tensor(weights, dtype=torch.float32)


def create_optimiser(model: Network, recipe: Training) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW over all weights; see `set_rate` for the rates of its groups."""
    groups = model.parameter_groups()
    options: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, momentum=SGD_MOMENTUM, **options)
    return torch.optim.AdamW(groups, **options)


def learning_rate(recipe: Training, progress: float) -> float:
    """The rate when a share `progress` (0 to 1) of the training is done."""
    factor = _schedule(recipe, progress)
    if progress < recipe.warmup:
        factor *= progress / recipe.warmup
    return recipe.learning_rate * factor


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, times the multiplier of each group."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["lr_multiplier"]


def _schedule(recipe: Training, progress: float) -> float:
    if recipe.schedule == "exponential":
        share: float = 0.1 ** (progress * recipe.epochs / recipe.decay_epochs)
        return share
    if recipe.schedule == "steps":
        epoch = progress * recipe.epochs
        return 0.1 ** sum(epoch >= milestone for milestone in recipe.milestones)
    if recipe.schedule == "cosine":
        return _half_cosine(1 - progress)
    if recipe.schedule == "one-cycle":
        if progress < RISE:
            return 0.04 + 0.96 * _half_cosine(progress / RISE)
        return _half_cosine((1 - progress) / (1 - RISE))
    return 1.0


def _half_cosine(x: float) -> float:
    """Smoothly from 0 at x = 0 to 1 at x = 1."""
    return 0.5 - 0.5 * math.cos(math.pi * min(max(x, 0.0), 1.0))


class MovingAverage:
    """Exponential moving average of weights and batch-norm statistics.

    The decay rises from 0.1 to its value over the first steps, so the random start is forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor, 1 - decay)
            else:
                self.state[name].copy_(tensor)

    @contextmanager
    def used_by(self, model: nn.Module) -> Iterator[None]:
        """Inside, the model has the averaged weights."""
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        model.load_state_dict(self.state)
        try:
            yield
        finally:
            model.load_state_dict(weights)
