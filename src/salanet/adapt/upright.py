"""Which axis of a file points up: z, as nearly everywhere, y, as in scans from phones, or -y, as in
what a camera sees. -z, as in depths, is taken if somebody says so.

What is built stands upright: floors, ceilings and tables lie across the vertical, walls, doors and
most furniture along it. Seen from a wrong axis, walls that are turned about the vertical look
oblique, and that tells. Where walls follow the axes nothing looks oblique; then the proportions
decide: a room is wider than high, and no room is as high as others are wide.

What one camera sees lies in a cone around an axis, x to the right and y down, and is one surface in
every direction.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from salanet.remark import Remark
from salanet.sampling.summary import Summary

UPS = ("auto", "z", "-z", "y", "-y")
WORDS = {"z": "z is up", "-z": "z points down", "y": "y is up", "-y": "y points down"}
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

# What one camera sees: that far aside by that far away, and at both sides of its axis.
ASIDE_MOST, ASIDE_LEAST = 1.3, 0.1
WITHIN = 0.999  # share of the points in its cone
# Metres: its extent, its nearest points, their spacing.
VIEW, VIEW_NEAR, VIEW_CLOSE = 20.0, 5.0, 0.1
VIEW_DEPTH = 1.2  # its farthest points by its nearest
PER_BIN, FEWEST_IN_BIN = 12, 5  # points of a sample that share a direction
ONE_SURFACE, MOSTLY = 1.15, 0.75  # farthest by nearest in a direction, and in how many of them
LEVEL, SOME = 0.7, 0.03  # cosine between y and the normal of floors and tables, and their share

SEEN = "the network sees z up, the output keeps its axes"
CAMERA = f"one surface in every direction, as from a camera in the origin; {SEEN}"
SAID = {
    "format": Remark(f"y is up, as the file's format has it; {SEEN}", "up-said"),
    "y": Remark(f"y is up: most planes lie across y or along it; {SEEN}", "up-guessed"),
    "ahead": Remark(f"y points down, z ahead: {CAMERA}", "up-guessed"),
    "back": Remark(f"y is up, z points back: {CAMERA}", "up-guessed"),
}
DOUBT = Remark("z is taken to be up, but it may be y", "up-doubtful")
DOUBT_VIEW = Remark(
    "all points lie in a cone before the origin, as if a camera were there: y may point down",
    "view-doubtful",
)


def turned(xyz: NDArray[np.float64], up: str = "y") -> NDArray[np.float64]:
    """Coordinates (N, 3) as ones with z up; `up` is what points up in them, one of `UPS`."""
    if up == "z":
        return xyz
    x, y, z = xyz.T
    return np.stack({"-z": [x, -y, -z], "y": [x, -z, y], "-y": [x, z, -y]}[up], axis=1)


def turn(summary: Summary, up: str = "y") -> Summary:
    """The same cloud with z up; `up` is what points up in it."""
    if up == "z":
        return summary
    lying = replace(summary, xyz=turned(summary.xyz, up))
    # What takes long to find, and is the same.
    normals = summary.normals if up == "-z" else summary.normals[:, [0, 2, 1]]
    vars(lying).update(spacing=summary.spacing, normals=normals)
    return lying


def said_by(summary: Summary) -> bool:
    """Whether the file itself implies that z is up."""
    return summary.upright or summary.crs is not None


def decide(option: str, summary: Summary, scale: float = 1.0) -> tuple[str, list[str]]:
    """What is up, "z", "-z", "y" or "-y", and what to say of it.

    Args:
        option: one of `UPS`; what it says goes.
        scale: metres per unit.
    """
    if option in ("-z", "y", "-y"):
        return option, [f"{WORDS[option]}, as asked; {SEEN}"]
    if summary.y_up and option == "auto":
        return "y", [SAID["format"]]
    if option == "z" or said_by(summary) or not summary.size[1] > 0:
        return "z", []
    view, certain = _view(summary, scale)
    if view and certain:
        return "-y" if view == "ahead" else "y", [SAID[view]]
    sure, maybe = _looks_y_up(summary, summary.size * scale)
    if sure:
        return "y", [SAID["y"]]
    if view:
        return "z", [DOUBT_VIEW]
    return "z", [DOUBT] if maybe else []


def viewed(summary: Summary, scale: float) -> bool:
    """Whether one camera in the origin surely sees the points; `scale` is metres per unit."""
    return _view(summary, scale)[1]


def _view(summary: Summary, scale: float) -> tuple[str, bool]:
    """Whether one camera in the origin may see the points "ahead", along z, or "back", along -z, as
    computer vision and OpenGL have it; and whether it surely does."""
    xyz = summary.xyz
    if (
        len(xyz) < FEWEST
        or summary.size.max() * scale > VIEW
        or not summary.spacing * scale < VIEW_CLOSE
    ):
        return "", False
    ahead = bool(np.median(xyz[:, 2]) > 0)
    depth = xyz[:, 2] if ahead else -xyz[:, 2]
    inside = (depth > 0) & (np.abs(xyz[:, :2]).max(axis=1) < ASIDE_MOST * depth)
    near, far = np.percentile(depth, [1, 99])
    if inside.mean() < WITHIN or near * scale > VIEW_NEAR or far < VIEW_DEPTH * near:
        return "", False
    aside, depth = xyz[inside, :2] / depth[inside, None], depth[inside]
    low, high = np.percentile(aside, [1, 99], axis=0)
    if (low > -ASIDE_LEAST).any() or (high < ASIDE_LEAST).any():
        return "", False
    level = summary.normals[:, 1] > LEVEL  # seen from a hill's inside, its top is one surface, too
    certain = len(level) >= FEWEST and level.mean() > SOME
    return "ahead" if ahead else "back", certain and _one_surface(aside, depth, high - low)


def _one_surface(
    aside: NDArray[np.float64], depth: NDArray[np.float64], size: NDArray[np.float64]
) -> bool:
    """Whether the points in nearly every direction are about as far as each other."""
    side = np.sqrt(np.prod(size) * PER_BIN / len(depth))
    at = np.floor(aside / side).astype(np.int64)
    _, direction, count = np.unique(at, axis=0, return_inverse=True, return_counts=True)
    direction = direction.reshape(-1)
    near, far = np.full(len(count), np.inf), np.zeros(len(count))
    np.minimum.at(near, direction, depth)
    np.maximum.at(far, direction, depth)
    enough = count >= FEWEST_IN_BIN
    return bool(enough.any() and (far < ONE_SURFACE * near)[enough].mean() > MOSTLY)


def built(summary: Summary) -> bool:
    """Whether the cloud may be a room: covered, or its planes across and along z, or y."""
    if summary.closed > COVERED:
        return True
    normals = summary.normals
    return len(normals) >= FEWEST and bool(_shares(normals)[1][1:].min() < OBLIQUE)


def _shares(normals: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the patches, those across x, y and z, and those oblique to each."""
    along = normals > ALONG
    return along.mean(axis=0), 1 - (along | (normals < ASIDE)).mean(axis=0)


