"""The rules for existing classes, for one file and one model."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.adapt.alignment import AlignmentOptions
from salanet.cloud import NO_LABEL, PointCloud
from salanet.errors import DataError, FileError
from salanet.io.las.asprs import ASPRS, NO_CLASS, RARE, REST, follows, is_standard
from salanet.io.las.clouds import LasSource
from salanet.labelling.codes import Spans, among
from salanet.labelling.outputs import RESERVED, class_codes, class_names, left_out_names
from salanet.labelling.rules import Rules
from salanet.model_file import Described
from salanet.remark import Remark
from salanet.sampling.noise import noise_codes

USER_CODES = 64  # LAS 1.4: from here on everybody's own
UNSURE = "unclassified"
# What readers take for coordinates or classes.
ROLES = ("x", "y", "z", "class", "scalar_label", "scalar_classification")
Labels = NDArray[np.int32]


class Own(NamedTuple):
    """What is known of N points of the file itself, beside what the network sees.

    Attributes:
        out, codes: which points (N,) are left out, and what becomes of those, int32 (K,).
        held: which (N,) keep the code they have.
        former: the codes that all have, int32 (N,).
    """

    out: NDArray[np.bool_]
    codes: NDArray[np.int32]
    held: NDArray[np.bool_]
    former: NDArray[np.int32]

    @classmethod
    def plain(cls, count: int) -> Own:
        """Of points that had no class, and all of which get one."""
        none = np.zeros(count, bool)
        return cls(none, np.zeros(0, np.int32), none, np.full(count, NO_LABEL, np.int32))


@dataclass(frozen=True)
class Decision:
    """Which points of a file keep the code they have, and what the others get.

    Attributes:
        rules: as asked for.
        noise: points that the file flags as noise get a class like the others.
        codes: of the model's classes, and last the one for points it is not sure of;
            int32 (C + 1,).
        names: of all codes that the model gives.
        file_names: what codes mean in the file.
        labelled: the file has classes, or room for them.
        auto: keep the codes that the model cannot give.
        standard: the codes of the file are those of LAS.
        blank: codes that stand for no class.
        flags: codes that flag noise.
        keep: codes named to keep theirs.
        only: codes named to get another; None if nobody named any.
    """

    rules: Rules
    noise: bool
    codes: Labels
    names: dict[int, str]
    file_names: dict[int, str]
    labelled: bool
    auto: bool
    standard: bool
    blank: frozenset[int]
    flags: frozenset[int]
    keep: Spans
    only: Spans | None

    def alignment(self, asked: AlignmentOptions) -> AlignmentOptions:
        """What is known of the file, and whether the network sees flagged noise."""
        return replace(asked, noise=self.noise)

    def own(self, cloud: PointCloud, out: NDArray[np.bool_], codes: Labels) -> Own:
        """What is known of the points of the file; `out` and `codes` as there."""
        former = np.full(len(cloud), NO_LABEL, np.int32) if cloud.label is None else cloud.label
        return Own(out, codes, self._held(cloud.xyz, former), former)

    def _held(self, xyz: NDArray[np.float64], former: Labels) -> NDArray[np.bool_]:
        """Which points (N,) keep the code they have."""
        held = among(former, self.keep)
        if self.rules.kept.all:
            held |= ~np.isin(former, [*self.blank])
        if self.only is not None:
            held |= ~among(former, self.only)
        elif self.auto:
            given = {*self.codes[:-1].tolist()} | self.blank
            held |= ~np.isin(former, [*given, *(self.flags if self.noise else ())])
        if self.rules.area is not None:
            held |= ~self.rules.area.contains(xyz[:, :2])
        return held

    def classes(
        self, labels: NDArray[np.int64], confidence: NDArray[np.float32] | None
    ) -> NDArray[np.int64]:
        """The classes (N,), one beyond the last for points that the model is not sure of."""
        if confidence is None or not self.rules.min_confidence:
            return labels
        doubted = (labels >= 0) & (confidence < self.rules.min_confidence)
        return np.where(doubted, len(self.codes) - 1, labels)

    def written(self, classes: NDArray[np.int64], own: Own) -> Labels:
        """The codes that are written, int32 (N,), for classes (N,) as `classes` gives them."""
        found = self.codes[classes]
        found[own.out] = own.codes
        found[own.held] = own.former[own.held]
        return found

    def names_of(self, out_codes: Collection[int], held_codes: Collection[int]) -> dict[int, str]:
        """The names of all codes that a result may have, as far as anybody knows some."""
        kept = {c: self.file_names[c] for c in sorted({*held_codes}) if c in self.file_names}
        unsure = int(self.codes[-1])
        none = {unsure: ASPRS.get(unsure, UNSURE)} if self.rules.min_confidence else {}
        none.pop(NO_LABEL, None)
        left = left_out_names(self.names, {*out_codes} - {*held_codes})
        return {**none, **left, **kept, **self.names}

    def remarks(self, held_codes: Collection[int]) -> list[str]:
        """A remark on codes that now mean two things."""
        clashes = [
            f"{code} '{self.file_names[code]}', for the model '{self.names[code]}'"
            for code in sorted({*held_codes} & self.file_names.keys() & self.names.keys())
            if _word(self.file_names[code]) != _word(self.names[code])
        ]
        if not clashes:
            return []
        return [Remark(f"codes that are kept now mean two things: {', '.join(clashes)}", "clash")]


def decide(
    model: Described, rules: Rules, head: PointCloud, to: Path, noise: bool, where: Path
) -> Decision:
    """The rules for a file.

    Args:
        model: what gives the classes.
        head: some points of the file, or all, with everything it has.
        to: the result.
        noise: points that the file flags as noise get classes anyway.
        where: the file.

    Raises:
        ConfigError: a class that nobody knows, or an area in another reference system.
        DataError: classes are to choose points, and there are none.
        FileError: the name of the attribute is taken.
    """
    if rules.into is not None:
        taken = {*(name.lower() for name in head.arrays()), *RESERVED, *ROLES}
        if rules.into.lower() in taken:
            raise FileError(where, f"has '{rules.into}' already: name another attribute")
    if rules.area is not None:
        rules.area.require_system(head.crs, str(where))
    if rules.only is not None and head.label is None:
        raise DataError(f"{where}: has no classes yet that could choose points")
    standard = has_standard_codes(head)
    file_names = ({**RARE, **ASPRS} if standard else {}) | head.class_names
    kept, chosen = rules.kept, rules.chosen
    only = None if chosen is None else chosen.of(file_names, str(where))
    flags = noise_codes(head)
    named = only is not None and bool(among(np.array(flags, np.int32), only).any())
    codes = class_codes(model)
    blanks = {NO_LABEL, *(NO_CLASS if standard else ())}
    blanks |= {code for code, name in head.class_names.items() if name.lower() in REST}
    return Decision(
        rules,
        noise or named or (not kept and only is None),
        np.append(codes, no_class(model, to)).astype(np.int32),
        class_names(model),
        file_names,
        head.label is not None,
        kept.auto and standard and bool(follows(class_names(model))),
        standard,
        frozenset(blanks),
        frozenset(flags),
        kept.of(file_names, str(where)),
        only,
    )


def has_standard_codes(cloud: PointCloud) -> bool:
    """Whether the labels of a file are codes of the LAS standard: those of LAS unless their names
    say otherwise, those of other files if their names say so."""
    said = follows(cloud.class_names)
    if isinstance(cloud.source, LasSource):
        return cloud.source.classified and said is not False
    return bool(said)


def no_class(model: Described, to: Path) -> int:
    """The code of points without a class in a result: in LAS 1, or what the model leaves free."""
    if to.suffix.lower() not in (".las", ".laz"):
        return NO_LABEL
    codes = {*class_codes(model).tolist()}
    if is_standard(class_names(model)):
        codes.discard(1)  # its class for the rest
    return next(code for code in chain((1, 0), count(USER_CODES)) if code not in codes)


def _word(name: str) -> str:
    return "rest" if name.lower() in REST else name.lower()
