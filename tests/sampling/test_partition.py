"""Partitions of clouds against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.sampling.partition import (
    PartitionOptions,
    adjacency,
    geometric_features,
    minimal_partition,
    partition,
    stacked_superpoints,
)


def energy(
    values: np.ndarray, edges: np.ndarray, weights: np.ndarray, strength: float, parts: np.ndarray
) -> float:
    total = 0.0
    for part in np.unique(parts):
        mine = values[parts == part]
        total += ((mine - mine.mean(0)) ** 2).sum()
    for (i, j), weight in zip(edges, weights, strict=True):
        total += strength * weight * (parts[i] != parts[j])
    return total


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 40),
    strength=st.floats(0.01, 2),
    levels=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_merging_ends_in_a_local_minimum(
    size: int, strength: float, levels: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, levels, (size, 2)) + rng.normal(scale=0.1, size=(size, 2))
    pairs = np.array([(i, j) for i in range(size) for j in range(i + 1, size)]).reshape(-1, 2)
    edges = pairs[rng.random(len(pairs)) < 0.3]
    weights = rng.uniform(0.2, 1, len(edges))
    parts = minimal_partition(values, edges, weights, strength)
    ended = energy(values, edges, weights, strength, parts)
    assert ended <= energy(values, edges, weights, strength, np.arange(size)) + 1e-9
    for i, j in edges:
        if parts[i] != parts[j]:
            merged = np.where(parts == parts[j], parts[i], parts)
            assert energy(values, edges, weights, strength, merged) >= ended - 1e-9
    # Numbered by their first rows, and each in one piece.
    assert [int(p) for p in dict.fromkeys(parts.tolist())] == list(range(parts.max() + 1))
    for part in np.unique(parts):
        reached = {int(np.flatnonzero(parts == part)[0])}
        while True:
            more = {int(b) for a, b in [*edges, *edges[:, ::-1]] if a in reached}
            more = {b for b in more if parts[b] == part} | reached
            if more == reached:
                break
            reached = more
        assert reached == set(np.flatnonzero(parts == part).tolist())


def test_values_of_two_kinds_make_two_parts() -> None:
    values = np.array([[0.0], [0.1], [0.0], [5.0], [5.1]])
    chain = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    assert minimal_partition(values, chain, np.ones(4), 0.5).tolist() == [0, 0, 0, 1, 1]
    assert minimal_partition(values, chain, np.ones(4), 100).tolist() == [0] * 5
    assert minimal_partition(values, chain, np.ones(4), 0).tolist() == [0, 1, 2, 3, 4]


def test_geometric_features_by_the_definition() -> None:
    rng = np.random.default_rng(0)
    clouds = rng.normal(size=(5, 20, 3)) * rng.uniform(0.1, 2, (5, 1, 3))
    found = geometric_features(clouds)
    for cloud, row in zip(clouds, found, strict=True):
        values, vectors = np.linalg.eigh(np.cov(cloud.T, bias=True))
        l3, l2, l1 = values
        u = sum(value * np.abs(v) for value, v in zip(values, vectors.T, strict=True))
        expected = [
            (l1**0.5 - l2**0.5) / l1**0.5,
            (l2**0.5 - l3**0.5) / l1**0.5,
            l3**0.5 / l1**0.5,
            u[2] / np.linalg.norm(u),
        ]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_lines_planes_and_nothing() -> None:
    t = np.linspace(0, 1, 30)
    line = np.stack([0 * t, 0 * t, t], axis=1)
    plane = np.stack([t, t**2, 0 * t], axis=1)
    line_row, plane_row, point_row = geometric_features(np.stack([line, plane, 0 * line]))
    np.testing.assert_allclose(line_row, [1, 0, 0, 1], atol=1e-6)
    assert plane_row[3] < 1e-6 and plane_row[2] < 1e-6
    np.testing.assert_allclose(plane_row[:3].sum(), 1, rtol=1e-6)
    assert point_row.tolist() == [0, 0, 0, 0]


def test_edges_weigh_by_their_length() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [4, 0, 0]])
    near = np.array([[1], [0], [1]])  # distances 1, 1, 3; their mean 5/3
    edges, weights = adjacency(points, near)
    assert edges.tolist() == [[0, 1], [1, 2]]
    np.testing.assert_allclose(weights, [2 / (1 + 0.6), 1 / (1 + 1.8)])


@pytest.mark.parametrize("points", [0, 1, 2, 7])
def test_small_clouds(points: int) -> None:
    found = partition(np.random.default_rng(0).random((points, 3)), PartitionOptions())
    assert found.parts.shape == (points,) and found.geometry.shape == (points, 4)
    assert np.isfinite(found.geometry).all()


def test_a_corner_of_walls_falls_into_its_walls() -> None:
    rng = np.random.default_rng(0)
    floor, wall = rng.random((1500, 3)), rng.random((1500, 3))
    floor[:, 2], wall[:, 0] = 0, 0
    points = np.concatenate([floor, wall])
    found = partition(points, PartitionOptions(regularisation=0.3))
    for side, other in ((slice(0, 1500), 0), (slice(1500, 3000), 2)):
        inner = points[side, other] > 0.15
        mine = found.parts[side][inner]
        assert (mine == np.bincount(mine).argmax()).mean() > 0.9
    assert found.parts[:1500][floor[:, 0] > 0.15].max() != found.parts[1500:].max()
    again = partition(points + [5, -3, 2], PartitionOptions(regularisation=0.3))
    assert (again.parts == found.parts).mean() > 0.99


def test_options_have_keys_of_their_own() -> None:
    keys = {PartitionOptions(regularisation=r).key for r in (0.03, 0.1)}
    assert len(keys) == 2 and PartitionOptions().key in keys


def test_stacking() -> None:
    some = [partition(np.random.default_rng(n).random((n, 3)), PartitionOptions()) for n in (5, 8)]
    both = stacked_superpoints(some)
    assert both is not None and both.parts.tolist() == [*some[0].parts, *some[1].parts]
    assert stacked_superpoints([None, None]) is None
    assert both.of(np.array([6, 2])).parts.tolist() == [some[1].parts[1], some[0].parts[2]]
