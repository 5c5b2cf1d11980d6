"""Which points get a new class, and where it is written, as somebody asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from salanet.errors import ConfigError
from salanet.io.area import Area
from salanet.labelling.codes import ALL, AUTO, NONE, Codes

LONGEST_NAME = 32  # bytes that LAS has


@dataclass(frozen=True)
class Rules:
    """What becomes of the classes that points have already.

    Codes are written as numbers, ranges and names of classes between commas: "7,64-67,water". A
    name means the classes of the file that are called so, or that have it among their words.

    Attributes:
        keep: codes whose points keep them, seen by the network all the same. "auto" keeps, where
            file and model both have the codes of LAS, those that the model cannot give, but 0 and
            1, which are no classes ("auto,2": ground as well); elsewhere none. "none" gives every
            point a new class, flagged noise too; "all" those alone that have none yet.
        only: codes of the points that get a new class, all others keep theirs; what `keep` names
            is kept of these as well. Flagged noise counts as named if its code is.
        into: an attribute (in LAS an extra dimension) that gets the result; classes stay as they
            are.
        min_confidence: a point of whose class the model is less sure gets the code for no class:
            1 in LAS, -1 elsewhere.
        within: polygons outside which everything stays as it is: an `Area`, a file of GeoJSON or
            WKT, or WKT itself. The reference system is that of the files.

    Raises ConfigError where these make no sense.
    """

    keep: str = AUTO
    only: str | None = None
    into: str | None = None
    min_confidence: float = 0.0
    within: Area | str | Path | None = None

    def __post_init__(self) -> None:
        Codes.parse(self.keep, (AUTO, NONE, ALL))
        if self.only is not None:
            Codes.parse(self.only)
        if not 0 <= self.min_confidence <= 1:
            raise ConfigError(f"a confidence is from 0 to 1, not {self.min_confidence}")
        if self.into is not None:
            check_name(self.into)
        if self.within is not None and not isinstance(self.within, Area):
            object.__setattr__(self, "within", Area.read(self.within))

    @property
    def kept(self) -> Codes:
        return Codes.parse(self.keep, (AUTO, NONE, ALL))

    @property
    def chosen(self) -> Codes | None:
        return None if self.only is None else Codes.parse(self.only)

    @property
    def area(self) -> Area | None:
        return self.within if isinstance(self.within, Area) else None


def check_name(name: str) -> None:
    """Raise ConfigError unless every format can have an attribute of this name."""
    if not 0 < len(name.encode()) <= LONGEST_NAME or not name.isprintable() or " " in name:
        raise ConfigError(
            f"'{name[:60]}' cannot be the name of an attribute: at most {LONGEST_NAME} bytes, "
            "no blanks"
        )
