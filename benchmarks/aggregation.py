"""One SALA layer, fused and eager: time, peak memory and arithmetic rate, forward and backward.

Points are those of an indoor scan on a grid of 4 cm, neighbourhoods are full, S = 2. Eager is the
reference of `salanet.ops`, plain PyTorch. `python benchmarks/aggregation.py` measures everything
in one run and writes benchmarks/results/aggregation.{csv,md}. Memory is what a call adds to the
process at its peak, results and what autograd keeps included (Linux only).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from scenes import indoor_scan
from tables import write_csv

from salanet.ops import (
    PositionMLP,
    backend,
    grid_subsample,
    radius_search,
    sala_aggregate,
)

RESULTS = Path(__file__).parent / "results"
GROUPS, LIFTED, HIDDEN = 2, 8, 8
GRID, REACH = 0.04, 0.4  # metres; within this reach every point has more than K neighbours

WIDTHS = [(15_000, 15_000, c, 26) for c in (9, 18, 36, 72, 144, 288)]
LAYERS = [  # of SALANet C = 36 on 15,000 points: queries, supports, channels, neighbours
    (15_000, 15_000, 18, 26),
    (15_000, 15_000, 18, 26),
    (4_096, 15_000, 36, 26),
    (4_096, 4_096, 36, 31),
    (1_152, 4_096, 72, 31),
    (1_152, 1_152, 72, 38),
    (304, 1_152, 144, 38),
    (304, 304, 144, 41),
    (88, 304, 288, 41),
    (88, 88, 288, 39),
]
NEIGHBOURS = [(15_000, 15_000, 18, k) for k in (8, 16, 32, 64)]

Case = tuple[int, int, int, int]
Row = dict[str, object]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    rows: list[Row] = []
    rate = mm_gflops()
    for table, cases in (("width", WIDTHS), ("layer", LAYERS), ("neighbours", NEIGHBOURS)):
        for case in cases:
            for backward in (False, True):
                rows.append({"table": table, **measure(case, backward, rate)})
                print(*rows[-1].values(), sep="  ", flush=True)
    write_csv(RESULTS / "aggregation.csv", rows)
    (RESULTS / "aggregation.md").write_text(report(rows, rate))


def measure(case: Case, backward: bool, rate: float) -> Row:
    m, n, channels, k = case
    row: Row = {"m": m, "n": n, "c": channels, "k": k, "backward": int(backward)}
    large = m * channels > 500_000
    for name, seconds in (("fused", 0.5), ("eager", 2.0 if large else 1.0)):
        with backend("native" if name == "fused" else "reference"):
            run = layer(case, backward)
            row[f"{name}_mb"] = round(peak_megabytes(run), 2)
            row[f"{name}_ms"] = round(best_of(run, seconds) * 1e3, 3)
    row["speedup"] = round(row["eager_ms"] / row["fused_ms"], 1)
    row["gflops"] = "" if backward else round(flops(case) / row["fused_ms"] / 1e6, 1)
    row["mm_gflops"] = round(rate, 1)
    return row


def layer(case: Case, backward: bool) -> Callable[[], object]:
    """A call of the operation, with fresh results and gradients each time."""
    m, n, channels, k = case
    queries, supports, neighbours = neighbourhoods(m, n, k)
    columns = GROUPS * channels
    shapes = [
        (n, columns), (LIFTED, 3), (LIFTED,), (HIDDEN, LIFTED), (HIDDEN,), (GROUPS, HIDDEN),
        (GROUPS,), (columns, LIFTED), (columns,),
    ]  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    leaves = [
        (torch.randn(*shape, generator=generator) / 2).requires_grad_(backward) for shape in shapes
    ]
    grad = torch.randn(m, channels, generator=generator)

    def forward() -> torch.Tensor:
        return sala_aggregate(
            queries, supports, neighbours, leaves[0], PositionMLP(*leaves[1:7]), *leaves[7:],
            radius=REACH, groups=GROUPS,
        )  # fmt: skip

    return (lambda: torch.autograd.grad(forward(), leaves, grad)) if backward else forward


@cache
def neighbourhoods(m: int, n: int, k: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    supports = grid_subsample(torch.from_numpy(indoor_scan(n)[0]), GRID).points
    queries = supports[torch.linspace(0, len(supports) - 1, m).long()]
    neighbours = radius_search(queries, supports, 10 * REACH if n < 5_000 else REACH, k)
    assert (neighbours < len(supports)).all()
    return queries, supports, neighbours


def flops(case: Case) -> float:
    """Multiplications, additions and comparisons of the fused forward (an exponential as one)."""
    m, _, channels, k = case
    perceptrons = 2 * (3 * LIFTED + LIFTED * HIDDEN + HIDDEN * GROUPS) + 4 * GROUPS
    return m * k * (perceptrons + GROUPS * channels * (2 * LIFTED + 3))


def mm_gflops(size: int = 2048) -> float:
    """What the largest and simplest piece of arithmetic reaches on this machine."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / best_of(lambda: a @ b, 2.0) / 1e9


