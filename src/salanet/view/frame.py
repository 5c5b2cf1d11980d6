"""Which axis of a sample is up, and how long its unit is, as `salanet predict` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from salanet.adapt.alignment import AlignmentOptions, strays
from salanet.adapt.kind import USUAL_GRIDS, domain, find_axes
from salanet.adapt.units import NAMES, SIZES, plural
from salanet.adapt.upright import WORDS
from salanet.errors import DataError
from salanet.remark import Remark
from salanet.sampling.summary import SAMPLE, Summary
from salanet.view.sample import Sample, picked


def framed(sample: Sample, up: str = "auto", units: str = "auto") -> Sample:
    """The sample, knowing which of its axes is up and how many metres its unit has.

    Its coordinates stay those of the file.

    Args:
        up: "z", "-z", "y", "-y", or "auto": z, unless the cloud plainly lies on its side.
        units: m, ft, us-ft, mm, cm, or "auto": what the reference system says, else found out.

    Raises:
        ConfigError: another `up` or `units`.
    """
    summary = Summary(
        points=max(sample.total, 1),
        xyz=sample.xyz[picked(len(sample), SAMPLE)],
        crs=sample.crs,
        upright=sample.upright,
        arrays={},
        y_up=sample.y_up,
        metric=sample.metric,
    )
    asked = AlignmentOptions(units=units, up=up)
    try:
        kind, _ = domain(summary, asked.units, asked.up, sample.name)
        grid = USUAL_GRIDS.get(kind, USUAL_GRIDS["indoor"])
        found = find_axes(asked.units, asked.up, summary, grid, grid, sample.name)
    except DataError:  # in degrees, which need not stop anybody from looking
        return replace(sample, up="z" if up == "auto" else up)
    return replace(sample, up=found.up, unit=found.scale[0])


def alike(samples: Sequence[Sample], up: str = "auto", units: str = "auto") -> list[Sample]:
    """All of them framed; those of the same points, whose truth is the first, like the first."""
    first = framed(samples[0], up, units)
    others = [
        framed(one, up, units) if one.truth is None else replace(one, up=first.up, unit=first.unit)
        for one in samples[1:]
    ]
    return [first, *others]


def said(sample: Sample, up: str, units: str) -> list[str]:
    """What was found out about a sample, one line each."""
    remarks: list[str] = []
    if sample.company is not None and sample.company.count:
        remarks.append(f"{sample.name}: {strays(sample.company, sample.unit)}: not shown")
    if sample.up != "z" and up == "auto":
        remarks.append(Remark(f"{sample.name}: {WORDS[sample.up]}", "up-guessed"))
    if sample.unit != 1 and units == "auto":
        name = next((n for n in NAMES.values() if SIZES[n] == sample.unit), None)
        unit = plural(name) if name else f"{sample.unit:g} m"
        text = f"{sample.name}: coordinates are in {unit}"
        remarks.append(Remark(text, "units-guessed", unit=unit))
    return remarks
