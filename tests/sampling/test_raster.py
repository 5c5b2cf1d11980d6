"""Filters of rasters against SciPy's, or against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from salanet import geometry
from salanet.components import components
from salanet.sampling import bare_earth, raster

SHAPES = [(1, 1), (1, 9), (7, 1), (2, 2), (31, 40)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1, 3, 5, 41])
def test_extremes_and_ranks(shape: tuple[int, int], size: int) -> None:
    heights = np.random.default_rng(0).normal(size=shape)
    least = ndimage.minimum_filter(heights, size, mode="nearest")
    greatest = ndimage.maximum_filter(heights, size, mode="nearest")
    assert (raster.least_around(heights, size) == least).all()
    assert (raster.greatest_around(heights, size) == greatest).all()
    ranked = ndimage.rank_filter(heights, 3, size=5, mode="nearest")
    assert (raster.rank_around(heights, 3, 5) == ranked).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_between_the_centres_and_beyond_the_edge(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    heights, places = rng.normal(size=shape), rng.uniform(-3, 43, (500, 2))
    expected = ndimage.map_coordinates(heights, places.T, order=1, mode="nearest")
    np.testing.assert_allclose(raster.at(heights, places), expected, atol=1e-12)


@pytest.mark.parametrize("strip", [7, raster.STRIP])
@pytest.mark.parametrize("shape", SHAPES[1:])
def test_the_nearest_known_cell(
    shape: tuple[int, int], strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster, "STRIP", strip)
    known = np.random.default_rng(2).random(shape) < 0.15
    known[0, 0] = True
    apart = ndimage.distance_transform_edt(~known)[~known]
    found = np.stack(np.divmod(raster.nearest_known(known), shape[1]), axis=1)
    assert known[tuple(found.T)].all()
    steps = found - np.argwhere(~known)
    np.testing.assert_allclose(np.hypot(*steps.T), apart)
    far = ndimage.distance_transform_edt(~known)
    np.testing.assert_allclose(raster.distance_to_known(known), far, rtol=1e-6)
    assert np.isinf(raster.distance_to_known(np.zeros(shape, bool))).all()


@pytest.mark.parametrize("cells", [50, bare_earth.CELLS])
def test_sizes_of_segments(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare_earth, "CELLS", cells)
    label = np.random.default_rng(3).integers(0, 9, (31, 40)).astype(np.int32)
    assert (bare_earth._sizes(label) == np.bincount(label.ravel())).all()


@given(st.integers(1, 30), st.data())
def test_components(count: int, data: st.DataObject) -> None:
    node = st.integers(0, count - 1)
    edges = np.array(data.draw(st.lists(st.tuples(node, node), max_size=40)), int).reshape(-1, 2)
    found = components(count, *edges.T)
    reached = np.eye(count, dtype=bool)
    reached[edges[:, 0], edges[:, 1]] = reached[edges[:, 1], edges[:, 0]] = True
    for _ in range(count):
        reached = reached @ reached
    assert ((found[:, None] == found) == reached).all()
    first = np.unique(found, return_index=True)[1]
    assert (np.diff(first) > 0).all() and found[0] == 0


def test_long_chains_are_one() -> None:
    order = np.random.default_rng(3).permutation(20_000)
    assert not components(20_000, order[:-1], order[1:]).any()


@pytest.mark.parametrize("k", [1, 2, 25])
def test_nearest_neighbours_however_far(k: int) -> None:
    rng = np.random.default_rng(4)
    points = np.r_[rng.uniform(0, 5, (200, 3)) * [1, 1, 0.01], [[40.0, 0, 0]]] + 6e5
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    found = geometry.neighbours(points, points, k)
    chosen = np.take_along_axis(apart, found, axis=1)
    np.testing.assert_allclose(chosen, np.sort(apart, axis=1)[:, :k], atol=1e-4)
    assert (np.diff(geometry.neighbours(np.zeros((4, 3)), np.zeros((1, 3)), 4)) == 1).all()
