"""`salanet table`: results as the paper's tables, beside the published rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from salanet.cli.parse import parse
from salanet.terminal import visible

Layout = Literal[
    "overview",
    "efficiency",
    "ablations",
    "partnet-summary",
    "s3dis",
    "s3dis-6fold",
    "scannet",
    "partnet",
]


def main(argv: list[str]) -> None:
    parse(run, argv, "table")


def run(
    results: tyro.conf.Positional[tuple[Path, ...]] = (),
    *,
    layout: Layout,
    format: Literal["markdown", "csv", "latex"] = "markdown",
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
) -> None:
    """A table of the paper with our rows after the published ones; each row says whose it is.

    Layouts are the paper's Tables 1 (overview), 2 (efficiency), 3 (ablations), 4
    (partnet-summary), 5 (s3dis: Area 5), 6 (s3dis-6fold), 7 (scannet) and 8 (partnet). Results of
    the same model, split and protocol, such as those of several seeds, become their mean.

    Args:
        results: files that `salanet evaluate -o` wrote; none = the published rows alone.
        layout: which table.
        format: of the text.
        output: write it here instead of printing it.
    """
    from salanet.evaluation.report import read_result
    from salanet.evaluation.tables import published, render, with_results
    from salanet.io import atomic_path
    from salanet.io.atomic import protect

    if output is not None:
        protect(output, results)
    found = [(path, read_result(path)) for path in results]
    text = render(with_results(published(layout), found), format)
    if output is None:
        print(*map(visible, text.splitlines()), sep="\n")
        return
    with atomic_path(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
