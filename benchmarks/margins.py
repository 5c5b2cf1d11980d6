"""Sixteen tiles that touch, with what their neighbours see kept in margins and without.

    python benchmarks/margins.py TILE --model MODEL

lays 4 x 4 copies of a tile side by side and labels them one after the other in one process, twice:
each neighbour read whole for each tile beside it, and by way of
`salanet.labelling.margins`. Fails unless the results are equal byte for byte. Writes
benchmarks/results/margins.{csv,md}.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import salanet
from salanet.engine import open_runner
from salanet.io.las.clouds import LasSource
from salanet.io.las.stream import LasStream
from salanet.labelling.buffer import touching
from salanet.labelling.margins import FOLDER
from salanet.labelling.predict import PredictOptions, predict_file

SIDE = 4  # tiles


def copies(tile: Path, folder: Path) -> list[Path]:
    """The tile side by side with itself; its extent is rounded up to whole units."""
    cloud = salanet.read(tile)
    step = np.ceil(np.ptp(cloud.xyz[:, :2], axis=0))
    paths = []
    for place in np.ndindex(SIDE, SIDE):
        moved = salanet.read(tile)
        moved.xyz[:, :2] += step * place
        paths.append(folder / f"tile-{place[0]}-{place[1]}.laz")
        salanet.write(paths[-1], moved)
    return paths


def bytes_read() -> int:
    """What this process has read so far, its scratch files included; from the cache, too."""
    return int(Path("/proc/self/io").read_text().split()[1])


def count_points(decoded: Counter[str]) -> None:
    """Count the points that are decoded of each file from now on."""
    sources = LasStream.sources

    def counted(self: LasStream, size: int) -> Iterator[LasSource]:
        for source in sources(self, size):
            decoded[self.path.name] += len(source.file.points)
            yield source

    LasStream.sources = counted  # type: ignore[method-assign]


def main() -> None:
    import torch
    from export import write

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tile", type=Path)
    parser.add_argument("--model", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = open_runner(given.model)
    time.perf_counter = time.process_time  # other work on the machine takes time, no core seconds
    decoded: Counter[str] = Counter()
    count_points(decoded)
    rows: list[dict[str, object]] = []
    points = LasStream(given.tile).count * SIDE**2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = copies(given.tile, folder)
        for title, margins in (("whole", False), ("margins", True)):
            to = folder / title
            to.mkdir()
            decoded.clear()
            read, core = bytes_read(), time.process_time()
            sorting = 0.0
            for path in paths:
                border = touching(model, path, paths)
                options = PredictOptions(neighbours=border, margins=margins)
                sorting += predict_file(model, path, to / path.name, options).phases["sort"]
            core, read = time.process_time() - core, bytes_read() - read
            kept = sum(p.stat().st_size for p in (to / FOLDER).rglob("*") if p.is_file())
            for path in paths:
                whole = (folder / "whole" / path.name).read_bytes()
                assert (to / path.name).read_bytes() == whole, path
            rows.append(
                {
                    "neighbours are read": {"whole": "whole", "margins": "by margins"}[title],
                    "core seconds": f"{core:.1f}",
                    "of them sorting": f"{sorting:.1f}",
                    "read (MB)": f"{read / 1e6:,.0f}",
                    "times each tile is decoded": f"{sum(decoded.values()) / points:.1f}",
                    "margins (MB)": f"{kept / 1e6:.1f}",
                    "tiles (MB)": f"{sum(p.stat().st_size for p in paths) / 1e6:.1f}",
                }
            )
            print(rows[-1])
    write("margins", rows)


if __name__ == "__main__":
    main()
