"""Dense blocks on positions, whose batch norm never visits a pair.

SALA's perceptrons see every (query, neighbour) pair; their inputs x are offsets, or what a dense
block made of them. The batch statistics of a linear map of x follow from the moments of x,

    mean(W x) = W mean(x)        mean((W x)²) = diag(W mean(x xᵀ) Wᵀ),

so a block is, in training as at inference, one linear map with the norm already inside it, and the
fused kernels see no difference.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from salanet.operators.norm import PointNorm, summed

Affine = tuple[Tensor, Tensor]


class Moments(NamedTuple):
    """Over all pairs of all processes: mean(x) (R,), mean(x xᵀ) (R, R), and how many pairs."""

    mean: Tensor
    square: Tensor
    pairs: Tensor

    @classmethod
    def of(cls, gram: Tensor) -> Moments:
        """From those of this process, as `salanet.ops.pair_moments` gives them."""
        together = summed(gram)
        pairs = together[-1, -1].detach().clamp_min(1)
        means = together / pairs
        return cls(means[:-1, -1], means[:-1, :-1], pairs)


class PairDense(nn.Linear):
    """Linear map, batch norm, ReLU on pairs; the ReLU is the kernel's.

    Args:
        inputs, outputs: of the linear map.
        norm: without it the linear map has a bias and there are no statistics.
        momentum: of the running statistics.
    """

    def __init__(self, inputs: int, outputs: int, *, norm: bool, momentum: float) -> None:
        super().__init__(inputs, outputs, bias=not norm)
        self.norm: PointNorm | None = PointNorm(outputs, momentum=momentum) if norm else None

    def fixed(self) -> Affine:
        """The linear map (R, inputs) and its bias (R,) with the running statistics."""
        return self._with(None if self.norm is None else self.norm.scale_shift())

    def on(self, moments: Moments) -> Affine:
        """The same with those of a batch, which the running ones follow."""
        if self.norm is None:
            return self._with(None)
        mean = self.weight @ moments.mean
        square = ((self.weight @ moments.square) * self.weight).sum(1)
        var = (square - mean.square()).clamp_min(0)
        return self._with(self.norm.batch_scale_shift(mean, var, moments.pairs))

    def _with(self, affine: Affine | None) -> Affine:
        if affine is None:
            return self.weight, self.bias
        scale, shift = affine
        return self.weight * scale[:, None], shift

    @torch.no_grad()
    def fold(self) -> None:
        """Merge the batch norm into the linear map; for inference only."""
        if self.norm is None:
            return
        weight, bias = self.fixed()
        self.weight.copy_(weight)
        self.bias = nn.Parameter(bias.clone())
        self.norm = None


@torch.no_grad()
def spread_scores(weight: Tensor, spread: float) -> None:
    """Draw score weights (S, H) that split the pairs from the first step on.

    Around equal scores h_g moves by 1/S of score g while the scores sum to zero, and the hidden
    units, normalised and rectified, have a variance of 1/2 - 1/2π each. Rows that sum to zero
    favour no group.

    Args:
        spread: standard deviation over pairs to aim at, for two groups; h ranges about 1/S, and
            so does its spread.
    """
    weight.normal_()
    weight -= weight.mean(0)
    weight -= weight.mean(1, keepdim=True)
    size = 2 * spread / math.sqrt(0.5 - 0.5 / math.pi)
    weight *= size / weight.norm(dim=1, keepdim=True).clamp_min(1e-6)
