"""Generated scans of furnished rooms, with the thirteen classes of S3DIS and no licence to ask for.

A room is built of boxes, cylinders and ellipsoids (`layout`, `walls`, `furniture`, `clutter`,
`arrange`), then scanned from several places by casting rays (`raycast`, `survey`) and coloured
(`appearance`), so occlusion, density and noise are those of a scan and every label is exact.
"""

from salanet.datasets.rooms.generator import CLASSES, COLOURS, generate
from salanet.datasets.rooms.layout import KINDS

__all__ = ["CLASSES", "COLOURS", "KINDS", "generate"]
