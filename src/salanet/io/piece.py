"""The parts of a mesh, as readers of its formats find them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Piece(NamedTuple):
    """One part of a mesh: xyz float64 (N, 3), triangles int64 (T, 3) as rows of it, rgb uint8
    (N, 3) or None, further arrays (N,) by name."""

    xyz: NDArray[np.float64]
    triangles: NDArray[np.int64]
    rgb: NDArray[np.uint8] | None
    arrays: dict[str, NDArray[Any]]


class Standing(NamedTuple):
    """What a format says of all its coordinates: that y is up, that they are in metres."""

    y_up: bool
    metric: bool


UNSAID = Standing(y_up=False, metric=False)


def bytes_of(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours of any type as bytes: floats are from 0 to 1, integers up to the most they hold.

    Floats beyond 1 are taken to be from 0 to 255, as some programs write them.
    """
    if values.dtype.kind == "f":
        values = np.nan_to_num(values.astype(np.float64), posinf=1.0)
        scale = 255.0 if values.max(initial=0) <= 1 else 1.0
        return np.rint(np.clip(values * scale, 0, 255)).astype(np.uint8)
    if values.dtype == np.uint8:
        return values
    most = np.iinfo(values.dtype).max
    return np.rint(np.clip(values / most, 0, 1) * 255).astype(np.uint8)
