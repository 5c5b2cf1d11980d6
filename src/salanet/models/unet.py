"""The U-Net all operators share (paper §3.4, Figures 4 and 6)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet import pyramid
from salanet.models.config import ModelConfig
from salanet.operators import PointNorm, create_operator
from salanet.ops import neighbour_max
from salanet.pyramid import Level, Pyramid

STAGES = 5
BOTTLENECK = 2


class Dense(nn.Module):
    """A 1x1 convolution: linear map, batch norm, ReLU. (N, in_channels) -> (N, out_channels)."""

    def __init__(
        self, in_channels: int, out_channels: int, *, relu: bool = True, momentum: float = 0.1
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm: PointNorm | None = PointNorm(out_channels, momentum=momentum)
        self.relu = relu

    def forward(self, features: Tensor) -> Tensor:
        out = self.linear(features)
        if self.norm is not None:
            out = self.norm(out)
        return torch.relu_(out) if self.relu else out

    @torch.no_grad()
    def fold(self) -> None:
        """Merge the batch norm into the linear map; for inference only."""
        if self.norm is None:
            return
        scale, shift = self.norm.scale_shift()
        self.linear.weight.mul_(scale[:, None])
        self.linear.bias = nn.Parameter(shift.clone())
        self.norm = None


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


class Head(nn.Sequential):
    """1x1 convolution and classifier. (N, channels) -> logits (N, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(Dense(channels, channels), nn.Linear(channels, classes))


class SalaNet(nn.Module):
    """Encoder, decoder and head: point features and their pyramid to logits.

    A scene model returns logits (N, classes). A model with `parts` has one head per category and
    returns a list of logits (N, parts of the category), in the order of `config.parts`.

    Attributes:
        config: the architecture.
        metadata: what a user needs to know to use the weights: class names, codes and colours,
            feature normalisation, training data and its licence, measured metrics.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__()
        self.config = config
        self.metadata: dict[str, object] = metadata or {}
        c = config.width
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.parts:
            self.head: nn.Module = nn.ModuleList(Head(c // 2, n) for n in config.parts.values())
        else:
            self.head = Head(c // 2, len(config.classes))

    def forward(self, features: Tensor, pyramid: Pyramid) -> Tensor | list[Tensor]:
        """Logits of the finest level.

        Args:
            features: float32 (N, in_channels) of the pyramid's finest points.
            pyramid: from `pyramid.build` or `self.pyramid`.
        """
        x = self.decoder(self.encoder(features, pyramid), pyramid)
        if isinstance(self.head, nn.ModuleList):
            return [head(x) for head in self.head]
        return self.head(x)

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """The pyramid this network expects: points float32 (N, 3), one per cell of `grid`."""
        config = self.config
        return pyramid.build(
            points,
            splits,
            grid=config.grid,
            radius=config.radius,
            neighbours=config.neighbours,
        )

    def fold(self) -> SalaNet:
        """Merge batch norms into the linear maps, in place, and switch to inference."""
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, Dense):
                module.fold()
        return self
