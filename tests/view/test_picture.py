"""Pictures: what is in front hides what is behind, rooms are seen from inside."""

from __future__ import annotations

import numpy as np
import pytest

from salanet.view.picture import Camera, ceiling, directions, look, picture

RED, BLUE = (200, 30, 30), (30, 30, 200)


def plane(height: float, side: float, count: int = 60) -> np.ndarray:
    line = np.linspace(-side / 2, side / 2, count)
    x, y = np.meshgrid(line, line)
    return np.stack([x.ravel(), y.ravel(), np.full(count * count, height)], axis=1)


def test_the_nearer_plane_hides_the_farther_one() -> None:
    xyz = np.concatenate([plane(0, 10), plane(1, 4)])
    colours = np.repeat(np.uint8([RED, BLUE]), 3600, axis=0)
    image = picture(xyz, colours, camera=look(xyz, "top"), size=(80, 60), point=3)
    assert image.shape == (60, 80, 3) and image.dtype == np.uint8
    assert image[30, 40].tolist() == list(BLUE), "the upper plane in the middle"
    assert image[30, 60].tolist() == list(RED), "the lower one beside it"
    assert image[30, 2].tolist() == [255, 255, 255], "nothing at the margin"
    below = Camera(np.zeros(3), directions(0, -90), 6.0, 0.0)
    seen = picture(xyz, colours, camera=below, size=(80, 60), point=3)
    assert seen[30, 40].tolist() == list(RED), "from below the lower plane is in front"


def test_every_point_is_within_the_picture() -> None:
    rng = np.random.default_rng(0)
    xyz = rng.normal((650_000, 6_860_000, 100), (30, 10, 4), (5000, 3))
    for view in ("top", "oblique"):
        camera = look(xyz, view, aspect=1.5)
        image = picture(xyz, np.zeros((5000, 3), np.uint8), camera=camera, size=(150, 100))
        drawn = (image < 250).any(axis=2)
        assert drawn.any(axis=0).mean() > 0.5 or drawn.any(axis=1).mean() > 0.5, "fills it"
        edge = np.concatenate([drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]])
        assert edge.mean() < 0.1


def test_nothing_above_the_cut_of_a_room_is_seen() -> None:
    room = np.concatenate([plane(0, 6), plane(2.8, 6)])
    assert 2 < ceiling(room) < 2.8
    colours = np.repeat(np.uint8([RED, BLUE]), 3600, axis=0)
    image = picture(room, colours, size=(90, 60), point=3).reshape(-1, 3)
    assert (image == RED).all(axis=1).any() and not (image == BLUE).all(axis=1).any()
    assert ceiling(plane(0, 6)) == np.inf, "no ceiling"
    assert ceiling(np.concatenate([plane(0, 500), plane(3, 500)])) == np.inf, "no room"


def test_a_step_in_depth_is_darkened() -> None:
    xyz = np.concatenate([plane(0, 10), plane(3, 4)])
    image = picture(
        xyz, np.full((7200, 3), 200, np.uint8), camera=look(xyz, "top"), size=(120, 90), point=4
    )
    grey = image[45, :, 0]
    assert grey[60] == 200 and grey[grey < 250].min() < 170


def test_pixels_of_a_unit() -> None:
    """What the bar of scale rests on: a plane of 10 units, seen from above and aslant."""
    xyz = plane(0, 10)
    above = look(xyz, "top", aspect=1.0)
    image = picture(xyz, np.zeros((3600, 3), np.uint8), camera=above, size=(300, 300), point=2)
    columns = np.flatnonzero((image < 250).all(axis=2).any(axis=0))
    assert np.ptp(columns) == pytest.approx(10 * above.pixels((300, 300)), abs=3)
    aslant = Camera(np.zeros(3), directions(0, 90), 50.0, 0.5)
    line = np.array([[-2.0, 0, 0], [2, 0, 0]])
    image = picture(line, np.zeros((2, 3), np.uint8), camera=aslant, size=(300, 300), point=1)
    columns = np.flatnonzero((image < 250).all(axis=2).any(axis=0))
    assert np.ptp(columns) == pytest.approx(4 * aslant.pixels((300, 300)), abs=2)
