"""Local aggregation: what each query point makes of its neighbours.

`reference` states the formulas, `native` runs them fused on the CPU, `triton` on a GPU. The public
functions check their arguments and choose by the tensors' device (see `salanet.ops.backend`). What
the kernels do not take (float64, on a CPU any dtype but float32; K > 255; wide perceptrons) runs by
the reference.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from salanet.errors import DataError
from salanet.ops.aggregation import native, reference
from salanet.ops.aggregation.arguments import (
    Activation,
    AggregationOptions,
    Assignment,
    Inputs,
    Pairs,
    PositionMLP,
    Reduction,
)
from salanet.ops.dispatch import current_backend

__all__ = ["PositionMLP", "neighbour_max", "pair_moments", "position_moments", "sala_aggregate"]


def sala_aggregate(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    projected: Tensor,
    mlp: PositionMLP,
    position_w: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    radius: float,
    groups: int,
    activation: Activation = "none",
    reduction: Reduction = "max",
    assignment: Assignment = "soft",
) -> Tensor:
    """Soft Assignment Local Aggregation (paper eq. 6-9; also its general form, eq. 1-3).

        r_ij  = relu(lift_w (p_j - q_i) / radius + lift_b)
        h_ij  = softmax(score_w relu(hidden_w r_ij + hidden_b) + score_b)
        z_ijg = position_w[g] r_ij + projected[j, g] + bias[g]
        out_i = Σ_g max_j h_ijg · activation(z_ijg)

    Args:
        queries: float (M, 3), where to aggregate.
        supports: float (N, 3), where the features live.
        neighbours: int32 (M, K), rows of `supports`; missing entries hold N. A query without
            neighbours gets zeros.
        projected: float (N, groups * C), the features times each group's weights, group-major:
            column g * C + c.
        mlp: the perceptrons for r and h.
        position_w: float (groups * C, R), or None for no positional part in z.
        bias: float (groups * C,), or None.
        radius: the neighbourhood's radius, in the unit of the coordinates.
        groups: the number S of groups.
        activation: "none" or "relu", applied to z.
        reduction: "max" or "sum" over the neighbours.
        assignment: "soft" as above; "hard" is one-hot at the largest score (no gradient to the
            scores); "none" is h = 1.

    Returns:
        (M, C), in the dtype of `projected`. Gradients reach `projected`, `mlp`, `position_w` and
        `bias`, not the coordinates; with "max" they follow the first neighbour that attains it.

    Raises:
        DataError: if the shapes do not fit together.
        ConfigError: for an unknown activation, reduction or assignment.
    """
    options = AggregationOptions(float(radius), groups, activation, reduction, assignment)
    options.check()
    inputs = Inputs(queries, supports, neighbours, projected, *mlp, position_w, bias)
    _check_sala(inputs, groups)
    kernels = _kernels(projected.device, neighbours, queries, supports, *inputs.differentiable)
    if kernels and kernels.takes_perceptrons(mlp):
        return kernels.sala_aggregate(inputs, options)
    return reference.sala_aggregate(inputs, options)


def position_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    lift_w: Tensor,
    lift_b: Tensor,
    radius: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """First and second moments of the lifted offsets r_ij (R,) over all pairs.

    From these the batch mean and variance of every z_ij = position_w r_ij + projected[j] follow
    with plain matrix products, without visiting the pairs again.

    Returns:
        sums (N, R) = Σ_{i: j ∈ N(i)} r_ij, counts (N,) = how many neighbourhoods hold j, and
        gram (R, R) = Σ_ij r_ij r_ijᵀ; sums and gram are differentiable in `lift_w` and `lift_b`.

    Raises:
        DataError: if the shapes do not fit together.
    """
    _check_points(queries, supports, neighbours)
    _check_lift(lift_w, lift_b)
    pairs = Pairs(queries, supports, neighbours, lift_w, lift_b, float(radius))
    kernels = _kernels(supports.device, neighbours, queries, supports, lift_w, lift_b)
    if kernels and len(lift_w) <= kernels.MAX_LIFTED:
        return kernels.position_moments(pairs)
    return reference.position_moments(pairs)


def pair_moments(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    radius: float,
    lift: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Moments over all pairs of x_ij, the offset (p_j - q_i) / radius or what a lift makes of it.

        x_ij = relu(lift_w (p_j - q_i) / radius + lift_b)
        v_ij = (x_ij, 1)

    Of use where single supports do not matter; else see `position_moments`.

    Args:
        lift: lift_w (R, 3) and lift_b (R,); without it x_ij is the offset, and R = 3.

    Returns:
        (R + 1, R + 1) = Σ_ij v_ij v_ijᵀ: second moments of x, first ones in the last row and
        column, the number of pairs in the corner; differentiable in `lift`.

    Raises:
        DataError: if the shapes do not fit together.
    """
    _check_points(queries, supports, neighbours)
    lift_w, lift_b = lift or (None, None)
    if lift is not None:
        _check_lift(*lift)
    pairs = Pairs(queries, supports, neighbours, lift_w, lift_b, float(radius))
    kernels = _kernels(supports.device, neighbours, queries, supports, lift_w, lift_b)
    if kernels and (lift_w is None or len(lift_w) <= kernels.MAX_LIFTED):
        return kernels.pair_moments(pairs)
    return reference.pair_moments(pairs)


