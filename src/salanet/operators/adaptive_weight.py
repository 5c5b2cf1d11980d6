"""Adaptive weights: channel weights computed from the offset (as in Liu et al., ECCV 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators.assignment import neighbour_counts, offset_scores
from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm
from salanet.ops.aggregation.weighted import depthwise_sum, offsets


class AdaptiveWeight(Operator):
    """Each neighbour weighted, channel by channel, by a linear function of its offset.

        f'_i = ReLU(BN(mean_j (V Δ_ij + b) ∘ f_j)),    Δ_ij = (p_j - p_i) / radius

    In the general form: four groups, h(j, ·) = [Δ_ij, 1], depthwise group weights [V, b], a mean.
    Source: Liu et al., "A Closer Look at Local Aggregation Operators", §3.2 (one layer, input dp).

    Args:
        in_channels, out_channels, radius: see `Operator`; the two widths are equal.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, C) -> (M, C).
    """

    def __init__(
        self, in_channels: int, out_channels: int, radius: float, *, bn_momentum: float = 0.1
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.require_equal_widths()
        self.weight = nn.Linear(3, in_channels)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        offset = offsets(queries, supports, neighbours, self.radius)
        weight = torch.cat([self.weight.weight.T, self.weight.bias[None]])
        total = depthwise_sum(offset_scores(offset, constant=True), neighbours, features, weight)
        return torch.relu_(self.norm(total / neighbour_counts(neighbours, len(supports))))

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * (4 * k + 2) * self.out_channels

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * (5 * k + 1) * self.out_channels
