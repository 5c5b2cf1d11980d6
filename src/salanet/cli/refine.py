"""`salanet refine`: a model goes on learning from what a person has checked."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from salanet.cli.parse import parse
from salanet.errors import ConfigError

if TYPE_CHECKING:
    from salanet.training.refine import Refined

EXAMPLES = (
    "refine corrected.laz --from aerial --within checked.geojson -o mine.safetensors",
    "refine a.laz b.laz --from aerial --marks checked -o mine.safetensors",
    "predict *.laz -m mine.safetensors -o labelled/",
)


def main(argv: list[str]) -> int:
    return parse(run, argv, "refine", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    *,
    weights: Annotated[str, tyro.conf.arg(name="from")],
    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])],
    within: str | None = None,
    marks: str | None = None,
    all: bool = False,
    steps: int = 60,
    rate: float = 1e-3,
    share: float = 0.25,
    seed: int = 0,
    columns: str | None = None,
    json: bool = False,
) -> int:
    """Let a model go on learning from files whose classes a person has corrected in a part.

    Correct a part of a labelled file in any program, wrong points and all around them: what is
    checked is the truth, right or corrected. Elsewhere the model is held to what it said and was
    sure of. Takes about a minute.

    Args:
        files: labelled point clouds, partly checked.
        weights: the model to start from, a file or the name of a shipped one.
        output: the model file to write.
        within: the checked area: polygons in a GeoJSON or WKT file, or WKT.
        marks: an attribute of the files that is not 0 where a point was checked.
        all: every point of the files was checked.
        steps: how long it learns.
        rate: of learning.
        share: of what was learned that is kept, 1 for all; less forgets less of what it knew.
        seed: of what is drawn.
        columns: what the columns of text files are, such as 'x,y,z,label'; _ skips one.
        json: print the report as JSON.
    """
    from salanet.cli.console import messages, require_torch

    if not files:
        raise ConfigError("name at least one file to learn from")
    if not (within or marks or all):
        raise ConfigError(
            "say which points were checked: --within AREA, --marks ATTRIBUTE, or --all of them"
        )
    require_torch()
    from salanet.io.area import Area
    from salanet.io.find import expand
    from salanet.training.refine import Checked, Refining, refine

    with messages().status("learning"):
        report = refine(
            expand(files),
            weights,
            output,
            Checked(Area.read(within) if within else None, marks),
            Refining(steps=steps, rate=rate, share=share, seed=seed),
            columns=columns,
        )
    if json:
        import json as format

        print(format.dumps(asdict(report) | {"model": str(output)}, indent=1))
    else:
        show(report, output)
    return 0


def show(report: Refined, output: Path) -> None:
    """Print for people what was learned, and what else has changed."""
    from salanet.cli.advice import advised
    from salanet.cli.console import messages, results

    console = results()
    for remark in report.remarks:
        messages().print(f"note: {advised(remark)}", soft_wrap=True, markup=False)
    say = (
        f"{report.checked:,} points were checked, the model had {report.corrected:,} of them wrong"
    )
    console.print(say, soft_wrap=True)
    for code, count in report.unknown.items():
        console.print(f"note: {count:,} checked points of code {code}, which it does not know")
    right = f"of them right: {report.right_before:.1%} before, {report.right_after:.1%} now"
    console.print(right, soft_wrap=True)
    changed = sum(sum(row.values()) for row in report.changed.values())
    share = f" ({changed / report.others:.1%})" if report.others else ""
    console.print(f"of {report.others:,} others, {changed:,} have another class now{share}")
    moves = [
        (count, former, present)
        for former, row in report.changed.items()
        for present, count in row.items()
    ]
    for count, former, present in sorted(moves, reverse=True)[:8]:
        console.print(f"  {count:>9,}  {former} → {present}", highlight=False)
    console.print(f"model: {output}, {report.seconds:.0f} s", soft_wrap=True)
