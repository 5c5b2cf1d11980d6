"""In which units the coordinates of a file are."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from salanet.adapt.upright import COVERED, built, viewed
from salanet.errors import DataError
from salanet.io.crs import METRES, Crs
from salanet.remark import Remark
from salanet.sampling.summary import Summary

# What users write, as reference systems call it.
NAMES = {
    "m": "metre",
    "ft": "foot",
    "us-ft": "US survey foot",
    "mm": "millimetre",
    "cm": "centimetre",
}
SIZES = {**METRES, "millimetre": 0.001, "centimetre": 0.01, "kilometre": 1000.0}
PLURALS = {"foot": "feet", "US survey foot": "US survey feet"}
USUAL = "taken to be in metres"
MEASURED_ASIDE = "; the output keeps its units"

# Without a reference system: feet only if the points would be this much sparser than in training,
# and what stands on the ground this tall, were they metres.
SPARSE, SPARSE_IN_FEET = 2.5, 2.5
TALL = 60.0
WIDE = 100.0  # units: a survey from the air
# Rooms in millimetres or centimetres: spacing by that of training, the largest offset.
INDOOR_GRID = 0.1
SMALL = ("millimetre", "centimetre")
SPARSE_ROOM, DENSE_ROOM = 10.0, 5.0
NARROW, HEIGHTS = 0.8, (1.5, 15.0)  # metres: narrower or lower, or higher, is no room
HIGH = (6.5, 16.0)  # units: rooms in feet, or halls in metres
FAR = 20.0  # times the extent: coordinates of a survey, not of a room
ABSURD = 5000.0  # metres of height
# Surveys from the air have several returns, and no points as close as this, in metres.
RETURNS, CLOSE = "number_of_returns", 0.1


class Units(NamedTuple):
    """Metres per unit along x, y, z, and what to say of it."""

    scale: tuple[float, float, float]
    remarks: list[str]


def decide(option: str, summary: Summary, grid: float, trained: float, where: str) -> Units:
    """The units of a file: as asked, as its reference system says, or the likeliest.

    Args:
        option: "auto" or one of `NAMES`.
        grid, trained: the model's cell and the spacing of its training data, in metres.

    Raises DataError if the file says it is in degrees, or from the middle of the Earth.
    """
    system = summary.crs
    if option != "auto":
        name = NAMES[option]
        size = SIZES[name]
        against = system and {system.unit, system.vertical} - {None, name}
        doubt = (
            f", though the file's reference system says {system.units}"
            if system and against
            else ""
        )
        if size == 1 and not doubt:
            return Units((1.0, 1.0, 1.0), [])
        return Units(
            (size,) * 3, [f"coordinates are in {plural(name)}, as asked{doubt}{_aside(size)}"]
        )
    if system is not None and (system.angular or system.geocentric):
        kind = f"in {plural(str(system.unit))}" if system.angular else "geocentric, z no height"
        raise DataError(
            f"{where}: its coordinates are {kind} ({system.name}); project them to metres first, "
            "or say their unit if that is not true"
        ).about("degrees")
    if system is None:
        return _likeliest(summary, grid, trained)
    found = _of_system(system) if system.metres else _likeliest(summary, grid, trained)
    found.remarks.extend(_too_dense(summary, system.metres or 1.0, str(system.unit)))
    if system.vertical_metres and not system.metres:
        heights = _of_system(replace(system, unit="metre", metres=1.0))
        scale = (*found.scale[:2], system.vertical_metres)
        found = Units(scale, [*found.remarks, *heights.remarks])
    return Units(found.scale, [*system.doubts, *found.remarks])


def _too_dense(summary: Summary, metres: float, unit: str) -> list[str]:
    """Doubt of a system in feet, where its points would be nearer than those of a survey."""
    returns = summary.arrays.get(RETURNS)
    apart = summary.spacing * metres
    if metres >= 1 or returns is None or not (returns > 1).any() or not apart < CLOSE:
        return []
    text = (
        f"points would be {apart:.2g} m apart, nearer than in surveys from the air: the "
        f"coordinates may not be in {plural(unit)}"
    )
    return [Remark(text, "units-doubted", spacing=apart)]


def plural(name: str) -> str:
    return PLURALS.get(name, f"{name}s")


def _of_system(system: Crs) -> Units:
    """As a system with a known unit says; heights of which it says nothing are in the same."""
    across = system.metres or 1.0
    up = system.vertical_metres or across
    remarks = []
    if across != 1:
        heights = "" if system.vertical_metres else ", heights taken to be, too"
        remarks.append(
            f"coordinates are in {plural(str(system.unit))} by the file's reference system"
            f"{heights}{_aside(across)}"
        )
    if up != across:
        remarks.append(
            f"heights are in {plural(str(system.vertical))} by the file's reference system"
            f"{_aside(up)}"
        )
    return Units((across, across, up), remarks)


def _aside(size: float) -> str:
    return f"; scaled by {size:.7g} for the network{MEASURED_ASIDE}"


def _likeliest(summary: Summary, grid: float, trained: float) -> Units:
    """Metres, unless they make no sense and another unit does."""
    unknown = "has no reference system" if summary.crs is None else "names no unit"
    if summary.metric:
        unknown = "should be in metres, as its format is"
    height = float(summary.size[2])
    room = _room(summary, grid, trained)
    if room is not None:
        return Units(
            (SIZES[room],) * 3,
            [
                Remark(
                    f"the file {unknown}; taken to be in {plural(room)}, as it would be "
                    f"{height:,.0f} m high in metres{_aside(SIZES[room])}",
                    "units-guessed",
                    unit=room,
                    height=height,
                )
            ],
        )
    if summary.metric:
        return Units((1.0, 1.0, 1.0), [])
    feet = _feet(summary, grid, trained)
    if feet == 2:
        return Units(
            (SIZES["foot"],) * 3,
            [
                Remark(
                    f"the file {unknown}; taken to be in feet: in metres, trees and buildings "
                    f"would be {summary.tallness:.0f} m tall and points {summary.spacing:.1f} m "
                    f"apart{_aside(SIZES['foot'])}",
                    "units-guessed",
                    unit="foot",
                    height=height,
                )
            ],
        )
    remark = Remark(f"the file {unknown}; {USUAL}")
    if feet or height > ABSURD:
        remark = Remark(f"{remark}, which is doubtful", "units-doubtful", height=height)
    elif grid <= INDOOR_GRID and HIGH[0] < height < HIGH[1] and summary.closed > COVERED:
        doubt = f"{remark}, which is doubtful, as it would be {height:.1f} m high"
        remark = Remark(doubt, "units-feet", height=height)
    return Units((1.0, 1.0, 1.0), [remark])


def _room(summary: Summary, grid: float, trained: float) -> str | None:
    """Millimetres or centimetres, if only they make a room of the cloud."""
    if grid > INDOOR_GRID or not summary.spacing > SPARSE_ROOM * trained:
        return None
    size = summary.size
    if np.abs(summary.xyz).max() > FAR * max(size):
        return None
    low, high = HEIGHTS
    for name in SMALL:
        metres = SIZES[name]
        fits = low <= size[2] * metres <= high and min(size) * metres > NARROW
        if (
            fits
            and summary.spacing * metres <= DENSE_ROOM * trained
            and (built(summary) or viewed(summary, metres))
        ):
            return name
    return None


def _feet(summary: Summary, grid: float, trained: float) -> int:
    """How many of two signs of feet a survey from the air shows; 0 for anything else."""
    if grid <= INDOOR_GRID or not min(summary.size[:2]) > WIDE:
        return 0
    sparse = summary.spacing > SPARSE * trained
    sparse &= summary.spacing * SIZES["foot"] < SPARSE_IN_FEET * trained
    return int(sparse) + int(summary.tallness > TALL)
