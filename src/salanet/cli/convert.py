"""`salanet convert`: a point cloud in another format."""

from __future__ import annotations

from pathlib import Path

import tyro


def main(argv: list[str]) -> None:
    tyro.cli(run, args=argv, prog="salanet convert", description=run.__doc__)


def run(
    source: tyro.conf.Positional[Path],
    target: tyro.conf.Positional[Path],
    columns: str | None = None,
    json: bool = False,
) -> None:
    """Write a point cloud in another format, and say what that format cannot keep.

    Args:
        source: the point cloud.
        target: the file to write; its suffix chooses the format.
        columns: what the columns of a text file are, such as 'x,y,z,intensity'; _ skips one.
        json: print what was done as JSON.
    """
    from salanet.cli.console import print_json, results
    from salanet.io.convert import convert

    remarks = convert(source, target, columns=columns)
    if json:
        print_json({"input": str(source), "output": str(target), "remarks": remarks})
        return
    console = results()
    console.print(str(target), soft_wrap=True, markup=False)
    for remark in remarks or ["everything is kept"]:
        console.print(f"note: {remark}", soft_wrap=True, markup=False)
