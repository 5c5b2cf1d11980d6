"""Text and PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from salanet.errors import FileError
from salanet.view.canvas import Canvas, png, width, write_png


def ink(text: str, size: float = 28) -> np.ndarray:
    canvas = Canvas(200, 40)
    canvas.text(5, 28, text, size, (0, 0, 0))
    return canvas.pixels().min(axis=2) < 128


def test_letters_stand_on_their_line() -> None:
    rows, columns = np.nonzero(ink("H"))
    assert rows.max() == 27 and 5 <= rows.min() <= 10 and columns.min() >= 5
    assert np.nonzero(ink("x"))[0].min() > 12 and np.nonzero(ink("g"))[0].max() > 30
    assert width("HH", 28) > width("H", 28) > 0 == width("", 28)
    last = np.nonzero(ink("Hallo"))[1].max()
    assert abs(last - (5 + width("Hallo", 28))) < 4
    assert width("Hallo", 14) == pytest.approx(width("Hallo", 28) / 2, rel=0.05)


def test_what_the_font_has_not_is_written_with_what_it_has() -> None:
    assert (ink("é") == ink("e")).all() and (ink("ß") == ink("ss")).all()
    assert (ink("点") == ink("木")).all() and ink("点").any(), "a box"


def test_boxes_and_images_lie_where_they_should() -> None:
    canvas = Canvas(6, 4)
    canvas.box(1, 1, 3, 2, (200, 0, 0))
    canvas.box(4, 3, 4, 4, (200, 0, 0))
    canvas.paste(np.full((2, 2, 3), 7, np.uint8), 4, 1)
    found = canvas.pixels()
    assert found.shape == (4, 6, 3)
    assert np.argwhere((found == (200, 0, 0)).all(axis=2)).tolist() == [[1, 1], [1, 2]]
    assert (found[1:3, 4:] == 7).all() and (found == 255).all(axis=2).sum() == 18


def test_png_holds_the_image(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (7, 5, 3), dtype=np.uint8)
    write_png(tmp_path / "a.png", image)
    assert (tmp_path / "a.png").read_bytes() == png(image)
    with Image.open(tmp_path / "a.png") as back:
        assert back.format == "PNG" and (np.asarray(back) == image).all()
    with pytest.raises(FileError, match="does not exist"):
        write_png(tmp_path / "none" / "a.png", image)
