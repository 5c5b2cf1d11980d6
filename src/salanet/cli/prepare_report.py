"""What `salanet prepare files` says: the balance of classes by split, and what may go wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from salanet.cli.console import messages, print_json, results
from salanet.datasets.balance import Counted, balance, warnings
from salanet.datasets.blocks import Contents
from salanet.datasets.files import Settings
from salanet.datasets.jobs import SPLITS, Job, Prepared, is_current
from salanet.datasets.usable import foreign_units, left_out, turned


@dataclass(frozen=True)
class Plan:
    """Jobs, and what was counted to make them; `block` is the side of the blocks, if any."""

    jobs: list[Job]
    contents: list[Contents] = field(default_factory=list)
    block: float | None = None


class Expected(NamedTuple):
    """A part of a file as it will be."""

    job: Job
    counts: Mapping[str, int]
    area: float
    blocks: int


def expected(plan: Plan, names: Sequence[str]) -> list[Expected]:
    """What the parts will hold, from the counts of their blocks."""
    contents = {held.source: held for held in plan.contents}
    found = []
    for job in plan.jobs:
        held = contents[job.source]
        mine = [
            block
            for block in held.areas
            if job.part is None or (block in job.part.blocks) != job.part.inverse
        ]
        counts = np.sum([held.counts[block] for block in mine], axis=0, dtype=np.int64)
        named = dict(zip(names, np.broadcast_to(counts, len(names)).tolist(), strict=True))
        area = sum(held.areas[block] for block in mine)
        found.append(Expected(job, named, area, len(mine)))
    return found


def show_plan(plan: Plan, settings: Settings, *, as_json: bool) -> None:
    """What a dry run finds."""
    names = settings.classes.names
    parts = expected(plan, names)
    rows = [
        {
            "source": str(part.job.source),
            "split": part.job.split,
            "scene": str(part.job.folder),
            "action": "skip, complete"
            if is_current(part.job, settings.record(part.job.part))
            else "prepare",
        }
        for part in parts
    ]
    found = warnings(parts, names)
    if as_json:
        report = {"dry_run": True, "scenes": rows, **_counts(parts, names), "warnings": found}
        print_json(report | _areas(plan, parts))
        return
    from rich.table import Table

    table = Table("file", "split", "action", title="nothing is written (--dry-run)")
    for row in rows:
        table.add_row(Path(row["source"]).name, row["split"], row["action"])
    results().print(table)
    _print_balance(parts, names, settings, plan, {})
    _print_warnings(found)


def show_report(
    prepared: list[Prepared], settings: Settings, destination: Path, plan: Plan, *, as_json: bool
) -> None:
    """What was prepared."""
    names = settings.classes.names
    found = warnings(prepared, names) + foreign_units(prepared) + left_out(prepared)
    found += turned(prepared)
    found += _strangers(prepared, destination)
    parts = expected(plan, names) if plan.contents else []
    if as_json:
        scenes = [
            {
                "scene": str(result.job.folder),
                "source": str(result.job.source),
                "split": result.job.split,
                **result.figures,
                "skipped": result.skipped,
            }
            for result in prepared
        ]
        report = {"scenes": scenes, **_counts(prepared, names), "warnings": found}
        print_json(report | _areas(plan, parts))
        return
    totals: dict[str, Counter[str]] = {"points": Counter(), "cells": Counter()}
    for result in prepared:
        for what, number in result.figures.items():
            totals[what][result.job.split] += number
    _print_balance(prepared, names, settings, plan, totals)
    skipped = sum(result.skipped for result in prepared)
    again = f", {skipped} of them complete already" if skipped else ""
    results().print(f"{len(prepared)} scenes in {destination}{again}", soft_wrap=True)
    _print_warnings(found)


def _print_balance(
    counted: Sequence[Counted],
    names: Sequence[str],
    settings: Settings,
    plan: Plan,
    totals: Mapping[str, Mapping[str, int]],
) -> None:
    from rich.table import Table

    splits = [split for split in SPLITS if any(r.job.split == split for r in counted)]
    table = Table("class", *splits, title=f"points by class, grid {settings.grid:g}")
    for column in table.columns[1:]:
        column.justify = "right"
    counts = {split: balance(counted, split) for split in splits}
    for name in names:
        cells = (f"{counts[s][name]:,}  {_share(counts[s], name):6.2%}" for s in splits)
        table.add_row(name, *cells)
    table.add_section()
    for what, total in totals.items():
        table.add_row(what, *(f"{total[split]:,}" for split in splits))
    if plan.block is not None:
        areas = _areas(plan, expected(plan, names))["area"]
        whole = sum(areas.values())
        shares = (f"{areas[s]:,.4g}  {areas[s] / whole:6.2%}" for s in splits)
        table.add_row(f"area, blocks of {plan.block:g}", *shares)
    results().print(table)


def _share(counts: Mapping[str, int], name: str) -> float:
    return counts[name] / max(sum(counts.values()), 1)


def _counts(results: Sequence[Counted], names: Sequence[str]) -> dict[str, Any]:
    splits = [split for split in SPLITS if any(r.job.split == split for r in results)]
    found = {split: balance(results, split) for split in splits}
    return {"counts": {split: {name: found[split][name] for name in names} for split in splits}}


def _areas(plan: Plan, parts: Sequence[Expected]) -> dict[str, Any]:
    """Covered ground and number of blocks by split; nothing where files were not cut."""
    if plan.block is None:
        return {}
    areas = dict.fromkeys(SPLITS, 0.0)
    blocks = dict.fromkeys(SPLITS, 0)
    for part in parts:
        areas[part.job.split] += part.area
        blocks[part.job.split] += part.blocks
    return {"block": plan.block, "area": areas, "blocks": blocks}


def _print_warnings(found: Sequence[str]) -> None:
    console = messages()
    for warning in found:
        console.print(f"warning: {warning}", soft_wrap=True)


def _strangers(results: list[Prepared], destination: Path) -> list[str]:
    """Scenes in the destination that this run did not make: training would read them too."""
    from salanet.scenes import find_scenes

    mine = {result.job.folder.resolve() for result in results}
    others = [path for path in find_scenes(destination) if path.resolve() not in mine]
    if not others:
        return []
    return [f"{len(others)} other scenes lie in {destination}, such as {others[0]}"]
