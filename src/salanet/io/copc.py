"""Part of a COPC file: a region of it, at a resolution.

A COPC file is a LAZ file with its points in an octree, so that parts are read without the rest.
Source: copc.io, version 1.0.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import laspy
import numpy as np
from laspy.copc import Bounds as Box

from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError
from salanet.io import las, lasfile

Bounds = tuple[float, float, float, float]


def parse_bounds(text: str) -> Bounds:
    """Bounds from 'xmin,ymin,xmax,ymax'; ConfigError for anything else."""
    try:
        left, low, right, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"--bounds {text}: write xmin,ymin,xmax,ymax") from None
    return left, low, right, high


def is_copc(path: Path) -> bool:
    """Whether a file is COPC; False for what cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(589)
    except OSError:
        return False
    return head[:4] == b"LASF" and head[377:381] == b"copc"


def read_part(
    path: Path, bounds: Bounds | None = None, resolution: float | None = None
) -> PointCloud:
    """Read part of a COPC file.

    Args:
        path: the file.
        bounds: least x and y, greatest x and y; None for everything.
        resolution: the distance between points that is enough, in the file's units; None for all.

    Returns:
        The points, with all that a LAZ file of them needs.

    Raises:
        FileError: the file is not COPC, is damaged, or has no points there.
        ConfigError: bounds that hold nothing, or a resolution that is not positive.
    """
    if bounds is not None and not (bounds[0] < bounds[2] and bounds[1] < bounds[3]):
        raise ConfigError(f"bounds {bounds}: give least x, least y, greatest x, greatest y")
    if resolution is not None and not 0 < resolution < np.inf:
        raise ConfigError(f"resolution {resolution}: must be positive")
    if not path.is_file():
        raise FileError(path, "no such file")
    if not is_copc(path):
        raise FileError(path, "only parts of COPC files can be read by region or resolution")
    with path.open("rb") as stream:
        # Finds what is damaged or cut short, too.
        whole = las.source_of(lasfile.Reader(path, stream).las)
    try:
        with laspy.CopcReader.open(path) as reader:
            low, high = np.array(bounds or (0, 0, 0, 0)).reshape(2, 2)
            box = None if bounds is None else Box(low, high)
            points = reader.query(bounds=box, resolution=resolution)
    except Exception as error:  # whatever a damaged hierarchy makes laspy stumble over
        raise FileError(path, f"damaged, or not COPC ({' '.join(str(error).split())})") from error
    if not len(points):
        raise FileError(path, "has no points in this region")
    raw = np.ascontiguousarray(points.array).view(np.uint8).reshape(len(points), -1)
    file = replace(whole.file, points=raw)
    source = replace(whole, file=file)
    cloud = las.to_cloud(source)
    las.count_returns(file, source.record())
    low, high = cloud.xyz.min(axis=0), cloud.xyz.max(axis=0)
    file.set(lasfile.BOUNDS, *np.stack([high, low], axis=1).reshape(-1))
    return cloud
