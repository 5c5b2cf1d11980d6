"""PointNet++ for scenes, single-scale grouping (Qi et al., NeurIPS 2017)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.models.network import Network
from salanet.models.selection import farthest_points, nearest_neighbours
from salanet.ops import radius_search
from salanet.pyramid import Level, Pyramid

# 8192 points -> 1024 -> 256 -> 64 -> 16.
RATIOS = (8, 4, 4, 4)
GROUP = 32
ABSTRACTION = ((32, 32, 64), (64, 64, 128), (128, 128, 256), (256, 256, 512))
PROPAGATION = ((256, 256), (256, 256), (256, 128), (128, 128, 128))


class PointNet2(Network):
    """Farthest points, shared perceptrons in balls around them, interpolation back.

    As published for scenes (appendix B.1, SSG): four abstractions of 32 neighbours within 0.1, 0.2,
    0.4 and 0.8 m (here: the configured radius, doubled each time), four propagations by inverse
    squared distance from the three nearest, 128 channels and dropout 0.5 before the classifier.
    An eighth of the points, then each time a quarter, take the place of 1024, 256, 64 and 16.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        momentum = config.bn_momentum
        widths = [config.in_channels, *(widths[-1] for widths in ABSTRACTION)]
        self.down = nn.ModuleList(
            perceptron(3 + c, widths, momentum)
            for c, widths in zip(widths[:-1], ABSTRACTION, strict=True)
        )
        self.up = nn.ModuleList()
        channels = widths.pop()
        for outputs in PROPAGATION:
            self.up.append(perceptron(channels + widths.pop(), outputs, momentum))
            channels = outputs[-1]
        dense = partial(Dense, momentum=momentum)
        self.add_heads(
            lambda classes: nn.Sequential(
                dense(channels, 128), nn.Dropout(0.5), nn.Linear(128, classes)
            )
        )

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        levels = pyramid.levels
        skips = [features]
        for layers, fine, coarse in zip(self.down, levels[:-1], levels[1:], strict=True):
            skips.append(abstract(layers, fine, coarse, skips[-1]))
        x = skips.pop()
        for layers, i in zip(self.up, reversed(range(len(levels) - 1)), strict=True):
            spread = interpolate(levels[i], levels[i + 1], x)
            x = layers(torch.cat([spread, skips.pop()], dim=1))
        return x

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        """Levels of farthest points; `pool` is a ball query, `upsample` (N, 3) three neighbours."""
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        nobody = torch.empty(len(points), 0, dtype=torch.int32, device=points.device)
        levels = [Level(points, splits, self.config.radius, nobody)]
        for ratio in RATIOS:
            fine = levels[-1]
            rows, splits = farthest_points(fine.points, fine.splits, ratio)
            coarse = fine.points[rows]
            fine.pool = radius_search(coarse, fine.points, fine.radius, GROUP, splits, fine.splits)
            fine.upsample = nearest_neighbours(fine.points, coarse, 3, fine.splits, splits)
            levels.append(Level(coarse, splits, 2 * fine.radius, nobody[: len(coarse)]))
        return Pyramid(levels)


def perceptron(channels: int, widths: tuple[int, ...], momentum: float) -> nn.Sequential:
    """Dense layers of the given widths."""
    inputs = (channels, *widths[:-1])
    return nn.Sequential(
        *(Dense(i, o, momentum=momentum) for i, o in zip(inputs, widths, strict=True))
    )


def abstract(layers: nn.Module, fine: Level, coarse: Level, features: Tensor) -> Tensor:
    """Perceptron on [p_j - p_i, f_j] of every neighbour, then the maximum: (N, C) -> (M, C')."""
    assert fine.pool is not None
    # Missing neighbours repeat the nearest, as in the original; it is the centre itself.
    rows = fine.pool.where(fine.pool < len(fine.points), fine.pool[:, :1]).flatten()
    offset = fine.points.index_select(0, rows).view(len(coarse.points), -1, 3)
    offset = (offset - coarse.points[:, None]).flatten(0, 1)
    out = layers(torch.cat([offset, features.index_select(0, rows)], dim=1))
    best: Tensor = out.view(len(coarse.points), -1, out.shape[1]).amax(1)
    return best


def interpolate(fine: Level, coarse: Level, features: Tensor) -> Tensor:
    """Mean of the three nearest rows, weighted by inverse squared distance: (M, C) -> (N, C)."""
    assert fine.upsample is not None
    present = fine.upsample < len(coarse.points)
    rows = fine.upsample.clamp(max=len(coarse.points) - 1)
    total = features.new_zeros(len(rows), features.shape[1])
    weights = []
    for k in range(rows.shape[1]):
        apart = fine.points - coarse.points.index_select(0, rows[:, k])
        weights.append(present[:, k] / apart.square().sum(1).clamp_min(1e-10))
    weight = torch.stack(weights, dim=1)
    weight = weight / weight.sum(1, keepdim=True)
    for k in range(rows.shape[1]):
        total = total + weight[:, k : k + 1] * features.index_select(0, rows[:, k])
    return total
