"""The fixed assignments h(j, g) of neighbours to groups, from where a neighbour lies.

Kernel points, spherical bins (hard or fuzzy) and the offsets themselves are all `Scores` of one
grid aggregation; SALA learns its own. Offsets are relative positions divided by the radius.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from salanet.ops.aggregation.weighted import Scores, linear_influence, squared_distances

Influence = Literal["linear", "gaussian", "constant"]

# A neighbour closer than this part of the radius is the query point itself (SPH3D's 1 mm of 10 cm).
SELF_DISTANCE = 0.01
# What lies on the border of two bins, as half of the neighbours on a grid of measured coordinates
# do, belongs to the upper one, whichever way an angle is rounded.
BORDER = 1e-4  # bins


def neighbour_counts(neighbours: Tensor, supports: int) -> Tensor:
    """Number of neighbours of each query, at least one, as float (M, 1)."""
    return (neighbours < supports).sum(1, keepdim=True).clamp_min(1).float()


def offset_scores(offset: Tensor, *, constant: bool = False) -> Scores:
    """The offsets as scores: three groups, and with `constant` a fourth whose score is one."""
    if constant:
        offset = torch.cat([offset, torch.ones_like(offset[..., :1])], dim=-1)
    return Scores(offset, None, offset.shape[-1])


def kernel_point_scores(
    offset: Tensor,
    points: Tensor,
    extent: float,
    influence: Influence = "linear",
    *,
    closest: bool = False,
) -> Scores:
    """Influence of each kernel point on each neighbour (KPConv eq. 2-3).

    With y the offset and d = |y - x_g|: linear max(0, 1 - d / extent), gaussian
    exp(-d² / 2(0.3 extent)²), or constant 1.

    Args:
        offset: (M, K, 3).
        points: (G, 3), or (M, G, 3) where every query has its own; in radii.
        extent: reach of a kernel point, in radii.
        influence: as above.
        closest: a neighbour belongs to its nearest kernel point alone.
    """
    if influence == "linear":
        values = linear_influence(offset, points, extent)
    elif influence == "gaussian":
        values = torch.exp(squared_distances(offset, points) / (-2 * (0.3 * extent) ** 2))
    else:
        values = offset.new_ones(*offset.shape[:2], points.shape[-2])
    if closest:
        nearest = squared_distances(offset, points).argmin(dim=-1, keepdim=True)
        return Scores(values.gather(-1, nearest), nearest.int(), points.shape[-2])
    return Scores(values, None, points.shape[-2])


def spherical_scores(offset: Tensor, bins: tuple[int, int, int]) -> Scores:
    """One spherical bin for each neighbour (SPH3D-GCN §3.1): azimuth, elevation and radius.

    Group 0 is the query point itself; the others are 1 + azimuth + n (elevation + p radius) for
    bins = (n, p, q), each uniform in angle or radius.
    """
    n, p, q = bins
    distance, azimuth, elevation, shell = _spherical(offset, bins)
    sector = azimuth.floor().clamp_(0, n - 1)
    ring = (elevation + BORDER).floor().clamp_(0, p - 1)
    group = 1 + sector + n * (ring + p * shell)
    group = group.where(distance > SELF_DISTANCE, 0).int()[..., None]
    return Scores(torch.ones_like(offset[..., :1]), group, n * p * q + 1)


def fuzzy_spherical_scores(offset: Tensor, bins: tuple[int, int, int]) -> Scores:
    """Spherical bins with soft borders (SegGCN §3.2): three scores that sum to one.

    Group 0 gets 1 - d/radius. The rest is shared by the neighbour's own elevation bin (1 - β) and
    the one across the nearer border (β), where β = |t - 0.5| and t in [0, 1) is the place within
    the bin; azimuth and radius stay hard. At the outermost borders both are the same bin.
    """
    n, p, q = bins
    distance, azimuth, elevation, shell = _spherical(offset, bins)
    sector = azimuth.floor().clamp_(0, n - 1)
    ring = (elevation + BORDER).floor().clamp_(0, p - 1)
    place = elevation - ring
    beta = (place - 0.5).abs()
    other = torch.where(place < 0.5, ring - 1, ring + 1).clamp_(0, p - 1)
    own = (1 - distance).clamp_min(0)
    values = torch.stack([own, (1 - own) * (1 - beta), (1 - own) * beta], dim=-1)
    bands = [1 + sector + n * (r + p * shell) for r in (ring, other)]
    groups = torch.stack([torch.zeros_like(sector), *bands], dim=-1).int()
    return Scores(values, groups, n * p * q + 1)


def _spherical(offset: Tensor, bins: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distance, and azimuth, elevation (in bins, real) and radius (bin number), each (M, K)."""
    n, p, q = bins
    distance = offset.norm(dim=-1)
    azimuth = torch.atan2(offset[..., 1], offset[..., 0]) / (2 * math.pi)
    azimuth = (azimuth + (azimuth < 0)) * n + BORDER
    elevation = torch.atan2(offset[..., 2], offset[..., :2].norm(dim=-1)) / math.pi + 0.5
    shell = (distance * q + BORDER).floor().clamp_(0, q - 1)
    return distance, azimuth, elevation * p, shell
