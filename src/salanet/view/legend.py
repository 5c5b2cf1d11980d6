"""What the colours of a picture mean, drawn as a strip that stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from salanet.view.canvas import Canvas, width
from salanet.view.colours import (
    RIGHT,
    UNKNOWN,
    WRONG,
    Classes,
    Colour,
    Mode,
    ends_of,
    errors,
    ramp,
    ramp_of,
    title_of,
    values,
)
from salanet.view.sample import Sample

SMALLEST = 11.0  # size in pixels of letters that can be read
CAPITAL = 0.7  # of the size: how high capitals are
# In sizes of the letters: line to line, around everything, of a colour's square, between columns.
LINE, MARGIN, SQUARE, BETWEEN = 1.5, 1.1, 0.9, 0.8
BAR, TICKS = 6, 5  # lines that a ramp is high; numbers beside it
MOST = 0.45  # of a picture's width is for the strip, at most
GREY: Colour = (110, 116, 124)


@dataclass(frozen=True)
class Key:
    """The meaning of some colours.

    Attributes:
        title: what they stand for.
        rows: colour, name, and the share of the points of each picture; nothing for a ramp.
        ramp: its colours (256, 3), from its low end to its high one.
        ends: these two values.
        more: how many rows are left out.
    """

    title: str
    rows: tuple[tuple[Colour, str, tuple[float, ...]], ...] = ()
    ramp: NDArray[np.uint8] | None = None
    ends: tuple[float, float] = (0.0, 1.0)
    more: int = 0

    @property
    def lines(self) -> int:
        return 1 + (BAR if self.ramp is not None else len(self.rows) + (self.more > 0))

    def shorter(self) -> Key:
        """With the row of the smallest shares left out."""
        least = min(self.rows, key=lambda row: sum(row[2]))
        kept = tuple(row for row in self.rows if row is not least)
        return replace(self, rows=kept, more=self.more + 1)


def keys(samples: Sequence[Sample], modes: Sequence[Mode], classes: Classes) -> list[Key]:
    """What the colours of samples mean, each in its mode; the points' own colours mean nothing."""
    found: list[Key] = []
    for mode in dict.fromkeys(modes):
        mine = [sample for sample, its in zip(samples, modes, strict=True) if its == mode]
        if mode in ("class", "truth", "error"):
            found.append(_rows(mine, mode, classes))
        elif mode != "rgb":
            found += _ramps(mine, mode, len(samples) > 1)
    return found