def neighbour_max(features: Tensor, neighbours: Tensor) -> Tensor:
    """Maximum of the neighbours' features, per channel.

    Args:
        features: float (N, C).
        neighbours: int32 (M, K); missing entries hold N.

    Returns:
        (M, C); zeros where a query has no neighbour. Differentiable in `features`.
    """
    _check_matrix("neighbours", neighbours, None)
    _check_matrix("features", features, None)
    kernels = _kernels(features.device, neighbours, features)
    if kernels:
        return kernels.neighbour_max(features, neighbours)
    return reference.neighbour_max(features, neighbours)


def _kernels(
    device: torch.device, neighbours: Tensor, *tensors: Tensor | None
) -> ModuleType | None:
    """The fused kernels for ``device``, if they take these tensors; None for the reference."""
    chosen = current_backend(device)
    if chosen == "reference":
        return None
    kernels: ModuleType = native
    if chosen == "triton":  # optional, so imported where it is needed
        from salanet.ops.aggregation import triton_ops

        kernels = triton_ops
    return kernels if kernels.takes(neighbours, *tensors) else None


def _check_matrix(name: str, tensor: Tensor, columns: int | None) -> None:
    if tensor.dim() != 2 or (columns is not None and tensor.shape[1] != columns):
        wanted = "two dimensions" if columns is None else f"{columns} columns"
        raise DataError(f"{name} must have {wanted}, not shape {tuple(tensor.shape)}")


def _check_points(queries: Tensor, supports: Tensor, neighbours: Tensor) -> None:
    _check_matrix("queries", queries, 3)
    _check_matrix("supports", supports, 3)
    _check_matrix("neighbours", neighbours, None)
    if neighbours.dtype != torch.int32:
        raise DataError(f"neighbours must be int32, not {neighbours.dtype}")
    if len(neighbours) != len(queries):
        raise DataError(f"{len(neighbours)} rows of neighbours for {len(queries)} queries")


def _check_lift(lift_w: Tensor, lift_b: Tensor) -> None:
    _check_matrix("lift_w", lift_w, 3)
    if lift_b.shape != lift_w.shape[:1]:
        raise DataError(f"lift_b must have shape ({len(lift_w)},), not {tuple(lift_b.shape)}")


def _check_sala(inputs: Inputs, groups: int) -> None:
    _check_points(inputs.queries, inputs.supports, inputs.neighbours)
    _check_matrix("projected", inputs.projected, None)
    lifted, hidden, (rows, width) = len(inputs.lift_w), len(inputs.hidden_w), inputs.projected.shape
    if rows != len(inputs.supports):
        raise DataError(f"{rows} rows projected for {len(inputs.supports)} supports")
    if groups < 1 or width % groups:
        raise DataError(f"{width} projected columns do not divide into {groups} groups")
    _check_matrix("lift_w", inputs.lift_w, 3)
    _check_matrix("hidden_w", inputs.hidden_w, lifted)
    _check_matrix("score_w", inputs.score_w, hidden)
    if len(inputs.score_w) != groups:
        raise DataError(f"score_w makes {len(inputs.score_w)} scores for {groups} groups")
    for name, shape in (
        ("lift_b", (lifted,)),
        ("hidden_b", (hidden,)),
        ("score_b", (groups,)),
        ("bias", (width,)),
        ("position_w", (width, lifted)),
    ):
        tensor = getattr(inputs, name)
        if tensor is not None and tensor.shape != shape:
            raise DataError(f"{name} must have shape {shape}, not {tuple(tensor.shape)}")
