"""A generated airborne scan of a small town, for the demo and for tests: no download needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud

# ASPRS codes of what stands in the town, and a class map for `salanet prepare`.
GROUND, SHRUB, TREE, HOUSE, CAR = 2, 4, 5, 6, 1
CLASSES = "ground=2,shrub=4,tree=5,building=6,car=1"
ORIGIN = (652_000.0, 6_862_000.0, 100.0)  # large coordinates, as real surveys have
BRIGHTNESS = {GROUND: 900, SHRUB: 500, TREE: 450, HOUSE: 1100, CAR: 1400}
NOISE = 0.03  # metres
UNDER_TREES = 0.3  # of the ground below a crown that is seen

Array = NDArray[np.float64]


def town(seed: int, *, size: float = 60.0, density: float = 8.0) -> PointCloud:
    """A square of `size` metres with about `density` points per m².

    Holds intensity, label, return_number and number_of_returns; the same seed gives the same
    points.
    """
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, size, (int(size * size * density), 2))
    xyz = np.column_stack([xy, _terrain(xy, seed)])
    label = np.full(len(xyz), GROUND)
    for _ in range(max(1, int(size * size / 450))):
        _stand(xyz, label, HOUSE, rng, size, rng.uniform(6, 14, 2), rng.uniform(3, 7), gable=2.5)
    for _ in range(max(1, int(size * size / 300))):
        _stand(xyz, label, CAR, rng, size, np.array([4.2, 1.8]), rng.uniform(1.3, 1.6), gable=0)
    plants = [
        _plant(rng, size, seed, tree=n % 2 == 0, density=density)
        for n in range(max(2, int(size * size / 75)))
    ]
    label[(label == GROUND) & _below(xy, plants) & (rng.random(len(xy)) > UNDER_TREES)] = -1
    xyz, label = xyz[label >= 0], label[label >= 0]
    xyz = np.concatenate([xyz, *(points for points, _ in plants)])
    label = np.concatenate([label, *(np.full(len(points), code) for points, code in plants)])
    xyz += rng.normal(0, NOISE, xyz.shape)
    order = rng.permutation(len(xyz))
    xyz, label = xyz[order], label[order]
    soft = np.isin(label, (SHRUB, TREE))
    returns = np.where(soft, rng.integers(1, 4, len(label)), 1).astype(np.uint8)
    brightness = np.vectorize(BRIGHTNESS.get)(label) * rng.lognormal(0, 0.15, len(label))
    return PointCloud(
        np.round(xyz + ORIGIN, 2),
        intensity=np.round(brightness).astype(np.float32),
        label=label.astype(np.int32),
        attributes={
            "return_number": np.minimum(rng.integers(1, 4, len(label)), returns).astype(np.uint8),
            "number_of_returns": returns,
        },
    )


def _terrain(xy: Array, seed: int) -> Array:
    return 1.5 * np.sin(xy[:, 0] / 17 + seed) + 1.2 * np.cos(xy[:, 1] / 23 - seed)


def _stand(
    xyz: Array,
    label: NDArray[np.int64],
    code: int,
    rng: np.random.Generator,
    size: float,
    sides: Array,
    height: float,
    gable: float,
) -> None:
    """Lift the free ground inside a turned rectangle to a flat or gabled top."""
    centre, angle = rng.uniform(0, size, 2), rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    local = (xyz[:, :2] - centre) @ turn / (sides / 2)
    inside = (np.abs(local) < 1).all(axis=1)
    if not inside.any() or (label[inside] != GROUND).any():
        return
    base = xyz[inside, 2].mean()
    xyz[inside, 2] = base + height + gable * (1 - np.abs(local[inside, 1]))
    label[inside] = code
    # A few returns from the walls: points near an edge, at any height.
    wall = inside.copy()
    wall[inside] = (np.abs(local[inside]).max(axis=1) > 0.95) & (rng.random(inside.sum()) < 0.5)
    xyz[wall, 2] = base + rng.uniform(0, height, wall.sum())


def _plant(
    rng: np.random.Generator, size: float, seed: int, *, tree: bool, density: float
) -> tuple[Array, int]:
    """The returns of a crown (a tree) or of a shrub, mostly from its hull."""
    radius = rng.uniform(1.8, 3.5) if tree else rng.uniform(0.6, 1.3)
    lift = rng.uniform(3.5, 6.0) if tree else 0.6
    centre = rng.uniform(0, size, 2)
    direction = rng.normal(size=(int(density * 4 * radius * radius) + 8, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = radius * rng.uniform(0.5, 1, (len(direction), 1)) ** (1 / 3)
    points = direction * reach * [1, 1, 1.3 if tree else 0.7]
    foot = _terrain(centre[None], seed)[0]
    points += [*centre, foot + lift]
    points[:, 2] = np.maximum(points[:, 2], foot + 0.1)
    return points, TREE if tree else SHRUB


def _below(xy: Array, plants: list[tuple[Array, int]]) -> NDArray[np.bool_]:
    below = np.zeros(len(xy), dtype=bool)
    for points, _ in plants:
        centre = points[:, :2].mean(axis=0)
        radius = np.linalg.norm(points[:, :2] - centre, axis=1).max()
        below |= ((xy - centre) ** 2).sum(axis=1) < radius * radius
    return below
