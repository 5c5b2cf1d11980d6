"""Islands of labels: what is one, and what decides."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from salanet.sampling.islands import SIZE, parts, reach, settled

CELL = 0.2
Labels = NDArray[np.int64]


def plane(width: int, z: float = 0.0, jitter: int = 0) -> NDArray[np.float32]:
    """Sites in a square, about a cell apart."""
    x, y = np.meshgrid(np.arange(width), np.arange(width))
    xyz = np.stack([x.ravel(), y.ravel(), np.zeros(width**2)], axis=1) * CELL
    xyz += np.random.default_rng(jitter).uniform(-0.3, 0.3, xyz.shape) * CELL * [1, 1, 0.2]
    return (xyz + [0, 0, z]).astype(np.float32)


def row_of(width: int, y: int, x: int, count: int) -> slice:
    return slice(y * width + x, y * width + x + count)


@pytest.mark.parametrize("count", [1, 3, SIZE])
def test_small_islands_take_the_label_around_them(count: int) -> None:
    labels = np.ones(400, np.int64)
    labels[row_of(20, 10, 4, count)] = 0
    np.testing.assert_array_equal(settled(plane(20), labels, CELL), 1)


def test_larger_ones_stay() -> None:
    labels = np.ones(400, np.int64)
    labels[row_of(20, 10, 4, SIZE + 1)] = 0
    np.testing.assert_array_equal(settled(plane(20), labels, CELL), labels)
    np.testing.assert_array_equal(settled(plane(20), labels, CELL, size=SIZE + 1), 1)


def test_what_stands_apart_stays() -> None:
    """A chimney above a roof has nothing beside it."""
    xyz = np.concatenate([plane(20), plane(2, z=1.0) + np.float32([2, 2, 0])])
    labels = np.r_[np.ones(400, np.int64), np.zeros(4, np.int64)]
    np.testing.assert_array_equal(settled(xyz, labels, CELL), labels)


def test_a_step_is_not_crossed() -> None:
    """A site at the edge of a terrace has more ground near it, below, than terrace."""
    width = 20
    low, high = plane(width, jitter=1), plane(width, z=0.45, jitter=2)
    kept_low = low[low[:, 0] < 2.0]
    kept_high = high[high[:, 0] >= 2.0]
    xyz = np.concatenate([kept_low, kept_high])
    truth = np.r_[np.zeros(len(kept_low), np.int64), np.ones(len(kept_high), np.int64)]
    edge = len(kept_low) + int(np.argmin(np.abs(kept_high - np.float32([2, 2, 0.45])).sum(axis=1)))
    labels = truth.copy()
    labels[edge] = 2
    found = settled(xyz, labels, CELL)
    np.testing.assert_array_equal(found, truth)


def test_probabilities_decide_with_it() -> None:
    labels = np.ones(400, np.int64)
    unsure, sure = 10 * 20 + 4, 10 * 20 + 15
    labels[[unsure, sure]] = 0
    chances = np.tile(np.float32([0.1, 0.9]), (400, 1))
    chances[unsure], chances[sure] = [0.6, 0.4], [0.95, 0.05]
    found = settled(plane(20), labels, CELL, probabilities=chances)
    assert found[unsure] == 1 and found[sure] == 0
    assert (np.delete(found, sure) == 1).all()


def test_fixed_closed_and_without_a_label() -> None:
    labels, at = np.ones(400, np.int64), [45, 150, 250]
    labels[at] = 0
    fixed = np.zeros(400, bool)
    fixed[at[0]] = True
    found = settled(plane(20), labels, CELL, fixed=fixed)
    assert found[at].tolist() == [0, 1, 1]
    closed = np.array([False, True])
    np.testing.assert_array_equal(settled(plane(20), labels, CELL, closed=closed), labels)
    labels[labels == 1] = -1
    np.testing.assert_array_equal(settled(plane(20), labels, CELL), labels)
    none = np.zeros(0, np.int64)
    assert len(settled(np.zeros((0, 3), np.float32), none, CELL)) == 0


@pytest.fixture(scope="module")
def random() -> tuple[NDArray[np.float32], Labels, NDArray[np.float32]]:
    """Twelve labels in a thick layer of sites, many of them islands."""
    rng = np.random.default_rng(3)
    xyz = rng.uniform(0, 60, (4000, 3)).astype(np.float32) * np.float32([CELL, CELL, CELL / 20])
    chances = rng.dirichlet([1.0] * 12, 4000).astype(np.float32)
    chances /= chances.sum(axis=1, keepdims=True)
    return xyz, chances.argmax(axis=1), chances


@pytest.mark.parametrize("sure", [False, True])
def test_order_and_pieces_do_not_matter(
    random: tuple[NDArray[np.float32], Labels, NDArray[np.float32]], sure: bool
) -> None:
    xyz, labels, chances = random
    given = chances if sure else None
    whole = settled(xyz, labels, CELL, probabilities=given, size=4)
    assert 50 < (whole != labels).sum() < 3000
    order = np.random.default_rng(1).permutation(len(xyz))
    again = settled(
        xyz[order], labels[order], CELL, probabilities=chances[order] if sure else None, size=4
    )
    np.testing.assert_array_equal(again, whole[order])
    near = np.abs(xyz[:, 0] - 6) <= 1 + reach(4) * CELL
    core = np.abs(xyz[near, 0] - 6) <= 1
    assert near.sum() < len(xyz) and core.any()
    part = settled(
        xyz[near], labels[near], CELL, probabilities=chances[near] if sure else None, size=4
    )
    np.testing.assert_array_equal(part[core], whole[near][core])


def test_parts() -> None:
    labels = np.ones(400, np.int64)
    labels[[45, 46, 250]] = 0
    assert sorted(np.bincount(parts(plane(20), labels, CELL)).tolist()) == [1, 2, 397]
