"""Where the points of a kernel stand: spread out in a ball, one at its centre.

Thomas et al., "KPConv" (ICCV 2019), §3.1 and supplement: each point repels the others and is drawn
to the centre.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from salanet.errors import ConfigError

STARTS = 8
MOST = 64  # each repels each other; the published kernels have 15


def kernel_points(count: int) -> Tensor:
    """A disposition of `count` points, the same in every process.

    Minimises Σ_{a≠b} 1/|x_a - x_b| + 10 Σ_a |x_a|² with x_0 = 0, from a few fixed random starts,
    and keeps the lowest. The other points stand at a mean distance of one from the centre; the
    one nearest to the vertical is turned onto it.

    Returns:
        float64 (count, 3).

    Raises:
        ConfigError: fewer than one point, or more than `MOST`.
    """
    if not isinstance(count, int) or not 1 <= count <= MOST:
        raise ConfigError(f"points: a kernel has 1 to {MOST} of them, not {count}")
    return torch.from_numpy(_disposition(count).copy())


@cache
def _disposition(count: int) -> np.ndarray:
    if count == 1:
        return np.zeros((1, 3))
    from scipy.optimize import minimize  # slow to import, and few models have kernel points

    rng = np.random.default_rng(0)
    tries = []
    for _ in range(STARTS):
        start = rng.normal(size=(count - 1, 3))
        start /= np.linalg.norm(start, axis=1, keepdims=True)
        tries.append(minimize(_energy, start.ravel(), jac=True, method="L-BFGS-B"))
    # Equal minima differ in the last digits only; the first of them wins whatever the machine.
    lowest = min(result.fun for result in tries)
    best = next(result for result in tries if result.fun < lowest * (1 + 1e-6))
    points = best.x.reshape(-1, 3)
    points = points / np.linalg.norm(points, axis=1).mean()
    points = points @ _turn_upright(points[np.argmax(points[:, 2])]).T
    return np.concatenate([np.zeros((1, 3)), points])


def _energy(flat: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy of the movable points, and its gradient."""
    points = flat.reshape(-1, 3)
    apart = points[:, None] - points[None]
    distance = np.sqrt((apart**2).sum(-1) + np.eye(len(points)))
    inverse = 1 / distance - np.eye(len(points))
    radius = np.sqrt((points**2).sum(1)) + 1e-9
    energy = inverse.sum() + 2 * (1 / radius).sum() + 10 * (radius**2).sum()
    gradient = -2 * (inverse[..., None] * apart / distance[..., None] ** 2).sum(1)
    gradient += (20 - 2 / radius**3)[:, None] * points
    return float(energy), gradient.ravel()


def _turn_upright(direction: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) that takes `direction` to (0, 0, 1) the short way."""
    x, y, z = direction / np.linalg.norm(direction)
    across = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])
    turn: np.ndarray = np.eye(3) + across + across @ across / (1 + z)
    return turn
