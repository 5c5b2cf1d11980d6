"""`salanet profile`: what networks cost, without training them."""

from __future__ import annotations

import csv as csv_format
import json as json_format
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import tyro

from salanet.cli.parse import parse
from salanet.errors import ConfigError

if TYPE_CHECKING:
    from salanet.models import ModelConfig
    from salanet.models.profile import Profile


EXAMPLES = (
    "profile --operator all --markdown",
    "profile -C 144,36,18 --measure",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "profile", EXAMPLES)


def run(
    operator: str = "sala",
    width: Annotated[str, tyro.conf.arg(aliases=["-C"])] = "36",
    network: str = "salanet",
    features: int = 5,
    classes: int = 13,
    partnet: bool = False,
    measure: bool = False,
    json: bool = False,
    markdown: bool = False,
    csv: bool = False,
) -> None:
    """Parameters per part, weight bytes, multiply-accumulates, and the speed of networks.

    Multiply-accumulates are for 15,000 points. Several operators or widths make one table.

    Args:
        operator: the local aggregation; several with commas, or "all".
        width: C, channels after the first residual block; several with commas.
        network: "salanet", or a rival by its name (see docs/networks.md); several with commas, or
            "all".
        features: d0, channels of the input features (5 for S3DIS, 4 for ScanNet and PartNet).
        classes: number of classes of a scene model.
        partnet: the PartNet model instead: one head for each of the 17 categories.
        measure: time each on a cloud of 15,000 points, and take its peak memory.
        json: print JSON: an object, or a list of several.
        markdown: print a Markdown table.
        csv: print comma-separated values.
    """
    from salanet.cli.console import require_torch

    require_torch()
    from salanet.models.measure import measure as measured
    from salanet.models.profile import profile

    if json + markdown + csv > 1:
        raise ConfigError("choose one of --json, --markdown and --csv")
    results = []
    for config in configurations(network, operator, width, features, classes, partnet):
        results.append(profile(config, measured=measured(config) if measure else None))
    if json:
        rows = [result.as_dict() for result in results]
        print(json_format.dumps(rows[0] if len(rows) == 1 else rows, indent=2))
    elif csv:
        writer = csv_format.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([column(r) for column in COLUMNS.values()] for r in results)
    elif markdown:
        print(markdown_table(results))
    elif len(results) == 1:
        show(results[0])
    else:
        show_table(results)


def configurations(
    network: str, operator: str, width: str, features: int, classes: int, partnet: bool
) -> list[ModelConfig]:
    """One for every combination asked for; networks of published size come once."""
    from salanet.model_config import PRESETS, PUBLISHED
    from salanet.models import PARTNET_NEIGHBOURS, PARTNET_PARTS, SCENE_NEIGHBOURS, new_config
    from salanet.models.networks import NETWORKS
    from salanet.operators import OPERATORS

    common = {
        "in_channels": features,
        "classes": () if partnet else tuple(f"class {i}" for i in range(classes)),
        "parts": PARTNET_PARTS if partnet else {},
        "grid": 0.02 if partnet else 0.04,
        "neighbours": PARTNET_NEIGHBOURS if partnet else SCENE_NEIGHBOURS,
    }
    operators = names("operator", operator, list(OPERATORS), [*PRESETS])
    configs = []
    for name in names("network", network, list(NETWORKS)):
        if name == "salanet":
            choices = [(o, w) for o in operators for w in widths(width)]
        elif name == "kpfcnn":
            choices = [(o, 0) for o in operators if o.startswith("kpconv")] or [("kpconv", 0)]
        else:
            choices = [("", 0)] if name in PUBLISHED else [("", w) for w in widths(width)]
        for chosen, c in choices:
            configs.append(new_config(network=name, operator=chosen, width=c, **common))
    return configs


def names(option: str, given: str, known: list[str], besides: Sequence[str] = ()) -> list[str]:
    """Those given; "all" are the known ones, without what there is besides."""
    if given == "all":
        return known
    chosen = given.split(",")
    for name in chosen:
        if name not in known and name not in besides:
            every = ", ".join(["all", *known, *besides])
            raise ConfigError(f"unknown {option} '{name}'; known are {every}")
    return chosen


def widths(given: str) -> list[int]:
    try:
        return [int(width) for width in given.split(",")]
    except ValueError:
        raise ConfigError(f"--width takes numbers such as 144,36,18, not '{given}'") from None


# What tables show of a profile.
COLUMNS: dict[str, Callable[[Profile], object]] = {
    "network": lambda r: r.network,
    "operator": lambda r: r.operator,
    "C": lambda r: r.width,
    "parameters (M)": lambda r: f"{r.parameters / 1e6:.3f}",
    "GMACs per neighbour": lambda r: f"{r.macs_per_neighbour / 1e9:.2f}",
    "GMACs executed": lambda r: f"{r.macs_executed / 1e9:.2f}",
    "weights (MB)": lambda r: f"{r.weight_bytes / 1e6:.2f}",
    "checkpoint (MB)": lambda r: f"{r.checkpoint_bytes / 1e6:.2f}",
    "geometry (ms)": lambda r: f"{r.measured.geometry_ms:.1f}" if r.measured else "",
    "network (ms)": lambda r: f"{r.measured.network_ms:.1f}" if r.measured else "",
    "peak memory (MB)": lambda r: (
        f"{r.measured.peak_bytes / 1e6:.0f}" if r.measured and r.measured.peak_bytes else ""
    ),
}


def shown(results: list[Profile]) -> list[list[str]]:
    """Header and rows, without the columns nothing was measured for."""
    rows = [list(COLUMNS), *([str(f(r)) for f in COLUMNS.values()] for r in results)]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows[1:])]
    return [[row[i] for i in kept] for row in rows]


def markdown_table(results: list[Profile]) -> str:
    header, *rows = shown(results)
    numeric = len(header) - header.index("C")
    rule = ["---"] * (len(header) - numeric) + ["---:"] * numeric
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


def show_table(results: list[Profile]) -> None:
    from rich.table import Table

    from salanet.cli import console

    header, *rows = shown(results)
    table = Table()
    for name in header:
        table.add_column(name, justify="left" if name in ("network", "operator") else "right")
    for row in rows:
        table.add_row(*row)
    console.results().print(table)


def show(result: Profile) -> None:
    from rich.table import Table

    from salanet.cli import console

    name = f"{result.operator}, C = {result.width}" if result.operator else "as published"
    table = Table(title=f"{result.network}, {name}", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for part, count in result.parameters_by_part.items():
        table.add_row(f"parameters, {part}", f"{count:,}")
    table.add_row("parameters", f"{result.parameters:,}", end_section=True)
    table.add_row("weights (float32)", f"{result.weight_bytes / 1e6:.2f} MB")
    table.add_row(
        "training checkpoint", f"{result.checkpoint_bytes / 1e6:.2f} MB", end_section=True
    )
    table.add_row("points per level", " / ".join(f"{n:,}" for n in result.points))
    table.add_row("MACs, per neighbour", f"{result.macs_per_neighbour / 1e9:.2f} G")
    table.add_row("MACs, as executed", f"{result.macs_executed / 1e9:.2f} G", end_section=True)
    if result.measured:
        table.add_row("cloud", f"{result.measured.points:,} points")
        table.add_row("geometry", f"{result.measured.geometry_ms:.1f} ms")
        table.add_row("network", f"{result.measured.network_ms:.1f} ms")
        if result.measured.peak_bytes:
            table.add_row("peak memory", f"{result.measured.peak_bytes / 1e6:.0f} MB")
    console.results().print(table)
