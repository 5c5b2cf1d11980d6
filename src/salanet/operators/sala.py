"""SALA: local aggregation with a learned soft assignment of neighbours to groups (paper §3.2)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm, summed
from salanet.ops import PositionMLP, position_moments, sala_aggregate


class SALA(Operator):
    """Soft Assignment Local Aggregation.

        r_j   = MLP_p((p_j - p_i) / radius)                  (eq. 4)    3 -> lift
        h_j   = softmax(MLP_sa(r_j))                         (eq. 5)    lift -> lift -> groups
        f*_j  = [r_j, f_j]                                   (eq. 7)
        f'_i  = Σ_g max_j h_jg · W_g f*_j                    (eq. 6, 8, 9)

    W_g f*_j = A_g r_j + B_g f_j, so B_g f_j is one product per support point rather than per
    neighbour, and the fused kernel adds the part with `lift` inputs.

    Args:
        in_channels, out_channels, radius: see `Operator`.
        groups: S; with one group SALA is a pointwise MLP.
        lift: length of r_j, and hidden width of MLP_sa.
        assignment: "soft"; "hard" gives each neighbour to its likeliest group alone (a threshold
            of 0.5 for two groups); "none" sets every score to one. The last two are ablations
            (paper Table 3).
        reduction: "max", or "sum" (paper eq. 10).
        positional: whether r_j is part of f*_j (an ablation of Table 3 when not).
        norm: where batch norm and ReLU stand. "point": once per point, after the sum over groups,
            which takes eq. 6-9 literally and needs no statistics over neighbours. "neighbour":
            each W_g is a dense block (FC + BN + ReLU) applied before the maximum, as in Fig. 3.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, in_channels)
    -> (M, out_channels).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        radius: float,
        *,
        groups: int = 2,
        lift: int = 8,
        assignment: Literal["soft", "hard", "none"] = "soft",
        reduction: Literal["max", "sum"] = "max",
        positional: bool = True,
        norm: Literal["point", "neighbour"] = "point",
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.groups = groups
        self.assignment = assignment
        self.reduction = reduction
        self.norm_placement = norm
        self.position_channels = lift if positional else 0
        self.lift = nn.Linear(3, lift)
        self.hidden = nn.Linear(lift, lift)
        self.score = nn.Linear(lift, groups)
        # W_g of all groups, one above the other: (groups · out, lift + in).
        inputs = self.position_channels + in_channels
        self.weight = nn.Parameter(torch.empty(groups * out_channels, inputs))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        normalised = out_channels if norm == "point" else groups * out_channels
        self.norm = PointNorm(normalised, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        r = self.position_channels
        projected = nn.functional.linear(features, self.weight[:, r:])
        position_w = self.weight[:, :r] if r else None
        if self.norm_placement == "point":
            out = self._aggregate(queries, supports, neighbours, projected, position_w)
            return torch.relu_(self.norm(out))
        scale, shift = self._neighbour_affine(queries, supports, neighbours, projected, position_w)
        return self._aggregate(
            queries,
            supports,
            neighbours,
            projected * scale,
            None if position_w is None else position_w * scale[:, None],
            shift,
        )

    def _aggregate(
        self,
        queries: Tensor,
        supports: Tensor,
        neighbours: Tensor,
        projected: Tensor,
        position_w: Tensor | None,
        bias: Tensor | None = None,
    ) -> Tensor:
        return sala_aggregate(
            queries,
            supports,
            neighbours,
            projected,
            self.mlp,
            position_w,
            bias,
            radius=self.radius,
            groups=self.groups,
            activation="none" if bias is None else "relu",
            reduction=self.reduction,
            assignment=self.assignment,
        )

    @property
    def mlp(self) -> PositionMLP:
        return PositionMLP(
            self.lift.weight,
            self.lift.bias,
            self.hidden.weight,
            self.hidden.bias,
            self.score.weight,
            self.score.bias,
        )

    def _neighbour_affine(
        self,
        queries: Tensor,
        supports: Tensor,
        neighbours: Tensor,
        projected: Tensor,
        position_w: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Batch norm of z_ij = A r_ij + B f_j over all pairs, as a scale and a shift (S·C,).

        The first two moments of z follow from those of r_ij and from how often each support is a
        neighbour, so no (M, K, C) tensor is needed to train either:

            Σ z   = A Σ r + Σ_j n_j B f_j
            Σ z²  = diag(A (Σ r rᵀ) Aᵀ) + 2 Σ_j (A Σ_i r_ij) ∘ B f_j + Σ_j n_j (B f_j)²
        """
        if not self.training:
            return self.norm.scale_shift()
        sums, counts, gram = position_moments(
            queries, supports, neighbours, self.lift.weight, self.lift.bias, self.radius
        )
        first = counts @ projected
        second = counts @ projected.square()
        if position_w is not None:
            first = first + position_w @ sums.sum(0)
            second = second + ((position_w @ gram) * position_w).sum(1)
            second = second + 2 * ((sums @ position_w.T) * projected).sum(0)
        # Over the pairs of all processes: one sum for what three would bring.
        moments = summed(torch.cat([first, second, counts.sum()[None].to(first.dtype)]))
        first, second = moments[:-1].chunk(2)
        pairs = moments[-1].detach().clamp_min(1)
        mean = first / pairs
        var = (second / pairs - mean.square()).clamp_min(0)
        return self.norm.batch_scale_shift(mean, var, pairs)

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports
        outputs, inputs = self.weight.shape
        per_pair = outputs * inputs + self._position_macs()
        if self.norm_placement == "neighbour":
            return queries * k * (per_pair + 2 * outputs)
        return queries * (k * per_pair + 2 * self.out_channels)

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        outputs = len(self.weight)
        # Per pair: the position part of each output, and its weighting by the assignment.
        per_pair = outputs * (self.position_channels + 1) + self._position_macs()
        return supports * outputs * self.in_channels + queries * (k * per_pair + self.out_channels)

    def _position_macs(self) -> int:
        layers = (self.lift, self.hidden, self.score)
        return sum((layer.in_features + 1) * layer.out_features for layer in layers)
