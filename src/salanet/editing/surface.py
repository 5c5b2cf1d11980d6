"""The smooth surface that a point lies on: a roof, a wall, a road."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet import geometry
from salanet.components import components

Floats = NDArray[np.float64]

FINEST = 60  # cells in the reach of the search; what is finer is noise of the sensor
COMPANY = 2.0  # spacings to a cell, so that most have more than one point
NEAR = 20  # neighbours that tell which way a surface faces
AROUND = 2.5  # cells within which they are
BEND = np.cos(np.deg2rad(25))  # between neighbours of one surface
STEP = 0.35  # how far a neighbour may lie off the plane, per distance
FLAT = 0.02  # of the scatter may be across the surface
THICK = 0.5  # cells between a surface and a point of it


def surface(xyz: Floats, seed: int, reach: float) -> NDArray[np.bool_]:
    """Which points are on the surface of one of them, reached over neighbours that face alike.

    Cells are neighbours on a surface where their normals differ by less than 25° and each lies
    near the other's plane; points are on it that lie near the plane of their cell. A point whose
    surroundings are no surface, as in a crown, is alone.

    Args:
        xyz: float64 (N, 3), near the origin.
        seed: of these, the point to begin from.
        reach: how far the points are from it at most.
    """
    alone = np.zeros(len(xyz), bool)
    alone[seed] = True
    if len(xyz) < NEAR:
        return alone
    cell = max(COMPANY * _spacing(xyz), reach / FINEST)
    cells = geometry.subsample(xyz, cell)
    middles = np.asarray(cells.points, np.float64)
    near = geometry.neighbours_of(middles.astype(np.float32), NEAR, AROUND * cell)
    normals, flat = _facing(middles, near)
    here, slot = np.nonzero((near < len(middles)) & flat[:, None])
    there = near[here, slot]
    here, there = here[flat[there]], there[flat[there]]
    way = middles[there] - middles[here]
    off = STEP * np.linalg.norm(way, axis=1)
    kept = np.abs((normals[here] * normals[there]).sum(axis=1)) > BEND
    for normal in (normals[here], normals[there]):
        kept &= np.abs((way * normal).sum(axis=1)) <= off
    part = components(len(middles), here[kept], there[kept])
    seeds = int(cells.cells[seed])
    of = np.flatnonzero(part == part[seeds])
    if len(of) == 1:
        return alone
    # Edges face nowhere: they go by the plane of the surface beside them.
    plane = of[geometry.nearest(middles.astype(np.float32), middles[of].astype(np.float32))]
    beside = np.linalg.norm(middles[plane] - middles, axis=1) <= AROUND * cell
    beside &= (part == part[seeds]) | ~flat
    own = cells.cells
    across = np.abs(((xyz - middles[plane[own]]) * normals[plane[own]]).sum(axis=1))
    found: NDArray[np.bool_] = alone | (beside[own] & (across <= THICK * cell))
    return found


def _spacing(xyz: Floats) -> float:
    """Usual distance from a point to the nearest other one."""
    some = xyz[:: max(1, len(xyz) // 2000)]
    nearest = xyz[geometry.neighbours(xyz, some, 2)[:, 1]]
    return float(np.median(np.linalg.norm(nearest - some, axis=1)))


def _facing(points: Floats, near: NDArray[np.int32]) -> tuple[Floats, NDArray[np.bool_]]:
    """The direction across the neighbours of each point (N, 3), and whether they are a surface."""
    present = (near < len(points))[..., None]
    around = np.where(present, points[np.minimum(near, len(points) - 1)], 0.0)
    count = present.sum(axis=1)
    around = np.where(present, around - (around.sum(axis=1) / count)[:, None], 0.0)
    scatter, directions = np.linalg.eigh(around.transpose(0, 2, 1) @ around)
    least, middle, most = scatter.T
    # A line has no side that it faces.
    flat = (count[:, 0] >= 4) & (least <= FLAT * scatter.sum(axis=1)) & (middle > 0.1 * most)
    return directions[..., 0], flat
