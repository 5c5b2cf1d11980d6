"""Graph attention convolution: neighbours weighed, channel by channel (Wang et al., CVPR 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators.base import Operator
from salanet.operators.rows import CHUNK_VALUES, Rows, repeated
from salanet.ops.aggregation.weighted import offsets

EDGE = (32, 16)
DIFFERENCE = (16, 16)
MERGED = 64


class Attention(nn.Module):
    """Mean over neighbours whose weights follow from position and feature differences.

        e_ij = MLP(x_j - x_i)                                    P -> 32 -> 16
        a_ij = softmax_j(A · MLP([e_ij, MLP(f_j - f_i)]))        C -> 16 -> 16;  32 -> 64 -> 16 + C
        u_i  = Σ_j a_ij ∘ [e_ij, f_j]

    with batch norm and ELU after every linear map but A. Missing neighbours have no weight; in
    the batch norms' statistics they repeat the nearest, as in the original everywhere.

    Args:
        positions: P, dimensions of the positions x.
        channels: C, of the features.
        momentum: of the batch norms.
    """

    def __init__(self, positions: int, channels: int, momentum: float) -> None:
        super().__init__()
        self.edge = Rows([positions, *EDGE], momentum, elu=True)
        self.difference = Rows([channels, *DIFFERENCE], momentum, elu=True)
        self.merge = Rows([EDGE[-1] + DIFFERENCE[-1], MERGED], momentum, elu=True)
        # The original's has a bias: the same for all neighbours, it leaves their softmax alone.
        self.score = nn.Linear(MERGED, EDGE[-1] + channels, bias=False)

    def forward(
        self, offset: Tensor, rows: Tensor, present: Tensor, features: Tensor, own: Tensor
    ) -> Tensor:
        """The u_i.

        Args:
            offset: float (M, K, P), x_j - x_i.
            rows: integers (M, K), each the row of a neighbour.
            present: bool (M, K), whether it counts.
            features: float (N, C).
            own: float (M, C), the f_i.

        Returns:
            (M, 16 + C).
        """
        near = features.index_select(0, rows.flatten())
        edge = self.edge(offset.flatten(0, 1))
        apart = near.unflatten(0, rows.shape) - own[:, None]
        hidden = self.merge(torch.cat([edge, self.difference(apart.flatten(0, 1))], dim=1))
        score = self.score(hidden).unflatten(0, rows.shape)
        nothing = torch.finfo(score.dtype).min
        weight = score.masked_fill(~present[..., None], nothing).softmax(dim=1)
        out: Tensor = (weight * torch.cat([edge, near], dim=1).unflatten(0, rows.shape)).sum(dim=1)
        return out

    def chunk(self, k: int) -> int:
        """Queries whose tensors may be held at once, each with so many neighbours."""
        return max(1, CHUNK_VALUES // (k * (self.score.out_features + MERGED)))

    def macs(self, *, folded: bool) -> int:
        """Multiply-accumulates per neighbour, the weighted sum included."""
        perceptrons = [self.edge, self.difference, self.merge]
        total = sum(perceptron.macs(folded=folded) for perceptron in perceptrons)
        return total + self.score.weight.numel() + self.score.out_features


class GraphAttention(Operator):
    """What a point is, beside what its neighbours are where they matter to it.

        f'_i = ELU(BN(W [f_i, u_i])),    u_i = Σ_j a_ij ∘ [e_ij, f_j]

    with the weights a_ij and edges e_ij of `Attention` on Δ_ij = (p_j - p_i) / radius; f_i is the
    feature of the nearest support. In the general form: 16 + C groups of one channel each, h = a, a
    sum. Neither the order of the neighbours nor a shift of the cloud changes anything. Source: Wang
    et al., "Graph Attention Convolution for Point Cloud Semantic Segmentation", §3, and the
    authors' code, which has the widths and sums e_ij, too.

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
        self.attention = Attention(3, in_channels, bn_momentum)
        self.update = Rows([2 * in_channels + EDGE[-1], out_channels], bn_momentum, elu=True)

    def forward(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        if self.training or torch.compiler.is_compiling():
            return self._attend(queries, supports, neighbours, features)
        chunk = self.attention.chunk(neighbours.shape[1])
        parts = zip(queries.split(chunk), neighbours.split(chunk), strict=True)
        return torch.cat([self._attend(q, supports, n, features) for q, n in parts])

    def _attend(
        self, queries: Tensor, supports: Tensor, neighbours: Tensor, features: Tensor
    ) -> Tensor:
        rows, present = repeated(neighbours, len(supports))
        offset = offsets(queries, supports, rows, self.radius).to(features.dtype)
        offset = offset * present[:, :1, None]
        own = features.index_select(0, rows[:, 0])
        out = self.update(
            torch.cat([own, self.attention(offset, rows, present, features, own)], dim=1)
        )
        attended: Tensor = out * present[:, :1]
        return attended

    def macs_per_neighbour(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * (k * self.attention.macs(folded=False) + self.update.macs(folded=False))

    def macs_executed(self, queries: int, supports: int, k: int) -> int:
        del supports
        return queries * (k * self.attention.macs(folded=True) + self.update.macs(folded=True))
