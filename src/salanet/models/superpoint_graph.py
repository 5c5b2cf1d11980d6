"""The graph among the parts of a cloud: which of them touch, and how they lie to each other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree
from torch import Tensor

from salanet.pyramid import Pyramid
from salanet.sampling.partition import Superpoints

Array = NDArray[Any]
EDGE_FEATURES = 13
MOST = 128  # points of a part that its embedding sees
FEWEST = 40  # points of a part that has an embedding, or as many as the largest part of its cloud
FLAT = 10  # nearest points that are joined where a cloud is too flat or small to triangulate
# Radians of each axis' ripple in a spacing along x, y and z: no two alike.
RIPPLES = np.array([[1.0, 2.3, -1.7], [-2.9, 1.3, 2.1], [1.9, -1.1, 3.1]])
TINY = 1e-10  # added before logarithms, as in the authors' code


@dataclass
class SuperpointGraph:
    """S parts of N stacked points, and E directed edges between parts of the same cloud.

    Attributes:
        parts: int64 (N,), the part of each point.
        geometry: float32 (N, 4), see `salanet.sampling.partition.Superpoints`.
        place: float32 (N, 3), where in its cloud's bounding box a point lies, from 0 to 1.
        rows: int64 (R,), points that are embedded, at most `MOST` of each part.
        local: float32 (R, 3), these about the mean of those of their part, in its diameters.
        embedded: int64 (R,), the place of their part among those that have an embedding.
        owners: int64 (P,), the parts that have one, and `diameter`, float32 (P, 1), their extents.
        edges: int64 (E, 2), from a part to a part.
        edge_features: float32 (E, 13): mean and standard deviation of the offsets between points
            that touch (source - target), logarithms of the ratios of length, surface, volume and
            number of points, and the offset of the centroids.
        count: S.
    """

    parts: Tensor
    geometry: Tensor
    place: Tensor
    rows: Tensor
    local: Tensor
    embedded: Tensor
    owners: Tensor
    diameter: Tensor
    edges: Tensor
    edge_features: Tensor
    count: int

    def to(self, device: torch.device | str) -> SuperpointGraph:
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "count"}
        return SuperpointGraph(**{n: t.to(device) for n, t in tensors.items()}, count=self.count)


class SuperpointPyramid(Pyramid):
    """One level, and the graph among its parts."""

    def __init__(self, pyramid: Pyramid, graph: SuperpointGraph) -> None:
        super().__init__(pyramid.levels)
        self.graph = graph

    def to(self, device: torch.device | str) -> SuperpointPyramid:
        return SuperpointPyramid(super().to(device), self.graph.to(device))


def superpoint_graph(clouds: list[Array], partitions: list[Superpoints]) -> SuperpointGraph:
    """The graph of stacked clouds (n, 3), of at least one point; parts may have any numbers."""
    pieces = [_of_one(c, p) for c, p in zip(clouds, partitions, strict=True) if len(c)]
    stacked: dict[str, list[Array]] = {f.name: [] for f in fields(SuperpointGraph)}
    points = parts = owners = 0
    for piece in pieces:
        piece["parts"] += parts
        piece["rows"] += points
        piece["embedded"] += owners
        piece["owners"] += parts
        piece["edges"] += parts
        points, parts = points + len(piece["parts"]), parts + int(piece.pop("count"))
        owners += len(piece["owners"])
        for name, value in piece.items():
            stacked[name].append(value)
    del stacked["count"]
    tensors = {n: torch.from_numpy(np.concatenate(arrays)) for n, arrays in stacked.items()}
    return SuperpointGraph(**tensors, count=parts)


def _of_one(points: Array, given: Superpoints) -> dict[str, Any]:
    """The graph's arrays for one cloud of at least one point, parts numbered from 0."""
    points = np.asarray(points, np.float64)
    _, parts = np.unique(given.parts, return_inverse=True)
    count = int(parts.max()) + 1
    rows, local, diameter = _embedded_points(points, parts, count)
    owners, embedded = np.unique(parts[rows], return_inverse=True)
    low, high = points.min(0), points.max(0)
    edges, features = _edges(points, parts, count)
    return {
        "parts": parts.astype(np.int64),
        "geometry": np.asarray(given.geometry, np.float32),
        "place": ((points - low) / np.maximum(high - low, 1e-8)).astype(np.float32),
        "rows": rows,
        "local": local.astype(np.float32),
        "embedded": embedded.astype(np.int64),
        "owners": owners.astype(np.int64),
        "diameter": diameter[owners, None].astype(np.float32),
        "edges": edges,
        "edge_features": features.astype(np.float32),
        "count": count,
    }


