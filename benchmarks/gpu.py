"""The fused operations on a CUDA device: against eager PyTorch, and against the memory's speed.

One SALA layer over widths, the ten layers of SALANet C=36, the pyramid, and a training step on
15,000 points of an indoor scan. The floor of a layer is the time in which the device's memory moves
its inputs and outputs once each, at the rate of a large copy in the same run.

`python benchmarks/gpu.py` writes benchmarks/results/gpu_{layers,pyramid,step}.csv and gpu.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from scenes import indoor_scan
from tables import write_csv
from torch import Tensor

from salanet import ops, pyramid
from salanet.models import create_model
from salanet.ops import PositionMLP

RESULTS = Path(__file__).parent / "results"
POINTS = 15_000
WIDTHS = (9, 18, 36, 72, 144, 288)
GROUPS, LIFTED = 2, 8
GRID, RADIUS = 0.04, 0.1
NEIGHBOURS = (26, 31, 38, 41, 39)
SIZES = (15_000, 100_000, 1_000_000)

Row = dict[str, Any]


def milliseconds(function: Callable[[], object], repeats: int) -> float:
    """Median time on the device, after three runs that compile and warm up."""
    for _ in range(3):
        function()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def peak_mb(function: Callable[[], object]) -> float:
    """Memory allocated at most during a run, beyond what was there before."""
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    function()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 1e6


def bandwidth(repeats: int) -> float:
    """Bytes per second of a copy of 1 GB, read and write both counted."""
    source = torch.empty(1_000_000_000, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / (milliseconds(lambda: target.copy_(source), repeats) / 1e3)


def scan(points: int) -> Tensor:
    return torch.from_numpy(indoor_scan(points)[0]).cuda()


def layer_bytes(m: int, n: int, k: int, channels: int, training: bool) -> int:
    """What a layer has to read and write once: points, table, projected features, result."""
    table, positions = 4 * m * k, 12 * (m + n)
    projected, out = 4 * n * GROUPS * channels, 4 * m * channels
    forward = table + positions + projected + out
    if not training:
        return forward
    # Slots of the maxima out and in again; backward reads the table transposed and the gradient.
    slots = m * GROUPS * channels
    return forward + slots + (table + positions + projected + out + slots) + projected


def layer(
    name: str,
    queries: Tensor,
    supports: Tensor,
    neighbours: Tensor,
    channels: int,
    radius: float,
    rate: float,
    repeats: int,
) -> list[Row]:
    """One layer by each backend, in inference and in training."""
    (m, k), n = neighbours.shape, len(supports)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, device="cuda", requires_grad=True)

    projected = normal(n, GROUPS * channels)
    mlp = PositionMLP(
        *(normal(LIFTED, 3), normal(LIFTED)),
        *(normal(LIFTED, LIFTED), normal(LIFTED)),
        *(normal(GROUPS, LIFTED), normal(GROUPS)),
    )
    position_w = normal(GROUPS * channels, LIFTED)
    upstream = torch.randn(m, channels, device="cuda")

    def forward() -> Tensor:
        return ops.sala_aggregate(
            *(queries, supports, neighbours, projected, mlp, position_w),
            radius=radius,
            groups=GROUPS,
        )

    def infer() -> None:
        with torch.no_grad():
            forward()

    def train() -> None:
        torch.autograd.grad((forward() * upstream).sum(), [projected, *mlp, position_w])

    rows = []
    for pass_name, function in (("forward", infer), ("training", train)):
        floor = layer_bytes(m, n, k, channels, function is train) / rate * 1e3
        row: Row = {"layer": name, "M": m, "N": n, "K": k, "c": channels, "pass": pass_name}
        for backend, label in (("reference", "eager"), ("triton", "fused")):
            with ops.backend(backend):
                row[f"{label}_ms"] = round(milliseconds(function, repeats), 4)
                row[f"{label}_mb"] = round(peak_mb(function), 2)
        row["times_faster"] = round(row["eager_ms"] / row["fused_ms"], 1)
        row["floor_ms"] = round(floor, 5)
        row["share_of_bandwidth"] = round(floor / row["fused_ms"], 3)
        rows.append(row)
        print(row, flush=True)
    return rows


def layers(points: Tensor, rate: float, repeats: int) -> list[Row]:
    levels = pyramid.build(points, grid=GRID, radius=RADIUS, neighbours=NEIGHBOURS).levels
    fine = levels[0]
    rows = []
    for channels in WIDTHS:
        rows += layer(
            *(f"c={channels}", fine.points, fine.points, fine.neighbours),
            *(channels, RADIUS, rate, repeats),
        )
    for depth, level in enumerate(levels):
        channels = 18 * 2**depth
        within = (level.points, level.points, level.neighbours)
        rows += layer(f"stage {depth + 1}", *within, channels, level.radius, rate, repeats)
        if depth == 0:
            rows += layer("stage 1 again", *within, channels, level.radius, rate, repeats)
        if level.pool is not None:
            down = (levels[depth + 1].points, level.points, level.pool)
            rows += layer(f"into {depth + 2}", *down, 2 * channels, level.radius, rate, repeats)
    return rows


def pyramids(sizes: tuple[int, ...], repeats: int) -> list[Row]:
    """Geometry on the device, and of the same points by the native kernels on the CPU."""
    rows = []
    for size in sizes:
        points = scan(size)
        host = points.cpu()

        def build(which: Tensor) -> pyramid.Pyramid:
            return pyramid.build(which, grid=GRID, radius=RADIUS, neighbours=NEIGHBOURS)

        cpu = milliseconds(lambda host=host: build(host), min(repeats, 5))
        gpu = milliseconds(lambda points=points: build(points), min(repeats, 20))
        rows.append({"points": size, "cpu_ms": round(cpu, 2), "gpu_ms": round(gpu, 2)})
        print(rows[-1], flush=True)
    return rows


def steps(points: Tensor, repeats: int) -> list[Row]:
    """A training step of SALANet C=36, pyramid included; eager with the same GPU geometry."""
    model = create_model(width=36, in_channels=3, classes=tuple("abcdefghijklm"), features=("xyz",))
    model = model.cuda().train()
    labels = torch.randint(0, 13, (len(points),), device="cuda")
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
    rows = []
    for backend, label in (("reference", "eager"), ("triton", "fused")):

        def step(backend: Any = backend) -> None:
            levels = pyramid.build(points, grid=GRID, radius=RADIUS, neighbours=NEIGHBOURS)
            with ops.backend(backend):
                loss = torch.nn.functional.cross_entropy(model(points, levels), labels)
                optimiser.zero_grad()
                loss.backward()
            optimiser.step()

        took = milliseconds(step, repeats)
        rows.append(
            {"network": label, "step_ms": round(took, 2), "peak_mb": round(peak_mb(step), 1)}
        )
        print(rows[-1], flush=True)
    return rows


def write(name: str, rows: list[Row]) -> str:
    """The rows as CSV on disk and, returned, as a Markdown table."""
    write_csv(RESULTS / f"{name}.csv", rows)
    lines = [" | ".join(rows[0]), " | ".join("---" for _ in rows[0])]
    lines += [" | ".join(str(value) for value in row.values()) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("no CUDA device here: this benchmark needs one", file=sys.stderr)
        return 2
    torch.manual_seed(0)
    rate = bandwidth(20)
    points = scan(POINTS)
    tables = [
        write("gpu_layers", layers(points, rate, options.repeats)),
        write("gpu_pyramid", pyramids(SIZES, options.repeats)),
        write("gpu_step", steps(points, options.repeats)),
    ]
    device = f"{torch.cuda.get_device_name()}, a copy moves {rate / 1e9:,.0f} GB/s."
    (RESULTS / "gpu.md").write_text("\n\n".join([device, *tables]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
