"""Which files are in a split: as patterns say, or a share of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from salanet.errors import ConfigError


def select(
    patterns: Sequence[str], stems: Sequence[str], free: Sequence[str], split: str
) -> list[str]:
    """The files of a split, by their names without suffix.

    Args:
        patterns: globs, or one fraction; that goes by a hash of the names in `free`.
        stems: all names; free: those that no other split has taken.
        split: what it is called in errors.

    Raises ConfigError: a pattern that matches no file.
    """
    fraction = _fraction(patterns)
    if fraction is not None:
        count = max(1, round(fraction * len(stems)))
        return sorted(free, key=lambda stem: hashlib.sha256(stem.encode()).digest())[:count]
    chosen: list[str] = []
    for pattern in patterns:
        matches = [stem for stem in stems if fnmatchcase(stem, pattern)]
        if not matches:
            raise ConfigError(
                f"--{split} '{pattern}' matches no file; there are {', '.join(stems[:8])}"
                + (" …" if len(stems) > 8 else "")
            )
        chosen += [stem for stem in matches if stem not in chosen]
    return chosen


def _fraction(patterns: Sequence[str]) -> float | None:
    """The one fraction that was given instead of patterns, or None."""
    try:
        fraction = float(patterns[0]) if len(patterns) == 1 else None
    except ValueError:
        return None
    return fraction if fraction is not None and 0 < fraction < 1 else None
