"""The native executor: raw arrays to logits, beside the other ways to run the same network.

Each row is measured in a process of its own, on a scan of a room: voxels, features, pyramid and
network, from NumPy coordinates and colours to logits of every point. Ways are the executor, the
executor with products in bfloat16 (`bf16`, where the processor has them), NumPy over the fused
kernels (`numpy`), and PyTorch (`eager`); `torch.mm` is timed in the same run, and
the executor's dense layers are compared with it. Times are the best of several runs; what the
executor's threads do is told by the time that they work.

`python benchmarks/executor.py` writes benchmarks/results/executor.{csv,md}, and latency.md of the
executor alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import indoor_scan
from tables import write_csv

from salanet import _engine, geometry
from salanet.labelling.memory import peak_memory

RESULTS = Path(__file__).parent / "results"
SIZES = (20_000, 100_000, 1_000_000)
WIDTHS = (18, 36)
WAYS = ("executor", *(["bf16"] if _engine.has_bf16() else []), "numpy", "eager")
CLASSES = tuple(f"class {i}" for i in range(13))
CHANNELS = 5
GRID, RADIUS, NEIGHBOURS = 0.04, 0.1, (26, 31, 38, 41, 39)

Array = NDArray[Any]


def write_model(width: int, path: Path) -> None:
    import torch

    from salanet.models import create_model, save

    torch.manual_seed(0)
    features = ("one", "rgb", "height")
    save(create_model(width=width, in_channels=CHANNELS, classes=CLASSES, features=features), path)


def cells_of(xyz: Array, rgb: Array) -> tuple[Array, Array, Array]:
    """Points and features of the cells, and the cell of each point."""
    cells = geometry.subsample(xyz, GRID, {"rgb": rgb})
    seen = np.empty((len(cells.points), CHANNELS), np.float32)
    seen[:, 0] = 1
    np.divide(cells.features["rgb"], np.float32(255), out=seen[:, 1:4])
    seen[:, 4] = cells.points[:, 2]
    return cells.points, seen, cells.cells


def executor(path: Path, threads: int, bf16: bool) -> tuple[Callable[[Array, Array], Array], Any]:
    model = _engine.Model(str(path))

    def logits(points: Array, seen: Array) -> Array:
        out = np.empty((len(points), len(CLASSES)), np.float32)
        model.segment(points, seen, out, threads, bf16)
        return out

    return logits, model


def numpy_way(path: Path) -> Callable[[Array, Array], Array]:
    from safetensors.numpy import load_file

    from salanet.engine.network import SalaNetwork
    from salanet.model_file import describe

    network = SalaNetwork(load_file(path), describe(path).config)

    def logits(points: Array, seen: Array) -> Array:
        levels = geometry.pyramid(points, grid=GRID, radius=RADIUS, neighbours=NEIGHBOURS)
        return network(seen, levels)

    return logits


def eager(path: Path, threads: int) -> Callable[[Array, Array], Array]:
    import torch

    from salanet.models import load

    torch.set_num_threads(threads)
    model = load(path).fold()

    def logits(points: Array, seen: Array) -> Array:
        with torch.inference_mode():
            levels = model.pyramid(torch.from_numpy(points))
            found: Array = model(torch.from_numpy(seen), levels).numpy()
        return found

    return logits


def best_of(repeats: int, work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure(
    way: str, scan: Path, width: int, path: Path, threads: int, repeats: int
) -> dict[str, object]:
    model = None
    bf16 = way == "bf16"
    if bf16 or way == "executor":
        run, model = executor(path, threads, bf16)
    else:
        run = numpy_way(path) if way == "numpy" else eager(path, threads)
    with np.load(scan) as arrays:
        xyz, rgb = arrays["xyz"], arrays["rgb"]
    with geometry.use_threads(threads):

        def whole() -> Array:
            coords, seen, of_point = cells_of(xyz, rgb)
            return run(coords, seen)[of_point]

        total = best_of(repeats, whole)
        peak = peak_memory() or 0
        coords, seen, _ = cells_of(xyz, rgb)
        found = best_of(
            repeats,
            lambda: (
                cells_of(xyz, rgb),
                geometry.pyramid(coords, grid=GRID, radius=RADIUS, neighbours=NEIGHBOURS),
            ),
        )
    row: dict[str, object] = {
        "way": way,
        "points": len(xyz),
        "cells": len(coords),
        "width": width,
        "threads": threads,
        "total_ms": round(total * 1e3, 2),
        "geometry_ms": round(found * 1e3, 2),
        "points_per_second": round(len(xyz) / total),
        "peak_mb": round(peak / 2**20),
    }
    if model is not None:
        row |= shares(model, coords, seen, width, threads, repeats, bf16)
    return row


def shares(
    model: Any, coords: Array, seen: Array, width: int, threads: int, repeats: int, bf16: bool
) -> dict[str, object]:
    """What the network's passes do: milliseconds of each thread, and the rate of the products."""
    pyramid = model.pyramid(coords, threads)
    out = np.empty((len(coords), len(CLASSES)), np.float32)
    found = [model.shares(seen, pyramid, out, threads, bf16) for _ in range(repeats)]
    best = min(found, key=lambda share: sum(share.values()))
    operations = 2 * product_macs(pyramid.counts, width)
    return {
        **{f"{name}_ms": round(spent / threads * 1e3, 2) for name, spent in best.items()},
        "products_gflops": round(operations / best["products"] * threads / 1e9),
    }


