"""Which points of a labelled file may change their class when islands are put right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.cloud import NO_LABEL, PointCloud
from salanet.errors import ConfigError, FileError
from salanet.io.las.asprs import ASPRS, RARE
from salanet.labelling.codes import Spans, among
from salanet.labelling.decision import Own, has_standard_codes
from salanet.labelling.rules import Rules
from salanet.sampling.noise import flagged, noise_codes

NEVER = 0  # in LAS: never classified


@dataclass(frozen=True)
class Scope:
    """The rules for one file.

    Attributes:
        rules: as asked for.
        names: what codes mean in the file.
        keep: codes that no point gets or loses.
        only: codes of the points that may get another; None for all.
        blank: codes that stand for no class.
        noise: codes that flag noise.
    """

    rules: Rules
    names: dict[int, str]
    keep: Spans
    only: Spans | None
    blank: tuple[int, ...]
    noise: tuple[int, ...]

    def own(self, cloud: PointCloud) -> Own:
        """Which of some points are left out, and which keep the code they have all the same."""
        former = cloud.label
        assert former is not None  # looked for in `scope_of`
        named = among(former, self.only or ())
        out = np.isin(former, self.blank) & ~named
        if self.rules.kept.auto:
            out |= flagged(cloud) & ~named
        out |= ~np.isfinite(cloud.xyz).all(axis=1)
        held = among(former, self.keep)
        if self.only is not None:
            held |= ~named
        if self.rules.area is not None:
            held |= ~self.rules.area.contains(cloud.xyz[:, :2])
        return Own(out, former[out], held, former)

    def closed(self, codes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of some codes no point gets."""
        noise = self.noise if self.rules.kept.auto else ()
        return among(codes, self.keep) | np.isin(codes, [*self.blank, *noise])


def check(rules: Rules) -> None:
    """Raise ConfigError for rules that mean nothing here."""
    if rules.into is not None or rules.min_confidence or rules.kept.all:
        raise ConfigError("smoothing knows keep (auto, none or codes), only and within alone")


def scope_of(head: PointCloud, rules: Rules, where: Path) -> Scope:
    """The rules for the file of which `head` has some points.

    Raises:
        FileError: it has no classes.
        ConfigError: a class that nobody knows, or an area in another reference system.
    """
    if head.label is None:
        raise FileError(where, "has no classes: label it with `salanet predict` first")
    if rules.area is not None:
        rules.area.require_system(head.crs, str(where))
    standard = has_standard_codes(head)
    names = ({**RARE, **ASPRS} if standard else {}) | head.class_names
    chosen = rules.chosen
    return Scope(
        rules,
        names,
        rules.kept.of(names, str(where)),
        None if chosen is None else chosen.of(names, str(where)),
        (NO_LABEL, NEVER) if standard else (NO_LABEL,),
        tuple(noise_codes(head)),
    )
