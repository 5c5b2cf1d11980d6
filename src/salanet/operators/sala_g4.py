"""SALA with deep perceptrons: the configuration that also meets the paper's compute figures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators.base import Operator
from salanet.operators.rows import CHUNK, Rows, repeated
from salanet.ops.aggregation.weighted import offsets


class SALAG4(Operator):
    """Soft Assignment Local Aggregation with three-layer perceptrons ("compute-matched").

        r_j  = MLP_p((p_j - p_i) / radius)       3 -> c -> c -> 4
        h_j  = softmax(MLP_sa(r_j))              4 -> 32 -> 32 -> 2
        f'_i = Σ_g max_j h_jg · MLP_g([r_j, f_j])    4 + c -> C -> C -> c

    with batch norm and ReLU after every linear map but the last of MLP_sa. `SALA` is the default;
    this one reproduces the paper's multiply-accumulates and file sizes within 2 % as well, and
    costs what they say: every layer runs per neighbour. Source: paper eq. 4-9 and Table 2.

    Args:
        in_channels, out_channels, radius: see `Operator`.
        width: C, hidden width of the group weights: that of the whole network.
        groups: S.
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
        width: int,
        groups: int = 2,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__(in_channels, out_channels, radius)
        c = out_channels
        self.lift = Rows([3, c, c, 4], bn_momentum)
        self.score = Rows([4, 32, 32, groups], bn_momentum, last_plain=True)
        self.groups = nn.ModuleList(
            Rows([4 + in_channels, width, width, c], bn_momentum) for _ in range(groups)
        )

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        if self.training or torch.compiler.is_compiling():
            return self._aggregate(queries, supports, neighbours, features)
        parts = zip(queries.split(CHUNK), neighbours.split(CHUNK), strict=True)
        return torch.cat([self._aggregate(q, supports, n, features) for q, n in parts])

    def _aggregate(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        # Missing neighbours repeat the nearest one, which changes no maximum.
        rows, present = repeated(neighbours, len(supports))
        offset = offsets(queries, supports, rows, self.radius)
        r = self.lift(offset.to(features.dtype).flatten(0, 1))
        h = self.score(r).softmax(dim=1)
        f = torch.cat([r, features.index_select(0, rows.flatten())], dim=1)
        out = features.new_zeros(())
        for g, group in enumerate(self.groups):
            y = group(f) * h[:, g : g + 1]
            out = out + y.view(*neighbours.shape, -1).amax(dim=1)
        return out * present[:, :1]

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * k * self._macs(folded=False)

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * k * (self._macs(folded=True) + len(self.groups) * self.out_channels)

    def _macs(self, *, folded: bool) -> int:
        parts = [self.lift, self.score, *self.groups]
        return sum(part.macs(folded=folded) for part in parts if isinstance(part, Rows))
