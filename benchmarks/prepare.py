"""How fast `salanet prepare s3dis` is, and how much memory it takes: one generated room.

    python benchmarks/prepare.py --points 2000000

Prints one CSV row: points, megabytes of text, seconds, points per second, and the peak memory of
the whole process in megabytes (what it held before preparing, in the column before).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from scenes import raw_scan

from salanet.cli.main import main as run
from salanet.labelling.memory import peak_memory

NAMES = ("floor", "ceiling", "wall", "clutter")
COLUMNS = "points,text_mb,cores,seconds,points_per_second,memory_before_mb,peak_memory_mb"


def write_room(root: Path, points: int) -> int:
    """A room in the layout of S3DIS, one file per class; returns the bytes of its text."""
    xyz, rgb, label = raw_scan(points, seed=0, per_cell=20)
    folder = root / "Area_1" / "office_1" / "Annotations"
    folder.mkdir(parents=True)
    (root / "Area_1" / "Area_1_alignmentAngle.txt").write_text("office_1 0\n")
    size = 0
    for index, name in enumerate(NAMES):
        rows = np.c_[xyz[label == index], rgb[label == index]]
        path = folder / f"{name}_1.txt"
        np.savetxt(path, rows, fmt="%.3f %.3f %.3f %d %d %d")
        size += path.stat().st_size
    return size


def measure(points: int) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "raw"
        pid = os.fork()  # so that what generating takes does not count as our peak
        if pid == 0:
            write_room(root, points)
            os._exit(0)
        os.waitpid(pid, 0)
        size = sum(path.stat().st_size for path in root.rglob("*.txt"))
        import salanet.datasets.s3dis  # noqa: F401  (PyTorch takes seconds to load)

        before = peak_memory() or 0
        started = time.perf_counter()
        code = run(["prepare", "s3dis", str(root), str(Path(temporary) / "scenes")])
        seconds = time.perf_counter() - started
        if code:
            raise SystemExit(code)
    row = [points, size / 1e6, os.cpu_count() or 1, seconds, points / seconds]
    row += [before / 1e6, (peak_memory() or 0) / 1e6]
    return ",".join(f"{value:.4g}" if value < 1e4 else f"{value:.0f}" for value in row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--points", type=int, default=2_000_000)
    arguments = parser.parse_args()
    result = measure(arguments.points)
    print(COLUMNS)
    print(result)
