"""`salanet convert`: a point cloud in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import tyro

from salanet.cli.parse import parse

EXAMPLES = (
    "convert scan.e57 scan.laz",
    "convert survey.laz part.ply --bounds 635000,851000,635200,851200",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "convert", EXAMPLES)


def run(
    source: tyro.conf.Positional[Path],
    target: tyro.conf.Positional[Path],
    columns: str | None = None,
    scan: int | None = None,
    scans: Literal["merged", "separate"] = "merged",
    bounds: str | None = None,
    resolution: float | None = None,
    json: bool = False,
) -> None:
    """Write a point cloud in another format, and say what that format cannot keep.

    Args:
        source: the point cloud.
        target: the file to write; its suffix chooses the format.
        columns: what the columns of a text file are, such as 'x,y,z,intensity'; _ skips one.
        scan: only the scan of this number, from 0, of an E57 with several.
        scans: merged into one file, or separate: scan 0 to NAME.scan0.SUFFIX and so on.
        bounds: part of a COPC file: 'xmin,ymin,xmax,ymax' in its units.
        resolution: of a COPC file: how far apart points may be, in its units; reads no more.
        json: print what was done as JSON.
    """
    from salanet.cli.batch import full_scans
    from salanet.cli.console import print_json, results
    from salanet.errors import ConfigError
    from salanet.io.convert import convert, scan_target
    from salanet.io.las.region import parse_bounds

    if scan is not None and scans == "separate":
        raise ConfigError("--scan takes one scan, --scans separate all of them: choose one")
    box = None if bounds is None else parse_bounds(bounds)
    jobs: list[tuple[int | None, Path]] = [(scan, target)]
    if scans == "separate":
        jobs = [(i, scan_target(target, i)) for i in full_scans(source)]
    done = [
        {
            "input": str(source),
            "output": str(to),
            "remarks": convert(
                source, to, columns=columns, scan=number, bounds=box, resolution=resolution
            ),
        }
        for number, to in jobs
    ]
    if json:
        print_json(done if scans == "separate" else done[0])
        return
    console = results()
    for report in done:
        console.print(report["output"], soft_wrap=True, markup=False)
        for remark in report["remarks"] or ["everything is kept"]:
            console.print(f"note: {remark}", soft_wrap=True, markup=False)
