"""How fast a room is labelled by voting and in one pass, and the most memory each takes.

Each row is a process of its own: a generated storey with so many raw points, grid 4 cm, spheres of
2 m with at most 15,000 points, then the class of every raw point. `python benchmarks/voting.py`
writes benchmarks/results/voting.{csv,md}.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tables import write_csv

RESULTS = Path(__file__).parent / "results"
CLASSES = tuple(f"class {i}" for i in range(13))
POINTS = 2_000_000
# Protocol and votes of each row.
ROWS = (("whole", 1), ("voting", 1), ("voting", 3))


def measure(points: int, width: int, protocol: str, votes: int) -> dict[str, object]:
    import numpy as np
    import torch
    from scenes import raw_scan

    from salanet.cloud import PointCloud
    from salanet.evaluation import Voting, Whole, to_points
    from salanet.models import create_model
    from salanet.sampling.cells import to_cells
    from salanet.scenes import Scene

    torch.manual_seed(0)
    names = ("one", "rgb", "z")
    model = create_model(width=width, in_channels=5, classes=CLASSES, features=names).fold()
    with tempfile.TemporaryDirectory() as folder:
        xyz, rgb, label = raw_scan(points, seed=0)
        cloud = PointCloud(xyz=xyz.astype(np.float64), rgb=rgb)
        cells = to_cells(cloud, model.config.grid, segment=label, keep=("rgb",))
        scene = Scene.write(
            Path(folder) / "room",
            coord=cells.coord,
            offset=cells.offset,
            color=cells.rgb,
            segment=cells.segment,
            classes=CLASSES,
            grid=model.config.grid,
            raw={"to_cell": cells.of_point, "segment": label},
        )
        del cloud, xyz, rgb, label, cells
        way = Voting(radius=2.0, max_points=15_000, votes=votes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        if protocol == "voting":
            sizes = [len(rows) for rows in way.spheres(scene)]
        else:
            sizes = [len(scene)]
        geometry = time.perf_counter()
        logits = (way if protocol == "voting" else Whole(votes)).logits(model, scene)
        prediction = logits.argmax(1)[to_points(scene)]
        end = time.perf_counter()
    assert len(prediction) == points
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = end - geometry
    return {
        "points": points,
        "cells": len(logits),
        "width": width,
        "protocol": protocol,
        "votes": votes,
        "spheres": len(sizes),
        "seen_per_vote": round(sum(sizes) / len(logits), 2),
        "threads": torch.get_num_threads(),
        "finding_spheres_s": round(geometry - start, 2),
        "seconds": round(seconds, 2),
        "points_per_second": round(points / seconds),
        "cells_through_network_per_second": round(votes * sum(sizes) / seconds),
        "peak_mb": round(peak / 1024),
        "peak_over_start_mb": round((peak - before) / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--width", type=int, default=36)
    parser.add_argument("--one", nargs=2, metavar=("PROTOCOL", "VOTES"))
    parser.add_argument("--dry-run", action="store_true", help="print the rows, write nothing")
    options = parser.parse_args()
    if options.one:
        protocol, votes = options.one
        print(json.dumps(measure(options.points, options.width, protocol, int(votes))))
        return
    rows = []
    for protocol, votes in ROWS:
        command = [sys.executable, __file__, "--one", protocol, str(votes)]
        command += ["--points", str(options.points), "--width", str(options.width)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
        print(rows[-1], flush=True)
    if options.dry_run:
        return
    write_csv(RESULTS / "voting.csv", rows)
    lines = [
        "| protocol | votes | raw points | cells | spheres | seconds | raw points/s | peak MB |",
        "|:---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {r['protocol']} | {r['votes']} | {r['points']:,} | {r['cells']:,} | {r['spheres']:,} | "
        f"{r['seconds']} | {r['points_per_second']:,} | {r['peak_mb']:,} |"
        for r in rows
    ]
    threads = rows[0]["threads"]
    lines += ["", f"SALANet C={options.width}, {threads} threads, one run each."]
    (RESULTS / "voting.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
