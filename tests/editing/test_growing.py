"""What grows from a point: the surface it lies on, whatever is near."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from salanet.editing.surface import surface

Floats = NDArray[np.float64]


def plane(rng: np.random.Generator, count: int, pitch: float = 0.0, noise: float = 0.0) -> Floats:
    """Points of a rectangle of 10 by 6 that rises along y."""
    x, y = rng.uniform(0, 10, count), rng.uniform(0, 6, count)
    angle = np.deg2rad(pitch)
    xyz = np.stack([x, y * np.cos(angle), y * np.sin(angle)], axis=1)
    return xyz + rng.normal(0, noise, xyz.shape)


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("density", [20, 400])
def test_one_side_of_a_roof(density: int, noise: float) -> None:
    rng = np.random.default_rng(density)
    count = 60 * density
    near_side = plane(rng, count, 35, noise)
    far_side = plane(rng, count, 35, noise) * [1, -1, 1] + [0, 12 * np.cos(np.deg2rad(35)), 0]
    ground = plane(rng, count, 0, noise) - [0, 0, 3]
    crown = rng.normal([5, -2, 1], 1.0, (count // 4, 3))
    xyz = np.concatenate([near_side, far_side, ground, crown])
    found = surface(xyz, int(np.argmin(np.linalg.norm(xyz - near_side.mean(axis=0), axis=1))), 12)
    parts = np.split(found, np.cumsum([count, count, count]))
    assert parts[0].mean() > 0.9
    assert parts[1].mean() < 0.06 and parts[2].mean() < 0.01 and parts[3].mean() < 0.05


def test_round_the_bend_but_not_over_the_step() -> None:
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, np.pi, 30_000)  # half a cylinder: every neighbour faces nearly alike
    tunnel = np.stack([rng.uniform(0, 10, 30_000), 3 * np.cos(angle), 3 * np.sin(angle)], axis=1)
    kerb = plane(rng, 30_000) + [0, 3.5, 0.4]
    found = surface(np.concatenate([tunnel, kerb]), 0, 12)
    assert found[:30_000].mean() > 0.97 and not found[30_000:].any()


def test_what_is_no_surface_is_alone() -> None:
    rng = np.random.default_rng(4)
    crown = rng.normal(0, 2.0, (5000, 3))
    assert surface(crown, 7, 6).mean() < 0.05 and surface(crown, 7, 6)[7]
    few = rng.random((5, 3))
    assert surface(few, 2, 1).tolist() == [False, False, True, False, False]
    same = np.zeros((40, 3))
    assert surface(same, 3, 1)[3]
    wire = np.stack([np.linspace(0, 10, 500), np.zeros(500), np.zeros(500)], axis=1)
    assert surface(wire, 250, 5).sum() == 1
