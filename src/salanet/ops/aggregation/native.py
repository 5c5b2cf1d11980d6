"""The fused CPU kernels as `torch.library` operations, with fake implementations and gradients.

The functions here take the checked arguments of the public ones. Without gradients they call the
kernels straight away; with them, or while a compiler traces, they go through `torch.ops.salanet`.
Whoever calls those operations directly with shapes that do not fit gets a ValueError, with other
types a TypeError, from the kernels' module.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack

import salanet._aggregation as kernels
from salanet.ops.aggregation.arguments import (
    AggregationOptions,
    Inputs,
    Pairs,
    PositionMLP,
    unpacked,
    unpacking,
)
from salanet.ops.dispatch import threads

MAX_LIFTED: int = kernels.max_lifted


def takes(neighbours: Tensor, *tensors: Tensor | None) -> bool:
    """Whether the kernels take these: float32 on the CPU, a neighbour's slot fits in a byte."""
    return neighbours.shape[1] <= kernels.max_slots and all(
        t is None or (t.dtype == torch.float32 and t.is_cpu) for t in tensors
    )


def takes_perceptrons(mlp: PositionMLP) -> bool:
    """Whether the kernels take perceptrons of this size."""
    return (
        len(mlp.lift_w) <= MAX_LIFTED
        and len(mlp.hidden_w) <= kernels.max_hidden
        and len(mlp.score_w) <= kernels.max_groups
    )


def sala_aggregate(inputs: Inputs, options: AggregationOptions) -> Tensor:
    """See `salanet.ops.sala_aggregate`."""
    if needs_operation(*inputs.differentiable):
        return torch.ops.salanet.sala_aggregate(*inputs, *options)[0]
    return _sala_forward(inputs, options, keep_slots=False)[0]


