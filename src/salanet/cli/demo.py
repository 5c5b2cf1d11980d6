"""`salanet demo`: a scan in, classes out, and a page to look at; with the usual commands."""

from __future__ import annotations

import os
import shlex
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from salanet.cli.parse import parse

if TYPE_CHECKING:
    from salanet.evaluation import Confusion

# An office that no model was trained on: training takes its seeds from a hash.
SEED, KIND, SENSOR = 118, "office", "tripod"
# The best one on scans by sensors and of rooms that it has not seen (benchmarks/rooms_domains.py).
MODEL = "rooms-large"


EXAMPLES = (
    "demo",
    "demo --points 100000 --no-browser",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "demo", EXAMPLES)


def run(folder: Path = Path("demo"), points: int = 600_000, browser: bool = True) -> None:
    """Label a generated scan of a room with a model that comes with the package.

    Writes the scan, the labelled scan and a page that shows both; needs no network.

    Args:
        folder: where everything goes; files of an earlier demo are replaced.
        points: size of the scan.
        browser: open the page, where there is a display.
    """
    from dataclasses import replace

    from salanet.cli import predict, view
    from salanet.cli.console import results
    from salanet.datasets.rooms import generate
    from salanet.evaluation import summary, table
    from salanet.io import write
    from salanet.labelling.outputs import make_folder

    console = results()

    def show(name: str, command: Callable[[list[str]], object], *arguments: str | Path) -> None:
        given = [str(argument) for argument in arguments]
        console.print()
        console.print(f"$ salanet {name} {shlex.join(given)}", style="bold", soft_wrap=True)
        command(given)

    scan, truth = folder / "room.ply", folder / "room.truth.ply"
    labelled, page = folder / "room.labelled.ply", folder / "room.html"
    make_folder(scan)
    room = generate(SEED, points, KIND, SENSOR)
    console.print(f"A simulated scan of an {KIND}, {len(room):,} points: {scan}")
    write(truth, room)
    write(scan, replace(room, label=None))
    show("predict", predict.main, scan, "-m", MODEL, "-o", labelled, "--confidence")

    pooled = compare(truth, labelled)
    console.print()
    console.print("Against the truth, which a generated scan knows:")
    console.print(table(pooled))
    console.print(summary(pooled))
    shown = ("-m", MODEL, "--html", page)
    show("view", view.main, truth, labelled, *shown)
    console.print()
    console.print(f"Look at {page}: truth on the left, prediction on the right.", soft_wrap=True)
    console.print("Your turn: salanet predict YOUR_FILE.laz")
    if browser and has_display():
        webbrowser.open(page.resolve().as_uri())


def compare(truth: Path, labelled: Path) -> Confusion:
    """The confusion of two files of the same points, both labelled by class index."""
    from salanet.datasets.rooms import CLASSES
    from salanet.evaluation import Confusion
    from salanet.io import read

    right, found = read(truth).label, read(labelled).label
    assert right is not None and found is not None
    pooled = Confusion(list(CLASSES))
    pooled.add(right, found)
    return pooled


def has_display() -> bool:
    """Whether a browser window could open."""
    on_linux = sys.platform.startswith("linux")
    return not on_linux or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
