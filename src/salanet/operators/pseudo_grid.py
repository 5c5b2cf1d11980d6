"""Pseudo grid: depthwise weights at kernel points (Liu et al., ECCV 2020, after KPConv)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators.assignment import Influence, kernel_point_scores
from salanet.operators.base import Operator
from salanet.operators.kernel_points import kernel_points
from salanet.operators.norm import PointNorm
from salanet.ops.aggregation.weighted import depthwise_sum, offsets


class PseudoGrid(Operator):
    """Depthwise kernel point convolution.

        f'_i = ReLU(BN(Σ_g w_g ∘ Σ_j h(j, g) f_j)),    h(j, g) = max(0, 1 - |Δ_ij - x_g| / σ)

    Source: Liu et al., "A Closer Look at Local Aggregation Operators", §3.2; the kernel points
    stand at a mean distance of 1.5 σ.

    Args:
        in_channels, out_channels, radius: see `Operator`; the two widths are equal.
        points: G, number of kernel points.
        extent: σ as a part of the radius (0.4: the cell size, where the radius is 2.5 cells).
        influence: "linear", "gaussian" or "constant", see `kernel_point_scores`.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, C) -> (M, C).
    """

    kernel_points: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        radius: float,
        *,
        points: int = 15,
        extent: float = 0.4,
        influence: Influence = "linear",
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.require_equal_widths()
        self.extent = extent
        self.influence = influence
        self.register_buffer("kernel_points", (1.5 * extent * kernel_points(points)).float())
        self.weight = nn.Parameter(torch.empty(points, in_channels))
        nn.init.uniform_(self.weight, -(points**-0.5), points**-0.5)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        offset = offsets(queries, supports, neighbours, self.radius)
        scores = kernel_point_scores(offset, self.kernel_points, self.extent, self.influence)
        return torch.relu_(self.norm(depthwise_sum(scores, neighbours, features, self.weight)))

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports, k
        return 2 * queries * self.out_channels

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        points = len(self.weight)
        return queries * (k * (4 * points + (points + 1) * self.out_channels) + self.out_channels)
