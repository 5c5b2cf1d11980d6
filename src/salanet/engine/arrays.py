"""What callers give as points, checked: every mistake is a `DataError` that names the array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.cloud import PointCloud
from salanet.engine.segmentation import Segmentation
from salanet.errors import ConfigError, DataError
from salanet.sampling.features import NEEDS

# Largest step between the coordinates that a type can tell apart, in cells.
COARSEST = 0.5
KNOWN = [name for names in NEEDS.values() for name in names]  # arrays that some model may use


class Frame(NamedTuple):
    """A cloud, and the shape (N,) or (H, W) in which its points were given."""

    cloud: PointCloud
    shape: tuple[int, ...]

    def shaped(self, found: Segmentation, remarks: tuple[str, ...]) -> Segmentation:
        """The result in that shape."""
        shares = found.probabilities
        return replace(
            found,
            labels=found.labels.reshape(self.shape),
            probabilities=None if shares is None else shares.reshape(*self.shape, -1),
            remarks=remarks,
        )


def as_frame(
    xyz: PointCloud | ArrayLike, arrays: Mapping[str, ArrayLike | None], needed: Iterable[str]
) -> Frame:
    """A cloud as it is, or one of arrays; those of no use are not looked at.

    Args:
        xyz: the cloud, or the coordinates (N, 3) or (H, W, 3).
        arrays: per-point arrays by name, None where there is none.
        needed: names of those that the model can use.

    Raises:
        ConfigError: an array that no model could use, or arrays beside a cloud.
        DataError: arrays that do not fit together.
    """
    given = {name: array for name, array in arrays.items() if array is not None}
    for name in given.keys() - {*KNOWN, *needed}:
        near = get_close_matches(name, KNOWN, 1)
        raise ConfigError(
            f"there is no argument '{name}'"
            + (f": {near[0]}?" if near else "")
            + (" `segment` gives probabilities" if name == "probabilities" else "")
        )
    if isinstance(xyz, PointCloud):
        if given:
            raise ConfigError(f"a whole cloud has its arrays with it; leave out {', '.join(given)}")
        return Frame(xyz, (len(xyz),))
    coordinates = _coordinates(xyz)
    shape = coordinates.shape[:-1]
    if organised := coordinates.ndim == 3:
        coordinates = coordinates.reshape(-1, coordinates.shape[-1])
    known: dict[str, Any] = {}
    for name in needed:
        if name in given:
            array = np.asarray(given[name])
            if organised and array.shape[:2] == shape:
                array = array.reshape(-1, *array.shape[2:])
            known[name] = array if name == "rgb" else _numbers(array, name, len(coordinates))
    rgb, intensity = known.pop("rgb", None), known.pop("intensity", None)
    cloud = PointCloud(coordinates, rgb=rgb, intensity=intensity, attributes=known)
    return Frame(cloud, shape)


def require_resolution(
    xyz: PointCloud | ArrayLike, bounds: NDArray[np.float64], cell: float
) -> None:
    """Raise DataError if coordinates (N, 3) are of a type too coarse for cells of this size.

    `bounds` (2, 3) are the least and greatest of those that matter.

    float32 has seven digits: a northing of 6,277,000 m moves in steps of half a metre.
    """
    kind = getattr(xyz, "dtype", None)
    if not isinstance(xyz, np.ndarray) or kind not in (np.float16, np.float32) or not xyz.size:
        return
    reach = np.abs(bounds).max()
    step = float(np.spacing(reach.astype(kind)))
    if step > COARSEST * cell:
        raise DataError(
            f"coordinates are {kind} and reach {reach:.0f}, where they move in steps "
            f"of {step:g}, for cells of {cell:g}: give float64, or take an offset off before you "
            "convert them"
        )


def matrix(array: ArrayLike, name: str, rows: int | None, columns: int) -> NDArray[np.float32]:
    """A finite, contiguous float32 array of this shape; any number of rows but none for None."""
    try:
        found = np.ascontiguousarray(array, np.float32)
    except (ValueError, TypeError) as error:
        raise DataError(f"{name} must be numbers ({error})") from error
    wanted = ("N" if rows is None else rows, columns)
    if found.ndim != 2 or found.shape[1] != columns or rows not in (None, len(found)):
        raise DataError(f"{name} must have shape ({wanted[0]}, {columns}), not {found.shape}")
    if not len(found):
        raise DataError(f"{name}: no points")
    if not np.isfinite(found).all():
        raise DataError(f"{name} hold NaN or infinite values")
    return found


def _coordinates(xyz: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(xyz)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"not {array.dtype}")
    except (ValueError, TypeError) as error:
        raise DataError(
            f"coordinates must be numbers of shape (N, 3), or a cloud: read a file with "
            f"salanet.read ({error})"
        ) from error
    return array.astype(np.float64, copy=False)


def _numbers(array: NDArray[Any], name: str, count: int) -> NDArray[Any]:
    if array.dtype.kind not in "biuf" or (array.shape != (count,) and array.shape[:1] == (count,)):
        raise DataError(
            f"'{name}' must be numbers of shape ({count},), not {array.dtype} of {array.shape}"
        )
    return array
