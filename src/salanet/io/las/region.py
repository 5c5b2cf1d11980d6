"""Part of a COPC file: a region of it, at a resolution."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from salanet.cloud import PointCloud
from salanet.errors import ConfigError, FileError
from salanet.io import reading
from salanet.io.las import binary, clouds
from salanet.io.las.octree import Bounds, Octree, is_copc


def parse_bounds(text: str) -> Bounds:
    """Bounds from 'xmin,ymin,xmax,ymax'; ConfigError for anything else."""
    try:
        left, low, right, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(f"bounds {text}: write xmin,ymin,xmax,ymax") from None
    return left, low, right, high


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
    with reading(path), path.open("rb") as stream:
        reader = binary.Reader(path, stream)  # finds what is damaged or cut short, too
        raw = Octree(path, stream, reader).points(bounds, resolution)
    source = clouds.source_of(replace(reader.las, points=raw))
    cloud = clouds.to_cloud(source)
    if bounds is not None:
        x, y = cloud.xyz[:, 0], cloud.xyz[:, 1]
        inside = (x >= bounds[0]) & (x <= bounds[2]) & (y >= bounds[1]) & (y <= bounds[3])
        source = replace(source, file=replace(source.file, points=raw[inside]))
        cloud = clouds.to_cloud(source)
    if not len(cloud):
        raise FileError(path, "has no points in this region")
    clouds.count_returns(source.file, source.record())
    low, high = cloud.xyz.min(axis=0), cloud.xyz.max(axis=0)
    source.file.set(binary.BOUNDS, *np.stack([high, low], axis=1).reshape(-1))
    return cloud