def product_macs(counts: list[int], width: int) -> int:
    """Multiplications of the dense layers that the executor runs, each point of each level."""
    half = width // 2

    total = counts[0] * (CHANNELS * half + 2 * half * half)  # input, and what it offers
    total += counts[0] * (half * half + 2 * half * half)  # the first block's
    total += counts[0] * (width * width)  # its expansion and shortcut
    for s, count in enumerate(counts[:-1]):
        wide = width << s
        total += count * (wide * wide + 2 * wide * wide)  # what is offered to the strided block
        total += counts[s + 1] * (2 * wide) * (2 * wide)  # its expansion and shortcut
        total += counts[s + 1] * (2 * wide * wide + 2 * wide * wide + wide * 2 * wide)  # the next
        out = wide // 2
        coarse = 2 * wide if s + 1 == len(counts) - 1 else wide
        total += count * wide * out + counts[s + 1] * coarse * out  # the decoder
    return total + counts[0] * (half * half + half * len(CLASSES))


def products(threads: int, repeats: int) -> dict[str, float]:
    """GFLOP/s of `torch.mm`: a square product, and tall ones as the network has them."""
    import torch

    torch.set_num_threads(threads)
    found = {}
    for rows, inputs, outputs in ((2048, 2048, 2048), (20_000, 36, 72), (20_000, 18, 36)):
        a, b = torch.rand(rows, inputs), torch.rand(inputs, outputs)
        spent = best_of(3 * repeats, lambda a=a, b=b: torch.mm(a, b))
        name = f"torch.mm {rows} x {inputs} x {outputs}"
        found[name] = round(2 * rows * inputs * outputs / spent / 1e9, 1)
    return found


def table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| points | C | way | total ms | points/s | peak MB | geometry | products | aggregations |"
        " rest | products GFLOP/s |",
        "|---:|---:|---|" + "---:|" * 8,
    ]
    for row in rows:
        parts = [f"{row.get(f'{part}_ms', '')}" for part in ("products", "aggregations", "rest")]
        cells = [
            f"{row['points']:,}", row["width"], row["way"], row["total_ms"],
            f"{row['points_per_second']:,}", row["peak_mb"], row["geometry_ms"], *parts,
            row.get("products_gflops", ""),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def child(*arguments: object) -> Any:
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def latency(rows: list[dict[str, Any]]) -> str:
    """A table of what the executor takes for a frame."""
    lines = ["| points of a frame | width of the model | ms | frames/s |", "|---:|---:|---:|---:|"]
    mine = [row for row in rows if row["way"] == "executor"]
    for row in mine:
        points, ms = int(row["points"]), float(row["total_ms"])
        lines.append(f"| {points:,} | {row['width']} | {ms:.1f} | {1000 / ms:.1f} |")
    said = (
        f"Best of several runs on a room, {mine[0]['threads']} threads; `benchmarks/executor.py`."
    )
    return "\n".join([*lines, "", said]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=4, metavar=("WAY", "SCAN", "WIDTH", "MODEL"))
    parser.add_argument("--products", action="store_true")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=geometry.threads())
    parser.add_argument("--points", type=int, nargs="*", default=SIZES)
    options = parser.parse_args()
    settings = ["--threads", options.threads, "--repeats"]
    if options.products:
        print(json.dumps(products(options.threads, options.repeats)))
        return
    if options.one:
        way, scan, width, path = options.one
        row = measure(way, Path(scan), int(width), Path(path), options.threads, options.repeats)
        print(json.dumps(row))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        models = {width: Path(folder) / f"{width}.safetensors" for width in WIDTHS}
        for width, path in models.items():
            write_model(width, path)
        rates = child("--products", *settings, options.repeats)
        for points in options.points:
            repeats = min(options.repeats, 5) if points >= 1_000_000 else options.repeats
            scan = Path(folder) / f"{points}.npz"
            # Made here: it takes more memory than what is measured.
            xyz, rgb, _ = indoor_scan(points, seed=0)
            np.savez(scan, xyz=xyz, rgb=rgb)
            del xyz, rgb
            for width in WIDTHS:
                for way in WAYS:
                    rows.append(child("--one", way, scan, width, models[width], *settings, repeats))
                    print(rows[-1], flush=True)
    write_csv(RESULTS / "executor.csv", rows)
    lines = [
        *table(rows),
        "",
        f"Best of {options.repeats} runs (at most 5 at a million points), {options.threads} "
        "threads; the shares are milliseconds of each thread. Executor: what `salanet predict` "
        "runs; bf16: the same with `--precision bf16`; numpy: its path before; eager: PyTorch with "
        "our fused aggregations. Memory is that of the whole process.",
        "",
        *(f"- {name}: {rate} GFLOP/s" for name, rate in rates.items()),
    ]
    (RESULTS / "executor.md").write_text("\n".join(lines) + "\n")
    (RESULTS / "latency.md").write_text(latency(rows))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
