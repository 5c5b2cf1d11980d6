"""What a file shows: rooms, or a survey from the air; and how it lies in its coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from salanet.adapt import units, upright
from salanet.errors import DataError
from salanet.model_file import Described
from salanet.remark import Remark
from salanet.sampling.summary import Summary
from salanet.terminal import visible

FLAT = 5.0  # times wider than high
# Metres across: where points are closer than `units.CLOSE`, nothing flies so low over so little.
# Meshes of rooms, such as those of ScanNet, are the sparsest: vertices 0.02 to 0.09 m apart.
SMALL = 60.0
USUAL_GRIDS = {"indoor": 0.04, "airborne": 0.25}  # metres, where no model says it
DOMAINS = {"indoor": "rooms", "airborne": "a survey from the air"}
# Classes that such a scan is never without, and a share of the points that is next to none.
EXPECTED = {"indoor": ("ceiling", "floor"), "airborne": ("ground",)}
NEXT_TO_NONE = 0.02


class Axes(NamedTuple):
    """Metres per unit along the file's x, y, z; what is up (`upright.UPS`); what to say of it."""

    scale: tuple[float, float, float]
    up: str
    remarks: list[str]

    def upright(self, summary: Summary) -> Summary:
        """The summary in metres, z up."""
        seen = upright.turn(summary, self.up)
        if self.scale == (1.0, 1.0, 1.0):
            return seen
        across, up = self.scale[0], self.scale[2 if self.up in ("z", "-z") else 1]
        return replace(seen, xyz=seen.xyz * np.array([across, across, up]))


def find_axes(
    unit: str, up: str, summary: Summary, grid: float, trained: float, where: str
) -> Axes:
    """Units and vertical axis of a file, each as asked or found out.

    Which axis points up depends on how long a unit is, and which unit is likely on how high the
    cloud is: each of the two axes is tried with the unit that it would make likely.

    Args:
        unit, up: "auto", or what the user knows.
        grid, trained: the cell of the model and the spacing of its training data, in metres.

    Raises DataError if the file says it is in degrees.
    """
    standing = units.decide(unit, summary, grid, trained, where)
    found, remarks = upright.decide(up, summary, standing.scale[1])
    level = ("z", "-z")
    settled = found in level and (up in level or upright.said_by(summary))
    if settled or upright.viewed(summary, standing.scale[1]):
        return Axes(standing.scale, found, [*standing.remarks, *remarks])
    lying = units.decide(unit, upright.turn(summary), grid, trained, where)
    if found == "z":
        found, remarks = upright.decide(up, summary, lying.scale[1])
    # Even if it is doubtful which axis points up: that unit which makes sense of one of them.
    likelier = remarks and lying.scale[0] < standing.scale[0]
    better = lying if found != "z" or likelier else standing
    scale = standing.scale if summary.crs is not None else better.scale
    return Axes(scale, found, [*better.remarks, *remarks])


def domain(
    summary: Summary, unit: str = "auto", up: str = "auto", where: str = "point cloud"
) -> tuple[str, str]:
    """ "indoor", "airborne" or nothing, and the reason; units and axis as asked or found out.

    Raises DataError if the file says it is in degrees, or no point has finite coordinates.
    """
    if summary.not_finite and not len(summary.xyz):
        raise DataError(f"{where}: no point has finite coordinates")
    grid = USUAL_GRIDS["indoor"]
    return domain_of(find_axes(unit, up, summary, grid, grid, where).upright(summary))


def domain_of(seen: Summary) -> tuple[str, str]:
    """ "indoor", "airborne" or nothing, and the reason, for a summary in metres with z up.

    Two signs of a survey from the air among several returns, a reference system, and far more
    width than height outweigh one that is open above; rooms are closed, or small and dense, and
    have no returns.
    """
    width, depth, height = seen.size
    closed = seen.closed > upright.COVERED
    signs = {
        "several returns": units.RETURNS in seen.arrays
        and bool((seen.arrays[units.RETURNS] > 1).any()),
        "a reference system": seen.crs is not None,
        "open above": not closed,
        "far wider than high": min(width, depth) > FLAT * height,
    }
    found = [name for name, there in signs.items() if there]
    surveyed = signs["several returns"] or signs["a reference system"]
    if not closed and not surveyed and seen.spacing < units.CLOSE and max(width, depth) < SMALL:
        return "indoor", "small, and scanned from close by"
    if len(found) >= 2 and (not closed or signs["several returns"]):
        return "airborne", ", ".join(found)
    if closed and not signs["several returns"]:
        return "indoor", "points above one another everywhere, as floors, walls and ceilings"
    return "", ", ".join(found) or "nothing tells"


def implausible(model: Described, counts: Sequence[int]) -> list[str]:
    """A remark on a result that lacks what every scan of the model's domain has.

    Args:
        model: its metadata tell the domain.
        counts: points of each of its classes.
    """
    classes = model.config.classes
    found = [name for name in EXPECTED.get(model.card.domain, ()) if name in classes]
    share = sum(counts[classes.index(name)] for name in found) / max(sum(counts), 1)
    if not found or share >= NEXT_TO_NONE:
        return []
    return [
        Remark(
            f"next to nothing ({share:.1%}) became {' or '.join(found)}: the model is for other "
            "scans, or units or the vertical axis are wrong",
            "implausible",
            share=share,
        )
    ]


def untold(model: Described) -> list[str]:
    """A remark on what the model has no class for, if its card says so."""
    text = visible(model.card.untold)
    return [Remark(f"the model has no class for {text}", "untold")] if text else []
