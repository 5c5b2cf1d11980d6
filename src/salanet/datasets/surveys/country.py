"""Open landscapes: farmland, woods, coasts with cliffs, mountains, rivers with dikes."""

from __future__ import annotations

import numpy as np

from salanet.datasets.surveys import furniture, parts, terrain, trees, wires
from salanet.datasets.surveys.bridges import bridge
from salanet.datasets.surveys.materials import Stuff
from salanet.datasets.surveys.raster import Array, Mask, step
from salanet.datasets.surveys.roofs import any_roof, church, hall, house
from salanet.datasets.surveys.site import Site
from salanet.datasets.surveys.solids import Place

Forms = dict[str, float]


def farmland(site: Site, forms: Forms) -> None:
    """Fields of different crops, ditches and hedgerows, farms, a line of pylons."""
    rng = site.rng
    terrain.relief(site, float(rng.uniform(0, 12)), 120, float(rng.uniform(0, 0.08)))
    turn = float(rng.uniform(0, np.pi))
    strip = float(rng.uniform(25, 90))
    across = terrain.straight(site, turn, 0.0)
    field = np.floor(across / strip + 0.1 * site.grid.smooth(120, rng))
    for number in np.unique(field):
        mine = field == number
        crop = str(rng.choice(["bare", "short", "tall", "meadow"]))
        if crop == "bare":
            site.stuff[mine], site.cover[mine] = Stuff.SOIL, 0
            furrow = 0.06 * np.sin(across * 2 * np.pi / float(rng.uniform(0.8, 2)))
            site.ground[mine] += furrow[mine]
            continue
        tall = {"short": (0.05, 0.3), "tall": (0.4, 1.3), "meadow": (0.0, 0.25)}[crop]
        parts.grow(site, mine, tall, (1, 6))
        site.stuff[mine] = Stuff.GRASS if crop == "meadow" else Stuff.CROP
    if rng.random() < 0.6:
        ditch = np.abs(across - strip * round(float(rng.uniform(-1, 1))))
        site.ground -= np.clip(1.2 - ditch, 0, None) * float(rng.uniform(0.5, 1.3))
    road(site, float(rng.uniform(2, 4)))
    edges = [strip * (n + 0.02) for n in range(-6, 7)]
    for offset in rng.choice(edges, int(rng.integers(1, 4)), replace=False):
        hedgerow(site, turn, float(offset), forms)
    for _ in range(int(rng.integers(0, 3))):
        farm(site)
    if rng.random() < 0.7:
        wires.power_line(site, rng, high=bool(rng.random() < 0.6))
    for _ in range(int(rng.poisson(3))):
        x, y = site.any_place()
        if site.free(Place(x, y), (1, 1)):
            site.add(furniture.bale(Place(x, y), site.z(x, y)))
    scattered_trees(site, forms, 0.0006)


def village(site: Site, forms: Forms) -> None:
    """A winding road with houses along it, a church, gardens, on a slope at times."""
    rng = site.rng
    terrain.relief(site, float(rng.uniform(1, 18)), 150, float(rng.uniform(0, 0.15)))
    if rng.random() < 0.3:
        terrain.terraces(site, float(rng.uniform(1.0, 3.0)))
    parts.grow(site, np.ones_like(site.taken), (0.0, 0.15), (1, 5))
    across = road(site, float(rng.uniform(4, 7)))
    middle = Place(site.middle, site.middle, float(rng.uniform(0, 6)))
    if rng.random() < 0.7 and site.free(middle, (26, 11)):
        low, _ = site.span(middle, (24, 9))
        site.add(*church(middle, low - 1, rng))
        site.take(middle, (26, 11))
    gx, gy = np.gradient(across, site.grid.cell)
    for _ in range(int(site.size * site.size / 260)):
        x, y = site.any_place()
        at = site.grid.nearest(np.array([x]), np.array([y]))[0]
        if not 6 < abs(across.flat[at]) < 60:
            continue
        turn = float(np.arctan2(gy.flat[at], gx.flat[at])) + np.pi / 2
        turn += float(rng.choice([0, np.pi / 2])) + float(rng.normal(0, 0.1))
        half = (float(rng.uniform(4, 9)), float(rng.uniform(3, 5.5)))
        if parts.put_house(site, Place(x, y, turn), half, float(rng.uniform(2.5, 7)), uneven=6):
            beside = Place(x, y, turn)
            side = beside.at(half[0] + 2.5, float(rng.uniform(-1, 1)))
            if rng.random() < 0.6:
                parts.annexe(site, side, (2, float(rng.uniform(1.5, 3.5))))
            parts.border(site, beside.at(0, half[1] + float(rng.uniform(3, 8))), half[0] + 3)
            parts.park_car(site, beside.at(-half[0] - 3, 0, np.pi / 2))
            parts.litter(site, beside, (half[0] + 6, half[1] + 6), int(rng.poisson(1)))
    scattered_trees(site, forms, 0.004)
    parts.plant_bushes(site, int(site.size**2 / 200))
    if rng.random() < 0.5:
        wires.power_line(site, rng, high=False)


