"""KPFCNN, the network KPConv was published with (Thomas et al., ICCV 2019)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.models.network import Network
from salanet.operators import Operator, create_operator
from salanet.ops import neighbour_max
from salanet.pyramid import Level, Pyramid

STAGES = 5
SLOPE = 0.1
# Kernels deform from this stage on, counted from 0.
DEFORMABLE_FROM = 2


class Block(nn.Module):
    """Bottleneck: 1x1 conv to a quarter, kernel point convolution, 1x1 conv, and a shortcut."""

    def __init__(
        self, config: ModelConfig, in_channels: int, out_channels: int, stage: int, strided: bool
    ) -> None:
        super().__init__()
        dense = partial(Dense, slope=SLOPE, momentum=config.bn_momentum)
        inner = out_channels // 4
        self.strided = strided
        self.reduce = dense(in_channels, inner)
        self.aggregate = convolution(config, inner, inner, stage)
        self.expand = dense(inner, out_channels, relu=False)
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else dense(in_channels, out_channels, relu=False)
        )

    def forward(self, features: Tensor, level: Level, coarser: Level | None) -> Tensor:
        queries, neighbours, shortcut = level.points, level.neighbours, features
        if self.strided:
            assert coarser is not None and level.pool is not None
            queries, neighbours = coarser.points, level.pool
            shortcut = neighbour_max(features, neighbours)
        out = self.aggregate(queries, level.points, neighbours, self.reduce(features))
        return nn.functional.leaky_relu_(self.expand(out).add_(self.shortcut(shortcut)), SLOPE)


def convolution(config: ModelConfig, in_channels: int, out_channels: int, stage: int) -> Operator:
    """A rigid kernel at the finer stages, the configured one at the coarser."""
    deep = stage >= DEFORMABLE_FROM
    return create_operator(
        config.operator if deep else "kpconv",
        in_channels,
        out_channels,
        config.radius * 2**stage,
        slope=SLOPE,
        bn_momentum=config.bn_momentum,
        **(config.operator_options if deep or config.operator == "kpconv" else {}),
    )


class KPFCNN(Network):
    """Kernel point fully convolutional network, as published for scenes.

    Five stages of 128 to 2048 channels with full 15-point kernels: 14.1 million parameters, 14.9
    with deformable kernels in the last three stages. Its pyramid is that of SalaNet.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        c = config.width
        self.first = convolution(config, config.in_channels, c // 2, 0)
        self.residual = nn.ModuleList([Block(config, c // 2, c, 0, strided=False)])
        self.strided = nn.ModuleList()
        for stage in range(1, STAGES):
            fine, coarse = c << (stage - 1), c << stage
            self.strided.append(Block(config, fine, fine, stage - 1, strided=True))
            self.residual.append(Block(config, fine, coarse, stage, strided=False))
        widths = [16 * c, 4 * c, 2 * c, c, c // 2]
        skips = [8 * c, 4 * c, 2 * c, c]
        dense = partial(Dense, slope=SLOPE, momentum=config.bn_momentum)
        self.up = nn.ModuleList(
            dense(widths[i] + skips[i], widths[i + 1]) for i in range(STAGES - 1)
        )
        self.add_heads(
            lambda classes: nn.Sequential(dense(c // 2, c // 2), nn.Linear(c // 2, classes))
        )

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        levels = pyramid.levels
        finest = levels[0]
        x: Tensor = self.first(finest.points, finest.points, finest.neighbours, features)
        skips = [self.residual[0](x, finest, None)]
        for stage in range(1, STAGES):
            x = self.strided[stage - 1](skips[-1], levels[stage - 1], levels[stage])
            skips.append(self.residual[stage](x, levels[stage], None))
        x = skips.pop()
        for dense, level in zip(self.up, reversed(levels[:-1]), strict=True):
            assert level.upsample is not None
            x = dense(torch.cat([x.index_select(0, level.upsample), skips.pop()], dim=1))
        return x
