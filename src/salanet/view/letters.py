"""Letters for pictures, drawn as strokes: no font file, no library, sharp at every size."""

from __future__ import annotations

import unicodedata
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# Each character's strokes, separated by "|", each a path of points "xy": the base line is y = 2,
# small letters reach to 6, capitals to 8, tails to 0. Corners of a path are rounded.
STROKES = {
    "A": "02 28|28 42|14 34", "B": "08 02|08 28 38 37 36 25 05|25 35 44 43 32 02",
    "C": "47 38 18 07 03 12 32 43", "D": "08 02|08 28 47 43 22 02", "E": "48 08|08 02|02 42|05 35",
    "F": "48 08|08 02|05 35", "G": "47 38 18 07 03 12 32 43 45|45 25", "H": "08 02|48 42|05 45",
    "I": "08 02", "J": "38 33 22 12 03", "K": "08 02|48 04|15 42", "L": "08 02|02 42",
    "M": "02 08|08 24|24 48|48 42", "N": "02 08|08 42|42 48",
    "O": "28 18 07 03 12 32 43 47 38 28", "P": "08 02|08 38 47 46 35 05",
    "Q": "28 18 07 03 12 32 43 47 38 28|24 42", "R": "08 02|08 38 47 46 35 05|25 42",
    "S": "47 38 18 07 06 15 35 44 43 32 12 03", "T": "08 48|28 22", "U": "08 03 12 32 43 48",
    "V": "08 22|22 48", "W": "08 12|12 26|26 32|32 48", "X": "08 42|02 48",
    "Y": "08 25|48 25|25 22", "Z": "08 48|48 02|02 42",
    "a": "36 32|35 26 16 05 03 12 22 33", "b": "08 02|05 16 26 35 33 22 12 03",
    "c": "35 26 16 05 03 12 22 33", "d": "38 32|35 26 16 05 03 12 22 33",
    "e": "04 34|34 35 26 16 05 03 12 22 33", "f": "28 17 12|06 26",
    "g": "36 31 20 10 01|35 26 16 05 03 12 22 33", "h": "08 02|05 16 26 35 32", "i": "06 02|08 08",
    "j": "16 11 00|18 18", "k": "08 02|36 03|14 32", "l": "08 03 12",
    "m": "06 02|05 16 25 22|25 36 45 42", "n": "06 02|05 16 26 35 32",
    "o": "04 03 12 22 33 35 26 16 05 04", "p": "06 00|05 16 26 35 33 22 12 03",
    "q": "36 30|35 26 16 05 03 12 22 33", "r": "06 02|05 16 26",
    "s": "35 26 16 05 14 24 33 22 12 03", "t": "18 13 22|06 26", "u": "06 03 12 22 33|36 32",
    "v": "06 22|22 46", "w": "06 12|12 25|25 32|32 46", "x": "06 32|02 36", "y": "06 22|46 10",
    "z": "06 36|36 02|02 32",
    "0": "05 03 12 22 33 37 28 18 07 05", "1": "07 18|18 12", "2": "07 18 28 37 36 02|02 32",
    "3": "07 18 28 37 36 25 15|15 25 34 33 22 12 03", "4": "28 04|04 34|26 22",
    "5": "38 08|08 05|05 25 34 33 22 12 03", "6": "37 28 18 07 03 12 22 33 34 25 15 04",
    "7": "08 38|38 12", "8": "25 15 06 07 18 28 37 36 25|25 15 04 03 12 22 33 34 25",
    "9": "36 25 15 06 07 18 28 37 33 22 12 03",
    ".": "02 02", ",": "12 01", ":": "02 02|05 05", ";": "15 15|12 01", "-": "04 24",
    "_": "01 41", "+": "04 44|26 22", "=": "05 35|03 33", "/": "02 38", "\\": "08 32",
    "(": "18 06 04 12", ")": "08 16 14 02", "[": "18 08|08 02|02 12", "]": "08 18|18 12|12 02",
    "<": "36 04|04 32", ">": "06 34|34 02", "%": "18 07 16 27 18|44 33 42 53 44|12 48",
    "'": "08 07", '"': "08 07|18 17", "!": "08 04|02 02", "?": "07 18 28 37 36 25 24|22 22",
    "#": "12 18|32 38|06 46|04 44", "*": "05 45|23 27|13 37|17 33", "|": "08 00",
    "&": "42 06 07 18 27 26 04 03 12 22 44", "@": "34 25 14 23 34|36 33 44 46 28 06 04 22 42",
    "$": "47 38 18 07 06 15 35 44 43 32 12 03|28 21", "^": "06 28|28 46", "~": "04 15 33 44",
    "{": "28 17 16 05|05 14 13 22", "}": "08 17 16 25|25 14 13 02", "`": "08 17",
}  # fmt: skip
SAME = str.maketrans({"–": "-", "—": "-", "−": "-", "’": "'", "·": ".", "ß": "ss", "ø": "o"})
UNKNOWN = "08 38|38 32|32 02|02 08"
CAPITAL = 6  # units of the strokes' own grid
GAP, SPACE = 1.9, 2.0  # between letters, and of a space
PEN = 0.14  # of the height of a capital: the width of strokes


