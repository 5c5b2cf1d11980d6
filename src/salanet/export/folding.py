"""Batch norms as what they are once training is over: one product and one sum per channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from salanet.models import Network
from salanet.operators import PointNorm


class Affine(nn.Module):
    """scale · x + shift, channel by channel; stands in for a `PointNorm`."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: PointNorm) -> None:
        super().__init__()
        scale, shift = norm.scale_shift()
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("shift", shift.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        return self.scale, self.shift


@torch.no_grad()
def fold_norms(model: Network) -> Network:
    """Fold, in place, the batch norms that `Network.fold` leaves: those inside the operators.

    In a sequence they merge into the linear map before them; elsewhere they become an `Affine`.
    """
    for module in list(model.modules()):
        children = list(module.named_children())
        for i, (name, child) in enumerate(children):
            if not isinstance(child, PointNorm):
                continue
            before = children[i - 1] if i else ("", None)
            if isinstance(module, nn.Sequential) and isinstance(before[1], nn.Linear):
                setattr(module, before[0], fuse_linear_bn_eval(before[1], child))
                setattr(module, name, nn.Identity())
            else:
                setattr(module, name, Affine(child))
    return model
