"""Local aggregation: what each query point makes of its neighbours.

`reference` states the formulas, `native` runs them fused on the CPU, `triton` on a GPU. The public
functions check their arguments and choose by the tensors' device (see `salanet.ops.backend`). What
the kernels do not take (float64, on a CPU any dtype but float32; K > 255; wide perceptrons) runs by
the reference.
"""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import torch
from torch import Tensor

from salanet.errors import ConfigError, DataError
from salanet.ops.aggregation import native, reference
from salanet.ops.aggregation.reference import PositionMLP
from salanet.ops.dispatch import current_backend

__all__ = ["PositionMLP", "neighbour_max", "pair_moments", "position_moments", "sala_aggregate"]

Activation = Literal["none", "relu"]
Reduction = Literal["max", "sum"]
Assignment = Literal["soft", "hard", "none"]


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
    _require("activation", activation, ("none", "relu"))
    _require("reduction", reduction, ("max", "sum"))
    _require("assignment", assignment, ("soft", "hard", "none"))
    _check_sala(queries, supports, neighbours, projected, mlp, position_w, bias, groups)
    arguments = (queries, supports, neighbours, projected, mlp, position_w, bias)
    options = (float(radius), groups, activation, reduction, assignment)
    kernels = _kernels(projected.device)
    if (
        kernels
        and kernels.takes(neighbours, queries, supports, projected, *mlp, position_w, bias)
        and kernels.takes_perceptrons(mlp)
    ):
        return kernels.sala_aggregate(*arguments, *options)
    return reference.sala_aggregate(*arguments, *options)


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
    arguments = (queries, supports, neighbours, lift_w, lift_b, float(radius))
    kernels = _kernels(supports.device)
    if (
        kernels
        and kernels.takes(neighbours, queries, supports, lift_w, lift_b)
        and len(lift_w) <= kernels.MAX_LIFTED
    ):
        return kernels.position_moments(*arguments)
    return reference.position_moments(*arguments)


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
    arguments = (queries, supports, neighbours, lift_w, lift_b, float(radius))
    kernels = _kernels(supports.device)
    if (
        kernels
        and kernels.takes(neighbours, queries, supports, lift_w, lift_b)
        and (lift_w is None or len(lift_w) <= kernels.MAX_LIFTED)
    ):
        return kernels.pair_moments(*arguments)
    return reference.pair_moments(*arguments)


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
    kernels = _kernels(features.device)
    if kernels and kernels.takes(neighbours, features):
        return kernels.neighbour_max(features, neighbours)
    return reference.neighbour_max(features, neighbours)


def _kernels(device: torch.device) -> ModuleType | None:
    """The fused kernels for tensors on ``device``; None for the reference."""
    chosen = current_backend(device)
    if chosen == "triton":  # optional, so imported where it is needed
        from salanet.ops.aggregation import triton_ops

        return triton_ops
    return native if chosen == "native" else None


def _require(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is '{value}'; choose one of {', '.join(allowed)}")


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


def _check_sala(
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    projected: Tensor,
    mlp: PositionMLP,
    position_w: Tensor | None,
    bias: Tensor | None,
    groups: int,
) -> None:
    _check_points(queries, supports, neighbours)
    _check_matrix("projected", projected, None)
    lifted, hidden, width = len(mlp.lift_w), len(mlp.hidden_w), projected.shape[1]
    if len(projected) != len(supports):
        raise DataError(f"{len(projected)} rows projected for {len(supports)} supports")
    if groups < 1 or width % groups:
        raise DataError(f"{width} projected columns do not divide into {groups} groups")
    _check_matrix("lift_w", mlp.lift_w, 3)
    _check_matrix("hidden_w", mlp.hidden_w, lifted)
    _check_matrix("score_w", mlp.score_w, hidden)
    if len(mlp.score_w) != groups:
        raise DataError(f"score_w makes {len(mlp.score_w)} scores for {groups} groups")
    for name, vector, size in (
        ("lift_b", mlp.lift_b, lifted),
        ("hidden_b", mlp.hidden_b, hidden),
        ("score_b", mlp.score_b, groups),
        ("bias", bias, width),
    ):
        if vector is not None and vector.shape != (size,):
            raise DataError(f"{name} must have shape ({size},), not {tuple(vector.shape)}")
    if position_w is not None and position_w.shape != (width, lifted):
        raise DataError(
            f"position_w must have shape ({width}, {lifted}), not {tuple(position_w.shape)}"
        )
