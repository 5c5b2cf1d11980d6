"""Forty touching tiles on a cluster of two processes, one of which is killed half way.

A generated town is cut into tiles of about 100,000 points. They are labelled by one process, by
two workers, and by two workers of which one gets `kill -9` in the middle; results must be equal
byte for byte. The town in one piece tells how many labels the borders change, with the points of
neighbouring tiles seen near each border and without. `python benchmarks/cluster.py --model
MODEL.safetensors` writes benchmarks/results/cluster*.{csv,md}.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS, ROWS = 10, 4
# One town is two tiles wide and deep; its density makes 100,000 points of a tile of this side.
SIDE, DENSITY = 35.0, 80.0
NEAR_BORDER = 5.0  # metres


def make_tiles(folder: Path, side: float, density: float) -> tuple[list[Path], Path]:
    """Write the tiles, and the town in one piece."""
    import salanet
    from salanet import PointCloud
    from salanet.datasets.town import ORIGIN, town

    everything: list[PointCloud] = []
    paths = []
    for x, y in np.ndindex(COLUMNS // 2, ROWS // 2):
        cloud = town(10 * x + y, size=2 * side, density=density)
        cloud.xyz[:, :2] += [2 * side * x, 2 * side * y]
        everything.append(cloud)
    whole = joined(everything)
    at = ((whole.xyz[:, :2] - ORIGIN[:2]) // side).astype(int)
    at = at.clip(0, [COLUMNS - 1, ROWS - 1])
    for x, y in np.ndindex(COLUMNS, ROWS):
        paths.append(folder / f"tile-{x}-{y}.laz")
        salanet.write(paths[-1], part(whole, (at == [x, y]).all(axis=1)))
    # Of the points in the order of the tiles, so that labels compare row by row.
    order = np.argsort(at[:, 0] * ROWS + at[:, 1], kind="stable")
    salanet.write(folder / "whole" / "town.laz", part(whole, order))
    return paths, folder / "whole" / "town.laz"


def joined(clouds: list[Any]) -> Any:
    from salanet import PointCloud

    arrays = {
        name: np.concatenate([cloud.arrays()[name] for cloud in clouds])
        for name in clouds[0].arrays()
    }
    known = {name: arrays.pop(name) for name in ("intensity", "label")}
    xyz = np.concatenate([cloud.xyz for cloud in clouds])
    return PointCloud(xyz, **known, attributes=arrays)


def part(cloud: Any, rows: Any) -> Any:
    from salanet import PointCloud

    arrays = {name: array[rows] for name, array in cloud.arrays().items()}
    known = {name: arrays.pop(name) for name in ("intensity", "label")}
    return PointCloud(cloud.xyz[rows], **known, attributes=arrays)


def alone(model: Any, tiles: list[Any]) -> float:
    """Seconds of one process."""
    from salanet.labelling.predict import predict_file

    start = time.perf_counter()
    for tile in tiles:
        predict_file(model, tile.path, tile.to, tile.options)
    return time.perf_counter() - start


def on_workers(model: Any, tiles: list[Any], workers: int, threads: int, kill: bool) -> float:
    """Seconds of a cluster, its start left out; fails unless every tile has one result."""
    from salanet.labelling.tiles.cluster import connect, predict_tiles

    reports: dict[int, Any] = {}

    def done(i: int, report: Any) -> None:
        assert i not in reports and not report.error, report
        reports[i] = report
        if kill and len(reports) == len(tiles) // 2:
            os.kill(report.pid, signal.SIGKILL)

    with connect(None, workers) as client:
        start = time.perf_counter()
        predict_tiles(client, tiles, model, done, threads=threads)
        seconds = time.perf_counter() - start
    assert len(reports) == len(tiles)
    return seconds


def measure(model_path: Path, folder: Path, side: float, density: float, workers: int) -> None:
    from export import write

    import salanet
    from salanet import geometry
    from salanet.engine import open_runner
    from salanet.labelling.margins import kept_for
    from salanet.labelling.predict import PredictOptions
    from salanet.labelling.tiles.cluster import Tile, neighbourhoods

    (folder / "whole").mkdir()
    paths, town = make_tiles(folder, side, density)
    model = open_runner(model_path)
    points = len(salanet.read(town))
    near = neighbourhoods(model, paths)
    cores = geometry.threads()

    def tiles(name: str, borders: list[tuple[Path, ...]]) -> list[Any]:
        (folder / name).mkdir()
        given = zip(paths, borders, strict=True)
        return [
            Tile(p, folder / name / p.name, PredictOptions(neighbours=b, margins=True))
            for p, b in given
        ]

    rows = []
    share = max(1, cores // workers)
    runs: dict[str, tuple[str, Callable[[list[Any]], float]]] = {
        "one": (f"one process, {cores} threads", lambda work: alone(model, work)),
        "two": (
            f"{workers} workers",
            lambda work: on_workers(model, work, workers, share, kill=False),
        ),
        "killed": (
            f"{workers} workers, one killed half way",
            lambda work: on_workers(model, work, workers, share, kill=True),
        ),
    }
    for name, (title, run) in runs.items():
        work = tiles(name, near)
        with kept_for(tile.to for tile in work):
            seconds = run(work)
        made = [tile.to for tile in work]
        same = sum(
            a.read_bytes() == (folder / "one" / a.name).read_bytes() for a in made if a.exists()
        )
        row = {
            "run": title,
            "tiles": len(work),
            "points": points,
            "seconds": round(seconds, 1),
            "points/s": round(points / seconds),
            "results": len(list((folder / name).iterdir())),
            "equal to one process": f"{same} of {len(work)}",
        }
        print(row, file=sys.stderr)
        rows.append(row)
    write("cluster", rows)
    write("cluster_seams", seams(model, folder, town, tiles("blind", [()] * len(paths)), side))


def seams(model: Any, folder: Path, town: Path, blind: list[Any], side: float) -> list[Any]:
    """Labels that are those of the town in one piece: all of them, and those near a border."""
    import salanet
    from salanet.datasets.town import ORIGIN
    from salanet.labelling.predict import PredictOptions, predict_file

    alone(model, blind)
    whole = folder / "whole" / "labelled.laz"
    predict_file(model, town, whole, PredictOptions())
    cloud = salanet.read(whole)
    within = (cloud.xyz[:, :2] - ORIGIN[:2]) % side
    near = (np.minimum(within, side - within) < NEAR_BORDER).any(axis=1)
    rows = []
    for title, name in (("seen", "one"), ("not seen", "blind")):
        found = [salanet.read(folder / name / tile.to.name).label for tile in blind]
        same = np.concatenate(found) == cloud.label
        rows.append(
            {
                "neighbours' points": title,
                "labels as in one piece": f"{same.mean():.4%}",
                f"within {NEAR_BORDER:.0f} m of a border": f"{same[near].mean():.4%}",
                "points there": f"{near.sum():,}",
            }
        )
        print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a model of airborne scans")
    parser.add_argument("--side", type=float, default=SIDE, help="metres of a tile")
    parser.add_argument("--density", type=float, default=DENSITY, help="points per m²")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options.model, Path(folder), options.side, options.density, options.workers)


if __name__ == "__main__":
    main()
