"""SALA: local aggregation with a learned soft assignment of neighbours to groups (paper §3.2)."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from salanet.errors import ConfigError
from salanet.operators.assignment import neighbour_counts
from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm, summed, untracked
from salanet.operators.pairs import Moments, PairDense, spread_scores
from salanet.ops import PositionMLP, pair_moments, position_moments, sala_aggregate
from salanet.ops.aggregation.reference import assign, lifted_offsets, with_first_moments

SPREAD = 0.25  # of h over pairs before training; about 0.2 is left where the softmax saturates


class SALA(Operator):
    """Soft Assignment Local Aggregation.

        r_j   = MLP_p((p_j - p_i) / radius)                  (eq. 4)    3 -> lift
        h_j   = softmax(MLP_sa(r_j))                         (eq. 5)    lift -> lift -> groups
        f*_j  = [r_j, f_j]                                   (eq. 7)
        f'_i  = Σ_g max_j h_jg · W_g f*_j  (+ W_c f_i)       (eq. 6, 8, 9; ours)

    MLP_p is one dense block (linear map, batch norm, ReLU), MLP_sa a dense block and a linear map.
    The norms make the assignment alive: without them h leaves one half by hundredths, and the
    groups are one group. W_g f*_j = A_g r_j + B_g f_j, so B_g f_j is one product per support point
    rather than per neighbour, and the fused kernel adds the part with `lift` inputs.

    Args:
        in_channels, out_channels, radius: see `Operator`.
        groups: S; with one group SALA is a pointwise MLP.
        lift: length of r_j, and hidden width of MLP_sa.
        assignment: "soft"; "hard" gives each neighbour to its likeliest group alone (a threshold
            of 0.5 for two groups); "none" sets every score to one. The last two are ablations
            (paper Table 3).
        reduction: "max", "sum" (paper eq. 10), "mean", or "half": the maximum in the first
            half of the channels, the mean in the others.
        centre: whether the point's own feature has a map of its own, W_c f_i. It is that of the
            nearest neighbour where queries are not supports.
        temperature: the scores are divided by it, and it is learned; None for scores as they are.
        positional: whether r_j is part of f*_j (an ablation of Table 3 when not).
        norm: where batch norm and ReLU stand. "point": once per point, after the sum over groups,
            which takes eq. 6-9 literally and needs no statistics over neighbours. "neighbour":
            each W_g is a dense block (FC + BN + ReLU) applied before the maximum, as in Fig. 3.
        perceptrons: "dense" as above; "linear" has no batch norm in MLP_p and MLP_sa (models of
            version 0.1).
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
        reduction: Literal["max", "sum", "mean", "half"] = "max",
        centre: bool = False,
        temperature: float | None = None,
        positional: bool = True,
        norm: Literal["point", "neighbour"] = "point",
        perceptrons: Literal["dense", "linear"] = "dense",
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.groups = groups
        self.assignment = assignment
        self.reduction = reduction
        self.norm_placement = norm
        if centre and norm == "neighbour":
            raise ConfigError("centre: true goes with norm: point, as the centre has no neighbours")
        self.position_channels = lift if positional else 0
        dense = perceptrons == "dense"
        self.lift = PairDense(3, lift, norm=dense, momentum=bn_momentum)
        self.hidden = PairDense(lift, lift, norm=dense, momentum=bn_momentum)
        self.score = nn.Linear(lift, groups)
        self.sharpness = None
        if temperature is not None:
            if temperature <= 0:
                raise ConfigError(f"temperature is {temperature}; it is above 0")
            self.sharpness = nn.Parameter(torch.tensor([-math.log(temperature)]))
        self.centre = nn.Linear(in_channels, out_channels, bias=False) if centre else None
        # W_g of all groups, one above the other: (groups · out, lift + in).
        self.weight = nn.Parameter(
            torch.empty(groups * out_channels, self.position_channels + in_channels)
        )
        normalised = out_channels if norm == "point" else groups * out_channels
        self.norm = PointNorm(normalised, momentum=bn_momentum)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Each part of W_g by its own fan-in, and scores that tell neighbours apart."""
        for part in self.weight.split([self.position_channels, self.in_channels], dim=1):
            if part.numel():
                part.uniform_(-1, 1).div_(math.sqrt(part.shape[1]))
        spread_scores(self.score.weight, SPREAD)
        nn.init.zeros_(self.score.bias)
        if self.centre is not None:
            self.centre.weight.uniform_(-1, 1).div_(math.sqrt(self.in_channels))

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        r = self.position_channels
        projected = nn.functional.linear(features, self.weight[:, r:])
        position_w = self.weight[:, :r] if r else None
        mlp, moments = self._perceptrons(queries, supports, neighbours)
        arguments = (queries, supports, neighbours)
        if self.norm_placement == "point":
            out = self._aggregate(*arguments, projected, mlp, position_w)
            if self.centre is not None:
                out = out + own(self.centre(features), neighbours)
            return torch.relu_(self.norm(out))
        scale, shift = self._neighbour_affine(moments, projected, position_w)
        position_w = None if position_w is None else position_w * scale[:, None]
        return self._aggregate(*arguments, projected * scale, mlp, position_w, shift)

    def _aggregate(
        self,
        queries: Tensor,
        supports: Tensor,
        neighbours: Tensor,
        projected: Tensor,
        mlp: PositionMLP,
        position_w: Tensor | None,
        bias: Tensor | None = None,
    ) -> Tensor:
        def reduced(reduction: Literal["max", "sum"], rows: Tensor | None = None) -> Tensor:
            """Of the channels that these rows of W_g make, all groups', or of every channel."""
            some = slice(None) if rows is None else rows
            return sala_aggregate(
                queries,
                supports,
                neighbours,
                projected[:, some],
                mlp,
                None if position_w is None else position_w[some],
                None if bias is None else bias[some],
                radius=self.radius,
                groups=self.groups,
                activation="none" if bias is None else "relu",
                reduction=reduction,
                assignment=self.assignment,
            )

        if self.reduction == "max" or self.reduction == "sum":
            return reduced(self.reduction)
        counts = neighbour_counts(neighbours, len(supports))
        if self.reduction == "mean":
            return reduced("sum") / counts
        columns = torch.arange(len(self.weight), device=projected.device).view(self.groups, -1)
        first, second = columns.tensor_split([self.out_channels // 2], dim=1)
        means = reduced("sum", second.flatten()) / counts
        return torch.cat([reduced("max", first.flatten()), means], dim=1)

    @torch.no_grad()
    def spread(self, queries: Tensor, supports: Tensor, neighbours: Tensor) -> float:
        """Standard deviation of h over all pairs, the mean over groups.

        Near 0 every neighbour belongs to every group alike, and the groups are one group.
        """
        with untracked():
            mlp, _ = self._perceptrons(queries, supports, neighbours)
        r = lifted_offsets(queries, supports, neighbours, mlp.lift_w, mlp.lift_b, self.radius)
        h = assign(r[neighbours < len(supports)], mlp, self.assignment)
        return float(h.std(0).mean()) if len(h) > 1 else 0.0

    def _perceptrons(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor
    ) -> tuple[PositionMLP, LiftMoments | None]:
        """The perceptrons as linear maps, and in training the moments of r where needed."""
        score: tuple[Tensor, Tensor] = self.score.weight, self.score.bias
        if self.sharpness is not None:
            score = score[0] * self.sharpness.exp(), score[1] * self.sharpness.exp()
        if not self.training:
            return PositionMLP(*self.lift.fixed(), *self.hidden.fixed(), *score), None
        around = (queries, supports, neighbours)
        dense = self.lift.norm is not None
        if dense:
            lift = self.lift.on(Moments.of(pair_moments(*around, self.radius)))
        else:
            lift = self.lift.fixed()
        moments = None
        if self.norm_placement == "neighbour":
            moments = LiftMoments(*position_moments(*around, *lift, self.radius))
        if not dense:
            return PositionMLP(*lift, *self.hidden.fixed(), *score), moments
        gram = moments.pooled() if moments else pair_moments(*around, self.radius, lift)
        return PositionMLP(*lift, *self.hidden.on(Moments.of(gram)), *score), moments

    def _neighbour_affine(
        self, moments: LiftMoments | None, projected: Tensor, position_w: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Batch norm of z_ij = A r_ij + B f_j over all pairs, as a scale and a shift (S·C,).

        The first two moments of z follow from those of r_ij and from how often each support is a
        neighbour, so no (M, K, C) tensor is needed to train either:

            Σ z   = A Σ r + Σ_j n_j B f_j
            Σ z²  = diag(A (Σ r rᵀ) Aᵀ) + 2 Σ_j (A Σ_i r_ij) ∘ B f_j + Σ_j n_j (B f_j)²
        """
        if moments is None:
            return self.norm.scale_shift()
        sums, counts, gram = moments
        first = counts @ projected
        second = counts @ projected.square()
        if position_w is not None:
            first = first + position_w @ sums.sum(0)
            second = second + ((position_w @ gram) * position_w).sum(1)
            second = second + 2 * ((sums @ position_w.T) * projected).sum(0)
        # Over the pairs of all processes: one sum for what three would bring.
        together = summed(torch.cat([first, second, counts.sum()[None].to(first.dtype)]))
        first, second = together[:-1].chunk(2)
        pairs = together[-1].detach().clamp_min(1)
        mean = first / pairs
        var = (second / pairs - mean.square()).clamp_min(0)
        return self.norm.batch_scale_shift(mean, var, pairs)

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports
        outputs, inputs = self.weight.shape
        per_pair = outputs * inputs + self._position_macs()
        if self.norm_placement == "neighbour":
            return queries * k * (per_pair + 2 * outputs)
        return queries * (k * per_pair + 2 * self.out_channels + self._centre_macs())

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        outputs = len(self.weight)
        # Per pair: the position part of each output, and its weighting by the assignment.
        per_pair = outputs * (self.position_channels + 1) + self._position_macs()
        per_query = k * per_pair + self.out_channels
        products = supports * (outputs * self.in_channels + self._centre_macs())
        return products + queries * per_query

    def _centre_macs(self) -> int:
        return 0 if self.centre is None else self.centre.weight.numel()

    def _position_macs(self) -> int:
        layers = (self.lift, self.hidden, self.score)
        return sum((layer.in_features + 1) * layer.out_features for layer in layers)


def own(features: Tensor, neighbours: Tensor) -> Tensor:
    """Of the support each query stands on, its nearest: (N, C) -> (M, C); zeros without any."""
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    return padded.index_select(0, neighbours[:, 0])


class LiftMoments(NamedTuple):
    """Of r, see `salanet.ops.position_moments`."""

    sums: Tensor
    counts: Tensor
    gram: Tensor

    def pooled(self) -> Tensor:
        """As `salanet.ops.pair_moments` gives them."""
        return with_first_moments(self.gram, self.sums.sum(0), self.counts.sum())
