"""ResGCN-28 (Li et al., "DeepGCNs: Can GCNs Go as Deep as CNNs?", ICCV 2019)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from salanet.model_config import ModelConfig
from salanet.models.feature_graph import dilated_neighbours
from salanet.models.layers import Dense
from salanet.models.network import Network, centred
from salanet.models.pointnet import cloud_max, per_point
from salanet.models.selection import nearest_neighbours
from salanet.operators.norm import PointNorm, summed
from salanet.ops import neighbour_max
from salanet.ops.aggregation.weighted import neighbour_sum
from salanet.pyramid import Level, Pyramid

LAYERS = 28
WIDTH = 64
K = 16
# In training, a layer takes K of its K·d nearest at random so often, instead of every d-th.
STOCHASTIC = 0.2


class ResGCN28(Network):
    """28 residual edge convolutions, each on a graph of its own among the features before it.

        x_0 = EdgeConv(input),    x_l = x_{l-1} + EdgeConv(x_{l-1}),    64 channels

    Layer l connects a point to every d-th of its 16·d nearest by features, d = 1, 1, 2, …, 27;
    the first layer goes by coordinates. All 28 results together, 1,792 channels, become 1,024 and
    their maximum over the cloud, which stands before them; 512, 256, dropout 0.3, classes.

    Source: the paper (§3, appendix) and the authors' TensorFlow code lightaime/deep_gcns, its run
    ResGCN-28 for S3DIS (k 16, 64 filters, stochastic dilation 0.2, blocks of 4,096 points). It has
    3,644,301 parameters for 9 input channels and 13 classes with the biases before its batch
    norms; here 3,640,717 without these, 0.1 % less.

    Deviations: coordinates relative to the cloud's mean stand before the input features, in place
    of those in the block and in the room, and make the first graph. Clouds of n < 16·d points
    take every (n // 16)-th, at least one. Parts share the prediction layers but the last.

    The graphs cost n² time and, in slices, bounded memory: `pass_points` cuts large clouds into
    pieces, which see little beyond their core, as the authors' blocks see nothing. A permutation
    of the points permutes the result and a translation does not change it, up to rounding; but
    rounding decides between neighbours whose features nearly tie, and 27 graphs on top of each
    other make that visible in float32.
    """

    pass_points = 16_384
    buffer_radii = 5

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        dense = partial(Dense, momentum=config.bn_momentum)
        inputs = [3 + config.in_channels] + (LAYERS - 1) * [WIDTH]
        self.layers = nn.ModuleList(EdgeConv(c, WIDTH, config.bn_momentum) for c in inputs)
        self.fusion = dense(LAYERS * WIDTH, 1024)
        self.prediction = nn.Sequential(
            dense(1024 + LAYERS * WIDTH, 512), dense(512, 256), nn.Dropout(0.3)
        )
        self.add_heads(lambda classes: nn.Linear(256, classes))

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        level = pyramid.levels[0]
        points = centred(level.points, level.splits)
        first, *others = self.layers
        results = [first(torch.cat([points, features], dim=1), level.neighbours)]
        for i, layer in enumerate(others):
            graph = self.graph(results[-1], level.splits, dilation=i + 1)
            results.append(results[-1] + layer(results[-1], graph))
        together = torch.cat(results, dim=1)
        whole = cloud_max(self.fusion(together), level.splits)
        out: Tensor = self.prediction(torch.cat([per_point(whole, level.splits), together], dim=1))
        return out

    def graph(self, features: Tensor, splits: Tensor, dilation: int) -> Tensor:
        """The dilated neighbours of each point: int32 (N, 16)."""
        random = self.training and float(torch.rand(())) < STOCHASTIC
        return dilated_neighbours(features.detach(), splits, K, dilation, random=random)

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """One level with its 16 nearest neighbours, however far."""
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        near = nearest_neighbours(points, points, K, splits, splits)
        return Pyramid([Level(points, splits, self.config.radius, near)])


class EdgeConv(nn.Module):
    """A dense block on pairs, then the maximum over neighbours (Wang et al., DGCNN, 2019).

        z_ij = W [x_i, x_j - x_i] = a_i + b_j,    f'_i = max_j ReLU(BN(z_ij))

    a and b have one row per point, so no pair is ever stored; the statistics of the batch norm,
    over all pairs, follow from a, b and the sums of b over neighbours.

    Shapes: features (N, in_channels), neighbours int32 (N, K), missing entries N
    -> (N, out_channels).
    """

    def __init__(self, in_channels: int, out_channels: int, momentum: float) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * in_channels, out_channels, bias=False)
        self.norm = PointNorm(out_channels, momentum=momentum)

    def forward(self, features: Tensor, neighbours: Tensor) -> Tensor:
        own_w, change_w = self.linear.weight.chunk(2, dim=1)
        a, b = linear(features, own_w - change_w), linear(features, change_w)
        scale, shift = self._batch(a, b, neighbours) if self.training else self.norm.scale_shift()
        return torch.relu(neighbour_max(b * scale, neighbours) + torch.addcmul(shift, a, scale))

    def _batch(self, a: Tensor, b: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
        """Batch norm of a_i + b_j over all pairs of all processes, as a scale and a shift (C,)."""
        degree = (neighbours < len(b)).sum(1).to(b.dtype)
        used = torch.bincount(neighbours.flatten(), minlength=len(b) + 1)[:-1].to(b.dtype)
        pairs, *sums = summed(torch.cat([degree.sum()[None], degree @ a, used @ b])).split(
            [1, a.shape[1], a.shape[1]]
        )
        pairs = pairs.detach()
        mean_a, mean_b = (total / pairs for total in sums)
        a, b = a - mean_a, b - mean_b
        square = degree @ a.square() + used @ b.square()
        square = square + 2 * (a * neighbour_sum(b, neighbours)).sum(0)
        var = summed(square / pairs).clamp_min(0)
        return self.norm.batch_scale_shift(mean_a + mean_b, var, pairs)

    def macs_of(self, features: Tensor, neighbours: Tensor) -> tuple[int, int]:
        """Multiply-accumulates: (of every pair, as executed); see `salanet.models.profile`."""
        outputs, inputs = self.linear.weight.shape
        return neighbours.numel() * (inputs + 2) * outputs, len(features) * (inputs + 2) * outputs