def woods(site: Site, forms: Forms) -> None:
    """Dense trees over bushes, clearings, a track, water beside them at times."""
    rng = site.rng
    terrain.relief(site, float(rng.uniform(1, 30)), 120, float(rng.uniform(0, 0.4)))
    parts.grow(site, np.ones_like(site.taken), (0.02, 0.6), (0.2, 1.5))
    if rng.random() < 0.5:
        river(site, float(rng.uniform(8, 60)), float(rng.uniform(0.2, 1.0)))
    road(site, 2.0, Stuff.GRAVEL)
    open_field = site.grid.fractal(60, rng, 2) > float(rng.uniform(0.3, 1.5))
    wood(site, ~open_field, forms, float(rng.uniform(8, 28)), float(rng.uniform(0.5, 1.5)))
    parts.plant_bushes(site, int(site.size**2 / float(rng.uniform(25, 200))))
    if rng.random() < 0.2:
        wires.power_line(site, rng, high=True)


def coast(site: Site, forms: Forms) -> None:
    """A cliff over the sea or a lake, with bushes on it, rocks in the water, a plateau above."""
    rng = site.rng
    terrain.relief(site, float(rng.uniform(1, 8)), 80, float(rng.uniform(0, 0.15)))
    line = terrain.line(site, float(rng.uniform(5, 25)))
    base = float(rng.uniform(-8, 1))
    site.ground += np.clip(line / 6, -6, 0) + base
    count = int(rng.choice([1, 1, 2, 3]))
    for _ in range(count):
        height = float(rng.uniform(10, 60)) / count
        pitch = float(np.deg2rad(rng.uniform(40, 85)))
        start = float(rng.uniform(0, 20))
        terrain.cliff(site, line - start, height, pitch)
    rock = site.grid.fractal(10, rng, 3, 0.6)  # crags and stacks
    crag = float(rng.uniform(0.5, 1.5))
    site.ground += np.where(rock > crag, float(rng.uniform(1, 7)) * (rock - crag), 0)
    site.stuff[rock > crag] = Stuff.ROCK
    steep = terrain.steepness(site)
    bare = site.grid.fractal(12, rng, 3) > float(rng.uniform(-0.8, 0.8))
    parts.grow(site, ~bare & (steep < 1.2), (0.02, 0.5), (0.5, 4))
    site.stuff[bare | (steep >= 1.2)] = Stuff.ROCK
    site.cover[bare | (steep >= 1.2)] = 0
    if rng.random() < 0.8:
        level = float(np.quantile(site.ground, rng.uniform(0.05, 0.45)))
        terrain.flood(site, level)
    patches = site.grid.fractal(15, rng, 3) > float(rng.uniform(0.2, 1.2))
    parts.plant_bushes(site, int(site.size**2 / float(rng.uniform(15, 120))), patches)
    boulders(site, int(rng.poisson(site.size**2 / 400)))
    scattered_trees(site, forms, float(rng.choice([0.0003, 0.004])))
    for _ in range(int(rng.integers(0, 3))):
        x, y = site.any_place()
        parts.put_house(site, Place(x, y, float(rng.uniform(0, 3))), (6, 4), 3.5, uneven=3)


def mountains(site: Site, forms: Forms) -> None:
    """Steep slopes with steps of rock, boulders, conifers, chalets, a torrent."""
    rng = site.rng
    terrain.relief(site, float(rng.uniform(5, 25)), 100, float(rng.uniform(0.3, 1.0)))
    for _ in range(int(rng.integers(0, 4))):
        line = terrain.line(site, 15)
        terrain.cliff(site, line, float(rng.uniform(3, 20)), float(np.deg2rad(rng.uniform(40, 80))))
    if rng.random() < 0.4:
        terrain.terraces(site, float(rng.uniform(1.2, 3.5)), 0.85)
    steep = terrain.steepness(site)
    parts.grow(site, steep < 1.2, (0.0, 0.25), (0.5, 4))
    road(site, float(rng.uniform(3, 6)), cut=True)
    boulders(site, int(rng.poisson(site.size**2 / 300)))
    wooded = site.grid.fractal(50, rng, 2) > float(rng.uniform(-0.6, 1.2))
    wood(site, wooded & (steep < 1.5), forms, float(rng.uniform(6, 25)), 0.8)
    for _ in range(int(site.size**2 / 900)):
        x, y = site.any_place()
        half = (float(rng.uniform(4, 8)), float(rng.uniform(4, 6)))
        turn = float(rng.uniform(0, 3))
        parts.put_house(site, Place(x, y, turn), half, float(rng.uniform(3, 7)), uneven=9)
    parts.plant_bushes(site, int(site.size**2 / 120))
    if rng.random() < 0.3:
        wires.power_line(site, rng, high=True)


