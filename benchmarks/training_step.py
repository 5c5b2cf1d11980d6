"""One training step of SALANet C = 36 on a sphere of 15,000 points, fused and eager.

Pyramid, forward, loss, backward and update, as `salanet train` does them. Eager is the same network
with the plain PyTorch reference of `salanet.ops` for the aggregation; the pyramid is ours in both.
A third row is fused, with SALA's perceptrons as bare linear maps (models of version 0.1).
Each row is a process of its own. `python benchmarks/training_step.py` writes
benchmarks/results/training_step.{csv,md}. Memory is what the steps add to the process at their peak
(Linux only).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from tables import write_csv

RESULTS = Path(__file__).parent / "results"
CLASSES = tuple(f"class {i}" for i in range(13))
NETWORKS = {  # backend of the aggregation, and SALA's perceptrons
    "fused": ("native", "dense"),
    "eager": ("reference", "dense"),
    "fused, linear perceptrons": ("native", "linear"),
}


def measure(name: str, points: int, width: int, repeats: int) -> dict[str, object]:
    import torch
    from aggregation import forget_peak, status_megabytes
    from scenes import indoor_scan
    from torch.nn.functional import cross_entropy

    from salanet.models import create_model
    from salanet.ops import backend

    torch.manual_seed(0)
    kind, perceptrons = NETWORKS[name]
    options = {"perceptrons": perceptrons}
    model = create_model(
        width=width, in_channels=5, classes=CLASSES, operator_options=options
    ).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.98)
    coords = torch.from_numpy(indoor_scan(points)[0])
    features, labels = torch.randn(points, 5), torch.randint(0, 13, (points,))

    def step() -> list[float]:
        """Seconds until the pyramid, the loss, the gradients and the update are there."""
        times = [time.perf_counter()]
        pyramid = model.pyramid(coords)
        times.append(time.perf_counter())
        with backend(kind):
            loss = cross_entropy(model(features, pyramid), labels)
            times.append(time.perf_counter())
            loss.backward()
            times.append(time.perf_counter())
        optimiser.step()
        optimiser.zero_grad()
        times.append(time.perf_counter())
        return [after - before for before, after in pairwise(times)]

    forget_peak()
    before = status_megabytes("VmRSS")
    step()
    peak = status_megabytes("VmHWM") - before
    taken = [step() for _ in range(repeats)]
    parts = [statistics.median(part) * 1e3 for part in zip(*taken, strict=True)]
    total = statistics.median(map(sum, taken)) * 1e3
    names = ("pyramid_ms", "forward_ms", "backward_ms", "update_ms")
    return {
        "network": name,
        "points": points,
        "width": width,
        "threads": torch.get_num_threads(),
        **{part: round(value, 1) for part, value in zip(names, parts, strict=True)},
        "step_ms": round(total, 1),
        "points_per_second": round(points / total * 1e3),
        "peak_mb": round(peak),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=15_000)
    parser.add_argument("--width", type=int, default=36)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--one", choices=NETWORKS)
    parser.add_argument("--dry-run", action="store_true", help="print the rows, write nothing")
    options = parser.parse_args()
    if options.one:
        row = measure(options.one, options.points, options.width, options.repeats)
        print(json.dumps(row))
        return
    rows = []
    for name in NETWORKS:
        command = [sys.executable, __file__, "--one", name, "--points", str(options.points)]
        command += ["--width", str(options.width), "--repeats", str(options.repeats)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        print(rows[-1], flush=True)
    if options.dry_run:
        return
    write_csv(RESULTS / "training_step.csv", rows)
    (RESULTS / "training_step.md").write_text(report(rows, options.repeats))


def report(rows: list[dict[str, float]], repeats: int) -> str:
    lines = [
        "| one step | pyramid ms | forward ms | backward ms | update ms | step ms | peak MB |",
        "|:---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['network']} | {r['pyramid_ms']} | {r['forward_ms']} | {r['backward_ms']} | "
        f"{r['update_ms']} | {r['step_ms']} | {r['peak_mb']:,} |"
        for r in rows
    ]
    fused, eager, linear = rows
    faster, smaller = (eager[key] / fused[key] for key in ("step_ms", "peak_mb"))
    lines += [
        "",
        f"{faster:.1f} times faster, with {smaller:.1f} times less memory: SALANet "
        f"C = {fused['width']}, {fused['points']:,} points, {fused['threads']} threads, median of "
        f"{repeats} steps. The batch norms of the perceptrons cost "
        f"{fused['step_ms'] / linear['step_ms']:.2f} times the time and "
        f"{fused['peak_mb'] / linear['peak_mb']:.2f} times the memory of linear ones.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
