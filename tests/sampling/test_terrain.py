"""Generated terrains on which a filter goes wrong: cliff, terraces, embankment, hall, low noise."""

from __future__ import annotations

import numpy as np
import pytest

from salanet.sampling.ground import Ground, find_ground, height_above_ground


def scan(z: object, size: float = 100.0, density: float = 4.0, seed: int = 0) -> np.ndarray:
    """Points (N, 3) of a surface z(x, y), with 2 cm of noise."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, size, (2, int(density * size**2)))
    return np.column_stack([x, y, z(x, y) + rng.normal(0, 0.02, len(x))])  # type: ignore[operator]


def found(xyz: np.ndarray) -> Ground:
    return find_ground(lambda: [xyz], xyz.min(axis=0), xyz.max(axis=0))


def headland(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A rock that stands in the sea on three sides and climbs from 12 m to 60 m."""
    inside = np.minimum(x - 20, 25 - abs(y - 30))
    top = 12 + 0.9 * np.maximum(x - 20, 0) + 0.7 * np.minimum(25 - abs(y - 30), 20)
    return np.where(inside > 0, np.minimum(top, 10 * inside), 0)


def test_a_headland_is_ground_and_its_face_too() -> None:
    xyz = scan(headland, 60.0, 16.0)
    height = height_above_ground(xyz)
    assert (np.abs(height) < 0.5).mean() > 0.95


@pytest.mark.parametrize("density", [0.5, 4.0, 25.0])
def test_an_embankment_is_ground(density: float) -> None:
    def dike(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.clip((25 - abs(x - 50 + 0.3 * y)) / 2, 0, 7)

    height = height_above_ground(scan(dike, density=density))
    assert (np.abs(height) < 0.3).mean() > 0.97


def test_terraces_are_ground_and_the_houses_on_them_are_not() -> None:
    def terraces(x: np.ndarray, _: np.ndarray) -> np.ndarray:
        return 3.0 * np.floor(x / 20)

    xyz = scan(terraces)
    house = (abs(xyz[:, 0] % 20 - 10) < 5) & (xyz[:, 1] % 25 < 15)
    xyz[house, 2] += 6
    height = height_above_ground(xyz)
    assert (np.abs(height[~house]) < 0.5).mean() > 0.95
    assert (height[house] > 5).mean() > 0.97


@pytest.mark.parametrize("eaves", [4.0, 12.0])
def test_a_large_hall_is_not_ground(eaves: float) -> None:
    """A hall as wide as the windows get, and lower than a hill of its width may be."""
    xyz = scan(lambda x, _: 0.02 * x, 160.0)
    hall = (abs(xyz[:, :2] - [80, 80]) < [37, 60]).all(axis=1)
    xyz[hall, 2] += eaves
    height = height_above_ground(xyz)
    assert (height[hall] > eaves - 0.5).mean() > 0.97
    assert (np.abs(height[~hall]) < 0.3).mean() > 0.97


def test_low_noise_does_not_pull_the_ground_down() -> None:
    xyz = scan(lambda x, y: 3 * np.sin(x / 15) + 2 * np.cos(y / 20))
    low = np.random.default_rng(1).random(len(xyz)) < 0.002
    xyz[low, 2] -= np.random.default_rng(2).uniform(2, 30, low.sum())
    height = height_above_ground(xyz)
    assert np.percentile(np.abs(height[~low]), 99.5) < 0.3


def test_slopes_of_a_hillside_and_of_one_cell() -> None:
    xyz = scan(lambda x, y: 0.4 * x + 0.3 * y)
    np.testing.assert_allclose(np.median(found(xyz).slopes(xyz)), 0.5, atol=0.01)
    one = np.array([[7e5, 6e6, 30.0]])
    ground = found(one)
    assert ground.slopes(one).tolist() == [0] and ground.above_lowest(one).tolist() == [0]
    assert ground.slopes(xyz).dtype == ground.above_lowest(xyz).dtype == np.float32


def test_above_lowest_depends_on_no_decision() -> None:
    """On a hill that is taken for a building the lowest point nearby is still near."""
    xyz = scan(lambda x, y: 30 * (np.hypot(x - 50, y - 50) < 20), 100.0)
    ground = found(xyz)
    inner = np.hypot(xyz[:, 0] - 50, xyz[:, 1] - 50) < 11
    assert (ground.heights(xyz[inner]) > 29).all()
    assert np.abs(ground.above_lowest(xyz[inner])).max() < 0.2
    ring = np.hypot(xyz[:, 0] - 50, xyz[:, 1] - 50) > 21
    assert np.abs(ground.above_lowest(xyz[ring])).max() < 0.2


def test_pieces_do_not_matter_and_equal_runs_are_equal() -> None:
    xyz = scan(headland, 60.0, 4.0)
    low, high = xyz.min(axis=0), xyz.max(axis=0)
    whole = found(xyz)
    pieces = find_ground(lambda: [xyz[:17], xyz[17:5000], xyz[5000:]], low, high)
    for name in ("heights", "slopes", "above_lowest"):
        assert np.array_equal(getattr(whole, name)(xyz), getattr(found(xyz), name)(xyz))
        np.testing.assert_allclose(getattr(pieces, name)(xyz), getattr(whole, name)(xyz), atol=1e-5)
