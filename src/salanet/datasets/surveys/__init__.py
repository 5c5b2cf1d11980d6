"""Generated airborne surveys with ASPRS classes, and no licence to ask for.

A landscape is built on rasters of its ground (`site`, `terrain`), of convex bodies and crowns
(`solids`, `roofs`, `trees`, `furniture`, `bridges`, `wires`) by `towns` and `country`; then it is
flown over (`scanner`, `raycast`), so density, occlusion, several returns and noise are those of a
survey and every class is exact.
"""

from salanet.datasets.surveys.generator import KINDS, generate
from salanet.datasets.surveys.scanner import Scanner

__all__ = ["KINDS", "Scanner", "generate"]
