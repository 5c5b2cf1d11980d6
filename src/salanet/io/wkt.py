"""Well-known text of reference systems: what it says of units, horizontal and vertical apart.

Version 1 as OGC and GDAL write it, ESRI's form of it (`PROJCS[…],VERTCS[…]`), and version 2 (ISO
19162:2015 and :2019, the simplified form included). Such text states every unit, so nothing has to
be looked up. A unit belongs to the node that it stands in: the one behind `GEOGCS` inside a
`PROJCS` is of its angles, the one behind `VERT_CS` of its heights.
Sources: OGC 01-009, OGC 18-010r7.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

TOKEN = re.compile(r'"((?:[^"]|"")*)"|([\[(])|([\])])|([^\s\[\](),"]+)')
DEEPEST = 32  # nodes in one another; the deepest that anybody writes are 8

# Systems that stand for the one in them, and systems by what they measure.
HOLDERS = {"COMPD_CS", "COMPOUNDCRS", "BOUNDCRS", "SOURCECRS", "COORDINATEMETADATA"}
PROJECTED = {"PROJCS", "PROJCRS", "PROJECTEDCRS", "DERIVEDPROJCRS"}
LOCAL = {"LOCAL_CS", "ENGCRS", "ENGINEERINGCRS"}
GEOGRAPHIC = {"GEOGCS", "GEOGCRS", "GEOGRAPHICCRS", "GEODCRS", "GEODETICCRS"}
GEOCENTRIC = {"GEOCCS"}
HORIZONTAL = PROJECTED | LOCAL | GEOGRAPHIC | GEOCENTRIC
VERTICAL = {"VERT_CS", "VERTCS", "VERTCRS", "VERTICALCRS"}
UNITS = {"UNIT", "LENGTHUNIT", "ANGLEUNIT"}
CODES = {"AUTHORITY", "ID"}
ANGLES = {"degree": math.pi / 180, "grad": math.pi / 200, "radian": 1.0}


class Unit(NamedTuple):
    """What a unit is called, and how many metres it has; None for angles, or if nobody says."""

    name: str
    metres: float | None
    angle: bool = False


class Node(NamedTuple):
    """`KEY["name",values,nodes]`."""

    key: str
    values: list[str]
    nodes: list[Node]

    @property
    def name(self) -> str:
        return self.values[0] if self.values else ""

    def child(self, *keys: str) -> Node | None:
        """The last node of such a key right inside this one."""
        return next((node for node in reversed(self.nodes) if node.key in keys), None)

    @property
    def epsg(self) -> int | None:
        """Its own EPSG code."""
        found = self.child(*CODES)
        if found is None or len(found.values) < 2 or found.name.upper() != "EPSG":
            return None
        return int(found.values[1]) if re.fullmatch(r"\d{1,9}", found.values[1]) else None

    @property
    def geocentric(self) -> bool:
        """Its coordinates go from the middle of the Earth, and z is no height."""
        system = self.child("CS")
        cartesian = system is not None and system.name.lower() == "cartesian"
        return self.key in GEOCENTRIC or (self.key in GEOGRAPHIC and cartesian)

    def unit(self, axis: int = 0) -> Unit | None:
        """The unit of an axis: its own, else that of the system."""
        axes = [node for node in self.nodes if node.key == "AXIS"]
        own = axes[axis].child(*UNITS) if axis < len(axes) else None
        found = own or self.child(*UNITS)
        if found is None:
            return None
        lengths = axis > 1 or self.geocentric or self.key not in GEOGRAPHIC
        return _unit(found, angle=not lengths)

    @property
    def axes(self) -> int:
        return sum(node.key == "AXIS" for node in self.nodes)


def parse(text: str) -> list[Node]:
    """The outermost nodes of a text, as far as it is whole; none if it is no well-known text."""
    root = Node("", [], [])
    inside, word = [root], ""
    for quoted, opened, closed, bare in TOKEN.findall(text):
        if opened:
            if len(inside) > DEEPEST:
                return []
            node = Node(word.upper(), [], [])
            if inside[-1].values and word:
                inside[-1].values.pop()
            inside[-1].nodes.append(node)
            inside.append(node)
        elif closed:
            if len(inside) > 1:
                inside.pop()
        else:
            inside[-1].values.append(bare or quoted.replace('""', '"'))
        word = bare
    return [node for node in root.nodes if node.key]


def systems(nodes: list[Node]) -> Iterator[Node]:
    """The horizontal and vertical systems among nodes, compound and bound ones taken apart."""
    for node in nodes:
        if node.key in HOLDERS:
            yield from systems(node.nodes)
        elif node.key in HORIZONTAL | VERTICAL:
            yield node


def _unit(node: Node, angle: bool) -> Unit:
    name = node.name
    try:
        factor = float(node.values[1])
    except (IndexError, ValueError):
        factor = math.nan
    if angle or node.key == "ANGLEUNIT" or name.lower().startswith(("deg", "grad", "rad")):
        known = (n for n, size in ANGLES.items() if math.isclose(factor, size, rel_tol=1e-4))
        return Unit(next(known, "degree"), None, True)
    return Unit(name, factor if 0 < factor < math.inf else None)
