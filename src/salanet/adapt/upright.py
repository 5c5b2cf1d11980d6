"""Which axis of a file points up: z, as nearly everywhere, or y, as in scans from phones.

What is built stands upright: floors, ceilings and tables lie across the vertical, walls, doors and
most furniture along it. Seen from a wrong axis, walls that are turned about the vertical look
oblique, and that tells. Where walls follow the axes nothing looks oblique; then the proportions
decide: a room is wider than high, and no room is as high as others are wide.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salanet.remark import Remark
from salanet.sampling.survey import Survey

UPS = ("auto", "z", "y")
FEWEST = 50  # flat patches: fewer tell nothing
ALONG, ASIDE = 0.95, 0.15  # cosines between a normal and an axis: parallel; perpendicular
FLOOR = 0.1  # share of the flat patches across y, for y to be up
OBLIQUE, HINT = 0.1, 0.04  # share of the patches that are oblique to one axis: telling; a hint
TIMES = 3.0  # more than those oblique to the other
PLAIN = 2.0  # times more patches across y than across x or z: neither walls nor gables
FLATTER, MAYBE = 2.0, 1.3  # extents along x and z by that along y
MORE = 1.5  # patches across y by those across z
COVERED = 0.6  # of the height, in the median of the places seen from above: floor and ceiling
ROOM = (1.5, 7.0)  # metres: how high rooms are
HALL = 16.0  # metres: a room in feet, taken for metres; nothing higher is turned
LOW, LOFTY = 2.0, 5.0  # metres: corridors are narrower, and hardly a room is higher
ONE_WAY = 0.03  # share of the oblique patches: fewer are strays

SAID = Remark(
    "y is up: most planes lie across y or along it; the network sees z up, the output keeps its "
    "axes",
    "up-guessed",
)
ASKED = "y is up, as asked; the network sees z up, the output keeps its axes"
DOUBT = Remark("z is taken to be up, but it may be y", "up-doubtful")


def turned(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates (N, 3) with y up as ones with z up."""
    return np.stack([xyz[:, 0], -xyz[:, 2], xyz[:, 1]], axis=1)


def turn(survey: Survey) -> Survey:
    """The same cloud with y up made z up."""
    lying = replace(survey, xyz=turned(survey.xyz))
    # What takes long to find, and is the same.
    vars(lying).update(spacing=survey.spacing, normals=survey.normals[:, [0, 2, 1]])
    return lying


def said_by(survey: Survey) -> bool:
    """Whether the file itself implies that z is up."""
    return survey.upright or survey.crs is not None


def decide(option: str, survey: Survey, scale: float = 1.0) -> tuple[bool, list[str]]:
    """Whether y is up, and what to say of it.

    Args:
        option: one of `UPS`; what it says goes.
        scale: metres per unit.
    """
    if option == "y":
        return True, [ASKED]
    if option == "z" or said_by(survey) or not survey.size[1] > 0:
        return False, []
    sure, maybe = _looks_y_up(survey, survey.size * scale)
    if sure:
        return True, [SAID]
    return False, [DOUBT] if maybe else []


def built(survey: Survey) -> bool:
    """Whether the cloud may be a room: covered, or its planes across and along z, or y."""
    if survey.closed > COVERED:
        return True
    normals = survey.normals
    return len(normals) >= FEWEST and bool(_shares(normals)[1][1:].min() < OBLIQUE)


def _shares(normals: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the patches, those across x, y and z, and those oblique to each."""
    along = normals > ALONG
    return along.mean(axis=0), 1 - (along | (normals < ASIDE)).mean(axis=0)


def _looks_y_up(survey: Survey, size: NDArray[np.float64]) -> tuple[bool, bool]:
    """Whether y surely is up, and whether it may be; `size` in metres."""
    normals = survey.normals
    if len(normals) < FEWEST:
        return False, False
    across, oblique = _shares(normals)
    if across[1] < FLOOR:
        return False, False
    flatter = min(size[0], size[2]) / size[1]
    more = across[1] / max(across[2], 1e-9)
    y, z = oblique[1:]
    if z > OBLIQUE and z > TIMES * y:
        plain = across[1] > PLAIN * max(across[0], across[2])
        high = HALL if plain else ROOM[1]
        walls = _walls_both_ways(normals)
        return walls and ROOM[0] <= size[1] <= high and (plain or _covered(survey)), True
    if y > OBLIQUE and y > TIMES * z:
        return False, False
    if not ROOM[0] <= size[1] <= LOFTY:
        return False, flatter > FLATTER and more > FLATTER
    hint = z > HINT and z > TIMES * y
    evident = flatter > FLATTER and more > MORE and size[1] > LOW and size[2] > LOFTY
    sure = flatter > MAYBE and (hint or evident)
    return sure and _covered(survey), flatter > MAYBE or hint


def _walls_both_ways(normals: NDArray[np.float64]) -> bool:
    """Whether patches oblique to z lean towards x and towards z: walls do, the roof of a house with
    its ridge along y leans one way."""
    oblique = normals[(normals[:, 2] > ASIDE) & (normals[:, 2] < ALONG)]
    share = float((oblique[:, 0] > oblique[:, 2]).mean())
    return ONE_WAY < share < 1 - ONE_WAY


def _covered(survey: Survey) -> bool:
    """Whether there is something above nearly everything, were y up: no facade."""
    return turn(survey).closed > COVERED
