"""Batch normalisation of stacked points."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PointNorm(nn.BatchNorm1d):
    """Batch norm over the rows of (N, C), usable while training on batches of any size.

    Batch statistics of fewer than two rows do not exist; such a batch (a tiny cloud at the
    coarsest level) is normalised with the running statistics.
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training and len(input) < 2:
            return nn.functional.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """The affine map a·x + b, each (C,), that this layer is once its statistics are fixed."""
        assert self.running_mean is not None and self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale

    def batch_scale_shift(self, mean: Tensor, var: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """The same map for a batch whose mean and (biased) variance were found elsewhere.

        Updates the running statistics.

        Args:
            mean, var: (C,).
            count: how many rows they were taken over.
        """
        self._track(mean, var, count)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return scale, self.bias - mean * scale

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        unbiased = var * count / (count - 1).clamp_min(1)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        self.num_batches_tracked += 1
