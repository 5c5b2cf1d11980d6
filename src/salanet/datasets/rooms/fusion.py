"""Frames of a moving camera fused into one surface, as voxels and a mesh would leave it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array
from salanet.geometry import neighbours_of, subsample

SMOOTHED_OVER = 2.6  # voxels: the truncation of a distance field
NEIGHBOURS = 24
COMPANY = 5  # points within the radius, itself one: fewer are no surface
SEEN = 0.15  # of the median count: voxels that fewer rays met are no surface
Ints = NDArray[np.int64]


def fuse(
    xyz: Array, part: Ints, rgb: NDArray[np.uint8], *, voxel: float, spacing: float, rounds: int,
    rng: Rng,
) -> tuple[Array, Ints, NDArray[np.uint8]]:  # fmt: skip
    """One smooth surface: points (M, 3), the part most rays met (M,), mean colours (M, 3).

    Args:
        xyz, part, rgb: what all frames saw.
        voxel: edge in metres; walls seen twice, farther apart than three, stay double.
        spacing: metres between the points that remain, the vertices of the mesh.
        rounds: of smoothing, one at least; edges become round and thin things thick.
    """
    found = subsample(xyz, voxel, features={"rgb": rgb}, labels={"part": part.astype(np.int32)})
    count = np.bincount(found.cells, minlength=len(found.points))
    rows = np.flatnonzero(count >= SEEN * np.median(count))
    points = found.points[rows]
    colour, label = found.features["rgb"][rows], found.labels["part"][rows].astype(np.int64)
    points, count = _smooth(points, SMOOTHED_OVER * voxel)
    rows = np.flatnonzero(count >= COMPANY)
    points, colour, label = points[rows], colour[rows], label[rows]
    for _ in range(rounds - 1):
        points, _ = _smooth(points, SMOOTHED_OVER * voxel)
    # One of each cell, not its mean: vertices lie irregularly.
    order = rng.permutation(len(points))
    cells = subsample(points[order], max(spacing, 0.7 * voxel)).cells
    first = np.sort(order[np.unique(cells, return_index=True)[1]])
    return points[first], label[first], np.rint(colour[first]).astype(np.uint8)


def _smooth(points: Array, radius: float) -> tuple[Array, Ints]:
    """Each point (N, 3) at the mean of its neighbours within the radius, and their number (N,)."""
    narrow = points.astype(np.float32)
    near = neighbours_of(narrow, NEIGHBOURS, radius)
    padded = np.vstack([narrow, np.zeros((1, 3), np.float32)])  # missing entries are number N
    total = np.zeros(points.shape)
    for column in near.T:
        total += padded[column]
    count = (near < len(points)).sum(axis=1)
    return total / count[:, None], count
