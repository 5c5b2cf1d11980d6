"""The fused CPU kernels as `torch.library` operations, with fake implementations and gradients.

The functions here take the checked arguments of the public ones. Without gradients they call the
kernels straight away; with them, or while a compiler traces, they go through `torch.ops.salanet`.
Whoever calls those operations directly with shapes that do not fit gets a ValueError, with other
types a TypeError, from the kernels' module.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.dlpack import to_dlpack

import salanet._aggregation as kernels
from salanet.ops.aggregation.reference import PositionMLP
from salanet.ops.dispatch import threads

MAX_LIFTED: int = kernels.max_lifted
ACTIVATIONS = ("none", "relu")
REDUCTIONS = ("max", "sum")
ASSIGNMENTS = ("soft", "hard", "none")  # in the order of the kernels' enumeration


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
    if needs_operation(projected, *mlp, position_w, bias):
        return torch.ops.salanet.sala_aggregate(*inputs, *options)[0]
    return _sala_forward(inputs, options, keep_slots=False)[0]


def position_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    return torch.ops.salanet.position_moments(queries, supports, neighbours, lift_w, lift_b, radius)


def pair_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor | None,
    lift_b: Tensor | None,
    radius: float,
) -> Tensor:
    """See `salanet.ops.pair_moments`."""
    arguments = (queries, supports, neighbours, lift_w, lift_b, radius)
    if needs_operation(supports, lift_w, lift_b):
        return torch.ops.salanet.pair_moments(*arguments)
    return _pair_moments_op(*arguments)


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


def _arrays(tensors: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
    return tuple(None if t is None else _array(t) for t in tensors)


def _options(
    radius: float, groups: int, activation: str, reduction: str, assignment: str
) -> tuple[float, int, bool, bool, int]:
    relu, total = ACTIVATIONS.index(activation) == 1, REDUCTIONS.index(reduction) == 1
    return (radius, groups, relu, total, ASSIGNMENTS.index(assignment))


def _sala_forward(
    inputs: tuple[Any, ...], options: tuple[Any, ...], keep_slots: bool
) -> tuple[Tensor, Tensor]:
    """The result (M, C) and, if kept, who won each maximum: slots uint8 (M, S*C)."""
    queries, _, _, projected = inputs[:4]
    out = projected.new_empty(len(queries), projected.shape[1] // options[1])
    keep_slots = keep_slots and options[3] == "max"
    slots = projected.new_empty(_slots_shape(queries, projected, keep_slots), dtype=torch.uint8)
    kept = to_dlpack(slots) if keep_slots else None
    kernels.sala_forward(_arrays(inputs), _options(*options), to_dlpack(out), kept, threads())
    return out, slots


def _slots_shape(queries: Tensor, projected: Tensor, kept: bool) -> tuple[int, int]:
    return (len(queries) if kept else 0, projected.shape[1])


def _max_forward(features: Tensor, neighbours: Tensor, keep_slots: bool) -> tuple[Tensor, Tensor]:
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


def _parameters_size(inputs: tuple[Any, ...]) -> int:
    """Gradients of the perceptrons, position_w and bias lie in one vector, in this order."""
    lift_w, hidden_w, score_w, columns = inputs[4], inputs[6], inputs[8], inputs[3].shape[1]
    perceptrons = sum(w.shape[0] * (w.shape[1] + 1) for w in (lift_w, hidden_w, score_w))
    return perceptrons + columns * (lift_w.shape[0] + 1)


def _sala_op(*args: Any) -> tuple[Tensor, Tensor]:
    return _sala_forward(args[:12], args[12:], keep_slots=True)


def _sala_fake(*args: Any) -> tuple[Tensor, Tensor]:
    queries, projected, groups = args[0], args[3], args[13]
    shape = _slots_shape(queries, projected, args[15] == "max")
    return (
        projected.new_empty(len(queries), projected.shape[1] // groups),
        projected.new_empty(shape, dtype=torch.uint8),
    )


def _sala_backward_op(*args: Any) -> tuple[Tensor, Tensor]:
    inputs, options, (grad, slots) = args[:12], args[12:17], args[17:]
    grad_projected, grad_parameters = _sala_backward_fake(*args)
    kernels.sala_backward(
        _arrays(inputs),
        _options(*options),
        _array(grad),
        to_dlpack(slots),
        to_dlpack(grad_projected),
        to_dlpack(grad_parameters),
        threads(),
    )
    return grad_projected, grad_parameters


def _sala_backward_fake(*args: Any) -> tuple[Tensor, Tensor]:
    projected = args[3]
    return projected.new_empty(projected.shape), args[4].new_empty(_parameters_size(args))


def _sala_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:12], output[1])
    ctx.options = inputs[12:]


def _sala_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    *inputs, slots = ctx.saved_tensors
    grad_projected, flat = torch.ops.salanet.sala_aggregate_backward(
        *inputs, *ctx.options, grad, slots
    )
    columns, lifted = inputs[3].shape[1], inputs[4].shape[0]
    shapes = [t.shape for t in inputs[4:10]] + [(columns, lifted), (columns,)]
    pieces = flat.split([torch.Size(s).numel() for s in shapes])
    needed = ctx.needs_input_grad
    grads: list[Tensor | None] = [None] * len(needed)
    grads[3] = grad_projected
    for k, (piece, shape) in enumerate(zip(pieces, shapes, strict=True), start=4):
        grads[k] = piece.view(shape) if needed[k] else None
    if ctx.options[4] != "soft":
        grads[6:10] = [None] * 4  # nothing reaches the scores
    return tuple(grads)


def _moments_op(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor, Tensor]:
    outputs = _moments_fake(queries, supports, neighbours, lift_w, lift_b, radius)
    arrays = _arrays((queries, supports, neighbours, lift_w, lift_b))
    kernels.moments_forward(*arrays, radius, *_arrays(outputs), threads())
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
        *_arrays(tuple(positions)),
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
    ctx.save_for_backward(*inputs[:5])
    ctx.radius = inputs[5]
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
    kernels.pair_moments(*_arrays(args[:5]), args[5], to_dlpack(gram), threads())
    return gram


def _pair_moments_fake(*args: Any) -> Tensor:
    supports, lift_w = args[1], args[3]
    row = 1 + (3 if lift_w is None else lift_w.shape[0])
    return supports.new_empty(row, row)


def _pair_moments_backward_op(*args: Any) -> Tensor:
    flat = _moments_backward_fake(*args)
    *positions, radius, grad = args
    arrays = _arrays(tuple(positions))
    kernels.pair_moments_backward(*arrays, radius, _array(grad), to_dlpack(flat), threads())
    return flat


def _pair_moments_setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    ctx.save_for_backward(*inputs[:5])
    ctx.radius = inputs[5]


def _pair_moments_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    positions = ctx.saved_tensors  # once, see above
    flat = torch.ops.salanet.pair_moments_backward(*positions, ctx.radius, grad)
    return _lift_gradients(flat)


def _max_op(features: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
    return _max_forward(features, neighbours, keep_slots=True)


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
    ("sala_aggregate", _sala_op, _sala_fake),
    ("sala_aggregate_backward", _sala_backward_op, _sala_backward_fake),
    ("position_moments", _moments_op, _moments_fake),
    ("position_moments_backward", _moments_backward_op, _moments_backward_fake),
    ("pair_moments", _pair_moments_op, _pair_moments_fake),
    ("pair_moments_backward", _pair_moments_backward_op, _moments_backward_fake),
    ("neighbour_max", _max_op, _max_fake),
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
