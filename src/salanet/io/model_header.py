"""The JSON document that a model file carries: architecture and metadata, in the forms they need.

Shared by what loads models with PyTorch and without; this module needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

# Its key in the metadata of `.safetensors` and `.onnx` files.
KEY = "salanet"

Document = tuple[dict[str, Any], dict[str, Any]]


def parse(text: str) -> Document:
    """The configuration and the metadata.

    Raises:
        ValueError: it is no JSON, or not of these two, or an entry is of another kind.
    """
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("its JSON is no object")
    for name in ("config", "metadata"):
        if not isinstance(document.get(name), dict):
            raise ValueError(f"its JSON has no object '{name}'")
    config, metadata = document["config"], document["metadata"]
    for key, (holds, wanted) in _FORMS.items():
        if metadata.get(key) is not None and not holds(metadata[key]):
            raise ValueError(f"'{key}' is {_short(metadata[key])}, not {wanted}")
    return config, metadata


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e300


def _code(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31


def _codes(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and all(map(_code, value)))


def _colour(value: object) -> bool:
    return value is None or (isinstance(value, list) and len(value) == 3 and all(map(_code, value)))


def _colours(value: object) -> bool:
    found = list(value.values()) if isinstance(value, dict) else value
    return isinstance(found, list) and all(map(_colour, found))


def _names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


# Entries of the metadata that decide how a cloud is labelled. Others are for people.
_FORMS: dict[str, tuple[Callable[[object], bool], str]] = {
    "codes": (_codes, "a list of whole numbers within int32"),
    "colours": (_colours, "colours of three whole numbers"),
    "spacing": (_number, "a finite number"),
    "intensity_scale": (_number, "a finite number"),
    "optional": (_names, "a list of names"),
    "domain": (lambda value: isinstance(value, str), "a word"),
    "recipe": (lambda value: isinstance(value, dict), "an object"),
}
