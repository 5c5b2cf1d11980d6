"""The U-Net all operators share (paper §3.4, Figures 4 and 6)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.layers import Dense, Head
from salanet.models.network import Network
from salanet.operators import create_operator
from salanet.ops import neighbour_max
from salanet.pyramid import Level, Pyramid

STAGES = 5
BOTTLENECK = 2


class Residual(nn.Module):
    """1x1 conv -> aggregation -> 1x1 conv, plus a shortcut; strided when queries are coarser.

    A strided block aggregates onto the next level's points; its shortcut is the maximum over the
    same neighbourhood.
    """

    def __init__(
        self, config: ModelConfig, in_channels: int, out_channels: int, radius: float, strided: bool
    ) -> None:
        super().__init__()
        dense = partial(Dense, momentum=config.bn_momentum)
        inner = out_channels // BOTTLENECK
        self.strided = strided
        self.reduce = dense(in_channels, inner)
        self.aggregate = aggregation(config, inner, radius)
        self.expand = dense(inner, out_channels, relu=False)
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels
            else dense(in_channels, out_channels, relu=False)
        )

    def forward(self, features: Tensor, level: Level, coarser: Level | None) -> Tensor:
        if self.strided:
            assert coarser is not None and level.pool is not None
            queries, neighbours = coarser.points, level.pool
            shortcut = neighbour_max(features, neighbours)
        else:
            queries, neighbours = level.points, level.neighbours
            shortcut = features
        out = self.aggregate(queries, level.points, neighbours, self.reduce(features))
        return torch.relu_(self.expand(out).add_(self.shortcut(shortcut)))


def aggregation(config: ModelConfig, channels: int, radius: float) -> nn.Module:
    return create_operator(
        config.operator,
        channels,
        channels,
        radius,
        width=config.width,
        bn_momentum=config.bn_momentum,
        **config.operator_options,
    )


class Encoder(nn.Module):
    """Five stages of two blocks; returns the features of every level, finest first."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, r = config.width, config.radius
        self.input = Dense(config.in_channels, c // 2, momentum=config.bn_momentum)
        self.first = aggregation(config, c // 2, r)
        self.residual = nn.ModuleList([Residual(config, c // 2, c, r, strided=False)])
        self.strided = nn.ModuleList()
        for stage in range(1, STAGES):
            fine, coarse = c << (stage - 1), c << stage
            self.strided.append(Residual(config, fine, coarse, r * 2 ** (stage - 1), strided=True))
            self.residual.append(Residual(config, coarse, coarse, r * 2**stage, strided=False))

    def forward(self, features: Tensor, pyramid: Pyramid) -> list[Tensor]:
        levels = pyramid.levels
        finest = levels[0]
        x = self.input(features)
        x = self.first(finest.points, finest.points, finest.neighbours, x)
        skips = [self.residual[0](x, finest, None)]
        for stage in range(1, STAGES):
            x = self.strided[stage - 1](skips[-1], levels[stage - 1], levels[stage])
            skips.append(self.residual[stage](x, levels[stage], None))
        return skips


class Decoder(nn.Module):
    """Nearest upsampling, the encoder's features beside it, a 1x1 convolution, four times."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.width
        widths_in = [24 * c, 8 * c, 4 * c, 2 * c]
        widths_out = [4 * c, 2 * c, c, c // 2]
        self.up = nn.ModuleList(Dense(i, o) for i, o in zip(widths_in, widths_out, strict=True))

    def forward(self, skips: list[Tensor], pyramid: Pyramid) -> Tensor:
        x = skips[-1]
        for step, dense in enumerate(self.up):
            level = STAGES - 2 - step
            upsample = pyramid.levels[level].upsample
            assert upsample is not None
            x = dense(torch.cat([x.index_select(0, upsample), skips[level]], dim=1))
        return x


class SalaNet(Network):
    """Encoder, decoder and head around one operator; see `Network`."""

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.add_heads(partial(Head, config.width // 2))

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        out: Tensor = self.decoder(self.encoder(features, pyramid), pyramid)
        return out
