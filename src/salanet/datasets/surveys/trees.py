"""Trees of several forms and seasons, bushes, hedges."""

from __future__ import annotations

import numpy as np

from salanet.datasets.surveys.materials import HIGH, Stuff
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.solids import Body, Crown, Place, body, prism

FORMS = ("broad", "round", "column", "conifer", "pine", "palm", "bare")


def tree(
    x: float,
    y: float,
    ground: float,
    height: float,
    rng: Rng,
    form: str,
    leaves: float = 1.0,
    slim: float = 1.0,
) -> list[Body | Crown]:
    """A tree of a form.

    `leaves` is how dense it is, 1 in summer, 0.1 in winter; `slim` how wide for one that stands
    alone: in a wood trees are slimmer.
    """
    low = ground
    if form == "conifer":
        radius = height * float(rng.uniform(0.12, 0.22))
        skirt = low + height * float(rng.uniform(0.02, 0.25))
        crown = _cone(x, y, skirt, low + height, radius, float(rng.uniform(0.4, 1.0)))
        return [crown, _trunk(x, y, low, skirt + 0.2 * height, height, rng)]
    if form == "pine":
        flat = height * float(rng.uniform(0.12, 0.22))
        wide = height * float(rng.uniform(0.2, 0.4)) * slim
        crown = _ball(x, y, low + height - flat, wide, flat, rng.uniform(0.4, 0.8), Stuff.NEEDLE)
        return [crown, _trunk(x, y, low, low + height - flat, height, rng)]
    if form == "palm":
        crown = _ball(x, y, low + height - 0.7, rng.uniform(1.2, 2.5), rng.uniform(0.5, 0.9), 0.5)
        return [crown, _trunk(x, y, low, low + height - 0.5, height * 0.6, rng)]
    if form == "column":
        wide = height * float(rng.uniform(0.1, 0.16))
        crown = _ball(
            x, y, low + height * 0.55, wide, height * 0.45, rng.uniform(0.5, 1.0) * leaves
        )
        return [crown, _trunk(x, y, low, low + height * 0.4, height, rng)]
    if form == "bare":
        leaves = min(leaves, float(rng.uniform(0.08, 0.25)))
    trunk = height * float(rng.uniform(0.1, 0.4))
    wide = height * float(rng.uniform(0.25, 0.45)) * slim
    density = float(rng.uniform(0.35, 1.1)) * leaves
    tall = (height - trunk) / 2
    clumps = float(rng.uniform(0.5, 1.6))
    things: list[Body | Crown] = [
        _ball(x, y, low + trunk + tall, wide * 0.85, tall, density, clumps=clumps)
    ]
    most = {"broad": 6, "bare": 4, "round": 2}[form]
    lobes = int(rng.integers(0, most)) if height > 5 else 0
    for turn in rng.uniform(0, 2 * np.pi, lobes):
        out = wide * float(rng.uniform(0.35, 0.6))
        size = wide * float(rng.uniform(0.4, 0.65))
        middle = low + trunk + tall * float(rng.uniform(0.6, 1.4))
        deep = min(size * float(rng.uniform(0.7, 1.2)), low + height - middle)
        lobe_x, lobe_y = x + out * np.cos(turn), y + out * np.sin(turn)
        things.append(_ball(lobe_x, lobe_y, middle, size, deep, density, clumps=clumps))
    things.append(_trunk(x, y, low, low + trunk + tall * 0.6, height, rng))
    return things


def bush(x: float, y: float, ground: float, rng: Rng, leaves: float = 1.0) -> Crown:
    """A shrub of 0.35 to 3.5 m."""
    height = float(np.exp(rng.uniform(np.log(0.35), np.log(3.5))))
    wide = height * float(rng.uniform(0.3, 1.0))
    density = float(np.exp(rng.uniform(np.log(0.8), np.log(6)))) * max(leaves, 0.4)
    return _ball(x, y, ground + height * 0.45, wide, height * 0.55, density, clumps=0.5)


def hedge(place: Place, half: tuple[float, float], ground: float, height: float, rng: Rng) -> Body:
    """A clipped hedge: leaves in a box."""
    density = float(rng.uniform(2, 6))
    return body(place, half, ground - 0.5, ground + height, Stuff.LEAF, HIGH, (), density)


def climate(rng: Rng) -> tuple[dict[str, float], float]:
    """How often each form stands in a place, and how dense its leaves are."""
    kind = rng.choice(
        ["mild", "winter", "mountains", "south", "tropics"], p=[0.4, 0.2, 0.1, 0.2, 0.1]
    )
    often: dict[str, dict[str, float]] = {
        "mild": {"broad": 5, "round": 3, "column": 1, "conifer": 1},
        "winter": {"bare": 4, "broad": 1, "round": 2, "conifer": 1.5},
        "mountains": {"conifer": 6, "broad": 2, "pine": 1},
        "south": {"pine": 3, "round": 4, "column": 1.5, "broad": 2},
        "tropics": {"palm": 2, "broad": 5, "round": 4},
    }
    leaves = float(np.exp(rng.uniform(np.log(0.5), np.log(3.0))))
    leaves = float(rng.uniform(0.15, 0.4)) if kind == "winter" else leaves
    mine = often[str(kind)]
    return {form: count / sum(mine.values()) for form, count in mine.items()}, leaves


def _ball(
    x: float,
    y: float,
    z: float,
    wide: float,
    tall: float,
    density: float,
    stuff: Stuff = Stuff.LEAF,
    clumps: float = 1.0,
) -> Crown:
    radii = (max(float(wide), 0.2), max(float(tall), 0.2))
    return Crown((float(x), float(y), float(z)), radii, float(density), clumps, False, stuff)


def _cone(x: float, y: float, low: float, tip: float, radius: float, density: float) -> Crown:
    middle, tall = (low + tip) / 2, (tip - low) / 2
    return Crown((x, y, middle), (radius, tall), density, 0.8, True, Stuff.NEEDLE)


def _trunk(x: float, y: float, ground: float, top: float, height: float, rng: Rng) -> Body:
    radius = max(height * float(rng.uniform(0.008, 0.018)), 0.05)
    return prism(Place(x, y), radius, 5, ground - 0.5, top, Stuff.WOOD, HIGH)
