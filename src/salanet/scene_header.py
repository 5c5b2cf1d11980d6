"""What scene.json may hold: an edited or damaged one is told by key, value and what should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from salanet.errors import FileError

FORMAT = 1
HEADER = "scene.json"


def read_header(folder: Path) -> dict[str, Any]:
    """The checked content of the header in a folder, empty if there is none; or FileError."""
    path = folder / HEADER
    if not path.exists():
        return {}
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(path, f"is not readable JSON ({error})") from error
    if not isinstance(meta, dict):
        raise FileError(path, "must hold a JSON object")
    if meta.get("format", FORMAT) != FORMAT:
        raise FileError(
            path, f"is scene format {meta['format']}, this version reads {FORMAT}; prepare it again"
        )
    for key, (expected, sound) in HEADER_KEYS.items():
        if key in meta and not sound(meta[key]):
            found = json.dumps(meta[key])[:60]
            raise FileError(
                path, f"is damaged: {key} is {found}, not {expected}; prepare the scene again"
            )
    for key in ("codes", "colours"):
        if meta.get(key) is not None and len(meta[key]) != len(meta.get("classes", [])):
            raise FileError(path, f"is damaged: there are not as many {key} as classes")
    if any(
        one >= len(meta.get("classes", [])) for union in meta.get("unions", []) for one in union
    ):
        raise FileError(path, "is damaged: a union holds a class that there is not")
    return meta


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def _list(value: Any, sound: Callable[[Any], bool], length: int | None = None) -> bool:
    right = isinstance(value, list) and length in (None, len(value))
    return right and all(sound(one) for one in value)


def _colour(value: Any) -> bool:
    return value is None or _list(value, lambda c: _integer(c) and 0 <= c < 256, 3)


# What the header must hold where it has these keys; all others are kept as they are.
HEADER_KEYS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "offset": ("three numbers", lambda v: _list(v, _number, 3)),
    "grid": ("a positive size", lambda v: v is None or (_number(v) and v > 0)),
    "classes": (
        "names that differ",
        lambda v: _list(v, lambda n: isinstance(n, str)) and len({*v}) == len(v),
    ),
    "codes": ("whole numbers", lambda v: v is None or _list(v, _integer)),
    "colours": ("colours of three bytes", lambda v: v is None or _list(v, _colour)),
    "figures": ("an object", lambda v: isinstance(v, dict)),
    "counts": (
        "numbers by class",
        lambda v: isinstance(v, dict) and _list([*v.values()], lambda n: isinstance(n, int)),
    ),
    "unions": (
        "lists of class numbers",
        lambda v: _list(v, lambda u: _list(u, lambda one: _integer(one) and one >= 0)),
    ),
    "unit": ("a word", lambda v: isinstance(v, str)),
    "provenance": ("an object", lambda v: isinstance(v, dict)),
    "settings": ("an object", lambda v: isinstance(v, dict)),
    "axis_alignment": (
        "4 x 4 numbers",
        lambda v: v is None or _list(v, lambda row: _list(row, _number, 4), 4),
    ),
}