def position_moments(pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    return torch.ops.salanet.position_moments(*pairs)


def pair_moments(pairs: Pairs) -> Tensor:
    """See `salanet.ops.pair_moments`."""
    if needs_operation(pairs.supports, pairs.lift_w, pairs.lift_b):
        return torch.ops.salanet.pair_moments(*pairs)
    return _pair_moments_op(*pairs)


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """See `salanet.ops.neighbour_max`."""
    if needs_operation(features):
        return torch.ops.salanet.neighbour_max(features, neighbours)[0]
    return _max_forward(features, neighbours, keep_slots=False)[0]


def needs_operation(*tensors: Tensor | None) -> bool:
    """Whether autograd, a compiler or a tensor subclass must see the call."""
    if torch.compiler.is_compiling():
        return True
    if type(tensors[0]) not in (Tensor, torch.nn.Parameter):
        return True
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _array(tensor: Tensor) -> Any:
    return to_dlpack(tensor.detach() if tensor.is_contiguous() else tensor.detach().contiguous())


def _arrays(tensors: Sequence[Tensor | None]) -> tuple[Any, ...]:
    return tuple(None if t is None else _array(t) for t in tensors)


def _options(options: AggregationOptions) -> tuple[float, int, bool, bool, int]:
    relu, total, assignment = options.codes
    return options.radius, options.groups, bool(relu), bool(total), assignment


def _sala_forward(
    inputs: Inputs, options: AggregationOptions, keep_slots: bool = True
) -> tuple[Tensor, Tensor]:
    out, slots = sala_outputs(inputs, options, keep_slots)
    kept = to_dlpack(slots) if len(slots) else None
    kernels.sala_forward(_arrays(inputs), _options(options), to_dlpack(out), kept, threads())
    return out, slots


def sala_outputs(
    inputs: Inputs, options: AggregationOptions, keep_slots: bool = True
) -> tuple[Tensor, Tensor]:
    """Room for the result (M, C) and, if kept, who won each maximum: slots uint8 (M, S*C)."""
    projected, m, width = inputs.projected, inputs.queries.shape[0], inputs.projected.shape[1]
    kept = keep_slots and options.reduction == "max"
    slots = projected.new_empty(m if kept else 0, width, dtype=torch.uint8)
    return projected.new_empty(m, width // options.groups), slots


def _max_forward(
    features: Tensor, neighbours: Tensor, keep_slots: bool = True
) -> tuple[Tensor, Tensor]:
    out = features.new_empty(len(neighbours), features.shape[1])
    slots = torch.empty_like(out if keep_slots else out[:0], dtype=torch.uint8)
    kept = to_dlpack(slots) if keep_slots else None
    kernels.max_forward(_array(features), _array(neighbours), to_dlpack(out), kept, threads())
    return out, slots


# The operations. `*_backward` are operations too, so that ahead-of-time autograd can trace them.

_INPUTS = (
    "Tensor queries, Tensor supports, Tensor neighbours, Tensor projected, "
    "Tensor lift_w, Tensor lift_b, Tensor hidden_w, Tensor hidden_b, Tensor score_w, "
    "Tensor score_b, Tensor? position_w, Tensor? bias, "
    "float radius, int groups, str activation, str reduction, str assignment"
)
_POSITIONS = "Tensor queries, Tensor supports, Tensor neighbours, Tensor lift_w, Tensor lift_b"

_library = torch.library.Library("salanet", "DEF")
_library.define(f"sala_aggregate({_INPUTS}) -> (Tensor, Tensor)")
_library.define(
    f"sala_aggregate_backward({_INPUTS}, Tensor grad, Tensor slots) -> (Tensor, Tensor)"
)
_library.define(f"position_moments({_POSITIONS}, float radius) -> (Tensor, Tensor, Tensor)")
_library.define(
    f"position_moments_backward({_POSITIONS}, float radius, Tensor grad_sums, Tensor grad_gram)"
    " -> Tensor"
)
_library.define(
    "pair_moments(Tensor queries, Tensor supports, Tensor neighbours, Tensor? lift_w, "
    "Tensor? lift_b, float radius) -> Tensor"
)
_library.define(f"pair_moments_backward({_POSITIONS}, float radius, Tensor grad) -> Tensor")
_library.define("neighbour_max(Tensor features, Tensor neighbours) -> (Tensor, Tensor)")
_library.define(
    "neighbour_max_backward(Tensor features, Tensor neighbours, Tensor grad, Tensor slots)"
    " -> Tensor"
)


def _parameter_shapes(inputs: Inputs) -> dict[str, tuple[int, ...]]:
    """Gradients of the perceptrons, position_w and bias lie in one vector, in this order."""
    columns, lifted = inputs.projected.shape[1], inputs.lift_w.shape[0]
    perceptrons = {name: tensor.shape for name, tensor in inputs.mlp._asdict().items()}
    return {**perceptrons, "position_w": (columns, lifted), "bias": (columns,)}


def _sala_backward_op(
    inputs: Inputs, options: AggregationOptions, grad: Tensor, slots: Tensor
) -> tuple[Tensor, Tensor]:
    grad_projected, grad_parameters = _sala_backward_fake(inputs)
    kernels.sala_backward(
        _arrays(inputs),
        _options(options),
        _array(grad),
        to_dlpack(slots),
        to_dlpack(grad_projected),
        to_dlpack(grad_parameters),
        threads(),
    )
    return grad_projected, grad_parameters


def _sala_backward_fake(inputs: Inputs, *_: Any) -> tuple[Tensor, Tensor]:
    size = sum(prod(shape) for shape in _parameter_shapes(inputs).values())
    return inputs.projected.new_empty(inputs.projected.shape), inputs.lift_w.new_empty(size)


def _sala_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    tensors, ctx.options, _ = unpacked(inputs)
    ctx.save_for_backward(*tensors, output[1])


def _sala_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, slots = ctx.saved_tensors
    inputs = Inputs(*tensors)
    grad_projected, flat = torch.ops.salanet.sala_aggregate_backward(
        *inputs, *ctx.options, grad, slots
    )
    shapes = _parameter_shapes(inputs)
    pieces = flat.split([prod(shape) for shape in shapes.values()])
    grads = {name: p.view(shapes[name]) for name, p in zip(shapes, pieces, strict=True)}
    grads["projected"] = grad_projected
    if ctx.options.assignment != "soft":  # nothing reaches the scores
        for name in ("hidden_w", "hidden_b", "score_w", "score_b"):
            del grads[name]
    names = (*Inputs._fields, *ctx.options._fields)
    needed = zip(names, ctx.needs_input_grad, strict=True)
    return tuple(grads.get(name) if needs else None for name, needs in needed)


def _moments_op(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    outputs = _moments_fake(*args)
    *tensors, radius = args
    kernels.moments_forward(*_arrays(tensors), radius, *_arrays(outputs), threads())
    return outputs


def _moments_fake(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    supports, lift_w = args[1], args[3]
    rows, lifted = supports.shape[0], lift_w.shape[0]
    return (
        lift_w.new_empty(rows, lifted),
        lift_w.new_empty(rows),
        lift_w.new_empty(lifted, lifted),
    )


def _moments_backward_op(*args: Any) -> Tensor:
    flat = _moments_backward_fake(*args)
    *positions, radius, grad_sums, grad_gram = args
    kernels.moments_backward(
        *_arrays(positions),
        radius,
        _array(grad_sums),
        _array(grad_gram),
        to_dlpack(flat),
        threads(),
    )
    return flat


def _moments_backward_fake(*args: Any) -> Tensor:
    return args[3].new_empty(args[3].shape[0] * 4)


def _moments_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    _pair_moments_setup(ctx, inputs, output)
    ctx.mark_non_differentiable(output[1])


def _moments_backward(
    ctx: Any, grad_sums: Tensor, _: Tensor, grad_gram: Tensor
) -> tuple[Tensor | None, ...]:
    positions = ctx.saved_tensors  # once: checkpointing unpacks them again each time
    flat = torch.ops.salanet.position_moments_backward(*positions, ctx.radius, grad_sums, grad_gram)
    return _lift_gradients(flat)


def _lift_gradients(flat: Tensor) -> tuple[Tensor | None, ...]:
    """Those of (queries, supports, neighbours, lift_w, lift_b, radius)."""
    lifted = flat.shape[0] // 4
    return None, None, None, flat[: 3 * lifted].view(lifted, 3), flat[3 * lifted :], None


def _pair_moments_op(*args: Any) -> Tensor:
    gram = _pair_moments_fake(*args)
    *tensors, radius = args
    kernels.pair_moments(*_arrays(tensors), radius, to_dlpack(gram), threads())
    return gram


def _pair_moments_fake(*args: Any) -> Tensor:
    pairs = Pairs(*args)
    row = 1 + (3 if pairs.lift_w is None else pairs.lift_w.shape[0])
    return pairs.supports.new_empty(row, row)


def _pair_moments_backward_op(*args: Any) -> Tensor:
    flat = _moments_backward_fake(*args)
    *positions, radius, grad = args
    arrays = _arrays(positions)
    kernels.pair_moments_backward(*arrays, radius, _array(grad), to_dlpack(flat), threads())
    return flat


def _pair_moments_setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    del output
    *tensors, ctx.radius = inputs
    ctx.save_for_backward(*tensors)


def _pair_moments_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    positions = ctx.saved_tensors  # once, see above
    flat = torch.ops.salanet.pair_moments_backward(*positions, ctx.radius, grad)
    return _lift_gradients(flat)


def _max_fake(features: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    out = features.new_empty(neighbours.shape[0], features.shape[1])
    return out, torch.empty_like(out, dtype=torch.uint8)


def _max_backward_op(features: Tensor, neighbours: Tensor, grad: Tensor, slots: Tensor) -> Tensor:
    out = features.new_empty(features.shape)
    arrays = (_array(features), _array(neighbours), _array(grad), to_dlpack(slots))
    kernels.max_backward(*arrays, to_dlpack(out), threads())
    return out


def _max_backward_fake(features: Tensor, *_: Tensor) -> Tensor:
    return features.new_empty(features.shape)


def _max_setup(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, output[1])


def _max_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None]:
    features, neighbours, slots = ctx.saved_tensors
    return torch.ops.salanet.neighbour_max_backward(features, neighbours, grad, slots), None


for _name, _run, _fake in (
    ("sala_aggregate", unpacking(_sala_forward), unpacking(sala_outputs)),
    ("sala_aggregate_backward", unpacking(_sala_backward_op), unpacking(_sala_backward_fake)),
    ("position_moments", _moments_op, _moments_fake),
    ("position_moments_backward", _moments_backward_op, _moments_backward_fake),
    ("pair_moments", _pair_moments_op, _pair_moments_fake),
    ("pair_moments_backward", _pair_moments_backward_op, _moments_backward_fake),
    ("neighbour_max", _max_forward, _max_fake),
    ("neighbour_max_backward", _max_backward_op, _max_backward_fake),
):
    _library.impl(_name, _run, "CPU")
    torch.library.register_fake(f"salanet::{_name}", _fake, lib=_library)

for _name, _backward, _setup in (
    ("sala_aggregate", _sala_backward, _sala_setup),
    ("position_moments", _moments_backward, _moments_setup),
    ("pair_moments", _pair_moments_backward, _pair_moments_setup),
    ("neighbour_max", _max_backward, _max_setup),
):
    torch.library.register_autograd(
        f"salanet::{_name}", _backward, setup_context=_setup, lib=_library
    )
