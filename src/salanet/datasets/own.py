"""Data sets of somebody's own, for `salanet prepare NAME SRC DST`.

A data set is a function that plans what becomes of the raw files:

    def plan(source: Path, destination: Path, grid: float | None) -> Plan: ...

It looks for the files, says what is missing (`salanet.errors.FileError`), and returns a
`salanet.datasets.benchmark.Plan` with a job for each scene, as the benchmarks of the package do.
`Plan.work` is called in other processes: a function of a module, or a `functools.partial` of one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from salanet.datasets.benchmark import Plan
from salanet.extensions import Registry

Planner = Callable[[Path, Path, float | None], Plan]


def _check(thing: Any) -> None:
    if not callable(thing):
        raise TypeError("it has to be a function of source, destination and grid")


DATASETS: Registry[Planner] = Registry("data set", {}, _check)
