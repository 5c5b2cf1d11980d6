"""Points that are of nothing, below and above everything; and waves on the water."""

from __future__ import annotations

import numpy as np

from salanet.datasets.surveys.materials import HIGH_NOISE, LOW_NOISE
from salanet.datasets.surveys.raster import Rng
from salanet.datasets.surveys.scanner import Returns
from salanet.datasets.surveys.site import Site


def stray_points(site: Site, found: Returns, rng: Rng) -> Returns:
    """The returns with a few false ones: echoes below the ground, birds and dust above it."""
    share = float(rng.choice([0.0, 2e-5, rng.uniform(0, 4e-4)]))
    count = int(rng.poisson(share * len(found.number)))
    if not count:
        return found
    rows = rng.integers(0, len(found.number), count)
    strays = found.rows(rows)
    below = rng.random(count) < 0.6
    depth = np.where(below, -rng.uniform(1, 12, count), rng.uniform(5, 80, count))
    xyz = strays.xyz.copy()
    # Some come in heaps: many echoes of one bright thing.
    heap = rng.integers(0, max(count // 4, 1), count)
    together = rng.random(count) < 0.3
    xyz[together, :2] = xyz[heap[together], :2] + rng.normal(0, 0.5, (together.sum(), 2))
    xyz[:, :2] = np.clip(xyz[:, :2], 0, site.size - 1e-6)
    ground = site.surface.flat[site.grid.nearest(xyz[:, 0], xyz[:, 1])]
    top = np.where(below, ground, np.maximum(xyz[:, 2], ground))
    xyz[:, 2] = top + depth
    code = np.where(below, LOW_NOISE, HIGH_NOISE).astype(np.int32)
    one = np.ones(count, np.uint8)
    noise = Returns(
        xyz, code, np.rint(strays.intensity * np.float32(0.3)), one, one, strays.line, strays.angle
    )
    return Returns.joined([found, noise])


def waves(site: Site, rng: Rng, height: float) -> None:
    """Water that is not level: `height` metres from trough to crest, about."""
    wet = np.isfinite(site.water)
    if wet.any() and height > 0:
        field = height / 4 * site.grid.fractal(6.0, rng, 3, 0.6)
        site.water[wet] += field[wet]
        site.water[wet] = np.maximum(site.water[wet], site.ground[wet] + 0.01)
