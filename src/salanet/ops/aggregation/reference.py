"""The aggregation formulas in plain PyTorch: any device, any floating dtype, gradients by autograd.

What the kernels are tested against. These build (M, K, C) tensors; the kernels never do.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear, one_hot, pad, relu


class PositionMLP(NamedTuple):
    """The two small perceptrons that see only where a neighbour lies.

    Attributes:
        lift_w, lift_b: (R, 3) and (R,); r = relu(lift_w · offset + lift_b).
        hidden_w, hidden_b: (H, R) and (H,); the hidden layer of the assignment.
        score_w, score_b: (S, H) and (S,); one score for each of the S groups.
    """

    lift_w: Tensor
    lift_b: Tensor
    hidden_w: Tensor
    hidden_b: Tensor
    score_w: Tensor
    score_b: Tensor


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
    r = lifted_offsets(queries, supports, neighbours, mlp.lift_w, mlp.lift_b, radius)
    h = assign(r, mlp, assignment)  # (M, K, S)
    z = gather(projected, neighbours)  # (M, K, S*C)
    if position_w is not None:
        z = z + linear(r, position_w)
    if bias is not None:
        z = z + bias
    y = relu(z) if activation == "relu" else z
    weighted = h[..., None] * y.unflatten(-1, (groups, projected.shape[1] // groups))
    return reduce(weighted, neighbours < len(supports), reduction).sum(dim=1)


def lifted_offsets(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
) -> Tensor:
    """r (M, K, R) = relu(lift_w · (p_j - q_i) / radius + lift_b)."""
    offsets = (gather(supports, neighbours) - queries[:, None]) / radius
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


def position_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `salanet.ops.position_moments`."""
    valid = neighbours < len(supports)
    r = lifted_offsets(queries, supports, neighbours, lift_w, lift_b, radius)
    r = r.where(valid[..., None], 0).flatten(0, 1)  # (M*K, R)
    targets = neighbours.flatten().long()
    sums = r.new_zeros(len(supports) + 1, r.shape[1]).index_add(0, targets, r)[:-1]
    counts = r.new_zeros(len(supports) + 1).index_add(0, targets, r.new_ones(len(r)))[:-1]
    return sums, counts, r.T @ r


def pair_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor | None,
    lift_b: Tensor | None,
    radius: float,
) -> Tensor:
    """See `salanet.ops.pair_moments`."""
    if lift_w is None or lift_b is None:
        x = (gather(supports, neighbours) - queries[:, None]) / radius
    else:
        x = lifted_offsets(queries, supports, neighbours, lift_w, lift_b, radius)
    present = x[neighbours < len(supports)]  # (pairs, R)
    v = torch.cat([present, present.new_ones(len(present), 1)], dim=1)
    return v.T @ v


def with_first_moments(gram: Tensor, total: Tensor, pairs: Tensor) -> Tensor:
    """What `pair_moments` gives, from Σ x xᵀ (R, R), Σ x (R,) and the number of pairs ()."""
    last = torch.cat([total, pairs.reshape(1).to(total.dtype)])
    return torch.cat([torch.cat([gram, total[:, None]], dim=1), last[None]])


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """See `salanet.ops.neighbour_max`."""
    return reduce(gather(features, neighbours), neighbours < len(features), "max")
