"""What comes from files, shown: text as it is, which moves no cursor and ends no line; numbers."""

from __future__ import annotations

import re

# Control characters of both kinds, line and paragraph ends, marks that turn the writing direction,
# and the stand-ins for bytes of file names that are no text.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
READABLE = 1e12  # beyond, a float64 has no thousandths


def visible(text: str) -> str:
    r"""The text on one line, with escapes such as \x1b and \n for what is not seen."""
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def length(value: float) -> str:
    """A coordinate or a length in thousandths of its unit; absurd ones in powers of ten."""
    return f"{value:,.3f}" if abs(value) < READABLE else f"{value:.6g}"
