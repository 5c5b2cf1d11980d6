"""X-Conv: neighbours mixed by a matrix that their places predict (Li et al., NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.errors import ConfigError
from salanet.operators.base import Operator
from salanet.operators.norm import PointNorm
from salanet.operators.rows import CHUNK_VALUES, repeated
from salanet.ops.aggregation.weighted import offsets


class XConv(Operator):
    """The neighbours' features, transformed by a learned K x K matrix, then convolved.

        Δ   = [(p_j - p_i) / radius]_j                        (K, 3), nearest first
        X   = N(V ⋆ E(U ⋆ E(T vec(Δ))))                       (K, K)
        F*  = [E(E(Δ)), f_j]_j                                (K, C_δ + C)
        f'_i = E(W (D ⋆ (X F*)))

    E is a linear map, ELU and batch norm, in that order; N is a batch norm; U and V are K x K x K:
    the new row c of a matrix is a linear map of its old column c; D has `multiplier` weights for
    each neighbour and channel (a depthwise convolution over the neighbours). Source: Li et al.,
    "PointCNN: Convolution on X-Transformed Points", algorithm 1, and the authors' code, which
    takes the two products with K x K x K where the paper has dense layers.

    The list's order matters: the third nearest neighbour is not treated as the fourth is. Nothing
    changes when the cloud moves. Missing neighbours repeat the nearest; the original takes the K
    nearest, however far.

    Args:
        in_channels, out_channels, radius: see `Operator`.
        points: K, how many neighbours are seen.
        dilation: every so many-th of the list is seen, from the nearest on.
        lifted: C_δ; by default a quarter of the input channels.
        multiplier: depthwise outputs per channel.
        bn_momentum: momentum of the running statistics.

    Shapes: queries (M, 3), supports (N, 3), neighbours (M, ·), features (N, in_channels)
    -> (M, out_channels).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        radius: float,
        *,
        points: int = 12,
        dilation: int = 2,
        lifted: int | None = None,
        multiplier: int = 1,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        if not all(isinstance(n, int) and n > 0 for n in (points, dilation)):
            raise ConfigError(
                f"points and dilation are whole numbers from 1 on, not {points} and {dilation}"
            )
        self.points = k = points
        self.dilation = dilation
        lifted = max(in_channels // 4, 1) if lifted is None else lifted
        self.lift = nn.Sequential(
            elu_norm(3, lifted, bn_momentum), elu_norm(lifted, lifted, bn_momentum)
        )
        self.transform = elu_norm(3 * k, k * k, bn_momentum)
        self.mix1 = nn.Parameter(torch.randn(k, k, k) * k**-0.5)
        self.norm1 = PointNorm(k * k, momentum=bn_momentum)
        self.mix2 = nn.Parameter(torch.randn(k, k, k) * k**-0.5)
        self.norm2 = PointNorm(k * k, momentum=bn_momentum)
        wide = lifted + in_channels
        self.depthwise = nn.Parameter(torch.randn(wide, multiplier, k) * k**-0.5)
        self.pointwise = elu_norm(multiplier * wide, out_channels, bn_momentum)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        # Columns beyond the list are as if missing: they repeat the nearest.
        wanted = [self.dilation * i for i in range(self.points)]
        seen = neighbours[:, [i if i < neighbours.shape[1] else 0 for i in wanted]]
        if self.training or torch.compiler.is_compiling():
            return self._convolve(queries, supports, seen, features)
        chunk = max(1, CHUNK_VALUES // (self.points * len(self.depthwise)))
        parts = zip(queries.split(chunk), seen.split(chunk), strict=True)
        return torch.cat([self._convolve(q, supports, s, features) for q, s in parts])

    def _convolve(
        self, queries: Tensor, supports: Tensor, seen: Tensor, features: Tensor
    ) -> Tensor:
        rows, present = repeated(seen, len(supports))
        present = present[:, :1]
        offset = offsets(queries, supports, rows, self.radius).to(features.dtype)
        offset = offset * present[..., None]
        near = features.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        lifted = self.lift(offset.flatten(0, 1)).unflatten(0, rows.shape)
        mixed = self.matrices(offset) @ torch.cat([lifted, near], dim=2)
        convolved = torch.einsum("nkc,cqk->ncq", mixed, self.depthwise).flatten(1)
        out: Tensor = self.pointwise(convolved) * present
        return out

    def matrices(self, offset: Tensor) -> Tensor:
        """X of every query: offsets (M, K, 3) -> (M, K, K)."""
        square = (self.points, self.points)
        x = self.transform(offset.flatten(1)).unflatten(1, square)
        x = nn.functional.elu(torch.einsum("nwc,wcm->ncm", x, self.mix1).flatten(1))
        x = self.norm1(x).unflatten(1, square)
        matrices: Tensor = self.norm2(
            torch.einsum("nwc,wcm->ncm", x, self.mix2).flatten(1)
        ).unflatten(1, square)
        return matrices

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports, k
        return queries * self._macs(norm=2)

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports, k
        return queries * self._macs(norm=1)

    def _macs(self, norm: int) -> int:
        """Per query; `norm` is what a normalised element costs."""
        k, c = self.points, self.out_channels
        wide, multiplier, _ = self.depthwise.shape
        lifted = wide - self.in_channels
        places = k * lifted * (3 + lifted + 2 * norm)
        matrix = k * k * (3 * k + 2 * k + 3 * norm)
        features = k * k * wide + k * wide * multiplier + c * (wide * multiplier + norm)
        return places + matrix + features


def elu_norm(in_channels: int, out_channels: int, momentum: float) -> nn.Sequential:
    """Linear map, ELU, batch norm: (P, in_channels) -> (P, out_channels)."""
    return nn.Sequential(
        nn.Linear(in_channels, out_channels, bias=False),
        nn.ELU(inplace=True),
        PointNorm(out_channels, momentum=momentum),
    )
