"""The Triton kernels as the CUDA implementations of the operations that `native` defines.

Importing this file registers them; schemas, fake implementations and gradients are shared.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from salanet.ops.aggregation import native
from salanet.ops.aggregation.reference import PositionMLP, with_first_moments
from salanet.ops.aggregation.triton_pairs import MAX_SLOTS
from salanet.ops.aggregation.triton_sala import forward
from salanet.ops.aggregation.triton_sala_backward import backward
from salanet.ops.aggregation.triton_simple import (
    max_backward,
    max_forward,
    moments_backward,
    moments_forward,
)
from salanet.ops.triton_runtime import INTERPRETED

MAX_LIFTED = 32  # values of r: loops over them are unrolled
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def takes(neighbours: Tensor, *tensors: Tensor | None) -> bool:
    """Whether the kernels take these: CUDA, no double precision, a slot fits in a byte."""
    return neighbours.shape[1] <= MAX_SLOTS and all(
        t is None or (t.dtype in _DTYPES and (t.is_cuda or INTERPRETED)) for t in tensors
    )


def takes_perceptrons(mlp: PositionMLP) -> bool:
    """Whether the kernels take perceptrons of this size, which they keep in registers."""
    return max(len(mlp.lift_w), len(mlp.hidden_w), len(mlp.score_w)) <= MAX_LIFTED


def sala_aggregate(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    projected: Tensor,
    mlp: PositionMLP,
    position_w: Tensor | None,
    bias: Tensor | None,
    radius: float,
    groups: int,
    activation: str,
    reduction: str,
    assignment: str,
) -> Tensor:
    """See `salanet.ops.sala_aggregate`."""
    inputs = (queries, supports, neighbours, projected, *mlp, position_w, bias)
    options = (radius, groups, activation, reduction, assignment)
    if native.needs_operation(projected, *mlp, position_w, bias):
        return torch.ops.salanet.sala_aggregate(*inputs, *options)[0]
    return forward(inputs, options, keep_slots=False)[0]


def position_moments(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    return torch.ops.salanet.position_moments(*arguments)


def pair_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor | None,
    lift_b: Tensor | None,
    radius: float,
) -> Tensor:
    """See `salanet.ops.pair_moments`; by `position_moments`, which lifts before it sums."""
    if lift_w is None or lift_b is None:  # x = relu(x) - relu(-x)
        eye = torch.eye(3, dtype=supports.dtype, device=supports.device)
        both = torch.cat([eye, -eye])
        unlift = torch.block_diag(both, both.new_ones(1, 1))
        signed = pair_moments(queries, supports, neighbours, both, both.new_zeros(6), radius)
        return unlift.T @ signed @ unlift
    sums, counts, gram = position_moments(queries, supports, neighbours, lift_w, lift_b, radius)
    return with_first_moments(gram, sums.sum(0), counts.sum())


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """See `salanet.ops.neighbour_max`."""
    if native.needs_operation(features):
        return torch.ops.salanet.neighbour_max(features, neighbours)[0]
    return max_forward(features, neighbours, keep_slots=False)[0]


def _sala_op(*arguments: Any) -> tuple[Tensor, Tensor]:
    return forward(arguments[:12], arguments[12:], keep_slots=True)


def _sala_backward_op(*arguments: Any) -> tuple[Tensor, Tensor]:
    return backward(arguments[:12], arguments[12:17], *arguments[17:])


def _max_op(features: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    return max_forward(features, neighbours, keep_slots=True)


_library = torch.library.Library("salanet", "IMPL")
for _name, _run in (
    ("sala_aggregate", _sala_op),
    ("sala_aggregate_backward", _sala_backward_op),
    ("position_moments", moments_forward),
    ("position_moments_backward", moments_backward),
    ("neighbour_max", _max_op),
    ("neighbour_max_backward", max_backward),
):
    _library.impl(_name, _run, "CUDA")
    if INTERPRETED:  # the kernels run on CPU tensors, in place of the native ones
        _library.impl(_name, _run, "CPU", allow_override=True)
