"""Points that a file itself flags as no part of what was scanned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.errors import DataError
from salanet.io.describe import meanings

WITHHELD = "withheld"
FLAGS = ("label", WITHHELD)  # the arrays that hold the flags
NO_CLASS = -1  # of points left out, among the classes of a model


def flagged(cloud: PointCloud, but: Collection[int] = ()) -> NDArray[np.bool_]:
    """Which points (N,) the file withholds, or labels as noise.

    Noise are the classes of LAS that its standard calls so, and in any format those whose own
    name says so; the codes in `but` are not.
    """
    found = np.zeros(len(cloud), bool)
    withheld = cloud.attributes.get(WITHHELD)
    if withheld is not None and withheld.shape == found.shape and withheld.dtype.kind in "biu":
        found |= withheld != 0
    codes = [*{*noise_codes(cloud)} - {*but}]
    if codes and cloud.label is not None:
        found |= np.isin(cloud.label, codes)
    return found


def without_flags(cloud: PointCloud, keep: Collection[str]) -> PointCloud:
    """The cloud without the arrays that hold flags, unless they are to be kept."""
    unwanted = {*FLAGS} - {*keep}
    attributes = {n: array for n, array in cloud.attributes.items() if n not in unwanted}
    label = None if "label" in unwanted else cloud.label
    return replace(cloud, label=label, attributes=attributes)


def company_of(cloud: PointCloud) -> Company:
    """Where the points of a cloud have company; those that it flags as noise are none."""
    noise = flagged(cloud)
    return Company.of(cloud.xyz[~noise] if noise.any() else cloud.xyz)


def left_out(cloud: PointCloud, company: Company, noise: bool = False) -> NDArray[np.bool_]:
    """Which points (N,) the network does not see: strays, and unless `noise`, those flagged."""
    strays = company.strays(cloud.xyz)
    return strays if noise else strays | flagged(cloud)


def require_some(out: int, count: int, where: str) -> None:
    """Raise DataError if all of so many points are left out."""
    if 0 < count <= out:
        raise DataError(
            f"{where}: all {count:,} points are flagged as noise or withheld: nothing is left "
            "to label"
        ).about("only-flagged")


def spread(values: NDArray[Any], out: NDArray[np.bool_], none: int) -> NDArray[Any]:
    """The values of the points that are not left out (n,) as ones of all (N,)."""
    if not out.any():
        return values
    found = np.full(len(out), none, values.dtype)
    found[~out] = values
    return found


def noise_codes(cloud: PointCloud) -> list[int]:
    """The label codes of a cloud that stand for noise."""
    named: dict[int, Any] = meanings(cloud, (7, 18))
    return [code for code, name in named.items() if "noise" in name.lower().split()]
