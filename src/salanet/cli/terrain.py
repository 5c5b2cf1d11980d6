"""`salanet terrain`: the ground of labelled point clouds as a raster of heights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from salanet.cli.parse import parse

EXAMPLES = ("terrain labelled/ -o ground.tif", "terrain out.laz -o ground.tif --cell 0.5")


def main(argv: list[str]) -> None:
    parse(run, argv, "terrain", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    cell: float | None = None,
    ground: tuple[int, ...] = (),
    reach: float | None = None,
    json: bool = False,
) -> None:
    """Write a terrain model: the mean height of the ground points of each cell as GeoTIFF. Gaps
    are filled smoothly from around; a second band marks them.

    Args:
        files: labelled point clouds, folders of them, or patterns such as 'out/*.laz'; tiles of
            one survey become one raster.
        output: the raster, a .tif.
        cell: size of its cells, in the units of x and y. Default: a metre.
        ground: codes of the labels that are ground. Default: what the files call ground.
        reach: how far from measured ground gaps are filled, in the same units. Default: 50 cells.
        json: print what was done as JSON.
    """
    from dataclasses import asdict

    from salanet.cli.console import messages, print_json, results
    from salanet.cli.phases import Phases
    from salanet.errors import ConfigError
    from salanet.io.find import expand
    from salanet.view.dtm import write_dtm

    if not files:
        raise ConfigError("name at least one labelled point cloud")
    found = expand(files)
    with Phases(messages(), output.name) as phases:
        report = write_dtm(
            found,
            output,
            cell=cell,
            codes=ground,
            reach=reach,
            progress=lambda path, done, total: phases.show(path.name, done, total),
        )
    if json:
        print_json({"files": [str(path) for path in found], "output": str(output)} | asdict(report))
        return
    console = results()
    console.print(str(output), soft_wrap=True, markup=False)
    console.print(
        f"{report.columns:,} x {report.rows:,} cells from {report.ground:,} ground points of "
        f"{report.points:,}; {report.filled:.1%} of the cells are filled from around, "
        f"{report.empty:.1%} empty"
    )
    for remark in report.remarks:
        console.print(f"note: {remark}", soft_wrap=True, markup=False)
