"""PointNet for segmentation (Qi et al., CVPR 2017)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from salanet.model_config import ModelConfig
from salanet.models.layers import Dense
from salanet.models.network import Network, centred
from salanet.pyramid import Level, Pyramid

# Weight of the term that keeps the feature transform near a rotation.
ORTHOGONALITY = 0.001


class PointNet(Network):
    """Shared perceptrons, one maximum over the whole cloud, and two learned transforms.

    As published (§4, Fig. 2; appendix C): transforms of the coordinates and of the 64 features,
    64-64 | 64-128-1024, the maximum beside each point's own 64, then 512-256-128. Coordinates are
    relative to the cloud's mean and stand before the input features.
    """

    def __init__(self, config: ModelConfig, metadata: dict[str, object] | None = None) -> None:
        super().__init__(config, metadata)
        dense = partial(Dense, momentum=config.bn_momentum)
        self.input_transform = Transform(3, config.bn_momentum)
        self.local = nn.Sequential(dense(3 + config.in_channels, 64), dense(64, 64))
        self.feature_transform = Transform(64, config.bn_momentum)
        self.whole = nn.Sequential(dense(64, 64), dense(64, 128), dense(128, 1024))
        self.mix = nn.Sequential(dense(64 + 1024, 512), dense(512, 256), dense(256, 128))
        self.add_heads(lambda classes: nn.Sequential(dense(128, 128), nn.Linear(128, classes)))

    def embed(self, features: Tensor, pyramid: Pyramid) -> Tensor:
        level = pyramid.levels[0]
        points = self.input_transform(centred(level.points, level.splits), level.splits)
        local = self.local(torch.cat([points, features], dim=1))
        local = self.feature_transform(local, level.splits)
        whole = cloud_max(self.whole(local), level.splits)
        out: Tensor = self.mix(torch.cat([local, per_point(whole, level.splits)], dim=1))
        return out

    def pyramid(self, points: Tensor, splits: Tensor | None = None) -> Pyramid:
        splits = torch.tensor([0, len(points)]) if splits is None else splits
        nobody = torch.empty(len(points), 0, dtype=torch.int32, device=points.device)
        return Pyramid([Level(points, splits, self.config.radius, nobody)])


class Transform(nn.Module):
    """A matrix predicted from the whole cloud, applied to each of its points ("T-net")."""

    def __init__(self, channels: int, momentum: float) -> None:
        super().__init__()
        dense = partial(Dense, momentum=momentum)
        self.channels = channels
        self.points = nn.Sequential(dense(channels, 64), dense(64, 128), dense(128, 1024))
        self.cloud = nn.Sequential(dense(1024, 512), dense(512, 256))
        self.matrix = nn.Linear(256, channels * channels)
        nn.init.zeros_(self.matrix.weight)
        with torch.no_grad():
            self.matrix.bias.copy_(torch.eye(channels).flatten())
        self._regularisation: Tensor | None = None

    def forward(self, x: Tensor, splits: Tensor) -> Tensor:
        matrices = self.matrix(self.cloud(cloud_max(self.points(x), splits)))
        matrices = matrices.view(-1, self.channels, self.channels)
        if self.training and self.channels > 3:
            identity = torch.eye(self.channels, device=x.device)
            apart = identity - matrices @ matrices.transpose(1, 2)
            self._regularisation = ORTHOGONALITY * apart.square().sum((1, 2)).mean() / 2
        parts = x.split(splits.diff().tolist())
        return torch.cat([part @ m for part, m in zip(parts, matrices, strict=True)])

    def regularisation(self) -> Tensor:
        """Half the squared distance of A Aᵀ from the identity; given out once per step."""
        term, self._regularisation = self._regularisation, None
        return self.matrix.weight.new_zeros(()) if term is None else term


def cloud_max(x: Tensor, splits: Tensor) -> Tensor:
    """Maximum over each cloud: (N, C) -> (B, C)."""
    return torch.stack([part.amax(0) for part in x.split(splits.diff().tolist())])


def per_point(x: Tensor, splits: Tensor) -> Tensor:
    """Each cloud's row, once for each of its points: (B, C) -> (N, C)."""
    return x.repeat_interleave(splits.diff().to(x.device), dim=0)
