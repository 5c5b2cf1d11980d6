"""Many tiles on a cluster, less those that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from salanet.engine.runner import Precision, Runner
from salanet.labelling.margins import kept_for
from salanet.labelling.memory import cores
from salanet.labelling.outputs import make_folder
from salanet.labelling.report import Report
from salanet.labelling.tiles.cluster import Tile, connect, predict_tiles
from salanet.labelling.tiles.journal import Journals
from salanet.labelling.watch import Watch

if TYPE_CHECKING:
    from distributed import Client


def label_tiles(
    tiles: Sequence[Tile],
    runner: Runner,
    address: str | None,
    workers: int,
    device: str,
    precision: Precision,
    watch: Watch,
) -> list[Report]:
    """Label tiles on a cluster; their reports, in order.

    Args:
        tiles: where they say `resume`, what an earlier run has made is left out.
        runner: opened from the model's file.
        address: of a Dask scheduler; None for processes on this machine.
        workers: processes on this machine.
        device: auto, cpu, or what PyTorch calls a device.
        precision: of the runner; float32 on a worker whose processor lacks it.
    """
    for to in {tile.to.parent: tile.to for tile in tiles}.values():
        make_folder(to)
    journals = Journals(runner.identity)
    reports: dict[Tile, Report] = {}
    for tile in tiles:
        if tile.options.resume and journals.has(tile):
            points = journals.points(tile)
            reports[tile] = Report(tile.path, tile.to, points=points, skipped=True)
    waiting = [tile for tile in tiles if tile not in reports]
    watch.begins(len(waiting))
    if reports:
        watch.says(f"{len(reports):,} of {len(tiles):,} results are there already")

    def done(i: int, report: Report) -> None:
        tile = waiting[i]
        reports[tile] = replace(report, input=tile.path, output=tile.to)
        if not report.error:
            journals.add(tile, report.points)
        watch.ends(reports[tile])

    with kept_for(tile.to for tile in tiles):
        if waiting:
            with connect(address, workers) as client:
                watch.says(f"{workers} processes here" if address is None else _where(client))
                threads = max(1, cores() // workers) if address is None else 1
                predict_tiles(
                    client,
                    waiting,
                    runner,
                    done,
                    device=device,
                    precision=precision,
                    threads=threads,
                )
    return [reports[tile] for tile in tiles]


def _where(client: Client) -> str:
    """Where the cluster is, for people to watch it."""
    assert client.scheduler is not None
    address = client.scheduler.address
    if find_spec("bokeh") is None:
        return f"cluster at {address}; with `pip install bokeh` it has a dashboard"
    return f"cluster at {address}; dashboard at {client.dashboard_link}"
