"""Every network on one cloud: parameters, time of geometry and network, peak memory.

    python benchmarks/networks.py [--points 20000] [--repeats 5] [--operators] [--only NAME…]

Each has a process of its own, thirteen classes, five input features, random weights, batch norms
folded; the cloud is the corner of a room, one point in each cell of 4 cm. Peak memory is what the
first pass adds to the process, geometry included (Linux only). `--operators` takes every operator
of the shared U-Net, at C = 36, instead of every network. Writes
benchmarks/results/networks.{csv,md}, or operators.{csv,md}, unless `--only` some were asked for;
`python benchmarks/readme.py` then brings the tables into the docs.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path

from salanet.models import ModelConfig
from salanet.models.measure import measure
from salanet.models.networks import NETWORKS, create_network
from salanet.operators import OPERATORS

RESULTS = Path(__file__).parent / "results"
CLASSES = tuple(f"class {i}" for i in range(13))
WIDTHS = (18, 36)  # of SALANet
COLUMNS = ("network", "parameters", "geometry ms", "network ms", "points/s", "peak MB")


def configurations(operators: bool) -> dict[str, ModelConfig]:
    """By the name in the table."""
    common = {"in_channels": 5, "classes": CLASSES}
    if operators:
        return {name: ModelConfig(operator=name, **common) for name in OPERATORS}
    found = {f"SALANet C={width}": ModelConfig(width=width, **common) for width in WIDTHS}
    for name in NETWORKS:
        if name != "salanet":
            found[name] = ModelConfig(network=name, **common)
    deformable = {"network": "kpfcnn", "operator": "kpconv_deformable"}
    found["kpfcnn (deformable)"] = ModelConfig(**deformable, **common)
    return found


def row(name: str, config: ModelConfig, points: int, repeats: int) -> tuple[str, ...]:
    found = measure(config, points, repeats)
    parameters = sum(p.numel() for p in create_network(config).parameters())
    total = found.geometry_ms + found.network_ms
    peak = "" if found.peak_bytes is None else f"{found.peak_bytes / 1e6:,.0f}"
    return (
        name,
        f"{parameters:,}",
        f"{found.geometry_ms:,.1f}",
        f"{found.network_ms:,.1f}",
        f"{1000 * points / total:,.0f}",
        peak,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--operators", action="store_true")
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    load = os.getloadavg()[0]
    rows = []
    for name, config in configurations(given.operators).items():
        if not given.only or name in given.only:
            rows.append(row(name, config, given.points, given.repeats))
            print(*rows[-1], sep="  ", flush=True)
    if given.only:
        return
    kind = "operators" if given.operators else "networks"
    columns = (kind.removesuffix("s"), *COLUMNS[1:])
    with (RESULTS / f"{kind}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([line[0], *(cell.replace(",", "") for cell in line[1:])] for line in rows)
    lines = [f"| {' | '.join(line)} |" for line in (columns, (":---", *["---:"] * 5), *rows)]
    threads = os.environ.get("OMP_NUM_THREADS") or os.cpu_count()
    note = (
        f"{given.points:,} points, {threads} threads, median of {given.repeats} runs; random "
        f"weights. Load average when it began: {load:.1f}."
    )
    (RESULTS / f"{kind}.md").write_text("\n".join([*lines, "", note]) + "\n")


if __name__ == "__main__":
    main()