def width(text: str, size: float) -> float:
    """How many pixels a text is wide whose capitals are `size` pixels high."""
    return max(sum(_advance(c) for c in _plain(text)) - GAP, 0) * size / CAPITAL


def draw(
    image: NDArray[np.uint8],
    text: str,
    x: float,
    y: float,
    size: float,
    colour: tuple[int, int, int] = (40, 44, 52),
) -> None:
    """Write into an image uint8 (height, width, 3); what is outside of it is left out.

    Args:
        x, y: of the left end of the base line, in pixels.
        size: height of capitals in pixels.
    """
    scale = size / CAPITAL
    for character in _plain(text):
        for stroke in _strokes(character):
            points = stroke * (scale, -scale) + (x, y + 2 * scale)
            _line(image, points, max(PEN * size, 1.0), colour)
        x += _advance(character) * scale


def _plain(text: str) -> str:
    """With accents taken off, as far as that makes it drawable."""
    apart = unicodedata.normalize("NFKD", text.translate(SAME))
    return "".join(c for c in apart if not unicodedata.combining(c))


def _advance(character: str) -> float:
    strokes = _strokes(character)
    return max(float(s[:, 0].max()) for s in strokes) + GAP if strokes else SPACE + GAP / 2


@cache
def _strokes(character: str) -> list[NDArray[np.float64]]:
    if character.isspace():
        return []
    paths = STROKES.get(character, UNKNOWN).split("|")
    return [_rounded(np.array([[int(p[0]), int(p[1])] for p in path.split()])) for path in paths]


def _rounded(path: NDArray[np.integer]) -> NDArray[np.float64]:
    """A path with its inner corners cut twice (Chaikin), its ends where they are."""
    points = path.astype(np.float64)
    for _ in range(2 if len(points) > 2 else 0):
        before, after = points[:-1], points[1:]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2)[1:-1], points[-1:]])
    return points


def _line(
    image: NDArray[np.uint8], points: NDArray[np.float64], pen: float, colour: tuple[int, int, int]
) -> None:
    """A path with round ends, blended by how much of each pixel it covers."""
    low = np.maximum(np.floor(points.min(axis=0) - pen).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0) + pen).astype(int) + 1, image.shape[1::-1])
    if (low >= high).any():
        return
    at = np.stack(np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1])), -1) + 0.5
    away = np.full(at.shape[:2], np.inf)
    for start, end in pairwise(points):
        along = end - start
        share = np.clip((at - start) @ along / max(along @ along, 1e-9), 0, 1)
        away = np.minimum(away, np.linalg.norm(at - start - share[..., None] * along, axis=-1))
    cover = np.clip(pen / 2 + 0.5 - away, 0, 1)[..., None]
    part = image[low[1] : high[1], low[0] : high[0]]
    part[:] = np.rint(part * (1 - cover) + np.asarray(colour) * cover).astype(np.uint8)
