"""From a cloud to the points a network sees: grid cells with mean attributes.

`salanet prepare` and `salanet predict` both come through here, so training and use agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import PointCloud
from salanet.errors import DataError
from salanet.geometry import subsample
from salanet.sampling import features
from salanet.sampling.scatter import UNKNOWN, Quality
from salanet.sampling.terrain import TOLD, terrain_arrays, terrain_of
from salanet.scenes import choose_offset

SEGMENT = "segment"
KEPT = ("rgb", "intensity", "return_number", "number_of_returns", *TOLD)
GIVEN = " given"  # behind the name of an array: the share of a cell's points that have a value


FILLED = 0.8


def filled_cell(spacing: float, grid: float) -> float:
    """Cells for points `spacing` metres apart that hold hardly more than one each, from `grid` on.

    For networks that have learned many cell sizes; they see the same at every density.
    """
    return max(grid, FILLED * spacing)


@dataclass(frozen=True)
class Cells:
    """M occupied grid cells of a cloud of N points.

    Attributes:
        coord: float32 (M, 3) barycentres, relative to `offset`.
        offset: float64 (3,), see `salanet.scenes.choose_offset`.
        rgb: uint8 (M, 3) mean colours, or None.
        segment: int16 (M,) majority class, -1 = ignored, or None.
        arrays: float32 means by name.
        of_point: int32 (N,) the cell of each point.
        quality: of the ground, as far as it was looked for.
    """

    coord: NDArray[np.float32]
    offset: NDArray[np.float64]
    rgb: NDArray[np.uint8] | None
    segment: NDArray[np.int16] | None
    arrays: dict[str, NDArray[np.float32]]
    of_point: NDArray[np.int32]
    quality: Quality = UNKNOWN

    def only(self, chosen: NDArray[np.bool_]) -> Cells:
        """Some of the cells (M,), and their points."""
        number = np.cumsum(chosen, dtype=np.int32) - 1
        return Cells(
            self.coord[chosen],
            self.offset,
            None if self.rgb is None else self.rgb[chosen],
            None if self.segment is None else self.segment[chosen],
            {name: array[chosen] for name, array in self.arrays.items()},
            number[self.of_point[chosen[self.of_point]]],
            self.quality,
        )


def to_cells(
    cloud: PointCloud,
    grid: float,
    *,
    segment: NDArray[np.integer] | None = None,
    keep: Iterable[str] = KEPT,
    offset: NDArray[np.float64] | None = None,
    black: bool = False,
    where: str = "point cloud",
) -> Cells:
    """Subsample a cloud: barycentres (computed in float64), mean attributes, majority classes.

    Args:
        cloud: N points, N >= 1.
        grid: cell size in the cloud's units; cells are ``floor(xyz / grid + BELOW)``.
        segment: (N,) class index of each point, -1 = ignored.
        keep: arrays wanted; those the cloud lacks are left out, what the terrain tells
            (`salanet.sampling.terrain.TOLD`) is computed from all points. Points without a value
            (NaN, infinite) do not count for the mean; a cell of such points alone has what stands
            for an absent array.
        offset: from `choose_offset`, to take off first; by default that of the cloud.
        black: colours that are zero everywhere are colours too; else they count as absent.

    Raises DataError if the cloud is empty, has NaN or infinite coordinates, or reaches too far for
    cells of this size.
    """
    cloud.require_finite(where)
    if offset is None:
        offset = choose_offset(cloud.xyz, grid)
    corners = np.stack([cloud.xyz.min(axis=0), cloud.xyz.max(axis=0)])
    try:
        subsample(corners - offset, grid)  # what reaches too far shows before the work is done
        wanted, quality = _wanted(cloud, keep, black)
        sampled = subsample(
            cloud.xyz - offset,
            grid,
            features=wanted,
            labels={} if segment is None else {SEGMENT: np.asarray(segment, np.int16)},
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    rgb = sampled.features.pop("rgb", None)
    _fill(sampled.features)
    return Cells(
        coord=sampled.points.astype(np.float32),
        offset=offset,
        rgb=None if rgb is None else np.rint(rgb).astype(np.uint8),
        segment=sampled.labels.get(SEGMENT),
        arrays=sampled.features,
        of_point=sampled.cells,
        quality=quality,
    )


def cell_features(
    cells: Cells, names: list[str], intensity_scale: float | None, grid: float, where: str
) -> NDArray[np.float32]:
    """The input features (M, C) of cells of `grid` metres; see `salanet.sampling.features`."""
    return features.compute(
        names,
        xyz=cells.coord,
        rgb=cells.rgb,
        z=cells.coord[:, 2] + np.float32(cells.offset[2]),
        intensity_scale=intensity_scale,
        cell_size=grid,
        where=where,
        **cells.arrays,
    )


def _wanted(
    cloud: PointCloud, keep: Iterable[str], black: bool
) -> tuple[dict[str, NDArray[Any]], Quality]:
    """Arrays to average by name, and how good the ground is, if it was looked for to make them."""
    present = cloud.arrays()
    wanted = {
        name: _array(present[name])
        for name in keep
        if name in present and (name not in KEPT or features.usable(name, present[name]))
    }
    if "rgb" in wanted and not black and not wanted["rgb"].any():
        del wanted["rgb"]
    told = [n for n in keep if n in TOLD and not np.isfinite(wanted.get(n, np.nan)).all()]
    quality = UNKNOWN
    if told:
        ground = terrain_of(cloud.xyz)
        wanted |= terrain_arrays(ground, cloud.xyz, told)
        quality = ground.quality
    for name in wanted.keys() & features.NEUTRAL.keys():
        given = np.isfinite(wanted[name])
        if not given.all():
            wanted[name] = np.where(given, wanted[name], np.float32(0))
            wanted[name + GIVEN] = given.astype(np.float32)
    return wanted, quality


def _fill(means: dict[str, NDArray[np.float32]]) -> None:
    """Make means over all points of a cell, 0 where a value is absent, those over what there is."""
    for name in [name for name in means if name.endswith(GIVEN)]:
        share, name = means.pop(name), name.removesuffix(GIVEN)
        neutral = np.float32(features.NEUTRAL[name])
        with np.errstate(divide="ignore", invalid="ignore"):
            means[name] = np.where(share > 0, means[name] / share, neutral)


def _array(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype in (np.uint8, np.float32) else array.astype(np.float32)
