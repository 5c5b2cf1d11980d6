"""Batch normalisation of stacked points."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

_tracking = ContextVar("tracking", default=True)
_alone = ContextVar("alone", default=False)


@contextmanager
def untracked() -> Iterator[None]:
    """Inside, training passes leave running statistics alone: for passes computed again."""
    token = _tracking.set(False)
    try:
        yield
    finally:
        _tracking.reset(token)


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process trains by itself, although it is one of several."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


class PointNorm(nn.BatchNorm1d):
    """Batch norm over the rows of (N, C), usable while training on batches of any size.

    Batch statistics of fewer than two rows do not exist; such a batch (a tiny cloud at the
    coarsest level) is normalised with the running statistics. Several training processes share
    one set of statistics, those of all their rows.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        if processes() > 1:
            return self._together(input)
        if len(input) < 2:
            return self._with_running_statistics(input)
        if not _tracking.get():
            assert self.running_mean is not None and self.running_var is not None
            # Copies are updated, not left out: as many tensors must be kept as the first time.
            seen = self.running_mean.clone(), self.running_var.clone()
            return nn.functional.batch_norm(
                input, *seen, self.weight, self.bias, training=True, eps=self.eps
            )
        return super().forward(input)

    def _with_running_statistics(self, input: Tensor) -> Tensor:
        return nn.functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )

    def _together(self, input: Tensor) -> Tensor:
        rows, exact = input.float(), torch.float64
        own = torch.cat([rows.sum(0, dtype=exact), rows.new_tensor([len(rows)], dtype=exact)])
        sums = summed(own)
        count = sums[-1].detach()
        if count < 2:
            return self._with_running_statistics(input)
        mean = (sums[:-1] / count).float()
        var = (summed((rows - mean).square().sum(0, dtype=exact)) / count).float()
        scale, shift = self.batch_scale_shift(mean, var, count)
        return torch.addcmul(shift, rows, scale).to(input.dtype)

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """The affine map a·x + b, each (C,), that this layer is once its statistics are fixed."""
        assert self.running_mean is not None and self.running_var is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale

    def batch_scale_shift(self, mean: Tensor, var: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """The same map for a batch whose mean and (biased) variance were found elsewhere.

        Updates the running statistics.

        Args:
            mean, var: (C,), over the rows of all processes.
            count: how many rows they were taken over.
        """
        if _tracking.get():
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
        self.num_batches_tracked.add_(1)


def processes() -> int:
    """How many train together."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if distributed and not _alone.get() else 1


def summed(values: Tensor) -> Tensor:
    """The sum of each value over all processes, differentiable."""
    if processes() == 1:
        return values
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """Every process has the sum, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        torch.distributed.all_reduce(total)
        return total
