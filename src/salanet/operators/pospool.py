"""PosPool: neighbours weighted by where they lie, without parameters (Liu et al., ECCV 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from salanet.operators.assignment import neighbour_counts, offset_scores
from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm
from salanet.ops.aggregation.weighted import depthwise_sum, neighbour_sum, offsets


class PosPool(Operator):
    """Position pooling with the offset itself.

        f'_ic = ReLU(BN(mean_j Δ_ij,(c mod 3) · f_jc)),    Δ_ij = (p_j - p_i) / radius

    In the general form: three groups, h(j, g) = Δ_ij,g, group weights that pick channels, a mean.
    Source: Liu et al., "A Closer Look at Local Aggregation Operators", §3.3.

    Args:
        in_channels, out_channels, radius: see `Operator`; the two widths are equal.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, C) -> (M, C).
    """

    axis: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, radius: float, *, bn_momentum: float = 0.1
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.require_equal_widths()
        pick = torch.eye(3).repeat(1, in_channels // 3 + 1)[:, :in_channels]
        self.register_buffer("axis", pick, persistent=False)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        scores = offset_scores(offsets(queries, supports, neighbours, self.radius))
        total = depthwise_sum(scores, neighbours, features, self.axis)
        return torch.relu_(self.norm(total / neighbour_counts(neighbours, len(supports))))

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports, k
        return 2 * queries * self.out_channels

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * (2 * k + 1) * self.out_channels


class PosPoolSinCos(Operator):
    """Position pooling with sines and cosines of the offset (PosPool*).

        f'_ic = ReLU(BN(mean_j e_c(Δ_ij) · f_jc))
        e_c   = sin or cos of α Δ / λ^(i / F),  i < F = ⌊C / 6⌋,  channels [axis][sin F, cos F]

    α = 100 and λ = 1000. Channels left over when 6 does not divide C get the raw offset, as in
    PosPool (for C = 9: six sines and cosines, three offsets). Since
    sin(a - b) = sin a cos b - cos a sin b, the sines are taken once per point, not per neighbour:

        Σ_j sin(ω(p_j - p_i)) f_j = cos(ω p_i) Σ_j sin(ω p_j) f_j - sin(ω p_i) Σ_j cos(ω p_j) f_j

    Source: Liu et al., "A Closer Look at Local Aggregation Operators", §3.3 and its appendix.

    Args:
        in_channels, out_channels, radius: see `Operator`; the two widths are equal.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, K), features (N, C) -> (M, C).
    """

    frequency: Tensor
    phase: Tensor
    axis: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, radius: float, *, bn_momentum: float = 0.1
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        self.require_equal_widths()
        count = in_channels // 6
        ladder = 100.0 / 1000.0 ** (torch.arange(count, dtype=torch.float64) / max(count, 1))
        # One column per embedded channel: which axis, how fast. Its phase: cos = sin(· + π/2).
        self.register_buffer(
            "frequency", torch.block_diag(*[ladder.repeat(2)[None]] * 3), persistent=False
        )
        phase = torch.tensor([0.0, math.pi / 2], dtype=torch.float64)
        self.register_buffer("phase", phase.repeat_interleave(count).repeat(3), persistent=False)
        self.embedded = 6 * count
        rest = in_channels - self.embedded
        pick = torch.eye(3).repeat(1, rest // 3 + 1)[:, :rest]
        self.register_buffer("axis", pick, persistent=False)
        self.norm = PointNorm(out_channels, momentum=bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        embedded, rest = features[:, : self.embedded], features[:, self.embedded :]
        parts = []
        if self.embedded:
            sin_q, cos_q = self._angles(queries, features.dtype)
            sin_s, cos_s = self._angles(supports, features.dtype, self.phase)
            both = neighbour_sum(torch.cat([sin_s * embedded, cos_s * embedded], 1), neighbours)
            with_sin, with_cos = both.split(self.embedded, dim=1)
            parts.append(cos_q * with_sin - sin_q * with_cos)
        if rest.shape[1]:
            scores = offset_scores(offsets(queries, supports, neighbours, self.radius))
            parts.append(depthwise_sum(scores, neighbours, rest, self.axis))
        total = torch.cat(parts, dim=1) / neighbour_counts(neighbours, len(supports))
        return torch.relu_(self.norm(total))

    def _angles(
        self, points: Tensor, dtype: torch.dtype, phase: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Sine and cosine of ω p (N, 6F); the angles are large, so they are reduced in float64."""
        angle = (points.double() / self.radius) @ self.frequency.double()
        if phase is not None:
            angle = angle + phase
        angle = (angle - (2 * math.pi) * (angle / (2 * math.pi)).round()).to(dtype)
        return angle.sin(), angle.cos()

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports, k
        return 2 * queries * self.out_channels

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        return (5 * supports + queries * (2 * k + 6)) * self.out_channels
