"""Spherical kernels: weights in bins of azimuth, elevation and radius (SPH3D-GCN, SegGCN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators.assignment import fuzzy_spherical_scores, neighbour_counts, spherical_scores
from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm
from salanet.ops.aggregation.weighted import Scores, depthwise_sum, offsets


class Spherical(Operator):
    """Separable spherical convolution; every neighbour falls into one bin.

        u_i  = mean_j Σ_g h(j, g) w_g ∘ [f_j, …, f_j]      (depthwise, `multiplier` times as wide)
        f'_i = BN(ELU(W u_i + b))

    h is one-hot over n azimuths × p elevations × q radii and the point itself. Source: Lei,
    Akhtar, Mian, "Spherical Kernel for Efficient Graph Convolution on 3D Point Clouds" (PAMI
    2020), §3-4.

    Args:
        in_channels, out_channels, radius: see `Operator`.
        bins: (n, p, q).
        multiplier: depthwise outputs per input channel.
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
        bins: tuple[int, int, int] = (8, 2, 2),
        multiplier: int = 2,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.bins = (bins[0], bins[1], bins[2])
        self.multiplier = multiplier
        count = bins[0] * bins[1] * bins[2] + 1
        self.weight = nn.Parameter(torch.empty(count, multiplier * in_channels))
        nn.init.uniform_(self.weight, -1, 1)
        self.pointwise = nn.Linear(multiplier * in_channels, out_channels)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        scores = self.scores(offsets(queries, supports, neighbours, self.radius))
        wide = features.repeat(1, self.multiplier)
        total = depthwise_sum(scores, neighbours, wide, self.weight)
        mean = total / neighbour_counts(neighbours, len(supports))
        out: Tensor = self.norm(nn.functional.elu_(self.pointwise(mean)))
        return out

    def scores(self, offset: Tensor) -> Scores:
        return spherical_scores(offset, self.bins)

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports, k
        wide = self.multiplier * self.in_channels
        return queries * (wide + 3) * self.out_channels

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        wide = self.multiplier * self.in_channels
        return queries * (k * self.entries * wide + (wide + 2) * self.out_channels)

    @property
    def entries(self) -> int:
        """Products per neighbour and channel: its scores, and the sum."""
        return 2


class SphericalFuzzy(Spherical):
    """Separable spherical convolution with soft borders between elevations.

    As `Spherical`, with three scores per neighbour that sum to one: the point itself and two
    adjacent elevation bins, see `fuzzy_spherical_scores`. Source: Lei, Akhtar, Mian, "SegGCN:
    Efficient 3D Point Cloud Segmentation with Fuzzy Spherical Kernel" (CVPR 2020), §3.2.

    Args:
        bins: (n, p, q).
        others: see `Spherical`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        radius: float,
        *,
        bins: tuple[int, int, int] = (8, 2, 1),
        multiplier: int = 2,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            radius,
            bins=bins,
            multiplier=multiplier,
            bn_momentum=bn_momentum,
        )

    def scores(self, offset: Tensor) -> Scores:
        return fuzzy_spherical_scores(offset, self.bins)

    @property
    def entries(self) -> int:
        return 4
