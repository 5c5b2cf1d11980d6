"""A bar of a round length, to see how large things are in a picture."""

from __future__ import annotations

import math

from salanet.adapt.units import NAMES, SIZES
from salanet.view.canvas import INK, WHITE, Canvas, width
from salanet.view.picture import Camera
from salanet.view.sample import Sample

SHARE = 0.22  # of the picture's width that the bar takes, at most
LEAST = 60  # pixels of a picture that has room for one
SYMBOLS = {SIZES[name]: symbol for symbol, name in NAMES.items()} | {1000.0: "km"}


def round_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, 20, 50, … and 0.5, 0.2, 0.1, … that is not above `most`."""
    power = 10.0 ** math.floor(math.log10(most) + 1e-9)
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def symbol(sample: Sample) -> str | None:
    """Of the unit of the coordinates; None where they are angles, or nobody knows."""
    if sample.crs is not None and sample.crs.angular:
        return None
    found = SYMBOLS.get(sample.unit)
    return None if found is None else found.removeprefix("us-")


def draw_scale(
    canvas: Canvas,
    sample: Sample,
    camera: Camera,
    box: tuple[int, int, int, int],
    letter: float,
) -> None:
    """Draw one at the lower left of a picture; in perspective it holds in the picture's middle.

    Args:
        box: left, top, width and height of the picture in the canvas.
        letter: size of the text.
    """
    left, top, wide, high = box
    unit = symbol(sample)
    if unit is None or min(wide, high) < LEAST:
        return
    pixels = camera.pixels((wide, high))
    length = round_length(SHARE * wide / pixels)
    said = f"{length:,.10g} {unit}" + (" in the middle" if camera.scale else "")
    if width(said, letter) > wide - letter:
        return
    x, y = left + 0.7 * letter, top + high - 0.7 * letter
    thick = max(2, round(letter / 7))
    canvas.box(x - 1, y - thick - 1, x + length * pixels + 1, y + 1, WHITE)
    canvas.box(x, y - thick, x + length * pixels, y, INK)
    canvas.text(x, y - thick - 0.35 * letter, said, letter, halo=max(1, round(letter / 9)))
