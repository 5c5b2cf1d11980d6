"""Pictures: what is in front hides what is behind, files are PNGs, rooms are seen from inside."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from salanet.errors import FileError
from salanet.view.picture import Camera, ceiling, directions, look, picture, png, write_png

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


def test_png_holds_the_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (7, 5, 3), dtype=np.uint8)
    data = png(image)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (5, 7, 8, 2, 0, 0, 0)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(7, 16)
    assert (rows[:, 0] == 1).all()
    back = np.cumsum(rows[:, 1:].reshape(7, 5, 3), axis=1, dtype=np.uint8)
    assert (back == image).all()
    with pytest.raises(FileError, match="does not exist"):
        write_png(tmp_path / "none" / "a.png", image)