def _looks_y_up(summary: Summary, size: NDArray[np.float64]) -> tuple[bool, bool]:
    """Whether y surely is up, and whether it may be; `size` in metres."""
    normals = summary.normals
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
        return walls and ROOM[0] <= size[1] <= high and (plain or _covered(summary)), True
    if y > OBLIQUE and y > TIMES * z:
        return False, False
    if not ROOM[0] <= size[1] <= LOFTY:
        return False, flatter > FLATTER and more > FLATTER
    hint = z > HINT and z > TIMES * y
    evident = flatter > FLATTER and more > MORE and size[1] > LOW and size[2] > LOFTY
    sure = flatter > MAYBE and (hint or evident)
    return sure and _covered(summary), flatter > MAYBE or hint


def _walls_both_ways(normals: NDArray[np.float64]) -> bool:
    """Whether patches oblique to z lean towards x and towards z: walls do, the roof of a house with
    its ridge along y leans one way."""
    oblique = normals[(normals[:, 2] > ASIDE) & (normals[:, 2] < ALONG)]
    share = float((oblique[:, 0] > oblique[:, 2]).mean())
    return ONE_WAY < share < 1 - ONE_WAY


def _covered(summary: Summary) -> bool:
    """Whether there is something above nearly everything, were y up: no facade."""
    return turn(summary).closed > COVERED
