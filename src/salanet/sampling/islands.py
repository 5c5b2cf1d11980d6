"""Small islands of a label amid others, and what their surroundings say of them.

Sites within `RADIUS` cells of each other, and among each other's `NEIGHBOURS` nearest, are linked.
Linked sites of one label are a component, and one of few sites an island. Every site i linked to an
island votes for its own label or probabilities q_i, with the weight

    w_ij = exp(-|d|² / 2σ²) · exp(-(f_i (n_i·d)² + f_j (n_j·d)²) / 2τ²),   d = x_j - x_i

where n is the normal of the surface around a site and f, from 0 to 1, how flat that is: what lies
beside a site on its own surface counts, what lies across an edge or above a step does not. An
island with the mean probabilities p takes the label of the greatest log p + STRENGTH · share of the
votes; without probabilities that with most votes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.components import components
from salanet.geometry import neighbours_of

SIZE = 10  # sites of an island, at the most
RADIUS, NEIGHBOURS = 3.0, 16  # in cells; itself included
SIGMA, TAU = 2.0, 0.75  # in cells
STRENGTH = 1.0
LEAST = 0.2  # weight of all votes that is enough to decide
FLOOR = 1e-6  # of a probability

Sites = NDArray[np.float32]


def reach(size: int) -> float:
    """How far from a site, in cells, lies what its label can depend on."""
    return RADIUS * (size + 2)


def settled(
    xyz: Sites,
    labels: NDArray[np.integer],
    cell: float,
    *,
    size: int = SIZE,
    probabilities: NDArray[np.float32] | None = None,
    fixed: NDArray[np.bool_] | None = None,
    closed: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """The labels (N,) of sites, those of islands put right by what is around them.

    The result does not depend on the order of the sites, nor on any beyond `reach`.

    Args:
        xyz: float32 (N, 3), no two of one label at one place.
        labels: (N,), from 0 to C - 1; -1: neither changes nor votes.
        cell: about the distance between neighbouring sites, in the units of xyz.
        size: most sites of an island.
        probabilities: float32 (N, C), of each label; None: nothing but the labels is known.
        fixed: which sites (N,) keep their label, and vote all the same.
        closed: labels (C,) that nobody gets.
    """
    found = np.array(labels, np.int64)
    if not len(found) or found.max() < 0:
        return found
    order = np.lexsort((found, xyz[:, 2], xyz[:, 1], xyz[:, 0]))  # ties among neighbours: by it
    if probabilities is not None:
        probabilities = probabilities[order]
    free = found[order] >= 0
    if fixed is not None:
        free &= ~fixed[order]
    count = len(closed) if closed is not None else int(found.max()) + 1
    shut = np.zeros(count, bool) if closed is None else closed
    found[order] = _settled(xyz[order], found[order], cell, size, probabilities, free, shut)
    return found


def parts(xyz: Sites, labels: NDArray[np.integer], cell: float) -> NDArray[np.int64]:
    """The component (N,) of each site; see `settled`."""
    return _parts(neighbours_of(xyz, NEIGHBOURS, RADIUS * cell), np.asarray(labels, np.int64))


def _settled(
    xyz: Sites,
    labels: NDArray[np.int64],
    cell: float,
    size: int,
    probabilities: NDArray[np.float32] | None,
    free: NDArray[np.bool_],
    closed: NDArray[np.bool_],
) -> NDArray[np.int64]:
    near = neighbours_of(xyz, NEIGHBOURS, RADIUS * cell)
    part = _parts(near, labels)
    sizes = np.bincount(part)
    rows = np.flatnonzero(free & (sizes[part] <= size))
    i, j = _links(near, rows)
    other = (part[i] != part[j]) & (labels[j] >= 0)
    i, j = i[other], j[other]
    if not len(i):
        return labels
    island = np.full(len(sizes), -1)
    numbers = np.unique(part[rows])
    island[numbers] = np.arange(len(numbers))
    weight = _weights(xyz, near, i, j, cell)
    count = len(closed) if probabilities is None else probabilities.shape[1]
    votes = np.zeros((len(numbers), count))
    for label in range(count):
        said = labels[j] == label if probabilities is None else probabilities[j, label]
        votes[:, label] = np.bincount(island[part[i]], weight * said, len(numbers))
    total = votes.sum(axis=1)
    score = STRENGTH * votes / np.maximum(total, LEAST)[:, None]
    if probabilities is not None:
        score += _own(probabilities, island[part[rows]], rows, len(numbers))
    score[:, np.flatnonzero(closed)] = -np.inf
    best = score.argmax(axis=1)
    decided = (total >= LEAST) & np.isfinite(score.max(axis=1)) & (score.max(axis=1) != 0)
    found, at = labels.copy(), island[part[rows]]
    found[rows] = np.where(decided[at], best[at], labels[rows])
    return found


def _parts(near: NDArray[np.int32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The component (N,) of each site among linked ones of its label."""
    i, j = _links(near, np.arange(len(near)))
    same = labels[i] == labels[j]
    return components(len(near), i[same], j[same])


def _links(
    near: NDArray[np.int32], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The sites at both ends of all links that begin at some of them."""
    others = near[rows, 1:]
    there = others < len(near)
    starts = np.repeat(rows.astype(np.int32), there.sum(axis=1))
    return starts, others[there]


def _own(
    probabilities: NDArray[np.float32],
    island: NDArray[np.int64],
    rows: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """The logarithm of the mean probabilities of each island (count, C)."""
    held = np.bincount(island, minlength=count)
    means = [np.bincount(island, p[rows], count) / held for p in probabilities.T]
    return np.log(np.stack(means, axis=1) + FLOOR)


def _weights(
    xyz: Sites, near: NDArray[np.int32], i: NDArray[np.int32], j: NDArray[np.int32], cell: float
) -> NDArray[np.float64]:
    """The weight of each link."""
    sites, at = np.unique(np.r_[i, j], return_inverse=True)
    normals, flat = _surfaces(xyz, near[sites])
    a, b = at[: len(i)], at[len(i) :]
    apart = (xyz[j] - xyz[i]).astype(np.float64) / cell
    far = (apart**2).sum(axis=1) / SIGMA**2
    off = flat[a] * (normals[a] * apart).sum(axis=1) ** 2
    off += flat[b] * (normals[b] * apart).sum(axis=1) ** 2
    found: NDArray[np.float64] = np.exp(-(far + off / TAU**2) / 2)
    return found


def _surfaces(
    xyz: Sites, near: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Normals (n, 3), and how flat the surroundings of n sites are (n,), from their neighbours."""
    there = near < len(xyz)
    patches = xyz[np.where(there, near, near[:, :1])].astype(np.float64)
    patches -= patches.mean(axis=1, keepdims=True)
    patches *= there[:, :, None]
    spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", patches, patches))
    width = np.sqrt(np.maximum(spread, 0))
    flat = (width[:, 1] - width[:, 0]) / np.maximum(width[:, 2], 1e-12)
    return axes[:, :, 0], flat
