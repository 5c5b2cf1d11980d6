"""The layers every network is made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from salanet.operators import PointNorm


class Dense(nn.Module):
    """A 1x1 convolution: linear map, batch norm, ReLU. (N, in_channels) -> (N, out_channels).

    Args:
        in_channels, out_channels: of the linear map, which has no bias.
        relu: whether there is a ReLU.
        slope: of the ReLU's negative side.
        momentum: of the batch norm.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        relu: bool = True,
        slope: float = 0.0,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.norm: PointNorm | None = PointNorm(out_channels, momentum=momentum)
        self.relu = relu
        self.slope = slope

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.linear(features)
        if self.norm is not None:
            out = self.norm(out)
        if not self.relu:
            return out
        return nn.functional.leaky_relu_(out, self.slope) if self.slope else torch.relu_(out)

    @torch.no_grad()
    def fold(self) -> None:
        """Merge the batch norm into the linear map; for inference only."""
        if self.norm is None:
            return
        scale, shift = self.norm.scale_shift()
        self.linear.weight.mul_(scale[:, None])
        self.linear.bias = nn.Parameter(shift.clone())
        self.norm = None


class Head(nn.Sequential):
    """1x1 convolution and classifier. (N, channels) -> logits (N, classes)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__(Dense(channels, channels), nn.Linear(channels, classes))
