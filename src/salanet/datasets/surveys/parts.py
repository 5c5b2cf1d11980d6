"""Pieces that landscapes are put together from: houses with gardens, cars, scattered plants."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from salanet.datasets.surveys import furniture, trees
from salanet.datasets.surveys.materials import BUILDING, Stuff
from salanet.datasets.surveys.raster import Mask
from salanet.datasets.surveys.roofs import Half, Roof, any_roof, building, house
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import Place, body


def put(
    site: Site,
    place: Place,
    half: Half,
    make: Callable[[float, float], None],
    room: float = 0.3,
    *,
    uneven: float = 6.0,
) -> bool:
    """Call `make(lowest, highest ground)` if a rectangle and `room` metres around it are free."""
    around = (half[0] + room, half[1] + room)
    if not site.free(place, around):
        return False
    low, high = site.span(place, half)
    if high - low > uneven:
        return False
    site.take(place, half)
    make(low, high)
    return True


def put_house(
    site: Site,
    place: Place,
    half: Half,
    height: float,
    roof: Roof | None = None,
    uneven: float = 6.0,
) -> bool:
    """A house whose eaves are `height` above the middle of its ground, if there is room."""

    def make(low: float, high: float) -> None:
        eaves = max((low + high) / 2 + height, high + 2.0)
        site.add(*house(place, half, low - 1, eaves, site.rng, roof))

    return put(site, place, half, make, 0.2, uneven=uneven)


def annexe(site: Site, place: Place, half: Half) -> bool:
    """A garage, a shed, an outhouse: low, mostly flat."""
    rng = site.rng
    kind = str(rng.choice(["flat", "shed", "gable"], p=[0.6, 0.15, 0.25]))
    height = float(rng.uniform(2.0, 3.4))
    roof = any_roof(rng, half, kind)

    def make(low: float, high: float) -> None:
        site.add(*building(place, half, low - 1, high + height, roof))

    return put(site, place, half, make, 0.0, uneven=2.0)


def glasshouse(site: Site, place: Place, half: Half) -> bool:
    """Its roof lets most of the light through."""

    def make(low: float, high: float) -> None:
        top = high + float(site.rng.uniform(2.2, 4))
        density = float(site.rng.uniform(0.15, 0.6))
        site.add(body(place, half, low, top, Stuff.GLASS, BUILDING, (), density))

    return put(site, place, half, make, uneven=2.0)


def plant_tree(
    site: Site,
    x: float,
    y: float,
    height: float,
    forms: dict[str, float],
    *,
    near: bool = False,
    slim: float = 1.0,
) -> bool:
    """A tree of one of the forms, unless its trunk would stand in something; `near`: close to
    others, as in a wood, where trees are slimmer by `slim`."""
    half = (0.6, 0.6) if near else (height * 0.16, height * 0.16)
    place = Place(x, y)
    if not site.free(place, half):
        return False
    form = str(site.rng.choice(list(forms), p=list(forms.values())))
    site.add(*trees.tree(x, y, site.z(x, y), height, site.rng, form, site.leaves, slim))
    site.take(place, (0.5, 0.5) if near else half)
    return True


def plant_bushes(site: Site, count: int, where: Mask | None = None) -> None:
    """Bushes here and there, where the mask of the rasters is true."""
    for _ in range(count):
        x, y = site.any_place()
        at = site.grid.nearest(np.array([x]), np.array([y]))[0]
        if site.taken.flat[at] or (where is not None and not where.flat[at]):
            continue
        for _ in range(int(site.rng.integers(1, 4))):
            u, v = site.rng.normal(0, 0.7, 2)
            ground = site.z(x + u, y + v)
            site.add(trees.bush(x + float(u), y + float(v), ground, site.rng, site.leaves))


def scrub(site: Site, often: float) -> None:
    """Patches of brambles, reeds or young trees, up to 2 m high, and bushes in them.

    `often` is about the share of the open ground that they cover.
    """
    rng = site.rng
    field = site.grid.fractal(float(rng.uniform(8, 40)), rng, 4, 0.6)
    where = field > np.quantile(field, 1 - often)
    where &= ~site.taken & ~np.isin(site.stuff, (Stuff.ASPHALT, Stuff.PAVING, Stuff.WATER))
    low = float(rng.uniform(0.2, 0.7))
    grow(site, where, (low, low + float(rng.uniform(0.2, 0.8))), (0.6, 4))
    plant_bushes(site, int(where.sum() * site.grid.cell**2 / rng.uniform(4, 30)), where)


def park_car(site: Site, place: Place) -> bool:
    half = (2.4, 1.0)

    def make(low: float, high: float) -> None:
        site.add(*furniture.car(place, (low + high) / 2, site.rng))

    return put(site, place, half, make, 0.1, uneven=1.0)


def hedge(site: Site, place: Place, long: float) -> None:
    """A hedge of half length `long`, in pieces that follow the ground."""
    rng = site.rng
    height, thick = float(rng.uniform(0.6, 2.5)), float(rng.uniform(0.25, 0.8))
    pieces = max(int(long), 1)
    each = long / pieces
    for n in range(pieces):
        spot = place.at(-long + each * (2 * n + 1), 0)
        if site.free(spot, (each * 0.8, thick)):
            site.add(trees.hedge(spot, (each, thick), site.z(spot.x, spot.y), height, rng))
            site.take(spot, (each, thick))


def border(site: Site, place: Place, long: float) -> None:
    """Whatever stands between two gardens, along the place's x axis: nothing, too."""
    kind = str(site.rng.choice(["hedge", "fence", "wall", "none"], p=[0.35, 0.25, 0.2, 0.2]))
    if kind == "hedge":
        hedge(site, place, long)
    elif kind != "none":
        height = float(site.rng.uniform(0.8, 2.2))
        pieces = max(int(long / 3), 1)
        each = long / pieces
        for n in range(pieces):
            spot = place.at(-long + each * (2 * n + 1), 0)
            if not site.free(spot, (each * 0.9, 0.3)):
                continue
            ground = site.span(spot, (each, 0.3))
            if kind == "wall":
                site.add(furniture.wall(spot, each, ground, height))
            else:
                site.add(furniture.fence(spot, each, sum(ground) / 2, height, site.rng))
            site.take(spot, (each, 0.3))


def litter(site: Site, place: Place, half: Half, count: int) -> None:
    """Small things about a rectangle."""
    for _ in range(count):
        u, v = site.rng.uniform(-1, 1, 2) * half
        spot = place.at(float(u), float(v), float(site.rng.uniform(0, 3)))
        if site.free(spot, (0.8, 0.8)):
            site.add(furniture.rubbish(spot, site.z(spot.x, spot.y), site.rng))
            site.take(spot, (0.8, 0.8))


def grow(
    site: Site, where: Mask, height: tuple[float, float], density: tuple[float, float]
) -> None:
    """Grass or crops of about that height where the mask is true, uneven."""
    rng = site.rng
    field = np.clip(1 + 0.5 * site.grid.fractal(8.0, rng, 3), 0, 2.2)
    site.cover = np.where(where, rng.uniform(*height) * field, site.cover)
    site.cover_density = np.where(where, rng.uniform(*density), site.cover_density)
