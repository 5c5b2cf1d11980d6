"""Makes the pictures of README and docs: `python docs/pictures/make.py`, or with names of some.

Those of pages in a browser need playwright and a Chromium. Each is at most 150 KB, and is written
beside this file.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from PIL import Image

import salanet
from salanet.datasets.rooms import generate
from salanet.datasets.surveys.generator import generate as generate_survey
from salanet.view import Classes, Sample, load, sheet
from salanet.view.colours import asprs
from salanet.view.live import server
from salanet.view.page import make_page

HERE = Path(__file__).parent
SCAN = HERE.parent / "data" / "sample.laz"
MOST, COLOURS = 150_000, 192  # bytes of a picture, and colours
WIDE, SINGLE = (1000, 440), (820, 480)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def labelled(folder: Path, *options: str) -> Sample:
    """The sample as `salanet predict` labels it."""
    out = folder / "labelled.laz"
    command = [sys.executable, "-m", "salanet.cli.main", "predict", str(SCAN), "-m", "aerial"]
    subprocess.run([*command, "-o", str(out), *options], check=True, capture_output=True)
    return load(out, 10**6)


def scan(folder: Path) -> np.ndarray:
    """What goes in, and what comes out."""
    before, after = replace(load(SCAN, 10**6), label=None), labelled(folder)
    before.name, after.name = "scan.laz", "labelled.laz"
    return sheet([before, after], size=WIDE, mode="class")


def errors(folder: Path) -> np.ndarray:
    truth, found = load(SCAN, 10**6), labelled(folder)
    names = {1: "other", 2: "ground", 3: "low vegetation", 4: "medium vegetation"}
    found.truth, found.names = truth.label, found.names | names
    truth.name, found.name = "scan.laz", "labelled.laz"
    return sheet([truth, found], size=WIDE, mode="error")


def confidence(folder: Path) -> np.ndarray:
    found = labelled(folder, "--confidence")
    return sheet([found], size=SINGLE, mode="confidence")


def probability(folder: Path) -> np.ndarray:
    found = labelled(folder, "--probabilities")
    return sheet([found], size=SINGLE, mode="p_building")


def ground(folder: Path) -> np.ndarray:
    """What a terrain model is made of."""
    found = labelled(folder)
    assert found.label is not None
    kept = found.rows(found.label == 2)
    found.name, kept.name = "all points", "ground alone"
    return sheet([found, kept], size=WIDE, mode="height")


def room(_: Path) -> np.ndarray:
    cloud = generate(5, points=150_000)
    names = dict(enumerate(salanet.open_model("rooms").config.classes))
    cloud.class_names = names
    sample = Sample.of(cloud, "a generated room")
    return sheet([sample], classes=Classes.of_samples([sample]), size=SINGLE, mode="class")


def survey(_: Path) -> np.ndarray:
    cloud = generate_survey(4, "riverside", density=10, size=140)
    sample = Sample.of(cloud, "a generated survey")
    assert sample.label is not None
    sample.names = asprs(np.unique(sample.label).tolist())
    return sheet([sample], size=SINGLE, mode="class")


def upright(_: Path) -> np.ndarray:
    """The same file as it is, and as it is seen once somebody knows that y is up."""
    cloud = generate(5, points=100_000)
    cloud.class_names = dict(enumerate(salanet.open_model("rooms").config.classes))
    x, y, z = cloud.xyz.T
    lying = replace(cloud, xyz=np.stack([x, z, -y], axis=1))
    before, after = Sample.of(lying, "--up z"), Sample.of(lying, "--up y")
    after.xyz, after.up = after.xyz + 1000, "y"  # each in the middle of its picture
    return sheet([before, after], size=WIDE, mode="class", legend=False)


def returns(_: Path) -> np.ndarray:
    return sheet([load(SCAN, 10**6)], size=SINGLE, mode="return_number")


def mine(_: Path) -> np.ndarray:
    """The producer's classes, and those of somebody else."""
    given, own = load(SCAN, 10**6), load(SCAN, 10**6)
    assert own.label is not None
    own.label = np.array([0, 1, 2, 104, 104, 104, 6], np.int32)[own.label]
    own.names = own.names | {104: "plants"}
    given.name, own.name = "as given", "as you want them"
    return sheet([given, own], size=WIDE, mode="class")


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=found, args=FLAGS)
        yield running.new_page(viewport={"width": 1240, "height": 680}, color_scheme="dark")
        running.close()


def shot(page: Any) -> np.ndarray:
    page.evaluate(
        "async () => { viewer.draw();"
        " while (!viewer.state.done) await new Promise(requestAnimationFrame); }"
    )
    data = page.screenshot(timeout=120_000)
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return np.asarray(Image.open(file).convert("RGB"))


def viewer(folder: Path) -> np.ndarray:
    """The page, with a distance and an area."""
    running, address = server(make_page([labelled(folder)]))
    with running, browser() as page:
        Thread(target=running.serve_forever, daemon=True).start()
        page.goto(address)
        page.evaluate("viewer.ready")
        shot(page)
        page.keyboard.press("m")
        for at in ((420, 330), (560, 470)):
            page.mouse.click(*at)
        page.keyboard.press("Enter")
        page.keyboard.press("r")
        for at in ((250, 330), (330, 390), (430, 300), (350, 250)):
            page.mouse.click(*at)
        page.keyboard.press("Enter")
        image = shot(page)
        running.shutdown()
    return image


def edit(folder: Path) -> np.ndarray:
    """The page to correct in, with a selection."""
    from salanet.editing.server import server as edit_server
    from salanet.editing.session import Session

    labelled(folder)
    session = Session(folder / "labelled.laz")
    running, address = edit_server(session)
    with running, browser() as page:
        Thread(target=running.serve_forever, daemon=True).start()
        page.goto(address)
        page.evaluate("viewer.ready")
        page.keyboard.press("l")
        page.mouse.move(600, 250)
        page.mouse.down()
        for at in ((720, 260), (740, 380), (620, 400), (600, 255)):
            page.mouse.move(*at, steps=3)
        page.mouse.up()
        page.evaluate("line")
        image = shot(page)
        running.shutdown()
    session.close()
    return image


PICTURES: dict[str, Callable[[Path], np.ndarray]] = {
    "scan": scan, "errors": errors, "confidence": confidence, "probability": probability,
    "ground": ground, "room": room, "survey": survey, "upright": upright,
    "returns": returns, "mine": mine, "viewer": viewer, "edit": edit,
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            image = Image.fromarray(PICTURES[name](Path(folder)))
        path = HERE / f"{name}.png"
        image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
        size = path.stat().st_size
        print(f"{path.name}: {size / 1e3:,.0f} KB")
        if size > MOST:
            raise SystemExit(f"{path.name} is larger than {MOST / 1e3:,.0f} KB")


if __name__ == "__main__":
    main()
