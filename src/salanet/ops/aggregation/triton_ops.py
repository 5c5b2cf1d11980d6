"""The Triton kernels as the CUDA implementations of the operations that `native` defines.

Importing this file registers them; schemas, fake implementations and gradients are shared.
"""

from __future__ import annotations

import torch
from torch import Tensor

from salanet.ops.aggregation import native
from salanet.ops.aggregation.arguments import (
    AggregationOptions,
    Inputs,
    Pairs,
    PositionMLP,
    unpacking,
)
from salanet.ops.aggregation.reference import with_first_moments
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


def sala_aggregate(inputs: Inputs, options: AggregationOptions) -> Tensor:
    """See `salanet.ops.sala_aggregate`."""
    if native.needs_operation(*inputs.differentiable):
        return torch.ops.salanet.sala_aggregate(*inputs, *options)[0]
    return forward(inputs, options, keep_slots=False)[0]


def position_moments(pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    return torch.ops.salanet.position_moments(*pairs)


def pair_moments(pairs: Pairs) -> Tensor:
    """See `salanet.ops.pair_moments`; by `position_moments`, which lifts before it sums."""
    if pairs.lift_w is None:  # x = relu(x) - relu(-x)
        eye = torch.eye(3, dtype=pairs.supports.dtype, device=pairs.supports.device)
        both = torch.cat([eye, -eye])
        unlift = torch.block_diag(both, both.new_ones(1, 1))
        signed = pair_moments(pairs._replace(lift_w=both, lift_b=both.new_zeros(6)))
        return unlift.T @ signed @ unlift
    sums, counts, gram = position_moments(pairs)
    return with_first_moments(gram, sums.sum(0), counts.sum())


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """See `salanet.ops.neighbour_max`."""
    if native.needs_operation(features):
        return torch.ops.salanet.neighbour_max(features, neighbours)[0]
    return max_forward(features, neighbours, keep_slots=False)[0]


_library = torch.library.Library("salanet", "IMPL")
for _name, _run in (
    ("sala_aggregate", unpacking(forward)),
    ("sala_aggregate_backward", unpacking(backward)),
    ("position_moments", moments_forward),
    ("position_moments_backward", moments_backward),
    ("neighbour_max", max_forward),
    ("neighbour_max_backward", max_backward),
):
    _library.impl(_name, _run, "CUDA")
    if INTERPRETED:  # the kernels run on CPU tensors, in place of the native ones
        _library.impl(_name, _run, "CPU", allow_override=True)