def riverside(site: Site, forms: Forms) -> None:
    """A river between dikes or quays, bridges, meadows, a pond, houses behind."""
    rng = site.rng
    terrain.relief(site, float(rng.uniform(0.3, 3)), 100)
    parts.grow(site, np.ones_like(site.taken), (0.0, 0.2), (0.8, 5))
    turn, width = float(rng.uniform(0, np.pi)), float(rng.uniform(10, 70))
    across = terrain.straight(site, turn, float(rng.uniform(-0.2, 0.2)) * site.size)
    level = float(np.quantile(site.ground, 0.05)) - float(rng.uniform(0.3, 2))
    steep = float(rng.choice([0.3, 0.6, 50]))
    dike = float(rng.uniform(1, 6)) if rng.random() < 0.6 else 0.0
    if dike:
        away = width / 2 + float(rng.uniform(8, 30))
        for side in (1, -1):
            slope = float(rng.uniform(0.25, 0.7))
            terrain.embankment(site, across - side * away, dike, float(rng.uniform(2, 8)), slope)
    terrain.channel(site, across, width, level, steep)
    crossing(site, turn, across, width, level)
    scattered_trees(site, forms, 0.002)
    for _ in range(int(site.size**2 / 500)):
        x, y = site.any_place()
        at = site.grid.nearest(np.array([x]), np.array([y]))[0]
        if abs(across.flat[at]) > width / 2 + 12:
            half = (float(rng.uniform(4, 12)), float(rng.uniform(4, 6)))
            parts.put_house(site, Place(x, y, turn), half, float(rng.uniform(3, 9)), uneven=2)
    for _ in range(int(rng.poisson(2))):
        x, y = site.any_place()
        if site.is_water(x, y):
            site.add(*furniture.boat(Place(x, y, turn), level, rng))
    parts.plant_bushes(site, int(site.size**2 / 200))


def crossing(site: Site, turn: float, across: Array, width: float, level: float) -> None:
    """A road over a river, on an embankment up to the bridge if the bridge is high."""
    rng = site.rng
    wide = float(rng.uniform(2, 8))
    along = terrain.straight(site, turn + np.pi / 2, float(rng.uniform(-0.15, 0.15)) * site.size)
    dry = site.water <= site.ground
    height = float(rng.choice([0.0, rng.uniform(1, 5)]))
    top = float(np.median(site.ground[(np.abs(along) < wide) & dry])) + height + 0.5
    shape = np.clip(1 - (np.abs(across) - width / 2) / 60, 0, 1)
    target = site.ground + (top - site.ground) * shape
    beside = np.clip((np.abs(along) - wide - 1) / 6, 0, 1)
    raised = target + (site.ground - target) * step(beside)
    site.ground = np.where(dry & (beside < 1), raised, site.ground)
    site.stuff[dry & (np.abs(along) < wide)] = Stuff.ASPHALT
    site.cover[dry & (np.abs(along) < wide + 1)] = 0
    on = np.abs(along) < 0.6
    gap = on & (site.water > site.ground)
    if not gap.any():
        return
    x, y = site.grid.xy
    xs, ys = x[gap], y[gap]
    direction = turn + np.pi / 2
    way = xs * np.cos(direction) + ys * np.sin(direction)
    long = (way.max() - way.min()) / 2 + 3.0
    spot = Place(float(xs.mean()), float(ys.mean()), direction)
    x0, y0 = spot.point(-long, 0)
    x1, y1 = spot.point(long, 0)
    ends = (site.z(x0, y0), site.z(x1, y1))
    site.add(*bridge(spot, float(long), wide, ends, level - 3, rng))
    site.take(spot, (float(long) + 30, wide + 1))
    for _ in range(int(rng.poisson(2))):
        u = float(rng.uniform(-long, long))
        lane = spot.at(u, wide * 0.5)
        share = (u + long) / (2 * long)
        site.add(*furniture.car(lane, ends[0] + (ends[1] - ends[0]) * share, rng))


