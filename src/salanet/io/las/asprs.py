"""What the label codes of LAS files mean by the standard, and whether others mean something else.

Source: LAS 1.4 R15, table 17.
"""

from __future__ import annotations

from collections.abc import Mapping

ASPRS = {
    0: "never classified",
    1: "unclassified",
    2: "ground",
    3: "low vegetation",
    4: "medium vegetation",
    5: "high vegetation",
    6: "building",
    7: "low noise",
    9: "water",
    10: "rail",
    11: "road",
    17: "bridge",
    18: "high noise",
}
# Rare ones, which other tables than this one's call as they like.
RARE = {
    8: "model key-point",
    12: "overlap",
    13: "wire guard",
    14: "wire conductor",
    15: "transmission tower",
    16: "wire connector",
    19: "overhead structure",
    20: "ignored ground",
    21: "snow",
    22: "temporal exclusion",
}
NO_CLASS = (0, 1)  # codes of points that nobody has given a class
REST = ("other", "unclassified", "unassigned", "unknown")  # what 0 and 1 are called as well


def is_standard(names: Mapping[int, str]) -> bool:
    """Whether these names say what the standard does, so that nobody needs to be told."""
    return all(
        name.lower() == ASPRS.get(code) or (code in (0, 1) and name.lower() in REST)
        for code, name in names.items()
    )


def follows(names: Mapping[int, str]) -> bool | None:
    """Whether names say that codes are the standard's, in words of their own where they like: at
    least half of those that it knows, 0 and 1 aside. None if it knows none of them."""
    known = {code: name for code, name in names.items() if code in ASPRS and code not in NO_CLASS}
    return 2 * len(contradictions(known)) <= len(known) if known else None


def contradictions(names: Mapping[int, str]) -> dict[int, str]:
    """What the standard calls those codes that these names make something else of."""
    known = {code: name.lower() for code, name in names.items() if code in ASPRS}
    return {
        code: ASPRS[code]
        for code, name in known.items()
        if ASPRS[code].split()[-1] not in name and not (code in (0, 1) and name in REST)
    }
