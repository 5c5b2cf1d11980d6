"""Doubts that coordinates, returns and classes of a file raise: no network can know better."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.remark import Remark
from salanet.sampling.summary import Summary

FEWEST = 50  # points: fewer tell nothing
COARSE = 0.5  # of a cell: coordinates that are rounded more tell no shapes in it
ROUNDED = 1.5  # times the distance of the points: some were apart by less,
TWICE = 0.05  # or were put where another one is
THIN = 1 / 20  # as wide as high: no scan, unless x and y are degrees or kilometres
COLUMN = 10.0  # metres: in such columns first and last returns are compared
COLUMNS, DOWN = 10, 0.8  # so many of them tell, by such a share
PLANTS_AND_ROOFS = (3, 4, 5, 6)  # codes that somebody gave who also knew
GROUND = (2, 8, 9, 11)  # the ground; model key points, water, and roads count as such


def doubtful(seen: Summary, cell: float, terrain: bool) -> list[str]:
    """Remarks on a file in which something cannot be as it seems.

    Args:
        seen: its summary in metres, z up.
        cell: of the network, in metres.
        terrain: whether the network is told heights above the ground.
    """
    if len(seen.xyz) < FEWEST:
        return []
    found = [_level(seen), _thin(seen), _rounded(seen, cell), _upside_down(seen)]
    return list(filter(None, [*found, _no_ground(seen) if terrain else ""]))


def _level(seen: Summary) -> str:
    low, high = seen.xyz.min(axis=0), seen.xyz.max(axis=0)
    if high[2] > low[2] or not (high > low).any():
        return ""
    return Remark(
        f"all points are at the same height, {low[2]:g}: where heights were lost, labels are of no "
        "use",
        "level",
        height=float(low[2]),
    )


def _thin(seen: Summary) -> str:
    width, height = float(seen.size[:2].max()), float(seen.size[2])
    if not 0 < width < THIN * height or width > 1:
        return ""
    return Remark(
        f"{width:.2g} wide and {height:.2g} high: x and y may be degrees or kilometres: "
        "bring all three to metres first",
        "thin",
        width=width,
        height=height,
    )


def _rounded(seen: Summary, cell: float) -> str:
    steps = [step(axis) for axis in seen.xyz.T]
    worst = int(np.argmax(steps))
    if not steps[worst] > COARSE * cell:
        return ""
    twice = 1 - len(np.unique(seen.xyz, axis=0)) / len(seen.xyz)
    if not (steps[worst] > ROUNDED * seen.spacing or twice > TWICE):
        return ""  # just points of a grid
    return Remark(
        f"{'xyz'[worst]} comes in steps of {steps[worst]:.2g} m, more than points are apart: "
        "coordinates were rounded (32-bit numbers far from the origin?), and shapes are lost",
        "rounded",
        step=steps[worst],
    )


def step(values: NDArray[np.float64]) -> float:
    """The least distance between two different values; 0 if all are the same."""
    apart = np.diff(np.unique(values))
    return float(apart.min()) if len(apart) else 0.0


def _upside_down(seen: Summary) -> str:
    """A pulse meets the higher of two things first."""
    names = ("return_number", "number_of_returns")
    if not all(name in seen.arrays for name in names):
        return ""
    number, count = (seen.arrays[name].astype(np.int64) for name in names)
    z = seen.xyz[:, 2]
    at = np.floor((seen.xyz[:, :2] - seen.xyz[:, :2].min(axis=0)) / COLUMN).astype(np.int64)
    column = at[:, 0] * (at[:, 1].max() + 1) + at[:, 1]
    mean = []
    for chosen in ((count > 1) & (number == 1), (count > 1) & (number == count)):
        held = np.bincount(column[chosen], minlength=column.max() + 1)
        total = np.bincount(column[chosen], z[chosen], minlength=column.max() + 1)
        mean.append(np.divide(total, held, out=np.full(len(held), np.nan), where=held > 0))
    higher = mean[0] - mean[1]
    told = higher[np.isfinite(higher)]
    if len(told) < COLUMNS or not (told < 0).mean() > DOWN:
        return ""
    return Remark("first returns lie below last ones, so z seems to point down", "down")


def _no_ground(seen: Summary) -> str:
    label = seen.arrays.get("label")
    if label is None or np.isin(label, GROUND).any():
        return ""
    if np.isin(PLANTS_AND_ROOFS, label).sum() < 2:
        return ""
    return Remark(
        "the classes of the file have no ground: if its points were taken out, heights above "
        "ground are not what the model takes them for, and labels of low things are in doubt",
        "no-ground",
    )
