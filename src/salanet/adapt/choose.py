"""Which of several models a file is for, by what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from salanet.adapt.alignment import AlignmentOptions, examine, lacking, strays
from salanet.adapt.kind import DOMAINS, USUAL_GRIDS, domain, find_axes
from salanet.errors import ConfigError, SalaNetError
from salanet.model_file import Entry, require_entries
from salanet.remark import Remark
from salanet.sampling.summary import Summary


def choose(
    summary: Summary,
    where: str,
    models: Sequence[Entry] | None = None,
    options: AlignmentOptions | None = None,
) -> tuple[Entry, str]:
    """The largest model that is for such a file and can do with its attributes, and why.

    A large one is right more often, and of what smaller ones save only the time is missed: who
    would rather have that is told their names.

    Args:
        summary: what the file looks like.
        where: what messages call the file.
        models: to choose from; by default those that come with the package.
        options: what the user knows of the file's units and axes.

    Raises:
        ConfigError: no model fits, or the file could be either; the models are listed.
        DataError: the file is in degrees.
    """
    options = options or AlignmentOptions()
    models = require_entries() if models is None else models
    listed = ", ".join(f"{m.name} ({DOMAINS.get(m.domain, 'any scan')})" for m in models)
    kind, reason = domain(summary, options.units, options.up, where)
    if not kind:
        raise ConfigError(
            f"{where}: could be anything ({reason}); choose a model with -m, of {listed}"
        )
    fitting = [m for m in models if m.domain == kind]
    if not fitting:
        raise ConfigError(
            f"{where}: looks like {DOMAINS[kind]} ({reason}), which no model here is for; choose "
            f"one all the same with -m, of {listed}"
        )
    able = [m for m in fitting if not {*lacking(m, summary.arrays)} - {*m.card.optional}]
    if not able:
        missing = ", ".join(f"{m.name} needs {lacking(m, summary.arrays)[0]}" for m in fitting)
        raise ConfigError(f"{where}: looks like {DOMAINS[kind]}, but lacks attributes ({missing})")
    best = max(able, key=lambda m: m.parameters)
    others = [_beside(best, m) for m in able if m is not best]
    said = f"; there is {' and '.join(others)}, too" if others else ""
    return best, f"taking the model {best.name}: this looks like {DOMAINS[kind]} ({reason}){said}"


def _beside(best: Entry, other: Entry) -> str:
    """A model that was not taken, and what speaks for it."""
    same = set(other.config.classes) == set(best.config.classes)
    return f"{other.name} ({'quicker' if same else 'other classes'})"


@dataclass(frozen=True)
class Findings:
    """What a file is to the models, in figures and words.

    Attributes:
        domain: "indoor", "airborne" or nothing.
        scale: metres per unit along x, y, z; None in degrees.
        spacing: metres between neighbouring points; None if unknown.
        model: the shipped model that `salanet predict` would take; None if it would ask.
        points_per_cell: of that model's grid.
        remarks: what would be decided, and what is doubtful.
    """

    domain: str
    scale: tuple[float, float, float] | None
    spacing: float | None
    model: str | None
    points_per_cell: float | None
    remarks: list[str]


def findings(summary: Summary, where: str, options: AlignmentOptions | None = None) -> Findings:
    """What `salanet predict` would make of a file, with these options."""
    options = options or AlignmentOptions()
    try:
        kind, _ = domain(summary, options.units, options.up, where)
    except SalaNetError as in_degrees:
        return Findings("", None, None, None, None, [_bare(in_degrees, where)])
    grid = USUAL_GRIDS.get(kind, USUAL_GRIDS["airborne"])
    try:
        model, why = choose(summary, where, options=options)
        alignment = examine(model, summary, options, where)
    except SalaNetError as error:
        found = find_axes(options.units, options.up, summary, grid, grid, where)
        spacing = _finite(summary.spacing * found.scale[0])
        remarks = [_bare(error, where), *found.remarks]
        if summary.company is not None and summary.company.count:
            remarks.append(strays(summary.company, max(found.scale)))
        return Findings(kind, found.scale, spacing, None, None, remarks)
    spacing = _finite(summary.spacing * alignment.scale[0])
    per_cell = (alignment.grid / spacing) ** 2 if spacing else None
    return Findings(kind, alignment.scale, spacing, model.name, per_cell, [why, *alignment.remarks])


def _bare(error: SalaNetError, where: str) -> str:
    return Remark(str(error).removeprefix(f"{where}: "), error.code)


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None
