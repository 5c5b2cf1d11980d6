"""A new LAS file for a cloud: how finely it stores coordinates, and which points it can hold.

Coordinates in LAS are 32 bits of one step for all points. A point far from all others would
widen the step, and take from those what they are made of: 10^9 m away, every other coordinate is
rounded to half a metre. So where strays would make the step coarser than `COARSEST`, those of
them that are not `NEAR` are left out, like points without coordinates.
"""

from __future__ import annotations

import io

import laspy
import numpy as np
from numpy.typing import NDArray

from salanet import __version__
from salanet.cloud import PointCloud
from salanet.company import Company
from salanet.errors import DataError
from salanet.io.las.binary import LasFile

WKT_BIT = 16
LARGEST = np.iinfo(np.int32).max
COARSEST = 0.01  # units: reaches 21,000 km, so whatever lies on Earth is kept
NEAR = COARSEST * LARGEST / 4  # units: strays at both sides fit


def places(cloud: PointCloud) -> NDArray[np.bool_]:
    """Which points (N,) a new file has a place for."""
    found = cloud.finite()
    xyz = cloud.xyz if found.all() else cloud.xyz[found]
    if len(xyz) and max(_steps(*_ends(xyz))[0]) > COARSEST:
        company = Company.of(xyz)
        low, high = company.home[0] - NEAR, company.home[1] + NEAR
        near = ((xyz > low) & (xyz < high)).all(axis=1)
        found[found] = near | ~company.strays(xyz)
    return found


def blank(cloud: PointCloud) -> tuple[LasFile, laspy.PointFormat]:
    """An empty LAS 1.4 with millimetres, if they reach, fit to hold the cloud.

    Raises DataError if coordinates are not finite, or reach farther than numbers do.
    """
    point_format = 6 if cloud.rgb is None else 8 if "nir" in cloud.attributes else 7
    header = laspy.LasHeader(version="1.4", point_format=point_format)
    header.generating_software = f"SalaNet {__version__}"
    header.global_encoding.value |= WKT_BIT  # these formats know no other kind of CRS
    cloud.require_finite()
    scales, offsets = _steps(*_ends(cloud.xyz))
    if not np.isfinite(scales).all():
        raise DataError("the coordinates reach too far for LAS")
    header.scales[:], header.offsets[:] = scales, offsets
    with io.BytesIO() as buffer:
        header.write_to(buffer)
        head = bytearray(buffer.getvalue())
    size = header.point_format.size
    return LasFile(head, [], b"", np.empty((0, size), np.uint8), b"", 0), header.point_format


def _ends(xyz: NDArray[np.float64]) -> tuple[list[float], list[float]]:
    return xyz.min(axis=0).tolist(), xyz.max(axis=0).tolist()


def _steps(lows: list[float], highs: list[float]) -> tuple[list[float], list[float]]:
    """The scale and the offset along x, y, z for coordinates between these."""
    scales, offsets = [], []
    for low, high in zip(lows, highs, strict=True):
        scale, step = (1e-3, 1000.0) if high - low >= 1 else (1e-8, 1.0)  # else degrees, or tiny
        offset = float(np.floor(low / step) * step)
        while (high - offset) / scale > LARGEST:
            scale *= 10
        scales.append(scale)
        offsets.append(offset)
    return scales, offsets
