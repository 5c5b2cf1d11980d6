"""`salanet view`: look at point clouds, in a browser or as a picture."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from salanet.cli.parse import parse
from salanet.errors import ConfigError, FileError

if TYPE_CHECKING:
    from salanet.view import Classes, Sample

SUFFIXES = {"--html": (".html", ".htm"), "--png": (".png",)}

EXAMPLES = (
    "view scan.laz",
    "view truth.ply predicted.ply -m rooms --html page.html",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "view", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"])] = None,
    truth: Path | None = None,
    html: Path | None = None,
    png: Path | None = None,
    colour: str | None = None,
    points: str = "2M",
    together: bool = False,
    size: str = "1600x1000",
    view: Literal["oblique", "top"] = "oblique",
    point_size: int | None = None,
    legend: bool = True,
    up: Literal["auto", "z", "-z", "y", "-y"] = "auto",
    units: Literal["auto", "m", "ft", "us-ft", "mm", "cm"] = "auto",
    columns: str | None = None,
    vertices: bool = False,
    browser: bool = True,
    port: int = 0,
) -> None:
    """Look at point clouds: turn, zoom, colour by class, truth, error, height and more.

    Opens a page in the browser, served on this machine alone, until Ctrl-C. Where a file has more
    points than are shown, coming closer brings those of the view. Several files are shown beside
    each other and turned together. Two files of the same points, such as a labelled one and its
    prediction, are compared: the first is the truth of the others.

    Args:
        files: point clouds, prepared scenes, folders of clouds, or patterns such as 'tiles/*.laz'.
        model: names and colours of the classes are those of this model.
        truth: a file of the same points whose labels are right; for the colour "error".
        html: write the page here instead, whole: it opens without a network and can be sent.
        png: write a picture here instead; no display is needed.
        colour: what to colour by at first: class, truth, error, rgb, height, intensity, confidence
            or any attribute. Default: classes if there are some, else rgb or height.
        points: most points of each file to show, as in 500k or 2M; picked evenly.
        together: show all files as one, such as neighbouring tiles.
        size: of the picture in pixels.
        view: of the picture: aslant, or from above.
        point_size: of the picture's points in pixels. Default: large enough to close gaps.
        legend: of the picture: what its colours mean, the share of each class, and a bar of scale.
        up: the axis that points up (--up=-y, --up=-z: down); auto: z, unless the cloud plainly lies
            on its side or is what a camera sees.
        units: of the coordinates, to know rooms, whose ceiling is cut. By default what the file's
            reference system says, else found out.
        columns: what the columns of text files are, such as 'x,y,z,intensity'; _ skips one.
        vertices: of a mesh (PLY, OBJ, glTF), show the vertices alone. By default points all over
            its faces are shown too, with the labels of the nearest corners.
        browser: open the browser.
        port: of the server. Default: any that is free.
    """
    from salanet.view import Classes

    if html and png:
        raise ConfigError("--html and --png are two commands; run them one after the other")
    found = find(files)
    for option, path in (("--html", html), ("--png", png)):
        if path is not None:
            _check_output(option, path, [*found, truth, Path(model) if model else None])
    samples = read(found, number(points), truth, columns, together, vertices)
    samples = _framed(samples, up, units)
    classes = Classes.of_samples(samples, metadata_of(model) if model else None)
    if png is not None:
        _picture(samples, classes, png, colour, size, view, point_size, legend)
    elif html is not None:
        from salanet.cli.console import results
        from salanet.view import write_page

        write_page(samples, html, classes=classes, mode=colour)
        results().print(f"{html}: {html.stat().st_size / 1e6:,.1f} MB", soft_wrap=True)
    else:

        def every() -> list[Sample]:
            return read(found, sys.maxsize, truth, columns, together, vertices)

        _serve(samples, every, classes, colour, browser, port)


def find(files: tuple[Path, ...]) -> list[Path]:
    """The files and prepared scenes meant, in the order they are named."""
    from salanet.io.find import expand

    if not files:
        raise ConfigError("name at least one file to look at")
    scenes = [path for path in files if (path / "coord.npy").is_file()]
    found = scenes + expand([path for path in files if path not in scenes])
    return sorted(found, key=lambda path: files.index(path) if path in files else len(files))


def read(
    found: Sequence[Path],
    limit: int,
    truth: Path | None,
    columns: str | None,
    together: bool,
    vertices: bool = False,
) -> list[Sample]:
    """A sample of each file, or one of all; the first's labels are the truth of the same points."""
    from dataclasses import replace

    from salanet.view import sample

    if truth is not None and len(found) != 1:
        raise ConfigError("--truth goes with one file")
    if together:
        each = max(1, limit // len(found))
        parts = [sample.load(path, each, columns=columns, vertices=vertices) for path in found]
        return [sample.together(parts, f"{len(parts)} files")]
    if len(found) > 4:
        raise ConfigError(f"{len(found)} files beside each other are too many; add --together")
    samples = [
        sample.load(path, limit, truth=truth, columns=columns, vertices=vertices) for path in found
    ]
    if len({one.name for one in samples}) < len(samples):  # of several folders
        samples = [replace(one, name=str(path)) for one, path in zip(samples, found, strict=True)]
    for i in range(1, len(found)):
        if samples[0].label is not None and samples[i].label is not None:
            # Other points are shown beside each other, not compared.
            with suppress(FileError, ValueError):
                samples[i] = sample.with_truth(samples[i], samples[0], found[0])
    return samples


def _framed(samples: list[Sample], up: str, units: str) -> list[Sample]:
    """The samples, knowing what is up, and a note of what is not as usual."""
    from salanet.cli.advice import advised
    from salanet.cli.console import messages
    from salanet.view import frame

    known = frame.alike(samples, up, units)
    for one in known:
        for remark in frame.said(one, up, units):
            messages().print(f"note: {advised(remark)}", soft_wrap=True, markup=False)
    return known


def _check_output(option: str, path: Path, inputs: Sequence[Path | None]) -> None:
    """Find before the work what would go wrong after it, and what must not be overwritten."""
    from salanet.io.atomic import protect
    from salanet.labelling.outputs import check_writable

    known = SUFFIXES[option]
    if path.suffix.lower() not in known:
        raise ConfigError(f"{option} {path}: name a file that ends in {' or '.join(known)}")
    protect(path, inputs)
    check_writable(path)


def number(text: str) -> int:
    """1500000 of "1.5M", "1500k" or "1500000"; ConfigError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kKmM]?)", text.replace(",", ""))
    value = int(float(match[1]) * {"": 1, "k": 1e3, "m": 1e6}[match[2].lower()]) if match else 0
    if value < 1:
        raise ConfigError(f"'{text}' is no number of points; write 500k or 2M")
    return value


def _picture(
    samples: list[Sample],
    classes: Classes,
    path: Path,
    mode: str | None,
    size: str,
    view: Literal["oblique", "top"],
    point: int | None,
    legend: bool,
) -> None:
    from salanet.cli.console import results
    from salanet.view import sheet, write_png

    match = re.fullmatch(r"(\d{2,5})x(\d{2,5})", size)
    if not match or not 0 < int(match[1]) * int(match[2]) <= 50_000_000:
        raise ConfigError(f"'{size}' is no size of a picture; write 1600x1000")
    if point is not None and not 1 <= point <= 50:
        raise ConfigError(f"--point-size {point}: 1 to 50 pixels are possible")
    image = sheet(
        samples,
        classes=classes,
        mode=mode,
        size=(int(match[1]), int(match[2])),
        view=view,
        point=point,
        legend=legend,
    )
    write_png(path, image)
    shown = [f"{len(one):,} of {one.total:,} points" for one in samples]
    results().print(f"{path}: {' | '.join(shown)}", soft_wrap=True, markup=False)


def _serve(
    samples: list[Sample],
    every: Callable[[], list[Sample]],
    classes: Classes,
    mode: str | None,
    browser: bool,
    port: int,
) -> None:
    from salanet.cli.console import messages, results, serve
    from salanet.view.live import server
    from salanet.view.page import make_page
    from salanet.view.whole import Whole, fits

    page = make_page(samples, classes=classes, mode=mode)
    whole = None
    if any(len(one) < one.total for one in samples):
        if fits(samples):
            whole = Whole(page, samples, every)
        else:
            messages().print("note: too many points for this machine's memory: a part is shown")
    try:
        running, address = server(page, port, whole)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--port {port}: {error}") from error
    for one in samples:
        results().print(f"{one.name}: {len(one):,} of {one.total:,} points", soft_wrap=True)
    serve(running, address, browser)


def metadata_of(model: str | Path) -> dict[str, object]:
    """Classes, codes and colours of a model of scenes."""
    from salanet.model_file import describe, locate

    entry = describe(locate(model))
    if not entry.config.classes:
        raise ConfigError(f"{model} is a model of object parts; it has no classes of scenes")
    card = entry.card
    return {"classes": [*entry.config.classes], "codes": card.codes, "colours": card.colours}