def _embedded_points(points: Array, parts: Array, count: int) -> tuple[Array, Array, Array]:
    """Rows that embed their parts, those rows about their part's mean and in its diameters, and
    the diameters of all parts: the longest sides of their boxes.

    Of parts of more than `MOST` points some at random; which ones depends on the cloud's size.
    """
    size = np.bincount(parts, minlength=count)
    order = np.random.default_rng(len(points)).permutation(len(points))
    order = order[np.argsort(parts[order], kind="stable")]
    rank = np.arange(len(points)) - np.repeat(np.cumsum(size) - size, size)
    big = size >= min(FEWEST, size.max())
    rows = order[(rank < MOST) & big[parts[order]]]
    of = parts[rows]
    number = np.maximum(np.bincount(of, minlength=count), 1)[:, None]
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, of, points[rows])
    np.maximum.at(high, of, points[rows])
    diameter = np.where(big, (np.where(big[:, None], high - low, 0)).max(1), 0)
    mean = _sums(points[rows], of, count) / number
    return rows, (points[rows] - mean[of]) / (diameter[of, None] + TINY), diameter


def _edges(points: Array, parts: Array, count: int) -> tuple[Array, Array]:
    """Directed edges (E, 2) between parts that touch, and their features (E, 13)."""
    pairs = _touching(points, parts)
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    ends = parts[pairs]
    keys, index = np.unique(ends[:, 0] * count + ends[:, 1], return_inverse=True)
    edges = np.stack([keys // count, keys % count], axis=1).astype(np.int64)
    number = np.bincount(index, minlength=len(keys))[:, None]
    offset = points[pairs[:, 0]] - points[pairs[:, 1]]
    mean = _sums(offset, index, len(keys)) / number
    spread = _sums(np.square(offset - mean[index]), index, len(keys)) / number
    shape, centroid = _shapes(points, parts, count)
    source, target = edges.T
    ratio = np.log(shape + TINY)
    features = [mean, np.sqrt(spread), ratio[source] - ratio[target]]
    return edges, np.concatenate([*features, centroid[source] - centroid[target]], axis=1)


def _touching(points: Array, parts: Array) -> Array:
    """Pairs (n, 2) of points of different parts that the Delaunay triangulation joins, each once.

    The nearest ones instead where there is no triangulation: of few points, or of a plane.
    """
    try:
        corners = Delaunay(_wobbled(points)).simplices
    except (QhullError, ValueError):
        k = min(FLAT + 1, len(points))
        near = cKDTree(points).query(points, k=range(1, k + 1))[1]
        corners = np.stack([np.repeat(near[:, :1], k, axis=1), near], axis=2).reshape(-1, 2)
    found = [np.empty((0, 2), np.int64)]
    for i, j in combinations(range(corners.shape[1]), 2):
        pair = np.sort(corners[:, [i, j]], axis=1).astype(np.int64)
        found.append(pair[parts[pair[:, 0]] != parts[pair[:, 1]]])
    keys = np.concatenate(found) @ np.array([len(points), 1])
    keys = np.unique(keys)
    return np.stack([keys // len(points), keys % len(points)], axis=1)


def _wobbled(points: Array) -> Array:
    """Points moved by a thousandth of their spacing, smoothly.

    Walls that are planes take the triangulation minutes; ones with a ripple, less than a second.
    """
    points = points - points.min(0)
    spacing = np.linalg.norm(points.max(0)) / np.sqrt(len(points))
    if not spacing:
        return points
    moved: Array = points + 1e-3 * spacing * np.sin(points @ RIPPLES / spacing)
    return moved


def _shapes(points: Array, parts: Array, count: int) -> tuple[Array, Array]:
    """Length, surface, volume and number of points of each part (S, 4), and centroids (S, 3).

    From the eigenvalues of its covariance: λ1, √(λ1 λ2), ∛(λ1 λ2 λ3); those a millionth of λ1
    are nothing but rounding.
    """
    number = np.bincount(parts, minlength=count)
    centroid = _sums(points, parts, count) / number[:, None]
    about = points - centroid[parts]
    products = (about[:, :, None] * about[:, None, :]).reshape(-1, 9)
    covariance = _sums(products, parts, count).reshape(-1, 3, 3)
    covariance /= np.maximum(number - 1, 1)[:, None, None]
    values = np.linalg.eigvalsh(covariance)
    small, middle, large = np.where(values > 1e-6 * values[:, 2:], values, 0).T
    shape = np.stack([large, np.sqrt(large * middle), np.cbrt(large * middle * small), number], 1)
    return shape, centroid


def _sums(values: Array, groups: Array, count: int) -> Array:
    """Sums of rows (N, C) by group (N,): (count, C)."""
    return np.stack([np.bincount(groups, column, count) for column in values.T], axis=1)
