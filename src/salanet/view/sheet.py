"""A picture to read on its own: samples beside each other, their names, and a legend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salanet.view.canvas import Canvas, width
from salanet.view.colours import Classes, Mode, best_mode, colour, modes
from salanet.view.legend import keys, letter_of, strip
from salanet.view.page import overlap
from salanet.view.picture import Camera, View, look, picture
from salanet.view.sample import Sample
from salanet.view.scale import draw_scale

CAPTION, APART = 2.1, 0.5  # sizes of the letters: of a name's line, and between pictures


def sheet(
    samples: Sequence[Sample],
    *,
    classes: Classes | None = None,
    mode: Mode | None = None,
    size: tuple[int, int] = (1600, 1000),
    view: View = "oblique",
    point: int | None = None,
    legend: bool = True,
) -> NDArray[np.uint8]:
    """A picture uint8 (height, width, 3) of samples, seen alike where they lie in one place.

    Args:
        samples: stand side by side, or one above the other if the picture is higher than wide.
        classes: names and colours of the labels. Default: as the samples name them.
        mode: what to colour by. A sample that does not have it, and the default: `best_mode`.
        size: of the whole in pixels, width and height.
        view, point: see `look` and `picture`.
        legend: at the right, what the colours mean, and a bar of scale at the lower left; left out
            where a picture is too small.

    Raises:
        DataError: no sample has what is to be coloured by.
    """
    classes = classes or Classes.of_samples(samples)
    if mode is not None and not any(mode in modes(sample) for sample in samples):
        colour(samples[0], mode, classes)  # says what it can be coloured by
    chosen = [mode if mode in modes(sample) else best_mode(sample) for sample in samples]
    canvas = Canvas(*size)
    beside = strip(keys(samples, chosen, classes), size) if legend else None
    if beside is not None:
        canvas.paste(beside, size[0] - beside.shape[1], 0)
        size = (size[0] - beside.shape[1], size[1])
    boxes = _boxes(len(samples), size)
    letter = letter_of(size)
    band = round(CAPTION * letter) if len(samples) > 1 else 0
    cameras: list[Camera] = []
    for sample, (_, _, wide, high) in zip(samples, boxes, strict=True):
        linked = cameras and overlap(samples)
        shape = (wide, high - band)
        camera = look(sample.drawn, view, shape[0] / shape[1], sample.unit)
        cameras.append(cameras[0] if linked else camera)
    for sample, its, camera, (x, y, wide, high) in zip(
        samples, chosen, cameras, boxes, strict=True
    ):
        shape = (wide, high - band)
        points = colour(sample, its, classes)
        shot = picture(sample.drawn, points, camera=camera, size=shape, point=point)
        canvas.paste(shot, x, y + band)
        if legend:
            draw_scale(canvas, sample, camera, (x, y + band, *shape), letter)
        if band:
            said = sample.name if len({*chosen}) == 1 else f"{sample.name}: {its}"
            canvas.text(x + letter / 2, y + 1.4 * letter, _cut(said, wide - letter, letter), letter)
    return canvas.pixels()


def _boxes(count: int, size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Left, top, width and height of each picture."""
    wide, high = size
    apart = round(APART * letter_of(size))
    if high > wide:
        each = (high - apart * (count - 1)) // count
        return [(0, i * (each + apart), wide, each) for i in range(count)]
    each = (wide - apart * (count - 1)) // count
    return [(i * (each + apart), 0, each, high) for i in range(count)]


def _cut(text: str, room: float, letter: float) -> str:
    while len(text) > 4 and width(text, letter) > room:
        text = text[:-4] + "..."
    return text
