"""Sums over neighbours with scores that are given: the grid aggregation of the fixed assignments.

Kernel points, spherical bins and plain offsets differ only in the scores (paper eq. 1-3).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from salanet.errors import DataError
from salanet.ops.aggregation import weighted_native as native
from salanet.ops.aggregation.reference import gather


class Scores(NamedTuple):
    """How much each neighbour belongs to each group, h(j, g).

    Attributes:
        values: float (M, K, T), the scores.
        groups: int32 (M, K, T), the group in [0, size) each value is for; a group named twice
            counts twice. None when T is `size` and the values are in order.
        size: G, the number of groups.
    """

    values: Tensor
    groups: Tensor | None
    size: int

    def dense(self) -> Tensor:
        """The scores as (M, K, G)."""
        if self.groups is None:
            return self.values
        empty = self.values.new_zeros(*self.values.shape[:2], self.size)
        return empty.scatter_add(2, self.groups.long(), self.values)


def grid_sum(scores: Scores, neighbours: Tensor, features: Tensor) -> Tensor:
    """Features of each query's neighbours, summed by group: out[i, g] = Σ_j h_ijg f_j.

    Args:
        scores: for every neighbour of every query.
        neighbours: int32 (M, K); missing entries hold N.
        features: float (N, C).

    Returns:
        (M, G, C); zeros where a query has no neighbour. Differentiable in features and scores.

    Raises:
        DataError: if the shapes do not fit together.
    """
    _check(scores, neighbours, features)
    values, groups, size = scores
    if native.takes(features, values):
        return native.GridSum.apply(values, features, groups, size, neighbours)
    dense = scores.dense().to(features.dtype)
    return dense.transpose(1, 2) @ gather(features, neighbours)


def depthwise_sum(scores: Scores, neighbours: Tensor, features: Tensor, weight: Tensor) -> Tensor:
    """Depthwise grid aggregation: out[i, c] = Σ_j Σ_g h_ijg w_gc f_jc.

    Args:
        scores: for every neighbour of every query; they get no gradient.
        neighbours: int32 (M, K); missing entries hold N.
        features: float (N, C).
        weight: float (G, C).

    Returns:
        (M, C); zeros where a query has no neighbour. Differentiable in features and weight.

    Raises:
        DataError: if the shapes do not fit together.
    """
    _check(scores, neighbours, features)
    if weight.shape != (scores.size, features.shape[1]):
        raise DataError(
            f"weight must have shape ({scores.size}, {features.shape[1]}), "
            f"not {tuple(weight.shape)}"
        )
    if native.takes(features, scores.values, weight):
        return native.DepthwiseSum.apply(scores.values, features, weight, scores.groups, neighbours)
    return ((scores.dense() @ weight) * gather(features, neighbours)).sum(dim=1)


def offsets(queries: Tensor, supports: Tensor, neighbours: Tensor, radius: float) -> Tensor:
    """Relative positions in radii: (p_j - q_i) / radius of every neighbour.

    Args:
        queries: float (M, 3).
        supports: float (N, 3).
        neighbours: int32 (M, K); missing entries hold N.
        radius: in the unit of the coordinates.

    Returns:
        (M, K, 3); zero where a neighbour is missing. No gradients.
    """
    if native.takes(queries, supports):
        return native.offsets(queries, supports, neighbours, radius)
    present = neighbours < len(supports)
    return ((gather(supports, neighbours) - queries[:, None]) / radius).where(present[..., None], 0)


def neighbour_sum(features: Tensor, neighbours: Tensor) -> Tensor:
    """Sum of the neighbours' features: features (N, C), neighbours (M, K) -> (M, C)."""
    if native.takes(features):
        return native.GridSum.apply(None, features, None, 1, neighbours).squeeze(1)
    return gather(features, neighbours).sum(dim=1)


def linear_influence(offset: Tensor, points: Tensor, extent: float) -> Tensor:
    """max(0, 1 - |y - x_g| / extent): how much each kernel point takes of each neighbour.

    Args:
        offset: float (M, K, 3), the y.
        points: float (G, 3), the x_g; or (M, G, 3) where every query has its own.
        extent: reach of a kernel point.

    Returns:
        (M, K, G). Differentiable in the points where every query has its own.
    """
    if points.dim() == 2 and native.takes(offset, points):
        return native.influence(offset, points, extent)
    # The lower bound keeps the gradient finite at a kernel point.
    distance = squared_distances(offset, points).clamp_min(1e-20).sqrt()
    return (1 - distance / extent).clamp_min(0)


def squared_distances(offset: Tensor, points: Tensor) -> Tensor:
    """|y - x_g|² of offsets (M, K, 3) and points (G, 3) or (M, G, 3), as (M, K, G)."""
    cross = offset @ points.transpose(-1, -2)
    norms = points.square().sum(-1)
    norms = norms if points.dim() == 2 else norms[:, None]
    return (offset.square().sum(-1, keepdim=True) + norms - 2 * cross).clamp_min(0)


def _check(scores: Scores, neighbours: Tensor, features: Tensor) -> None:
    if features.dim() != 2:
        raise DataError(f"features must have two dimensions, not shape {tuple(features.shape)}")
    if neighbours.dtype != torch.int32 or neighbours.shape != scores.values.shape[:2]:
        raise DataError(
            f"neighbours must be int32 of shape {tuple(scores.values.shape[:2])}, "
            f"not {neighbours.dtype} of shape {tuple(neighbours.shape)}"
        )
    if scores.groups is not None and scores.groups.shape != scores.values.shape:
        raise DataError(
            f"groups have shape {tuple(scores.groups.shape)}, values {tuple(scores.values.shape)}"
        )
    if scores.groups is None and scores.values.shape[2] != scores.size:
        raise DataError(f"{scores.values.shape[2]} scores for {scores.size} groups")
