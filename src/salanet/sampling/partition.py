"""Clouds in parts of alike geometry: superpoints (Landrieu and Simonovsky, CVPR 2018, §3.1).

Four numbers say what the surroundings of a point look like: linear, planar, scattered, vertical. A
partition is a good one if these vary little within its parts and few neighbours are parted,

    E = Σ_i |g_i - mean of its part|² + ρ Σ_(i,j) w_ij [i and j are in different parts].

The authors minimise E by ℓ0 cut pursuit, which splits parts by graph cuts. Here parts grow instead:
each point is one at first, and adjacent parts that gain most by it merge while E falls
(`minimal_partition`, akin to the region fusion of Nguyen and Brown, ICCV 2015). Both end in a local
minimum of E. (Of the three packages of cut pursuit on PyPI in 2026, pycut-pursuit is under the GPL,
cut-pursuit-l2 rests on one that is, and cut-pursuit-py 1.0.12, under the MIT licence, gave back the
connected components of an airborne tile whatever ρ, with higher E than merging.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
VERSION = 1  # of the algorithm; kept partitions of another are made anew
VERTICALITY = 2.0  # counts so much more than the other three
ROWS = 1 << 15  # neighbourhoods looked at at once: 40 MB


@dataclass(frozen=True)
class PartitionOptions:
    """How a cloud is partitioned; the defaults are the authors' for S3DIS.

    Attributes:
        neighbours: of a point's surroundings.
        adjacency: nearest points that a point is joined to.
        regularisation: ρ, the price of a border; the larger, the fewer parts.
    """

    neighbours: int = 45
    adjacency: int = 10
    regularisation: float = 0.03

    @property
    def key(self) -> str:
        """A name for partitions made so."""
        text = repr(sorted((asdict(self) | {"version": VERSION}).items()))
        return blake2b(text.encode(), digest_size=8).hexdigest()


class Superpoints(NamedTuple):
    """A partition of N points.

    Attributes:
        parts: int32 (N,), the part of each, numbered by their first points.
        geometry: float32 (N, 4): linearity, planarity, scattering, verticality, from 0 to 1.
    """

    parts: NDArray[np.int32]
    geometry: NDArray[np.float32]

    def of(self, rows: Array | slice) -> Superpoints:
        """Those of some points; parts keep their numbers."""
        return Superpoints(self.parts[rows], self.geometry[rows])


def stacked_superpoints(given: Sequence[Superpoints | None]) -> Superpoints | None:
    """Those of stacked clouds; None if there are none. Clouds may use the same numbers."""
    known = [one for one in given if one is not None]
    if not known:
        return None
    return Superpoints(*(np.concatenate(arrays) for arrays in zip(*known, strict=True)))


def partition(points: Array, options: PartitionOptions) -> Superpoints:
    """Part a cloud (N, 3); by its geometry alone, since not every cloud has colours."""
    points = np.asarray(points, np.float64)
    from scipy.spatial import cKDTree  # of the extra `train`

    tree = cKDTree(points) if len(points) else None
    k = min(max(options.neighbours, options.adjacency) + 1, len(points))
    near = np.empty((len(points), k), np.int32)
    geometry = np.empty((len(points), 4), np.float32)
    for begin in range(0, len(points), ROWS):
        rows = slice(begin, min(begin + ROWS, len(points)))
        assert tree is not None
        near[rows] = tree.query(points[rows], k=range(1, k + 1), workers=-1)[1]
        geometry[rows] = geometric_features(points[near[rows, : options.neighbours + 1]])
    edges, weights = adjacency(points, near[:, 1 : options.adjacency + 1])
    values = geometry.astype(np.float64) * [1, 1, 1, VERTICALITY]
    parts = minimal_partition(values, edges, weights, options.regularisation)
    return Superpoints(parts, geometry)


def geometric_features(neighbourhoods: Array) -> NDArray[np.float32]:
    """Linearity, planarity, scattering and verticality of neighbourhoods (N, K, 3): (N, 4).

    With λ1 >= λ2 >= λ3 and v1, v2, v3 the eigenvalues and -vectors of their covariance,

        (√λ1 - √λ2) / √λ1,    (√λ2 - √λ3) / √λ1,    √λ3 / √λ1,    u_z / |u|,
        u = λ1 |v1| + λ2 |v2| + λ3 |v3|, the absolute values by component;

    zeros where all points are one (Demantké et al. 2011; Guinard and Landrieu 2017).
    """
    centred = neighbourhoods - neighbourhoods.mean(1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred / max(1, neighbourhoods.shape[1])
    values, vectors = np.linalg.eigh(covariance)
    values = values.clip(min=0)
    small, middle, large = np.sqrt(values).T
    unary = (values[:, None] * np.abs(vectors)).sum(2)
    length = np.linalg.norm(unary, axis=1)
    shapes = np.stack([large - middle, middle - small, small, unary[:, 2]], axis=1)
    scale = np.stack([large, large, large, length], axis=1)
    shares = np.divide(shapes, scale, out=np.zeros_like(shapes), where=scale > 0)
    out: NDArray[np.float32] = shares.astype(np.float32)
    return out


def adjacency(points: Array, near: Array) -> tuple[Array, Array]:
    """Who is joined to whom, and how closely: pairs (E, 2), each once, and weights (E,).

    An edge weighs 1 / (1 + d / mean d), twice if each end is among the nearest of the other.
    """
    count, k = near.shape
    ends = np.stack([np.repeat(np.arange(count), k), near.ravel().astype(np.int64)])
    distance = np.linalg.norm(points[ends[0]] - points[ends[1]], axis=1)
    mean = distance.mean() if len(distance) else 0.0
    weights = 1 / (1 + distance / mean) if mean > 0 else np.ones(len(distance))
    return _joined(ends, weights, count)


def minimal_partition(
    values: Array, edges: Array, weights: Array, strength: float
) -> NDArray[np.int32]:
    """A local minimum of E = Σ |value - mean of its part|² + strength · weights of cut edges.

    Merging parts A and B changes E by |A||B| / (|A| + |B|) · |mean_A - mean_B|² minus what the
    edges between them cost. In each round every part looks for the neighbour it gains most with,
    and joins it if that is the larger one and stays. If E would not fall with all that join a
    part, the best of them joins alone. The result does not depend on the number of threads.

    Args:
        values: float64 (N, C).
        edges, weights: (E, 2), every pair once and its first row before its second, and (E,).
        strength: ρ.

    Returns:
        int32 (N,) parts, numbered by their first rows; no merging of two lowers E.
    """
    parts = np.arange(len(values))
    mean: Array = np.array(values, np.float64)
    size: Array = np.ones(len(values))
    while len(edges):
        a, b = edges.T
        apart = np.square(mean[a] - mean[b]).sum(1) * size[a] * size[b] / (size[a] + size[b])
        gain = strength * weights - apart
        order = np.argsort(gain, kind="stable")
        order = order[gain[order] > 0]
        if not len(order):
            break
        best = np.full(len(mean), -1)
        # Of equal indices the last one counts, which has the largest gain.
        best[edges[order].ravel()] = np.repeat(order, 2)
        leaves, hubs = _stars(edges, best, size)
        leaves, hubs = _that_gain(leaves, hubs, mean, size, strength * weights, gain, best)
        number = np.arange(len(mean))
        number[leaves] = hubs
        roots, number = np.unique(number, return_inverse=True)
        total = np.bincount(number, size)
        mean = _weighted(mean, size, number, len(roots)) / total[:, None]
        size, parts = total, number[parts]
        edges, weights = _joined(number[edges.T], weights, len(mean))
    _, first, inverse = np.unique(parts, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int32)


def _stars(edges: Array, best: Array, size: Array) -> tuple[Array, Array]:
    """Parts that join, and the larger ones, which stay, that they join."""
    own = np.arange(len(best))
    other = np.where(best >= 0, edges[best].sum(1) - own, own)
    larger = (size[other] > size) | ((size[other] == size) & (other > own))
    leaves = np.flatnonzero(larger & ~larger[other])
    return leaves, other[leaves]


def _that_gain(
    leaves: Array, hubs: Array, mean: Array, size: Array, price: Array, gain: Array, best: Array
) -> tuple[Array, Array]:
    """All that join a part, if E falls by it, or the best of them."""
    count = len(mean)
    members, to = np.concatenate([leaves, np.unique(hubs)]), np.concatenate([hubs, np.unique(hubs)])
    total = np.maximum(np.bincount(to, size[members], count), 1)
    middle = _weighted(mean[members], size[members], to, count) / total[:, None]
    spread = np.bincount(to, size[members] * np.square(mean[members] - middle[to]).sum(1), count)
    falls = np.bincount(hubs, price[best[leaves]], count) > spread
    chosen = np.full(count, -1)
    order = np.argsort(gain[best[leaves]], kind="stable")
    chosen[hubs[order]] = leaves[order]
    kept = falls[hubs] | (chosen[hubs] == leaves)
    return leaves[kept], hubs[kept]


def _weighted(values: Array, weights: Array, groups: Array, count: int) -> Array:
    """Sums of weighted rows (N, C) by group: (count, C)."""
    return np.stack([np.bincount(groups, weights * v, count) for v in values.T], axis=1)


def _joined(ends: Array, weights: Array, count: int) -> tuple[Array, Array]:
    """Edges (2, E) between `count` nodes as (E', 2), each pair once, with the sums of weights."""
    apart = ends[0] != ends[1]
    low, high = np.sort(ends[:, apart], axis=0).astype(np.int64)
    pairs, index = np.unique(low * count + high, return_inverse=True)
    edges = np.stack([pairs // max(count, 1), pairs % max(count, 1)], axis=1)
    return edges, np.bincount(index, weights[apart], len(pairs))
