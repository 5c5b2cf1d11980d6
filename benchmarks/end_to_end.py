"""Raw arrays to logits: how long SALANet takes on 20 thousand to a million points of a room.

Each row is measured in a process of its own: grid subsampling, pyramid, features and network, from
NumPy coordinates and colours to logits of every point. `python benchmarks/end_to_end.py` writes
benchmarks/results/end_to_end.{csv,md}.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from tables import write_csv

RESULTS = Path(__file__).parent / "results"
SIZES = (20_000, 100_000, 1_000_000)
WIDTHS = (18, 36)
CLASSES = tuple(f"class {i}" for i in range(13))


def measure(points: int, width: int, repeats: int) -> dict[str, object]:
    import torch
    from scenes import indoor_scan

    from salanet.models import create_model
    from salanet.ops import grid_subsample

    torch.manual_seed(0)
    model = create_model(
        width=width, in_channels=5, classes=CLASSES, features=("one", "rgb", "height")
    ).fold()
    xyz, rgb, _ = indoor_scan(points, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    best = {"total": float("inf")}
    for _ in range(repeats):
        start = time.perf_counter()
        with torch.inference_mode():
            coords = torch.from_numpy(xyz)
            colours = torch.from_numpy(rgb).float() / 255
            grid = grid_subsample(coords, model.config.grid, features={"rgb": colours})
            pyramid = model.pyramid(grid.points)
            geometry = time.perf_counter()
            height = grid.points[:, 2:]
            features = torch.cat([torch.ones_like(height), grid.features["rgb"], height], dim=1)
            logits = model(features, pyramid)[grid.cells.long()]
        end = time.perf_counter()
        if end - start < best["total"]:
            best = {
                "total": end - start,
                "geometry": geometry - start,
                "network": end - geometry,
                "cells": len(grid.points),
            }
    assert len(logits) == len(xyz)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "points": len(xyz),
        "cells": best["cells"],
        "width": width,
        "threads": torch.get_num_threads(),
        "geometry_ms": round(best["geometry"] * 1e3, 1),
        "network_ms": round(best["network"] * 1e3, 1),
        "total_ms": round(best["total"] * 1e3, 1),
        "points_per_second": round(len(xyz) / best["total"]),
        "peak_mb": round(peak / 1024),
        "peak_over_start_mb": round((peak - before) / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=2, type=int, metavar=("POINTS", "WIDTH"))
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, options.repeats)))
        return
    rows = []
    for points in SIZES:
        for width in WIDTHS:
            command = [sys.executable, __file__, "--one", str(points), str(width)]
            command += ["--repeats", str(5 if points >= 1_000_000 else options.repeats)]
            rows.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
            print(rows[-1])
    write_csv(RESULTS / "end_to_end.csv", rows)
    lines = [
        "| points | cells | C | geometry ms | network ms | total ms | points/s | peak MB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['points']:,} | {r['cells']:,} | {r['width']} | {r['geometry_ms']} | "
        f"{r['network_ms']} | {r['total_ms']} | {r['points_per_second']:,} | {r['peak_mb']} |"
        for r in rows
    ]
    threads = rows[0]["threads"]
    lines += ["", f"Best of {options.repeats} runs (5 at a million points), {threads} threads."]
    (RESULTS / "end_to_end.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
