"""Pointwise MLP: one shared dense layer per neighbour, then the maximum (Liu et al., ECCV 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm
from salanet.ops import neighbour_max
from salanet.ops.aggregation.weighted import neighbour_sum, offsets


class PointwiseMLP(Operator):
    """A dense block on [Δ_ij, f_i, f_j - f_i], then the maximum over neighbours.

        z_ij = A Δ_ij + B f_i + D (f_j - f_i),    Δ_ij = (p_j - p_i) / radius
        f'_i = max_j ReLU(BN(z_ij))

    f_i is the feature of the nearest support. In the general form: one group, h = 1, a maximum.
    z splits into a part of the neighbour and a part of the query, so only the first, one row per
    support, runs through the maximum; the batch norm's statistics over all pairs follow from
    moments. Source: Liu et al., "A Closer Look at Local Aggregation Operators", §3.1 (dp_fi_df).

    Args:
        in_channels, out_channels, radius: see `Operator`.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, in_channels)
    -> (M, out_channels).
    """

    def __init__(
        self, in_channels: int, out_channels: int, radius: float, *, bn_momentum: float = 0.1
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.linear = nn.Linear(3 + 2 * in_channels, out_channels, bias=False)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        c = self.in_channels
        position_w, centre_w, change_w = self.linear.weight.split([3, c, c], dim=1)
        present = neighbours < len(supports)
        nearest = neighbours[:, 0].clamp(max=len(supports) - 1)
        of_support = linear(features, change_w)
        of_query = linear(features.index_select(0, nearest), centre_w - change_w)
        if self.training:
            offset = offsets(queries, supports, neighbours, self.radius)
            scale, shift = self._batch_norm(
                offset, neighbours, present, of_support, of_query, position_w
            )
        else:
            scale, shift = self.norm.scale_shift()
        # A Δ_ij = A p_j / radius - A p_i / radius; coordinates around the cloud's middle keep the
        # two small.
        middle = supports.mean(0)
        position_w = position_w * (scale / self.radius)[:, None]
        of_support = of_support * scale + linear(supports - middle, position_w)
        of_query = of_query * scale + shift - linear(queries - middle, position_w)
        out = torch.relu(neighbour_max(of_support, neighbours) + of_query)
        return out * present[:, :1]

    def _batch_norm(
        self,
        offset: Tensor,
        neighbours: Tensor,
        present: Tensor,
        of_support: Tensor,
        of_query: Tensor,
        position_w: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Batch norm of z_ij = A Δ_ij + s_j + q_i over all pairs, as a scale and a shift (C,).

        Σ z² = Σ (A Δ)² + Σ_j n_j s_j² + Σ_i k_i q_i²
               + 2 Σ_ij (A Δ_ij)(s_j + q_i) + 2 Σ_i q_i Σ_j s_j
        """
        dtype = of_support.dtype
        offset = offset.to(dtype)
        per_query = offset.sum(1)
        degree = present.sum(1).to(dtype)
        targets = neighbours.flatten().long()
        per_support = offset.new_zeros(len(of_support) + 1, 3)
        per_support = per_support.index_add_(0, targets, offset.flatten(0, 1))[:-1]
        count = torch.bincount(targets, minlength=len(of_support) + 1)[:-1].to(dtype)
        flat = offset.flatten(0, 1)
        gram = flat.T @ flat

        pairs = degree.sum().clamp_min(1)
        first = position_w @ per_query.sum(0) + count @ of_support + degree @ of_query
        second = ((position_w @ gram) * position_w).sum(1)
        second = second + count @ of_support.square() + degree @ of_query.square()
        second = second + 2 * (linear(per_support, position_w) * of_support).sum(0)
        cross = linear(per_query, position_w) + neighbour_sum(of_support, neighbours)
        second = second + 2 * (cross * of_query).sum(0)
        mean = first / pairs
        var = (second / pairs - mean.square()).clamp_min(0)
        return self.norm.batch_scale_shift(mean, var, pairs)

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * k * (self.linear.weight.numel() + 2 * self.out_channels)

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del k
        per_row = (self.in_channels + 3) * self.out_channels
        return (queries + supports) * per_row
