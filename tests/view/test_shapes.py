"""What shapes hold, against the same written out point by point, and boxes that hold none of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.view.points import Points
from salanet.view.shapes import Balls, Below, Camera, Lasso, Shape, Slab, Stroke, View

WIDTH, HEIGHT = 800.0, 600.0
TAN = math.tan(math.pi / 9)


def camera(rng: np.random.Generator, flat: bool) -> Camera:
    """As the page's own: it orbits about a place near the origin, and looks at it."""
    yaw, pitch = rng.uniform(-3, 3), rng.uniform(-1.5, 1.5)
    a, b, c, d = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    axes = np.array([[a, b, 0], [-b * d, a * d, c], [b * c, -a * c, d]])
    centre, away, reach = rng.normal(0, 3, 3), rng.uniform(3, 60), 60.0
    far = away + 2 * reach
    near = away - 2 * reach if flat else max(away * 0.02, away - 2 * reach)
    edge = min(WIDTH, HEIGHT)
    x, y = edge / (TAN * WIDTH), edge / (TAN * HEIGHT)
    place = -axes @ centre - [0, 0, away]
    rows = np.c_[axes, place]
    if flat:
        z, w, last = -2 * away / (far - near), -away * (far + near) / (far - near), [0, 0, 0, away]
    else:
        z, w, last = (far + near) / (near - far), 2 * far * near / (near - far), -rows[2]
    matrix = np.stack([x * rows[0], y * rows[1], z * rows[2] + [0, 0, 0, w], last])
    return Camera(matrix, WIDTH, HEIGHT)


def on_screen(view: Camera, point: np.ndarray) -> tuple[float, float] | None:
    x, y, z, w = (float(row @ [*point, 1]) for row in view.matrix)
    if w <= 0 or max(abs(x), abs(y), abs(z)) > w:
        return None
    return (x / w + 1) * WIDTH / 2, (1 - y / w) * HEIGHT / 2


def in_polygon(at: tuple[float, float], line: np.ndarray) -> bool:
    inside = False
    for (ax, ay), (bx, by) in zip(line, [*line[1:], line[0]], strict=True):
        if (ay <= at[1]) != (by <= at[1]):
            inside ^= at[0] < ax + (at[1] - ay) * (bx - ax) / (by - ay)
    return inside


def to_line(at: tuple[float, float], line: np.ndarray) -> float:
    best = min(math.dist(at, corner) for corner in line)
    for a, b in pairwise(line):
        length = math.dist(a, b)
        if length:
            t = ((at[0] - a[0]) * (b[0] - a[0]) + (at[1] - a[1]) * (b[1] - a[1])) / length**2
            best = min(best, math.dist(at, a + min(max(t, 0), 1) * (b - a)))
    return best


def in_slab(slab: Slab, point: np.ndarray) -> bool:
    length = math.dist(slab.start, slab.stop)
    u = (slab.stop - slab.start) / length
    off = point[:2] - slab.start
    return bool(0 <= off @ u <= length and abs(off @ [-u[1], u[0]]) <= slab.width / 2)


