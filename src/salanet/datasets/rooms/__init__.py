"""Generated scans of furnished rooms, with the thirteen classes of S3DIS and no licence to ask for.

A room is built of boxes, cylinders and ellipsoids (`layout`, `walls`, `furniture`, `storage`,
`kitchens`, `soft`, `clutter`, `arrange`), then scanned by one of five kinds of sensors (`sensors`)
by casting rays (`raycast`), coloured (`appearance`) and, where frames overlap, fused (`fusion`):
occlusion, density and noise are those of a scan, and every label is exact.
"""

from salanet.datasets.rooms.generator import CLASSES, COLOURS, Scanned, generate, scan_room
from salanet.datasets.rooms.layout import KINDS
from salanet.datasets.rooms.sensors import SENSORS

__all__ = ["CLASSES", "COLOURS", "KINDS", "SENSORS", "Scanned", "generate", "scan_room"]
