"""RandLA-Net (Hu et al., CVPR 2020)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.models.network import Network, centred
from salanet.models.selection import nearest_neighbours, random_points
from salanet.ops import neighbour_max
from salanet.pyramid import Level, Pyramid

WIDTHS = (16, 64, 128, 256, 512)
RATIOS = (4, 4, 4, 4, 2)
K = 16
SLOPE = 0.2


class RandLANet(Network):
    """Random sampling, and attention over the 16 nearest neighbours to make up for it.

    As published for S3DIS: five blocks of 16, 64, 128, 256 and 512 channels (each twice as wide
    outside), sampling a quarter four times and a half at last, then 64, 32, dropout 0.5.
    Coordinates are relative to the cloud's mean and stand before the input features.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        dense = partial(Dense, slope=SLOPE, momentum=config.bn_momentum)
        self.input = dense(3 + config.in_channels, 8)
        outputs = [2 * width for width in WIDTHS]
        self.down = nn.ModuleList(
            Block(inputs, width, config.bn_momentum)
            for inputs, width in zip([8, *outputs[:-1]], WIDTHS, strict=True)
        )
        self.middle = dense(outputs[-1], outputs[-1])
        skips = [*reversed(outputs[:-1]), outputs[0]]
        self.up = nn.ModuleList(
            dense(below + skip, skip)
            for below, skip in zip([outputs[-1], *skips[:-1]], skips, strict=True)
        )
        self.add_heads(
            lambda classes: nn.Sequential(
                dense(outputs[0], 64), dense(64, 32), nn.Dropout(0.5), nn.Linear(32, classes)
            )
        )

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        levels = pyramid.levels
        points = centred(levels[0].points, levels[0].splits)
        # Every level's points are among the finest ones, so they share their origin.
        shift = points - levels[0].points
        x: Tensor = self.input(torch.cat([points, features], dim=1))
        skips = []
        for i, block in enumerate(self.down):
            level, coarse = levels[i], levels[i + 1]
            assert level.pool is not None
            x = block(level.points + shift, level.neighbours, x)
            if i == 0:
                skips.append(x)
            x = neighbour_max(x, level.pool)
            shift = shift.index_select(0, level.pool[:, 0])
            skips.append(x)
            assert len(x) == len(coarse.points)
        x = self.middle(skips.pop())
        for dense, level in zip(self.up, reversed(levels[:-1]), strict=True):
            assert level.upsample is not None
            x = dense(torch.cat([skips.pop(), x.index_select(0, level.upsample)], dim=1))
        return x

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """Levels of random points with their 16 nearest neighbours, however far."""
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        levels: list[Level] = []
        for ratio in (*RATIOS, 0):
            if not ratio:
                nobody = torch.empty(len(points), 0, dtype=torch.int32, device=points.device)
                levels.append(Level(points, splits, self.config.radius, nobody))
                break
            near = nearest_neighbours(points, points, K, splits, splits)
            # Clouds of fewer points repeat the first neighbour, the point itself.
            near = near.where(near < len(points), near[:, :1])
            rows, coarse_splits = random_points(splits, ratio)
            coarse = points[rows]
            upsample = nearest_neighbours(points, coarse, 1, splits, coarse_splits)[:, 0]
            level = Level(points, splits, self.config.radius, near, near[rows], upsample)
            levels.append(level)
            points, splits = coarse, coarse_splits
        return Pyramid(levels)


class Block(nn.Module):
    """Dilated residual block: two rounds of local encoding and attentive pooling, a shortcut."""

    def __init__(self, in_channels: int, width: int, momentum: float) -> None:
        super().__init__()
        dense = partial(Dense, slope=SLOPE, momentum=momentum)
        half = width // 2
        self.reduce = dense(in_channels, half)
        self.position1 = dense(10, half)
        self.pool1 = AttentivePooling(2 * half, half, momentum)
        self.position2 = dense(half, half)
        self.pool2 = AttentivePooling(2 * half, width, momentum)
        self.expand = dense(width, 2 * width, relu=False)
        self.shortcut = dense(in_channels, 2 * width, relu=False)

    def forward(self, points: Tensor, neighbours: Tensor, features: Tensor) -> Tensor:
        x = self.reduce(features)
        position = self.position1(self.places(points, neighbours))
        x = self.pool1(x, position, neighbours)
        x = self.pool2(x, self.position2(position), neighbours)
        return nn.functional.leaky_relu_(self.expand(x).add_(self.shortcut(features)), SLOPE)

    def places(self, points: Tensor, neighbours: Tensor) -> Tensor:
        """[|p_i - p_j|, p_i - p_j, p_i, p_j] of every neighbour, (N · K, 10)."""
        other = points.index_select(0, neighbours.flatten())
        own = points.repeat_interleave(neighbours.shape[1], dim=0)
        apart = own - other
        return torch.cat([apart.norm(dim=1, keepdim=True), apart, own, other], dim=1)


class AttentivePooling(nn.Module):
    """Sum of [f_j, position_j] over neighbours, weighted per channel by a softmax of its scores."""

    def __init__(self, channels: int, out_channels: int, momentum: float) -> None:
        super().__init__()
        self.score = nn.Linear(channels, channels, bias=False)
        self.dense = Dense(channels, out_channels, slope=SLOPE, momentum=momentum)

    def forward(self, features: Tensor, position: Tensor, neighbours: Tensor) -> Tensor:
        rows = torch.cat([features.index_select(0, neighbours.flatten()), position], dim=1)
        shape = (*neighbours.shape, rows.shape[1])
        weight = self.score(rows).view(shape).softmax(dim=1)
        out: Tensor = self.dense((rows.view(shape) * weight).sum(dim=1))
        return out