def best_of(run: Callable[[], object], seconds: float) -> float:
    """The shortest of at least two calls, after one to warm up, within about so many seconds."""
    run()
    best, calls, end = float("inf"), 0, time.perf_counter() + seconds
    while calls < 2 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
        calls += 1
    return best


def peak_megabytes(run: Callable[[], object]) -> float:
    """What one call adds to the resident memory at its peak."""
    run()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    forget_peak()
    before = status_megabytes("VmRSS")
    result = run()
    peak = status_megabytes("VmHWM")
    del result
    return peak - before


def forget_peak() -> None:
    """Let the kernel count the peak memory from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def status_megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def report(rows: list[Row], rate: float) -> str:
    def pick(table: str, backward: bool) -> list[Row]:
        return [r for r in rows if r["table"] == table and r["backward"] == int(backward)]

    def speeds(table: str) -> list[str]:
        lines = [
            "| queries | c | K | forward ms | eager ms | ratio | GFLOP/s | of `mm` "
            "| fwd+bwd ms | eager ms | ratio |",
            "|---:" * 11 + "|",
        ]
        pairs = list(zip(pick(table, False), pick(table, True), strict=True))
        for f, b in pairs:
            lines.append(
                f"| {f['m']:,} | {f['c']} | {f['k']} | {f['fused_ms']:.2f} | {f['eager_ms']:.1f} | "
                f"{f['speedup']:.0f} | {f['gflops']:.0f} | {f['gflops'] / rate:.0%} | "
                f"{b['fused_ms']:.2f} | {b['eager_ms']:.1f} | {b['speedup']:.0f} |"
            )
        if table == "layer":
            total = [[sum(r[k] for r in side) for k in ("fused_ms", "eager_ms")]
                     for side in zip(*pairs, strict=True)]  # fmt: skip
            (f, fe), (b, be) = total
            lines.append(
                f"| all ten | | | {f:.2f} | {fe:.1f} | {fe / f:.0f} | | | "
                f"{b:.2f} | {be:.1f} | {be / b:.0f} |"
            )
        return lines

    memory = [
        "| c | K | forward MB | eager MB | fwd+bwd MB | eager MB |",
        "|---:" * 6 + "|",
    ]
    for table in ("neighbours", "width"):
        for f, b in zip(pick(table, False), pick(table, True), strict=True):
            memory.append(
                f"| {f['c']} | {f['k']} | {f['fused_mb']:.1f} | {f['eager_mb']:.0f} | "
                f"{b['fused_mb']:.1f} | {b['eager_mb']:.0f} |"
            )
    machine = (
        f"{torch.get_num_threads()} threads, {platform.machine()}, PyTorch {torch.__version__}; "
        f"`torch.mm` of 2048² in the same run: {rate:.0f} GFLOP/s. Best of the calls of half a "
        "second (fused) and of one or two (eager)."
    )
    return "\n".join(
        [
            "One layer at 15,000 points, S = 2, by channels:", "", *speeds("width"), "",
            "The ten layers of SALANet C = 36:", "", *speeds("layer"), "",
            "Peak memory of one layer at 15,000 points, its result and gradients included:", "",
            *memory, "", machine, "",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
