"""`salanet edit`: correct the classes of a file in the browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from salanet.cli.parse import parse
from salanet.errors import ConfigError

if TYPE_CHECKING:
    from salanet.view.live import Answer

EXAMPLES = (
    "edit labelled.laz",
    "edit labelled.laz --in-place",
    "edit labelled.laz -m aerial",
    "edit tiles/*.laz -o corrected/",
    "edit scan.ply --classes ground=0,tree=1 -o corrected.ply",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "edit", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    *,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    in_place: bool = False,
    marks: str | None = "corrected",
    no_marks: tyro.conf.FlagCreatePairsOff[bool] = False,
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"])] = None,
    classes: str | None = None,
    points: str = "1M",
    up: Literal["auto", "z", "-z", "y", "-y"] = "auto",
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
        files: point clouds, labelled or not; folders and patterns too. Several come as a list.
        output: where it is saved; a folder for several. Default: NAME.corrected.SUFFIX beside each.
        in_place: save in the place of the file, which is kept as FILE.backup.
        marks: the attribute that is 1 at points that were assigned.
        no_marks: write no such attribute.
        model: classes, their names and colours are those of this model too, and "Learn and relabel"
            refines it on what was assigned (needs PyTorch). A file, or the name of a shipped one.
        classes: further classes that can be assigned, as in 'ground=2,car=30'.
        points: most points shown at once, as in 500k or 2M; a view has its own. All are edited.
        up: the axis that points up (--up=-y, --up=-z: down).
        units: of the coordinates. By default what the file's reference system says, else found out.
        columns: what the columns of text files are, such as 'x,y,z,label'; _ skips one.
        browser: open the browser.
        port: of the server. Default: any that is free.
    """
    from salanet.cli.console import messages, results
    from salanet.cli.view import number
    from salanet.editing.edited import MARK, Options
    from salanet.editing.journal import journal_of
    from salanet.editing.server import Opened
    from salanet.editing.session import model_classes
    from salanet.editing.several import Several
    from salanet.io.find import expand
    from salanet.labelling.outputs import plan_outputs
    from salanet.view.frame import said

    names, colours = _given(classes), dict[int, Any]()
    if model is not None:
        from salanet.cli.view import metadata_of

        known, colours = model_classes(metadata_of(model))
        names = known | names
    options = Options(
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
    found = expand(files, skip=MARK)
    if not found:
        raise ConfigError("name at least one file to edit")
    outputs = found
    if in_place and output is not None:
        raise ConfigError("--in-place has no other output")
    if not in_place:
        outputs = plan_outputs(found, output, MARK)
    where = dict(zip(found, outputs, strict=True))

    def opened(path: Path) -> Opened:
        own = options if in_place else replace(options, output=where[path])
        one = Opened(path, own, listed=len(found) > 1)
        for remark in said(one.session.sample, up, units):
            messages().print(f"note: {remark}", soft_wrap=True, markup=False)
        total, again = one.session.sample.total, one.session.resumed
        edits = f", {again:,} edits so far" if again else ""
        results().print(f"{path}: {total:,} points{edits}", soft_wrap=True, markup=False)
        return one

    if len(found) > 1:
        several = Several(found, outputs, opened)
        _serve(several, several.close, browser, port)
    else:
        one = opened(found[0])
        _serve(one.answers, one.close, browser, port)
    for path in found:
        if (journal := journal_of(path)).is_file():
            kept = f"edits of {path.name} are kept in {journal.name}: start again to go on"
            results().print(kept, soft_wrap=True, markup=False)


def _serve(answer: Answer, close: Callable[[], None], browser: bool, port: int) -> None:
    from salanet.cli.console import serve
    from salanet.view.live import guarded

    try:
        try:
            running, address = guarded(answer, port)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--port {port}: {error}") from error
        serve(running, address, browser)
    finally:
        close()


def _given(text: str | None) -> dict[int, str]:
    """Codes and names of "ground=2,car=30"; ConfigError for anything else."""
    found: dict[int, str] = {}
    for part in (text or "").split(",") if text else []:
        name, _, code = (word.strip() for word in part.partition("="))
        if not name or not code.removeprefix("-").isdigit() or abs(int(code)) >= 1 << 31:
            raise ConfigError(f"--classes {part}: write a name and a code, as in car=30")
        found[int(code)] = name
    return found
