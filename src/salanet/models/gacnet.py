"""GACNet (Wang et al., CVPR 2019)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.network import Network
from salanet.models.pointnet2 import interpolate
from salanet.models.selection import farthest_points, nearest_neighbours
from salanet.operators.graph_attention import EDGE, Attention, GraphAttention
from salanet.operators.rows import Rows, repeated
from salanet.ops import neighbour_max, radius_search
from salanet.ops.aggregation.weighted import offsets
from salanet.pyramid import Level, Pyramid

RATIOS = (4, 4, 4, 2)
NEIGHBOURS = (12, 21, 21, 21, 12)
# Of each level: a perceptron on the points, whose outputs the attention convolves to the last.
DOWN = ((32, 32, 64, 64), (64, 64, 128, 128), (128, 128, 256, 256), (256, 256, 512, 512),
        (256, 256, 256))  # fmt: skip
UP = ((128, 128), (128, 128), (256, 256), (256, 256))
SHAPE = 6  # channels that tell the shape of a neighbourhood
FEWEST = 3  # points that have a shape


class GACNet(Network):
    """Graph attention convolutions on five levels of farthest points, and one on the logits.

    As the authors' settings for S3DIS: graphs of 12, 21, 21, 21 and 12 neighbours within 0.1 m,
    doubled each time (here: the configured radius), a quarter of the points three times, then a
    quarter and a half; 64, 128, 256, 512 and 256 channels, maxima between levels; back by
    interpolation from the three nearest and perceptrons of 256, 256, 128 and 128; 128, dropout 0.5;
    then the logits are convolved once more, with the differences of the input features beside those
    of the positions. 2.11 million parameters, as theirs but for biases that the norms undo.

    Otherwise than there: neighbours are the nearest in the ball, not random ones, and missing ones
    have no weight. The shape of a neighbourhood (see `shapes`), among the input features there and
    here, is that of the graph, not of the unsampled scan. Positions are in radii of their level.
    Weights of the interpolation are inverse squared distances, as in the paper; the code has a
    softmax of inverse distances, which depends on the unit.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        momentum = config.bn_momentum
        rows = partial(Rows, momentum=momentum, elu=True)
        self.points, self.down = nn.ModuleList(), nn.ModuleList()
        channels = SHAPE + config.in_channels
        for i, (*widths, outputs) in enumerate(DOWN):
            self.points.append(rows([channels, *widths]))
            radius = config.radius * 2**i
            self.down.append(
                GraphAttention(widths[-1], outputs, radius, bn_momentum=config.bn_momentum)
            )
            channels = outputs
        self.up = nn.ModuleList()
        for (*_, skip), widths_up in zip(reversed(DOWN[:-1]), reversed(UP), strict=True):
            self.up.append(rows([channels + skip, *widths_up]))
            channels = widths_up[-1]
        self.add_heads(partial(Head, channels, 3 + config.in_channels, momentum=momentum))

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        levels = pyramid.levels
        x: Tensor = torch.cat([features, shapes(levels[0])], dim=1)
        skips = []
        for level, points, attention in zip(levels, self.points, self.down, strict=True):
            x = attention(level.points, level.points, level.neighbours, points(x))
            skips.append(x)
            if level.pool is not None:
                x = neighbour_max(x, level.pool)
        x = skips.pop()
        for i, rows in zip(reversed(range(len(RATIOS))), self.up, strict=True):
            x = rows(torch.cat([interpolate(levels[i], levels[i + 1], x), skips.pop()], dim=1))
        return x

    def classify(self, head: nn.Module, x: Tensor, features: Tensor, pyramid: Pyramid) -> Tensor:
        logits: Tensor = head(x, features, pyramid.levels[0])
        return logits

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """Levels of farthest points; `pool` has their neighbours, `upsample` (N, 3) the nearest."""
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        levels: list[Level] = []
        for i, k in enumerate(NEIGHBOURS):
            radius = self.config.radius * 2**i
            near = radius_search(points, points, radius, k, splits, splits)
            level = Level(points, splits, radius, near)
            levels.append(level)
            if i < len(RATIOS):
                rows, splits = farthest_points(points, splits, RATIOS[i])
                points = points[rows]
                level.pool = near[rows]
                level.upsample = nearest_neighbours(level.points, points, 3, level.splits, splits)
        return Pyramid(levels)


class Head(nn.Module):
    """A perceptron to logits, and attention that refines them.

        l'_i = W [l_i, u_i],    u_i = Σ_j a_ij ∘ [e_ij, l_j]

    with the weights a_ij and edges e_ij of `Attention` on the differences of positions, in radii,
    and input features.
    """

    on_logits = ("attention.", "refine.")  # read by fine-tuning

    def __init__(self, channels: int, positions: int, classes: int, *, momentum: float) -> None:
        super().__init__()
        self.attention = Attention(positions, classes, momentum)
        self.refine = nn.Linear(2 * classes + EDGE[-1], classes)
        self.rows = Rows([channels, 128], momentum, elu=True)
        self.dropout = nn.Dropout(0.5)
        self.classify = nn.Linear(128, classes)

    def forward(self, x: Tensor, features: Tensor, level: Level) -> Tensor:
        logits = self.classify(self.dropout(self.rows(x)))
        if self.training:
            return self._refined(slice(None), logits, features, level)
        chunk = self.attention.chunk(level.neighbours.shape[1])
        parts = (slice(begin, begin + chunk) for begin in range(0, len(logits), chunk))
        return torch.cat([self._refined(part, logits, features, level) for part in parts])

    def _refined(self, part: slice, logits: Tensor, features: Tensor, level: Level) -> Tensor:
        rows, present = repeated(level.neighbours[part], len(level.points))
        apart = offsets(level.points[part], level.points, rows, level.radius).to(logits.dtype)
        other = features.index_select(0, rows.flatten()).unflatten(0, rows.shape)
        offset = torch.cat([apart, other - features[part, None]], dim=2)
        own = logits[part]
        u = self.attention(offset, rows, present, logits, own)
        refined: Tensor = self.refine(torch.cat([own, u], dim=1))
        return refined


@torch.no_grad()
def shapes(level: Level) -> Tensor:
    """How a point's neighbours spread: (N, 6).

    The eigenvalues of their covariance, largest first, divided by the root of the sum of their
    squares, and the absolute coordinates of the eigenvector of the least. Zeros where there are
    fewer than three points.
    """
    present = (level.neighbours < len(level.points))[..., None]
    count = present.sum(1).clamp_min(1)
    offset = offsets(level.points, level.points, level.neighbours, level.radius).double()
    offset = (offset - offset.sum(1, keepdim=True) / count[:, None]).where(present, 0)
    values, vectors = torch.linalg.eigh(offset.transpose(1, 2) @ offset)
    values = values.flip(1).clamp_min(0)
    values = values / values.norm(dim=1, keepdim=True).clamp_min(1e-12)
    known = present.sum(1) >= FEWEST
    return torch.cat([values, vectors[..., 0].abs()], dim=1).where(known, 0).to(level.points.dtype)
