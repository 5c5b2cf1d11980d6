"""Text, boxes and PNG files, by Pillow, which is loaded when the first of them is drawn."""

from __future__ import annotations

import unicodedata
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salanet.io import atomic_path

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

Colour = tuple[int, int, int]

WHITE, INK = (255, 255, 255), (40, 44, 52)
# The font that comes with Pillow has the letters of English; the rest is written with those.
SAME = str.maketrans({"–": "-", "—": "-", "−": "-", "’": "'", "ß": "ss", "ø": "o", "æ": "ae"})


class Canvas:
    """A picture to draw on; x goes right, y down, both in pixels.

    Args:
        width, height: in pixels.
        ground: its colour.
    """

    def __init__(self, width: int, height: int, ground: Colour = WHITE) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.new("RGB", (width, height), ground)
        self._pen = ImageDraw.Draw(self._image)

    def text(
        self, x: float, y: float, text: str, size: float, colour: Colour = INK, halo: int = 0
    ) -> None:
        """Write a line whose base line begins at a place; `halo` pixels of white around it."""
        self._pen.text(
            (x, y),
            plain(text),
            fill=colour,
            font=_font(size),
            anchor="ls",
            stroke_width=halo,
            stroke_fill=WHITE,
        )

    def box(self, x: float, y: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a rectangle; the pixels at `right` and `bottom` are not of it."""
        if round(right) > round(x) and round(bottom) > round(y):
            corners = (round(x), round(y), round(right) - 1, round(bottom) - 1)
            self._pen.rectangle(corners, fill=colour)

    def paste(self, image: NDArray[np.uint8], x: int, y: int) -> None:
        """Lay an image uint8 (height, width, 3) over it, its upper left corner at a place."""
        from PIL import Image

        self._image.paste(Image.fromarray(image), (x, y))

    def pixels(self) -> NDArray[np.uint8]:
        """What was drawn, uint8 (height, width, 3)."""
        return np.array(self._image)


def width(text: str, size: float) -> float:
    """How many pixels wide a line of this size is; 0 for nothing."""
    return float(_font(size).getlength(plain(text)))


def plain(text: str) -> str:
    """With accents taken off, as far as that makes it drawable."""
    apart = unicodedata.normalize("NFKD", text.translate(SAME))
    return "".join(c for c in apart if not unicodedata.combining(c))


def png(image: NDArray[np.uint8]) -> bytes:
    """An image uint8 (height, width, 3) as a PNG file."""
    from PIL import Image

    data = BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def write_png(path: Path, image: NDArray[np.uint8]) -> None:
    """Write an image uint8 (height, width, 3); FileError if the path cannot be written."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(png(image))


@cache
def _font(size: float) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)
