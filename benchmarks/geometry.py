"""Radius search, nearest point, grid subsampling and the pyramid against other libraries.

    python benchmarks/geometry.py [--repeats 7]

All methods work on the same generated indoor scans, in one process, in turns, with as many threads
as there are cores. Writes results/geometry.csv and results/geometry.md beside this file.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scenes import SPACING, indoor_scan, raw_scan
from scipy.spatial import cKDTree

from salanet import _geometry, ops, pyramid

try:
    import open3d  # optional: pip install open3d
except ImportError:
    open3d = None

RESULTS = Path(__file__).parent / "results"
RADIUS = 2.5 * SPACING
WORKERS = os.cpu_count() or 1
Methods = dict[str, Callable[[], Any]]
COLUMNS = ("work", "method", "min_ms", "median_ms", "salanet_is_faster_by")


def radius_search(points: int, k: int) -> Methods:
    """Index or tree built, then the k nearest within the radius of every point."""
    xyz, _, _ = indoor_scan(points)
    tensor = torch.from_numpy(xyz)

    def ours() -> Any:
        return ops.radius_search(tensor, tensor, RADIUS, k)

    def scipy() -> Any:
        return cKDTree(xyz).query(xyz, k=k, distance_upper_bound=RADIUS, workers=WORKERS)

    def hybrid() -> Any:
        search = open3d.core.nns.NearestNeighborSearch(open3d.core.Tensor(xyz))
        search.hybrid_index(RADIUS)
        return search.hybrid_search(open3d.core.Tensor(xyz), RADIUS, k)

    found, (_, expected) = ours(), scipy()
    assert np.mean(found.numpy() == expected) > 0.9999  # but for rounding to float32
    return {"salanet": ours, "scipy cKDTree": scipy} | ({"open3d hybrid": hybrid} if open3d else {})


def nearest(points: int) -> Methods:
    """Index or tree built, then the nearest point of the next level for every point."""
    xyz, _, _ = indoor_scan(points)
    fine = torch.from_numpy(xyz)
    coarse = ops.grid_subsample(fine, 2 * SPACING).points
    return {
        "salanet": lambda: ops.nearest(fine, coarse),
        "scipy cKDTree": lambda: cKDTree(coarse.numpy()).query(xyz, workers=WORKERS),
    }


def grid_subsample(points: int) -> Methods:
    """Barycentre, mean colour, majority label and the cell of each point."""
    xyz, rgb, label = raw_scan(points, seed=0)
    tensors = torch.from_numpy(xyz), torch.from_numpy(rgb), torch.from_numpy(label)
    classes = int(label.max()) + 1

    def ours() -> Any:
        found = ops.grid_subsample(
            tensors[0], SPACING, features={"rgb": tensors[1]}, labels=tensors[2]
        )
        return found.points, found.features["rgb"], found.labels, found.cells

    def unique_numpy() -> Any:
        cell = np.floor(xyz / SPACING).astype(np.int64)
        cell -= cell.min(0)
        x, y, _ = cell.max(0) + 1
        key = (cell[:, 2] * y + cell[:, 1]) * x + cell[:, 0]
        _, cells, counts = np.unique(key, return_inverse=True, return_counts=True)
        means = [
            np.stack([np.bincount(cells, column) / counts for column in values.T], axis=1)
            for values in (xyz, rgb)
        ]
        votes = np.bincount(cells * classes + label, minlength=classes * len(counts))
        return *means, votes.reshape(-1, classes).argmax(1), cells

    def unique_torch() -> Any:
        cell = (tensors[0] / SPACING).floor().long()
        cell -= cell.amin(0)
        x, y, _ = (cell.amax(0) + 1).tolist()
        key = (cell[:, 2] * y + cell[:, 1]) * x + cell[:, 0]
        _, cells, counts = key.unique(return_inverse=True, return_counts=True)
        means = [
            torch.zeros(len(counts), 3).index_add_(0, cells, values.float()) / counts[:, None]
            for values in tensors[:2]
        ]
        votes = torch.zeros(len(counts) * classes)
        votes.index_add_(0, cells * classes + tensors[2], torch.ones(len(cells)))
        return *means, votes.view(-1, classes).argmax(1), cells

    for a, b in zip(ours(), unique_torch(), strict=True):
        assert len(a) == len(b)  # float32 floors may put a handful of points into the next cell
    return {
        "salanet": ours,
        "numpy unique of packed cells": unique_numpy,
        "torch unique + index_add": unique_torch,
    }


def build_pyramid(points: int) -> Methods:
    """Five levels: neighbours, pooling and upsampling of each."""
    tensor = torch.from_numpy(indoor_scan(points)[0])
    numbers = (26, 31, 38, 41, 39)

    def ours() -> Any:
        return pyramid.build(tensor, grid=SPACING, radius=RADIUS, neighbours=numbers)

    def scipy() -> None:
        levels = [level.points.numpy() for level in ours().levels]
        for depth, (level, k) in enumerate(zip(levels, numbers, strict=True)):
            reach = RADIUS * 2**depth
            tree = cKDTree(level)
            tree.query(level, k=k, distance_upper_bound=reach, workers=WORKERS)
            if depth + 1 < len(levels):
                coarse = levels[depth + 1]
                tree.query(coarse, k=k, distance_upper_bound=reach, workers=WORKERS)
                cKDTree(coarse).query(level, workers=WORKERS)

    return {"salanet": ours, "scipy cKDTree, levels given": scipy}


def measure(work: str, methods: Methods, repeats: int) -> list[dict[str, Any]]:
    """Milliseconds of each method, measured in turns so that disturbances hit all alike."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for repeat in range(repeats + 1):
        for name, method in methods.items():
            start = time.perf_counter()
            method()
            if repeat > 0:  # the first warms up
                times[name].append((time.perf_counter() - start) * 1e3)
    rows = []
    for name, taken in times.items():
        ratio = min(taken) / min(times["salanet"])
        numbers = (f"{min(taken):.2f}", f"{np.median(taken):.2f}", f"{ratio:.1f}")
        rows.append(dict(zip(COLUMNS, (work, name, *numbers), strict=True)))
        print("  ".join(f"{value:<40}"[:40] for value in rows[-1].values()), flush=True)
    return rows


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Geometry",
        "",
        f"`python benchmarks/geometry.py` on {WORKERS} cores, kernels for {_geometry.isa}. "
        f"Building the index or tree is included. Cells of {SPACING} m, radius {RADIUS} m. "
        "Ratios are of the shortest times.",
        "",
        "| work | method | min ms | median ms | SalaNet is faster by |",
        "|---|---|---:|---:|---:|",
    ]
    return "\n".join(lines + ["| " + " | ".join(row.values()) + " |" for row in rows]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(WORKERS)
    rows: list[dict[str, Any]] = []
    for points in (15_000, 200_000):
        for k in (26, 40):
            work = f"radius search, {points // 1000}k points, K={k}"
            rows += measure(work, radius_search(points, k), repeats)
    rows += measure("nearest, 200k points", nearest(200_000), repeats)
    rows += measure("grid subsampling, 1.6M points", grid_subsample(1_600_000), repeats)
    rows += measure("pyramid, 20k points", build_pyramid(20_000), repeats)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "geometry.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    (RESULTS / "geometry.md").write_text(markdown(rows))


if __name__ == "__main__":
    main()