def river(site: Site, width: float, slope: float) -> None:
    across = terrain.line(site, 15, float(site.rng.uniform(-0.4, 0.4)) * site.size)
    near = np.abs(across) < width
    level = float(np.quantile(site.ground[near] if near.any() else site.ground, 0.1)) - 0.5
    terrain.channel(site, across, width, level, slope)


def road(site: Site, width: float, stuff: Stuff = Stuff.ASPHALT, cut: bool = False) -> Array:
    """A winding road; with `cut` it is level across, cut into the slope. Distance to its middle."""
    across = terrain.line(site, 12)
    dry = site.water <= site.ground
    if cut:
        from scipy import ndimage

        flat = ndimage.gaussian_filter(site.ground, 12)
        blend = step((np.abs(across) - width / 2) / 1.5)
        site.ground = np.where(dry, flat + (site.ground - flat) * blend, site.ground)
    on = (np.abs(across) < width / 2) & dry
    site.stuff[on] = stuff
    site.cover[on] = 0
    site.taken |= on
    return across


def hedgerow(site: Site, turn: float, offset: float, forms: Forms) -> None:
    """Bushes and trees along a field's edge."""
    rng = site.rng
    middle = Place(site.middle, site.middle, turn)
    trees_too = rng.random() < 0.6
    for along in np.arange(-site.size * 0.8, site.size * 0.8, 2.0):
        x, y = middle.point(float(along), offset + float(rng.normal(0, 0.5)))
        if rng.random() < 0.2 or not site.free(Place(x, y), (0.5, 0.5)):
            continue
        site.add(trees.bush(x, y, site.z(x, y), rng, site.leaves))
        if trees_too and rng.random() < 0.2:
            parts.plant_tree(site, x, y, float(rng.uniform(5, 18)), forms, near=True)


def farm(site: Site) -> None:
    """A house, barns, a glasshouse, a yard."""
    rng = site.rng
    x, y = site.any_place()
    yard = Place(x, y, float(rng.uniform(0, np.pi)))
    if not site.free(yard, (25, 20)):
        return
    site.paint(yard, (22, 16), Stuff.GRAVEL)
    parts.put_house(site, yard.at(-12, 0), (7, 4.5), float(rng.uniform(3, 6)))
    half = (float(rng.uniform(8, 20)), float(rng.uniform(5, 10)))
    barn = yard.at(14, 0, np.pi / 2)
    if site.free(barn, half):
        low, high = site.span(barn, half)
        tall = float(rng.uniform(3.5, 7))
        kind = rng.random() < 0.5
        roof = any_roof(rng, half, "gable")
        made = hall(barn, half, low - 1, high + tall, rng) if kind else None
        site.add(*(made or house(barn, half, low - 1, high + tall, rng, roof)))
        site.take(barn, half)
    if rng.random() < 0.3:
        parts.glasshouse(site, yard.at(0, 24), (15, 5))
    parts.litter(site, yard, (18, 14), 5)


def wood(site: Site, where: Mask, forms: Forms, height: float, closed: float) -> None:
    """Trees of about that height where the mask is true; crowns `closed` times the ground."""
    rng = site.rng
    slim = float(rng.uniform(0.4, 0.9))
    often = closed / (np.pi * (0.32 * height * slim) ** 2)
    low, high = site.grid.low, site.grid.low + site.grid.cell * (site.grid.count - 1)
    count = int(often * (high - low) ** 2)
    for x, y in rng.uniform(low + 1, high - 1, (count, 2)):
        at = site.grid.nearest(np.array([x]), np.array([y]))[0]
        if where.flat[at]:
            tall = max(height * float(rng.normal(1, 0.25)), 2.5)
            parts.plant_tree(site, float(x), float(y), tall, forms, near=True, slim=slim)


def scattered_trees(site: Site, forms: Forms, often: float) -> None:
    """Trees here and there, `often` per m², some in groups."""
    rng = site.rng
    for _ in range(int(rng.poisson(often * (site.size + 50) ** 2))):
        x, y = site.any_place()
        height = float(rng.uniform(4, 20))
        for _ in range(int(rng.choice([1, 1, 2, 4]))):
            u, v = rng.normal(0, height * 0.35, 2)
            tall = height * float(rng.uniform(0.7, 1.1))
            parts.plant_tree(site, x + float(u), y + float(v), tall, forms, near=True)


def boulders(site: Site, count: int) -> None:
    for _ in range(count):
        x, y = site.any_place()
        if site.free(Place(x, y), (1, 1), on_water=True):
            site.add(furniture.boulder(x, y, site.z(x, y), site.rng))
