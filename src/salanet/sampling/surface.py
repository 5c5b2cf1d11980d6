"""Points all over the triangles of a mesh, whose vertices lie where its shape needs them.

What is scanned as a mesh has its vertices farther apart than the cells of a network, and farthest
where the surface is plain. Sampled evenly, it looks like the scans that networks learn from. The
vertices stay, as the first points, so whatever is found for the points is found for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.io.faces import triangles

PER_CELL = 2.0  # points along a cell: sampled at 2 cm, cells of 4 cm are filled
MOST = 20_000_000  # points: beyond, they lie farther apart
# Steps of the plane-filling sequence of M. Roberts (2018), of the plastic number.
STEPS = np.array([0.7548776662466927, 0.5698402909980532])


def of_mesh(cloud: PointCloud, cell: float, where: Path | str) -> PointCloud | None:
    """The surface of a mesh, dense enough for cells of that size, in the cloud's units.

    None for a cloud without faces. Raises FileError as `salanet.io.faces.triangles`.
    """
    found = triangles(cloud, where)
    return None if found is None else sampled(cloud, found, cell / PER_CELL)


def spread_over_faces(cloud: PointCloud, count: int, where: Path | str) -> PointCloud:
    """The vertices of a mesh and `count` points on its faces; a cloud without faces itself."""
    found = triangles(cloud, where)
    total = 0.0 if found is None else float(areas(cloud.xyz, found).sum())
    if found is None or not total:
        return cloud
    return sampled(cloud, found, float(np.sqrt(total / count)), count)


def areas(xyz: NDArray[np.float64], corners_of: NDArray[np.int64]) -> NDArray[np.float64]:
    """The area (T,) of each triangle; 0 where a corner is not finite."""
    a, b, c = (xyz[corners_of[:, k]] for k in range(3))
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.where(np.isfinite(size), size, 0.0)


def sampled(
    cloud: PointCloud, corners_of: NDArray[np.int64], spacing: float, most: int = MOST
) -> PointCloud:
    """The vertices, then points on the triangles: one for each spacing² of their area.

    Args:
        cloud: N vertices.
        corners_of: of the triangles (T, 3), rows of the cloud.
        spacing: in the cloud's units; larger where there would be more than `most` points.

    Returns:
        N + M points, with what the source says of any points. Colours, intensities and fractions of
        attributes go evenly from corner to corner; labels and what else is whole numbers are those
        of the nearest corner. The same arguments give the same points.
    """
    size = areas(cloud.xyz, corners_of)
    total = float(size.sum())
    count = min(round(total / spacing**2), most)
    if not count:
        return PointCloud(cloud.xyz, **_parts(cloud, None, None))
    # Even steps along the triangles laid end to end: each gets its share, to within one point.
    ends = np.cumsum(size)
    which = np.searchsorted(ends, (np.arange(count) + 0.5) * (ends[-1] / count), side="right")
    corners = corners_of[np.minimum(which, len(corners_of) - 1)]
    weights = _weights(count)
    places = (cloud.xyz[corners] * weights[:, :, None]).sum(axis=1)
    return PointCloud(np.vstack([cloud.xyz, places]), **_parts(cloud, corners, weights))


def _weights(count: int) -> NDArray[np.float64]:
    """Barycentric coordinates (count, 3), spread evenly over a triangle."""
    u, v = ((np.arange(1, count + 1)[:, None] * STEPS) % 1).T
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    return np.stack([1 - u - v, u, v], axis=1)


def _parts(
    cloud: PointCloud, corners: NDArray[np.int64] | None, weights: NDArray[np.float64] | None
) -> dict[str, Any]:
    """All arrays of the cloud with those of the further points behind."""

    def longer(array: NDArray[Any], *, mixed: bool) -> NDArray[Any]:
        if corners is None or weights is None:
            return array
        if not mixed:
            nearest = corners[np.arange(len(corners)), weights.argmax(axis=1)]
            return np.concatenate([array, array[nearest]])
        shares = weights.reshape(*weights.shape, *[1] * (array.ndim - 1))
        values = (array[corners] * shares).sum(axis=1)
        values = np.rint(values) if array.dtype.kind in "iu" else values
        return np.concatenate([array, values.astype(array.dtype)])

    given: dict[str, Any] = {}
    if cloud.rgb is not None:
        given["rgb"] = longer(cloud.rgb, mixed=True)
    if cloud.intensity is not None:
        given["intensity"] = longer(cloud.intensity, mixed=True)
    if cloud.label is not None:
        given["label"] = longer(cloud.label, mixed=False)
    given["attributes"] = {
        name: longer(array, mixed=array.dtype.kind == "f")
        for name, array in cloud.attributes.items()
    }
    given["class_names"] = cloud.class_names
    given["source"] = cloud.source_of_others()
    return given