def drawn(rng: np.random.Generator) -> list[tuple[Shape, Callable[[np.ndarray], bool]]]:
    """A shape of each kind, and its definition."""
    view = camera(rng, bool(rng.integers(2)))
    corners = rng.uniform([-50, -50], [850, 650], (rng.integers(3, 12), 2))
    stroke = rng.uniform([0, 0], [800, 600], (rng.integers(1, 6), 2))
    thick = float(rng.uniform(3, 150))
    balls = Balls(rng.normal(0, 8, (3, 3)), float(rng.uniform(0.5, 8)))
    slab = Slab(rng.normal(0, 8, 2), rng.normal(0, 8, 2), float(rng.uniform(0.1, 8)))
    top = float(rng.normal(0, 5))

    def seen(test: Callable[[tuple[float, float]], bool]) -> Callable[[np.ndarray], bool]:
        return lambda p: (at := on_screen(view, p)) is not None and test(at)

    return [
        (View(view), seen(lambda _: True)),
        (Lasso(view, corners), seen(lambda at: in_polygon(at, corners))),
        (Stroke(view, stroke, thick), seen(lambda at: to_line(at, stroke) <= thick)),
        (balls, lambda p: any(math.dist(p, c) <= balls.radius for c in balls.centres)),
        (slab, lambda p: in_slab(slab, p)),
        (Below(top), lambda p: bool(p[2] <= top)),
    ]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_shapes_hold_what_their_definitions_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    xyz = rng.normal(0, 8, (300, 3))
    for shape, definition in drawn(rng):
        assert shape.holds(xyz).tolist() == [definition(point) for point in xyz], shape


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_box_that_is_missed_holds_no_point(seed: int) -> None:
    """Of many small boxes, most of which are missed, none that is holds a point of the shape."""
    rng = np.random.default_rng(seed)
    low = rng.normal(0, 12, (400, 3))
    high = low + rng.uniform(0, 3, (400, 1)) * rng.uniform(0, 1, (400, 3))
    share = rng.uniform(0, 1, (400, 20, 3)).round(1)  # edges and corners too
    inside = low[:, None] + share * (high - low)[:, None]
    for shape, _ in drawn(rng):
        held = shape.holds(inside.reshape(-1, 3)).reshape(400, 20).any(axis=1)
        assert not (shape.misses(low, high) & held).any(), shape


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9000))
def test_points_find_what_all_shapes_hold(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    xyz, rows = rng.normal(0, 8, (count, 3)), rng.permutation(count).astype(np.int64)
    points = Points(xyz, rows)
    assert np.array_equal(points.xyz[np.argsort(points.rows)], xyz[np.argsort(rows)])
    shapes = [shape for shape, _ in drawn(rng)]
    for some in (shapes[:1], shapes[1:2], shapes[2:3], shapes[3:4], shapes[1:5:3], shapes[4:]):
        wanted = np.logical_and.reduce([shape.holds(xyz) for shape in some])
        found = points.within(some)
        assert np.array_equal(np.sort(points.rows[found]), np.sort(rows[wanted]))
        assert (np.diff(found) > 0).all()


def test_shapes_miss_what_is_far_away() -> None:
    """Else every edit would look at every point."""
    rng = np.random.default_rng(0)
    points = Points(rng.uniform(-500, 500, (200_000, 3)) * [1, 1, 0.01], np.arange(200_000))
    low, high = points._low, points._high
    slab = Slab(np.array([0.0, 0]), np.array([50.0, 30]), 2.0)
    for shape in (
        Balls(np.zeros((1, 3)), 20.0),
        slab,
        Stroke(camera(rng, True), np.ones((1, 2)), 9),
    ):
        assert shape.misses(low, high).mean() > 0.8


@pytest.mark.parametrize("flat", [False, True])
def test_the_mouse_points_at_what_is_near(flat: bool) -> None:
    view = camera(np.random.default_rng(3), flat)
    back = -view.matrix[2, :3] / np.linalg.norm(view.matrix[2, :3])  # z of the clip grows away
    points = Points(np.stack([-6 * back, 0 * back, 6 * back]), np.arange(3))
    at = on_screen(view, points.xyz[0])
    assert at is not None
    everything = np.ones(3, bool)
    found = points.hit(view, at, [], lambda rows: everything[rows])
    assert found is not None
    if flat:  # they lie behind each other: where nothing is near, the least off counts
        assert math.dist(at, on_screen(view, found.xyz) or (0, 0)) < 1
    everything[points.rows[found.place]] = False
    other = points.hit(view, at, [], lambda rows: everything[rows])
    assert other is None or other.place != found.place
    assert points.hit(view, (at[0] + 300, at[1]), [], lambda rows: everything[rows]) is None


@pytest.mark.parametrize(("limit", "whole"), [(100_000, True), (20_000, False), (3000, False)])
def test_some_of_a_view_are_spread_evenly(limit: int, whole: bool) -> None:
    rng = np.random.default_rng(0)
    points = Points(rng.uniform(0, 1, (100_000, 3)), np.arange(100_000))
    everything = Below(0.5)
    places, all_there = points.some([everything], limit)
    held = points.within([everything])
    assert all_there == whole and np.isin(places, held).all() and (np.diff(places) >= 0).all()
    assert len(places) == min(limit, len(held))
    quarters = np.bincount((points.xyz[places, :2] > 0.5) @ [1, 2], minlength=4)
    assert np.ptp(quarters) < 0.12 * len(places)