def strip(keys: Sequence[Key], size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """The keys as an image uint8 (height, at most 45 % of the width, 3).

    Args:
        size: width and height of the picture it is for.

    Returns None if there is nothing to tell, or no room to tell it.
    """
    letter, shown = _fitting(list(keys), size)
    wide = int(np.ceil(max((_width(key, letter) for key in shown), default=0)))
    if not shown or wide > MOST * size[0]:
        return None
    canvas = Canvas(wide, size[1])
    y = MARGIN * letter
    for key in shown:
        _draw(canvas, key, y, (MARGIN * letter, wide - MARGIN * letter), letter)
        y += (key.lines + 1) * LINE * letter
    return canvas.pixels()


def letter_of(size: tuple[int, int]) -> float:
    """How large letters are, in pixels, in a picture of this width and height."""
    return float(np.clip(np.sqrt(size[0] * size[1]) / 46, SMALLEST, 40))


def _rows(samples: Sequence[Sample], mode: Mode, classes: Classes) -> Key:
    names: Sequence[str] = classes.names
    colours: Sequence[Colour] = classes.colours
    if mode == "error":
        names, colours = ("right", "wrong", "truth unknown"), (RIGHT, WRONG, UNKNOWN)
    shares = []
    for sample in samples:
        label = sample.truth if mode == "truth" else sample.label
        index = errors(sample) if mode == "error" else classes.index(np.asarray(label))
        shares.append(np.bincount(index, minlength=len(names)) / max(len(sample), 1))
    columns = np.array(shares).T
    rows = [
        (colour, name, tuple(share.tolist()))
        for colour, name, share in zip(colours, names, columns, strict=True)
        if share.any()
    ]
    return Key(title_of(mode), tuple(rows))


def _ramps(samples: Sequence[Sample], mode: Mode, several: bool) -> list[Key]:
    """One for all samples whose ends are the same."""
    found: dict[tuple[float, float], Key] = {}
    for sample in samples:
        ends = ends_of(values(sample, mode), mode)
        title = title_of(mode) + (f", {sample.name}" if several and ends != (0.0, 1.0) else "")
        found.setdefault(ends, Key(title, ramp=ramp(ramp_of(mode)), ends=ends))
    return [*found.values()]


def _fitting(keys: list[Key], size: tuple[int, int]) -> tuple[float, list[Key]]:
    """As large letters as fit, and as many rows as fit with the smallest."""
    letter = letter_of(size)

    def room() -> float:
        lines = sum(key.lines for key in keys) + len(keys) - 1
        return size[1] / letter - lines * LINE - 2 * MARGIN

    def wide() -> bool:
        return max((_width(key, letter) for key in keys), default=0) > MOST * size[0]

    while (room() < 0 or wide()) and letter > SMALLEST:
        letter = max(letter * 0.93, SMALLEST)
    while keys and room() < 0:
        longest = max(range(len(keys)), key=lambda i: len(keys[i].rows))
        if len(keys[longest].rows) > 1:
            keys[longest] = keys[longest].shorter()
        else:
            keys.pop()
    return letter, keys


def _width(key: Key, letter: float) -> float:
    title = width(key.title, letter)
    if key.ramp is not None:
        numbers = max(width(text, letter) for _, text in _ticks(key.ends))
        inside = max(title, (SQUARE + BETWEEN) * letter + numbers)
    else:
        names = max(width(name, letter) for _, name, _ in key.rows)
        columns = len(key.rows[0][2]) * (_column(letter) + BETWEEN * letter)
        inside = max(title, (SQUARE + BETWEEN) * letter + names + columns)
    return inside + 2 * MARGIN * letter


def _column(letter: float) -> float:
    return width("100.0%", letter)


def _draw(canvas: Canvas, key: Key, top: float, sides: tuple[float, float], letter: float) -> None:
    left, right = sides
    text = left + (SQUARE + BETWEEN) * letter
    base = top + letter
    canvas.text(left, base, key.title, letter)
    if key.ramp is not None:
        first, last = round(base + LINE * letter * 0.6), round(base + LINE * letter * (BAR - 0.4))
        at = np.linspace(255, 0, last - first).round().astype(int)
        bar = np.broadcast_to(key.ramp[at][:, None], (len(at), max(round(SQUARE * letter), 1), 3))
        canvas.paste(np.ascontiguousarray(bar), round(left), first)
        for share, number in _ticks(key.ends):
            y = last - share * (last - first)
            canvas.text(text, y + CAPITAL * letter / 2, number, letter)
        return
    for colour, name, shares in key.rows:
        base += LINE * letter
        upper = base - (CAPITAL + SQUARE) / 2 * letter
        canvas.box(left, upper, left + SQUARE * letter, upper + SQUARE * letter, colour)
        canvas.text(text, base, name, letter)
        for column, share in enumerate(reversed(shares)):
            end = right - column * (_column(letter) + BETWEEN * letter)
            said = _percent(share)
            canvas.text(end - width(said, letter), base, said, letter, GREY)
    if key.more:
        canvas.text(text, base + LINE * letter, f"and {key.more} more", letter, GREY)


def _ticks(ends: tuple[float, float]) -> list[tuple[float, str]]:
    """Where numbers stand beside a ramp, as shares of its height, and the numbers."""
    low, high = ends
    digits = max(0, 2 - int(np.floor(np.log10(high - low))))
    return [(s, f"{low + s * (high - low):,.{digits}f}") for s in np.linspace(0, 1, TICKS).tolist()]


def _percent(share: float) -> str:
    return "<0.1%" if 0 < share < 0.001 else f"{share:.1%}" if share else "-"
