"""The CPU kernels of the weighted sums, with their gradients. The arguments have been checked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.dlpack import to_dlpack

import salanet._weighted as kernels
from salanet.ops.dispatch import current_backend, threads


def takes(*tensors: Tensor | None) -> bool:
    """Whether the kernels take these: float32 on the CPU, and nobody is tracing."""
    given = [t for t in tensors if t is not None]
    return (
        current_backend(given[0].device) == "native"
        and not torch.compiler.is_compiling()
        and all(type(t) in (Tensor, torch.nn.Parameter) for t in given)
        and all(t.is_cpu and t.dtype == torch.float32 for t in given)
    )


def offsets(queries: Tensor, supports: Tensor, neighbours: Tensor, radius: float) -> Tensor:
    """(p_j - q_i) / radius of every neighbour, (M, K, 3); zero where one is missing."""
    out = queries.new_empty(*neighbours.shape, 3)
    arrays = (_array(queries), _array(supports), _array(neighbours))
    kernels.offsets(*arrays, radius, _array(out), threads())
    return out


def influence(offset: Tensor, points: Tensor, extent: float) -> Tensor:
    """max(0, 1 - |y - x_g| / extent) of offsets (M, K, 3) and points (G, 3), as (M, K, G)."""
    flat = offset.reshape(-1, 3)
    out = flat.new_empty(len(flat), len(points))
    kernels.influence(_array(flat), _array(points.T), extent, _array(out), threads())
    return out.view(*offset.shape[:2], len(points))


def farthest(points: Tensor, count: int) -> Tensor:
    """Rows (count,) of points (N, 3), each the farthest from those before, from row 0 on."""
    chosen = torch.empty(count, dtype=torch.int64)
    kernels.farthest(_array(points), _array(chosen))
    return chosen


class GridSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor | None,
        features: Tensor,
        groups: Tensor | None,
        size: int,
        neighbours: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(values, features, groups, neighbours)
        ctx.size = size
        out = features.new_empty(len(neighbours), size, features.shape[1])
        kernels.grid(_inputs(values, groups, size, neighbours, features), _array(out), threads())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        values, features, groups, neighbours = ctx.saved_tensors
        for_values = torch.empty_like(values) if ctx.needs_input_grad[0] else None
        for_features = torch.empty_like(features) if ctx.needs_input_grad[1] else None
        kernels.grid_backward(
            _inputs(values, groups, ctx.size, neighbours, features),
            _array(grad),
            _array(for_features),
            _array(for_values),
            threads(),
        )
        return for_values, for_features, None, None, None


class DepthwiseSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        features: Tensor,
        weight: Tensor,
        groups: Tensor | None,
        neighbours: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(values, features, weight, groups, neighbours)
        out = features.new_empty(len(neighbours), features.shape[1])
        inputs = _inputs(values, groups, len(weight), neighbours, features)
        kernels.depthwise(inputs, _array(weight), _array(out), threads())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        values, features, weight, groups, neighbours = ctx.saved_tensors
        shape = features.shape
        for_features = features.new_empty(shape) if ctx.needs_input_grad[1] else None
        for_weight = weight.new_empty(weight.shape) if ctx.needs_input_grad[2] else None
        kernels.depthwise_backward(
            _inputs(values, groups, len(weight), neighbours, features),
            _array(weight),
            _array(grad),
            _array(for_features),
            _array(for_weight),
            threads(),
        )
        return None, for_features, for_weight, None, None


def _inputs(
    values: Tensor | None,
    groups: Tensor | None,
    size: int,
    neighbours: Tensor,
    features: Tensor,
) -> tuple[Any, ...]:
    return _array(values), _array(groups), size, _array(neighbours), _array(features)


def _array(tensor: Tensor | None) -> Any:
    return None if tensor is None else to_dlpack(tensor.detach().contiguous())
