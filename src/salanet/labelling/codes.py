"""Which label codes somebody means, by numbers, ranges and names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salanet.errors import ConfigError

AUTO, NONE, ALL = "auto", "none", "all"
RANGE = re.compile(r"(-?[0-9]{1,10})(?:\s*-\s*([0-9]{1,10}))?")
MOST_SAID = 12  # names in an error

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Codes:
    """Codes as they were asked for.

    Attributes:
        auto, all: these words were among them.
        spans: first and last code of each range.
        names: of classes; which codes they have depends on the file.
    """

    auto: bool = False
    all: bool = False
    spans: Spans = ()
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, words: Iterable[str] = ()) -> Codes:
        """Read codes, ranges and names between commas, such as "7,64-67,water".

        Args:
            text: what is asked for.
            words: which of "auto", "none" and "all" are understood, alone or, as for "auto",
                beside others.

        Raises ConfigError if nothing is asked for, or a range is upside down.
        """
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise ConfigError(f"'{text}' names no codes: such as 7,18 or 64-67 or water")
        known = [part for part in parts if part in words]
        if len(parts) > 1 and {*known} & {NONE, ALL}:
            raise ConfigError(f"'{text}': none and all stand alone")
        spans, names = [], []
        for part in (part for part in parts if part not in known):
            match = RANGE.fullmatch(part)
            if match is None:
                names.append(part)
                continue
            first = int(match[1])
            last = first if match[2] is None else int(match[2])
            if last < first:
                raise ConfigError(f"'{part}' is no range of codes: the smaller one comes first")
            spans.append((first, last))
        return cls(AUTO in known, ALL in known, tuple(spans), tuple(names))

    def __bool__(self) -> bool:
        return self != Codes()

    def of(self, named: Mapping[int, str], where: str) -> Spans:
        """The ranges, those of the names included.

        A name means the classes that are called so; if none is, those that have it among their
        words, such as "vegetation".

        Args:
            named: what the codes of a file are called.
            where: the file, for errors.

        Raises ConfigError if no class has a name.
        """
        return (*self.spans, *((c, c) for name in self.names for c in _called(name, named, where)))


def among(codes: NDArray[np.int32], spans: Spans) -> NDArray[np.bool_]:
    """Which codes (N,) are in one of the ranges."""
    found = np.zeros(len(codes), bool)
    for first, last in spans:
        found |= (codes >= first) & (codes <= last)
    return found


def _called(name: str, named: Mapping[int, str], where: str) -> list[int]:
    wanted = name.lower()
    lower = {code: text.lower() for code, text in named.items()}
    found = [code for code, text in lower.items() if text == wanted]
    found = found or [code for code, text in lower.items() if wanted in text.split()]
    if not found:
        known = list(dict.fromkeys(named.values()))
        said = f"known are {', '.join(known[:MOST_SAID])}" if known else "its codes have no names"
        more = ", …" if len(known) > MOST_SAID else ""
        raise ConfigError(f"{where}: no class is called '{name}'; {said}{more}")
    return found
