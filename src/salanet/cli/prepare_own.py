"""`salanet prepare NAME SRC DST` for data sets of somebody's own."""

from __future__ import annotations

from dataclasses import dataclass

from salanet.cli.parse import parse
from salanet.cli.prepare_benchmarks import Common, run
from salanet.datasets.own import DATASETS


@dataclass
class Own(Common):
    """Prepare a data set of your own: one folder for each scene, and DST/manifest.json.

    Run it again to go on after an interruption; what is complete is skipped.
    """

    grid: float | None = None
    """Cell size of the subsampling. Default: that of the data set."""


def own(name: str, argv: list[str]) -> int:
    """Prepare the data set that is called so."""
    options = parse(Own, argv, f"prepare {name}")
    plan = DATASETS[name]
    return run(
        options,
        lambda: plan(options.source, options.destination, options.grid),
        lambda _: [],
    )
