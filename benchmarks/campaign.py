"""On paper: what 100,000 tiles of 20 million points cost on N nodes, and what limits them.

`--model MODEL.safetensors --tile TILE.laz` labels one tile piece by piece, as a file of 20 million
points would be, on one thread, and notes the processor seconds of each phase in
benchmarks/results/campaign_rates.{csv,md}. From these, `python benchmarks/campaign.py` writes
benchmarks/results/campaign.{csv,md}.

The model is simple: a core works on one tile at a time, and all nodes share one storage. A tile is
decoded three times (to look at it, to sort it, to copy it), which reads it once, and once more for
the margins along its borders, from which its eight neighbours read what they see of it. The tile
measured stands for one of a kilometre: its own neighbours reach into it as far in proportion.
Cores scale; the storage does not: the campaign takes as long as the slower of the two.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salanet.engine import Runner

RESULTS = Path(__file__).parent / "results"
TILES, POINTS, NEIGHBOURS = 100_000, 20_000_000, 8
NODES, CORES = (1, 10, 100, 1000), (2, 8, 32)
STORAGE = 5e9  # bytes per second, in and out together
PIECE = 1_000_000  # points at once
PART = 8 << 20  # bytes of one request to object storage
SIDE = 1000.0  # metres of a tile
ENDS = 2 << 20  # bytes by which a file is known to be the same one
KEEPING, READING = "keeping margins", "reading margins of 8 neighbours"
STORED = ("stored, in", "stored, out", "margins, out", "margins, in")
PER_MILLION = "per million points"


def measure(model_path: Path, tile: Path) -> list[dict[str, object]]:
    """Processor seconds of each phase, for a million points of one tile."""
    import salanet
    from salanet.engine import open_runner
    from salanet.labelling.predict import PredictOptions, predict_file

    os.environ["OMP_NUM_THREADS"] = "1"
    model = open_runner(model_path)
    with tempfile.TemporaryDirectory() as folder:
        beside, to = Path(folder) / "beside.laz", Path(folder) / "out.laz"
        cloud = salanet.read(tile)
        salanet.write(beside, salanet.PointCloud(cloud.xyz.max(axis=0, keepdims=True) + 1))
        # A border, even one of a single point, has the file pass through the disk. Other work on
        # the machine takes time from this process, but no processor seconds.
        options = PredictOptions(neighbours=(beside,))
        predict_file(model, tile, to, options)  # once for what is only done once
        wall, time.perf_counter = time.perf_counter, time.process_time
        try:
            report = predict_file(model, tile, to, options)
        finally:
            time.perf_counter = wall
        read = len(cloud)
        keeping, reading, kept, seen = margins(model, tile, to)
        sizes = (tile.stat().st_size, to.stat().st_size, kept, seen)
    spent = report.phases
    spent |= {KEEPING: keeping, READING: reading}
    rows: list[dict[str, object]] = [
        {"phase": name, PER_MILLION: f"{1e6 * seconds / read:.2f} core seconds"}
        for name, seconds in spent.items()
    ]
    rows += [
        {"phase": name, PER_MILLION: f"{size / read:.2f} MB"}
        for name, size in zip(STORED, sizes, strict=True)
    ]
    return rows


def margins(model: Runner, tile: Path, to: Path) -> tuple[float, float, int, int]:
    """Processor seconds to keep the margins of a tile, and of its neighbours to read theirs.

    The eight neighbours are tiles of the same size and content. Also returns the bytes kept, and
    those that all neighbours together read.
    """
    import numpy as np

    from salanet.engine.runner import require_scenes
    from salanet.io.las.stream import LasStream
    from salanet.labelling.buffer import header_bounds, reach_of
    from salanet.labelling.margins import Margin
    from salanet.sampling import features

    bounds = header_bounds(tile)
    assert bounds is not None
    side = (bounds[1] - bounds[0])[:2]
    reach = reach_of(model) * float(side.max()) / SIDE
    keep = features.required(require_scenes(model.config))
    seen = 0
    clock = [time.process_time()]
    for step in [(0, 1), *((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y)]:
        box = bounds[:, :2] + side * step + np.array([[-reach], [reach]])
        margin = Margin.beside(to, LasStream(tile), bounds, box, reach, keep)
        margin.ready(PIECE)
        if len(clock) > 1:  # the first one makes it
            sum(map(len, margin.clouds(PIECE)))
            seen += sum((margin.folder / f"{n}.laz").stat().st_size for n in margin.numbers)
        clock.append(time.process_time())
    kept = sum(path.stat().st_size for path in margin.folder.iterdir())
    return clock[1] - clock[0], clock[-1] - clock[1], kept, seen


def rates() -> tuple[dict[str, float], list[float]]:
    """What `measure` wrote: core seconds per million points by phase; bytes of a point (4)."""
    with (RESULTS / "campaign_rates.csv").open() as file:
        found = {phase: float(value.split()[0]) for phase, value in list(csv.reader(file))[1:]}
    sizes = [found.pop(name) for name in STORED]
    return found, sizes


def campaign(nodes: int, cores: int) -> dict[str, object]:
    """One row: hours, what limits, and what the storage has to deliver at that pace."""
    phases, (tile_in, tile_out, strips_out, strips_in) = rates()
    tile_seconds = sum(phases.values()) * POINTS / 1e6
    computing = TILES * tile_seconds / (nodes * cores)
    # The three passes of its own come over the wire once, the others from the node's cache.
    read = TILES * (POINTS * (2 * tile_in + strips_in) + NEIGHBOURS * ENDS)
    written = TILES * POINTS * (tile_out + strips_out)
    seconds = max(computing, (read + written) / STORAGE)
    return {
        "nodes": nodes,
        "cores of each": cores,
        "hours": f"{seconds / 3600:,.1f}",
        "limited by": "cores" if seconds == computing else "storage",
        "core hours": f"{TILES * tile_seconds / 3600:,.0f}",
        "read (TB)": f"{read / 1e12:.0f}",
        "written (TB)": f"{written / 1e12:.0f}",
        "at that pace (GB/s)": f"{(read + written) / seconds / 1e9:.2f}",
        "requests per second": f"{(read + written) / PART / seconds:,.0f}",
    }


def main() -> None:
    from export import write

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a model of airborne scans")
    parser.add_argument("--tile", type=Path, help="an airborne scan, LAZ")
    given = parser.parse_args()
    if given.model:
        write("campaign_rates", measure(given.model, given.tile))
    write("campaign", [campaign(nodes, cores) for cores in CORES for nodes in NODES])


if __name__ == "__main__":
    main()
