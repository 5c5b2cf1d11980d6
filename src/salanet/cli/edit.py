"""`salanet edit`: correct the classes of a file in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from salanet.cli.parse import parse
from salanet.errors import ConfigError

if TYPE_CHECKING:
    from salanet.editing.session import Session

EXAMPLES = (
    "edit labelled.laz",
    "edit labelled.laz --in-place",
    "edit labelled.laz -m aerial",
    "edit scan.ply --classes ground=0,tree=1 -o corrected.ply",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "edit", EXAMPLES)


def run(
    file: tyro.conf.Positional[Path],
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    in_place: bool = False,
    marks: str | None = "corrected",
    no_marks: tyro.conf.FlagCreatePairsOff[bool] = False,
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"])] = None,
    classes: str | None = None,
    points: str = "1M",
    up: Literal["auto", "z", "y", "-y"] = "auto",
    units: Literal["auto", "m", "ft", "us-ft", "mm", "cm"] = "auto",
    columns: str | None = None,
    browser: bool = True,
    port: int = 0,
) -> None:
    """Correct the classes of a point cloud in the browser: brush, lasso, profile, a key per class.

    Opens a page that this machine alone can reach, until Ctrl-C. Every edit is on the disk, in
    FILE.edits, before the page shows it as done; started again, the command goes on there. "Save"
    writes the file with its new classes, and marks the points that were assigned, for
    `salanet refine --marks`.

    Args:
        file: a point cloud, labelled or not.
        output: where it is saved. Default: FILE with .corrected before its suffix.
        in_place: save in the place of the file, which is kept as FILE.backup.
        marks: the attribute that is 1 at points that were assigned.
        no_marks: write no such attribute.
        model: classes, their names and colours are those of this model too, and "Learn and relabel"
            refines it on what was assigned (needs PyTorch). A file, or the name of a shipped one.
        classes: further classes that can be assigned, as in 'ground=2,car=30'.
        points: most points shown at once, as in 500k or 2M; a view has its own. All are edited.
        up: the axis that points up (--up=-y: y points down).
        units: of the coordinates. By default what the file's reference system says, else found out.
        columns: what the columns of text files are, such as 'x,y,z,label'; _ skips one.
        browser: open the browser.
        port: of the server. Default: any that is free.
    """
    from salanet.cli.console import messages
    from salanet.cli.view import number
    from salanet.editing.edited import Options
    from salanet.editing.session import Session, model_classes
    from salanet.view.frame import said

    names, colours = _given(classes), dict[int, Any]()
    if model is not None:
        from salanet.cli.view import metadata_of

        known, colours = model_classes(metadata_of(model))
        names = known | names
    options = Options(
        output=output,
        in_place=in_place,
        marks=None if no_marks else marks,
        classes=names,
        colours=colours,
        model=model,
        points=number(points),
        columns=columns,
        up=up,
        units=units,
    )
    session = Session(file, options)
    try:
        for remark in said(session.sample, up, units):
            messages().print(f"note: {remark}", soft_wrap=True, markup=False)
        _serve(session, browser, port)
    finally:
        session.close()


def _serve(session: Session, browser: bool, port: int) -> None:
    from salanet.cli.console import results, serve
    from salanet.editing.learning import Learner, can_learn
    from salanet.editing.server import server

    model = session.file.options.model
    learner = Learner(session.file, model) if model is not None and can_learn() else None
    try:
        running, address = server(session, port, learner)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--port {port}: {error}") from error
    out = results()
    total = session.sample.total
    again = f", {session.resumed:,} edits so far" if session.resumed else ""
    out.print(f"{session.file.path}: {total:,} points{again}", soft_wrap=True, markup=False)
    try:
        serve(running, address, browser)
    finally:
        if learner is not None:
            learner.stop()
    if count := len(session.corrections.done):
        kept = f"{count:,} edits are kept in {session.file.journal.path.name}: start again to go on"
        out.print(kept, soft_wrap=True, markup=False)


def _given(text: str | None) -> dict[int, str]:
    """Codes and names of "ground=2,car=30"; ConfigError for anything else."""
    found: dict[int, str] = {}
    for part in (text or "").split(",") if text else []:
        name, _, code = (word.strip() for word in part.partition("="))
        if not name or not code.removeprefix("-").isdigit() or abs(int(code)) >= 1 << 31:
            raise ConfigError(f"--classes {part}: write a name and a code, as in car=30")
        found[int(code)] = name
    return found
