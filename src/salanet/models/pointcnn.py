"""PointCNN (Li et al., NeurIPS 2018)."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.network import Network, centred
from salanet.models.selection import farthest_points, nearest_neighbours
from salanet.operators.xconv import XConv, elu_norm
from salanet.pyramid import Level, Pyramid

# 2048 points, 768, 384, 128.
RATIOS = (8 / 3, 2, 3)
WIDTHS = (256, 512, 768, 1024)
WHOLE = 256  # channels that tell a coarsest point where in the cloud it lies


class Convolution(NamedTuple):
    """An X-Conv from the points of one level to those of another.

    Attributes:
        source, target: levels, finest first.
        points, dilation: of the X-Conv's neighbours.
        lifted: channels of a neighbour's place.
        multiplier: depthwise outputs per channel.
    """

    source: int
    target: int
    points: int
    dilation: int
    lifted: int
    multiplier: int


DOWN = (
    Convolution(0, 0, 8, 1, 64, 4),
    Convolution(0, 1, 12, 2, 64, 2),
    Convolution(1, 2, 16, 2, 128, 2),
    Convolution(2, 3, 16, 4, 192, 2),
)
UP = (
    Convolution(3, 3, 16, 4, 256, 1),
    Convolution(3, 2, 16, 2, 192, 1),
    Convolution(2, 1, 12, 2, 192, 1),
    Convolution(1, 0, 8, 2, 128, 1),
)


class PointCNN(Network):
    """X-Convs onto farthest points and back, each over K of its K · D nearest neighbours.

    As the authors' settings for S3DIS (s3dis_x8_2048_fps): 256, 512, 768 and 1024 channels, 256
    more at the coarsest level for its points' places in the cloud, four X-Convs back, each fused
    with what the encoder had there, then 256, 256, dropout 0.5: as many parameters, 11.51 million.

    Otherwise than there: positions are in radii of the source's level, not metres, and relative to
    the cloud's mean where not to a neighbour. 3/8 of the points, then 1/2, then 1/3, take the place
    of 768, 384 and 128 of 2048. The second X-Conv back names 384 points as its source, but hands
    over the 128 features of the coarser level (issue 160 there); here the points are the coarser
    ones, too. Clouds of fewer points repeat the nearest neighbour.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        dense = partial(elu_norm, momentum=config.bn_momentum)
        self.input = dense(config.in_channels, WIDTHS[0] // 2)
        inputs = [WIDTHS[0] // 2, *WIDTHS[:-1]]
        self.down = nn.ModuleList(self._layer(*both) for both in zip(DOWN, inputs, strict=True))
        self.whole = nn.Sequential(dense(3, WHOLE), dense(WHOLE, WHOLE))
        skips = [*WIDTHS[:-1], WIDTHS[-1] + WHOLE]
        inputs = [skips[-1], *(WIDTHS[layer.target] for layer in UP[:-1])]
        self.up = nn.ModuleList(self._layer(*both) for both in zip(UP, inputs, strict=True))
        self.fuse = nn.ModuleList(
            dense(WIDTHS[layer.target] + skips[layer.target], WIDTHS[layer.target]) for layer in UP
        )
        c = WIDTHS[0]
        self.add_heads(
            lambda classes: nn.Sequential(
                dense(c, c), dense(c, c), nn.Dropout(0.5), nn.Linear(c, classes)
            )
        )

    def _layer(self, layer: Convolution, in_channels: int) -> XConv:
        return XConv(
            in_channels,
            WIDTHS[layer.target],
            self.config.radius * 2**layer.source,
            points=layer.points,
            dilation=1,  # the pyramid's lists are dilated
            lifted=layer.lifted,
            multiplier=layer.multiplier,
            bn_momentum=self.config.bn_momentum,
        )

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        levels = pyramid.levels
        x: Tensor = self.input(features)
        skips = []
        for layer, convolution in zip(DOWN, self.down, strict=True):
            x = convolve(convolution, layer, levels, x)
            skips.append(x)
        places = self._places(levels) / (self.config.radius * 2 ** (len(levels) - 1))
        x = torch.cat([self.whole(places), x], dim=1)
        skips[-1] = x
        for layer, convolution, fuse in zip(UP, self.up, self.fuse, strict=True):
            x = convolve(convolution, layer, levels, x)
            x = fuse(torch.cat([x, skips[layer.target]], dim=1))
        return x

    def _places(self, levels: list[Level]) -> Tensor:
        """The coarsest points (N, 3) relative to the mean of the whole, finest cloud."""
        shift = centred(levels[0].points, levels[0].splits) - levels[0].points
        for level in levels[:-1]:
            assert level.pool is not None
            shift = shift.index_select(0, level.pool[:, 0])
        return levels[-1].points + shift

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """Levels of farthest points; all lists are those of the X-Convs between them.

        `neighbours` and `pool` are for `DOWN`, but at the coarsest level for `UP`, and `upsample`
        (N, K) is for `UP`. A point of the next level is the first of its `pool`.
        """
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        nobody = torch.empty(len(points), 0, dtype=torch.int32, device=points.device)
        levels = [Level(points, splits, self.config.radius, nobody)]
        for ratio in RATIOS:
            fine = levels[-1]
            rows, splits = farthest_points(fine.points, fine.splits, ratio)
            coarse = fine.points[rows]
            levels.append(Level(coarse, splits, 2 * fine.radius, nobody[: len(coarse)]))
        for layer in (*DOWN, *UP):
            source, target = levels[layer.source], levels[layer.target]
            found = dilated(target, source, layer)
            if layer.target == layer.source:
                source.neighbours = found
            elif layer.target > layer.source:
                source.pool = found
            else:
                target.upsample = found
        return Pyramid(levels)


def dilated(target: Level, source: Level, layer: Convolution) -> Tensor:
    """Every D-th of the K · D source points nearest to each target point: int32 (M, K)."""
    k = layer.points * layer.dilation
    near = nearest_neighbours(target.points, source.points, k, target.splits, source.splits)
    return near[:, :: layer.dilation].contiguous()


def convolve(convolution: nn.Module, layer: Convolution, levels: list[Level], x: Tensor) -> Tensor:
    """Features of the source level to those of the target's points."""
    source, target = levels[layer.source], levels[layer.target]
    if layer.target == layer.source:
        neighbours: Tensor | None = source.neighbours
    else:
        neighbours = source.pool if layer.target > layer.source else target.upsample
    out: Tensor = convolution(target.points, source.points, neighbours, x)
    return out
