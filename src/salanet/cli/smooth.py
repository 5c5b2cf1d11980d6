"""`salanet smooth`: islands of a class in labelled files put right by what is around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from salanet.cli.parse import parse

EXAMPLES = (
    "smooth labelled.laz -o smooth.laz",
    "smooth tiles/ -o smooth/ --keep 9,17 --size 20",
    "smooth survey.laz --only vegetation --in-place",
)


def main(argv: list[str]) -> int:
    return parse(run, argv, "smooth", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    size: int = 10,
    cell: float | None = None,
    keep: str = "auto",
    only: str | None = None,
    within: str | None = None,
    in_place: bool = False,
    restore: bool = False,
    columns: str | None = None,
    memory: str | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> int:
    """Put isolated points and small islands of a class right: they get the class that most of what
    is around them on the same surface has. Everything else in the file stays as it is.

    Args:
        files: labelled point clouds in any format, folders of them, or patterns such as
            'out/*.laz'. One that fails does not stop the others; the exit code is 2 then.
        output: file for one input, folder for several. Default: NAME.smoothed.SUFFIX beside each.
        size: most cells of an island, about as many points.
        cell: size of a cell, in the units of the file. Default: the distance between its points.
        keep: classes that no point gets or loses: codes, ranges and names such as 9,17,water.
            Noise neither changes nor counts (auto), unless this is none.
        only: classes whose points may get another, such as 3-5; all others keep theirs, and count.
        within: leave everything outside this area as it is: a file of GeoJSON or WKT, or WKT, in
            the reference system of the files.
        in_place: results take the place of the files, whose former versions are kept beside them
            as NAME.backup.
        restore: bring the former versions back, bit for bit, and smooth nothing.
        columns: what the columns of text files are, such as 'x,y,z,label'; _ skips one.
        memory: how much to take, such as 500MB or 2GB. Default: a quarter of the machine's, at
            most 1.2 GB.
        json: print what was done as JSON.
        dry_run: check inputs, rules and outputs, and write nothing.
    """
    from salanet.cli.predict import restored
    from salanet.cli.smooth_view import SmoothView
    from salanet.labelling.rules import Rules
    from salanet.labelling.smooth import smooth

    if restore:
        return restored(files, output is None and not in_place, json)

    view = SmoothView(json)
    try:
        reports = smooth(
            files,
            output,
            size=size,
            cell=cell,
            rules=Rules(keep, only, within=within),
            in_place=in_place,
            columns=columns,
            memory=memory,
            dry_run=dry_run,
            watch=view,
        )
    finally:
        view.close()
    return view.conclude(reports)
