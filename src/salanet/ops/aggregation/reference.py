"""The aggregation formulas in plain PyTorch: any device, any floating dtype, gradients by autograd.

What the kernels are tested against. These build (M, K, C) tensors; the kernels never do.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear, one_hot, pad, relu

from salanet.ops.aggregation.arguments import AggregationOptions, Inputs, Pairs, PositionMLP


def sala_aggregate(inputs: Inputs, options: AggregationOptions) -> Tensor:
    """See `salanet.ops.sala_aggregate`."""
    queries, supports, neighbours, projected, lift_w, lift_b = inputs[:6]
    r = lifted_offsets(queries, supports, neighbours, lift_w, lift_b, options.radius)
    h = assign(r, inputs.mlp, options.assignment)  # (M, K, S)
    z = gather(projected, neighbours)  # (M, K, S*C)
    if inputs.position_w is not None:
        z = z + linear(r, inputs.position_w)
    if inputs.bias is not None:
        z = z + inputs.bias
    y = relu(z) if options.activation == "relu" else z
    groups = options.groups
    weighted = h[..., None] * y.unflatten(-1, (groups, projected.shape[1] // groups))
    return reduce(weighted, neighbours < len(supports), options.reduction).sum(dim=1)


def lifted_offsets(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor | None,
    lift_b: Tensor | None,
    radius: float,
) -> Tensor:
    """r (M, K, R) = relu(lift_w · (p_j - q_i) / radius + lift_b); the offsets without a lift."""
    offsets = (gather(supports, neighbours) - queries[:, None]) / radius
    if lift_w is None:
        return offsets
    return relu(linear(offsets.to(lift_w.dtype), lift_w, lift_b))


def assign(r: Tensor, mlp: PositionMLP, assignment: str) -> Tensor:
    """h (M, K, S): how much each neighbour belongs to each group."""
    scores = linear(relu(linear(r, mlp.hidden_w, mlp.hidden_b)), mlp.score_w, mlp.score_b)
    if assignment == "soft":
        return scores.softmax(dim=-1)
    if assignment == "hard":
        return one_hot(scores.argmax(dim=-1), scores.shape[-1]).to(scores.dtype)
    return torch.ones_like(scores)


def gather(rows: Tensor, neighbours: Tensor) -> Tensor:
    """Rows (M, K, ...) of every neighbour; missing neighbours (index N) read a row of zeros."""
    return pad(rows, (0, 0, 0, 1))[neighbours.long()]


def reduce(values: Tensor, valid: Tensor, reduction: str) -> Tensor:
    """Maximum or sum of values (M, K, ...) over the valid of (M, K) neighbours; 0 for none."""
    mask = valid.view(*valid.shape, *[1] * (values.dim() - 2))
    if reduction == "sum":
        return values.where(mask, 0).sum(dim=1)
    return values.where(mask, -torch.inf).max(dim=1).values.where(mask.any(dim=1), 0)


def position_moments(pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    supports, neighbours = pairs.supports, pairs.neighbours
    valid = neighbours < len(supports)
    r = lifted_offsets(*pairs).where(valid[..., None], 0).flatten(0, 1)  # (M*K, R)
    targets = neighbours.flatten().long()
    sums = r.new_zeros(len(supports) + 1, r.shape[1]).index_add(0, targets, r)[:-1]
    counts = r.new_zeros(len(supports) + 1).index_add(0, targets, r.new_ones(len(r)))[:-1]
    return sums, counts, r.T @ r


def pair_moments(pairs: Pairs) -> Tensor:
    """See `salanet.ops.pair_moments`."""
    present = lifted_offsets(*pairs)[pairs.neighbours < len(pairs.supports)]  # (pairs, R)
    v = torch.cat([present, present.new_ones(len(present), 1)], dim=1)
    return v.T @ v


def with_first_moments(gram: Tensor, total: Tensor, pairs: Tensor) -> Tensor:
    """What `pair_moments` gives, from Σ x xᵀ (R, R), Σ x (R,) and the number of pairs ()."""
    last = torch.cat([total, pairs.reshape(1).to(total.dtype)])
    return torch.cat([torch.cat([gram, total[:, None]], dim=1), last[None]])


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """See `salanet.ops.neighbour_max`."""
    return reduce(gather(features, neighbours), neighbours < len(features), "max")
