"""On paper: what 100,000 tiles of 20 million points cost on N nodes, and what limits them.

`--model MODEL.safetensors --tile TILE.laz` labels one tile piece by piece, as a file of 20 million
points would be, on one thread, and notes the processor seconds of each phase in
benchmarks/results/campaign_rates.{csv,md}. From these, `python benchmarks/campaign.py` writes
benchmarks/results/campaign.{csv,md}.

The model is simple: a core works on one tile at a time, and all nodes share one storage. A tile is
decoded three times (to survey it, to spool it, to copy it), and once for each of its eight
neighbours, which look for the points near their borders. Cores scale; the storage does not: the
campaign takes as long as the slower of the two.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TILES, POINTS, NEIGHBOURS = 100_000, 20_000_000, 8
NODES, CORES = (1, 10, 100, 1000), (2, 8, 32)
STORAGE = 5e9  # bytes per second, in and out together
PART = 8 << 20  # bytes of one request to object storage
DECODING = "reading 8 neighbours"
STORED = ("stored, in", "stored, out")
PER_MILLION = "per million points"


def measure(model_path: Path, tile: Path) -> list[dict[str, object]]:
    """Processor seconds of each phase, for a million points of one tile."""
    import numpy as np
    import torch

    import salanet
    from salanet.inference.predict import PredictOptions, predict_file
    from salanet.io.stream import open_stream

    torch.set_num_threads(1)
    model = salanet.load(model_path).fold()
    with tempfile.TemporaryDirectory() as folder:
        beside, to = Path(folder) / "beside.laz", Path(folder) / "out.laz"
        cloud = salanet.read(tile)
        salanet.write(beside, salanet.PointCloud(cloud.xyz.max(axis=0, keepdims=True) + 1))
        # A border, even one of a single point, has the file pass through the disk. Other work on
        # the machine takes time from this process, but no processor seconds.
        options = PredictOptions(border=(beside,))
        predict_file(model, tile, to, options)  # once for what is only done once
        wall, time.perf_counter = time.perf_counter, time.process_time
        try:
            report = predict_file(model, tile, to, options)
        finally:
            time.perf_counter = wall
        stream = open_stream(tile, to)
        assert stream is not None
        start = time.process_time()
        read = sum(len(np.asarray(part.xyz)) for part in stream.clouds(1_000_000, stream.names))
        decoding = NEIGHBOURS * (time.process_time() - start)
        sizes = (tile.stat().st_size / read, to.stat().st_size / read)
    spent = {k.removeprefix("seconds_"): v for k, v in report.items() if k.startswith("seconds_")}
    spent[DECODING] = decoding
    rows: list[dict[str, object]] = [
        {"phase": name, PER_MILLION: f"{1e6 * seconds / read:.2f} core seconds"}
        for name, seconds in spent.items()
    ]
    rows += [
        {"phase": name, PER_MILLION: f"{size:.2f} MB"}
        for name, size in zip(STORED, sizes, strict=True)
    ]
    return rows


def rates() -> tuple[dict[str, float], float, float]:
    """What `measure` wrote: core seconds per million points by phase; bytes of a point."""
    with (RESULTS / "campaign_rates.csv").open() as file:
        found = {phase: float(value.split()[0]) for phase, value in list(csv.reader(file))[1:]}
    bytes_in, bytes_out = (found.pop(name) for name in STORED)
    return found, bytes_in, bytes_out


def campaign(nodes: int, cores: int) -> dict[str, object]:
    """One row: hours, what limits, and what the storage has to deliver at that pace."""
    phases, bytes_in, bytes_out = rates()
    tile_seconds = sum(phases.values()) * POINTS / 1e6
    computing = TILES * tile_seconds / (nodes * cores)
    # Three passes of its own read from the node's cache once; the neighbours come over the wire.
    read = TILES * POINTS * bytes_in * (1 + NEIGHBOURS)
    written = TILES * POINTS * bytes_out
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
