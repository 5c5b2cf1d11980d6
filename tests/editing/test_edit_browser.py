"""Correcting in a real browser without a display, with a server that is killed on the way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from edited_files import ORIGIN, saved

import salanet
from salanet.cloud import PointCloud

SPOTS = {"west": (30, 50, 0), "east": (70, 50, 0), "low": (50, 70, 0), "high": (50, 70, 12)}
SPOTS |= {"behind": (50, 85, 12)}  # seen from the side where the high one is


def spots() -> tuple[PointCloud, dict[str, np.ndarray]]:
    """Some heaps of points far apart on thin ground, and which points are in each."""
    rng = np.random.default_rng(1)
    ground = np.stack([*map(np.ravel, np.meshgrid(np.arange(0, 101, 2.5), np.arange(0, 101, 2.5)))])
    ground = np.c_[ground.T, np.zeros(ground.shape[1])]
    far = [np.hypot(*(ground[:, :2] - at[:2]).T) > 9 for at in SPOTS.values()]
    parts = [ground[np.all(far, axis=0)]]
    parts += [at + rng.uniform(-2, 2, (400, 3)) for at in SPOTS.values()]
    number = np.repeat(np.arange(len(parts)), list(map(len, parts)))
    order = rng.permutation(len(number))
    xyz = np.round(np.concatenate(parts)[order], 3) + ORIGIN
    members = {name: number[order] == i + 1 for i, name in enumerate(SPOTS)}
    return PointCloud(xyz, label=np.full(len(xyz), 2, np.int32)), members


class Editor:
    """The command, and its page."""

    def __init__(self, browser: Any, path: Path) -> None:
        command = [sys.executable, "-m", "salanet.cli.main", "edit", str(path), "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--points", "1000"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = [self.process.stdout.readline(), self.process.stdout.readline()]
        self.address = re.findall(r"http://\S+", self.said[1])[0]
        size = {"width": 1100, "height": 700}
        self.page = browser.new_page(viewport=size, color_scheme="dark")
        self.page.set_default_timeout(120_000)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(self.address)
        self.page.evaluate("viewer.ready")

    def settle(self) -> None:
        self.page.evaluate("line")

    def press(self, key: str) -> str:
        self.page.keyboard.press(key)
        self.settle()
        return str(self.page.inner_text("#says"))

    def at(self, place: tuple[float, ...]) -> tuple[float, float]:
        """The pixel of a place in the file."""
        found = self.page.evaluate(
            """(place) => {
              const { matrix: m, size: [w, h] } = sees(), { low, base } = panels[0];
              const p = place.map((v, k) => v - low[k] + base[k]);
              const row = (k) => m[k] * p[0] + m[4 + k] * p[1] + m[8 + k] * p[2] + m[12 + k];
              const c = [0, 1, 3].map(row);
              return [(1 + c[0] / c[2]) * w / 2, (1 - c[1] / c[2]) * h / 2];
            }""",
            (np.array(place) + ORIGIN).tolist(),
        )
        return found[0], found[1]

    def drag(self, *places: tuple[float, float]) -> str:
        """Draw a line; returns what is selected then."""
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=2)
        self.page.mouse.up()
        self.settle()
        return str(self.page.inner_text("#selected"))


def around(at: tuple[float, float], by: float) -> list[tuple[float, float]]:
    x, y = at
    return [(x - by, y - by), (x + by, y - by), (x + by, y + by), (x - by, y + by), (x - by, y)]


def test_corrections_survive_a_kill_and_are_saved(browser: Any, tmp_path: Path) -> None:
    made, members = spots()
    path = saved(tmp_path / "spots.laz", made)
    before = salanet.read(path)
    editor = Editor(browser, path)
    editor.page.keyboard.press("t")
    assert f"{len(made):,}" in editor.said[0]

    editor.press("x")
    (x, y), unit = editor.at((30, 50, 0)), editor.at((31, 50, 0))[0] - editor.at((30, 50, 0))[0]
    editor.page.evaluate(f"$('radius').value = {6 * unit}")
    assert editor.drag((x - 5, y), (x + 5, y)) == "400 selected"
    assert editor.press("6") == "400 points are building now."

    editor.press("l")
    assert editor.drag(*around(editor.at((70, 50, 0)), 6 * unit)) == "400 selected"
    assert editor.press("8") == "400 points are water now."
    assert editor.drag(*around(editor.at((30, 50, 0)), 6 * unit)) == "400 selected"
    editor.press("5")
    assert editor.page.inner_text("#undo") == "Undo (3)"
    editor.press("z")
    assert editor.page.inner_text("#undo") == "Undo (2)"

    editor.press("p")
    editor.page.evaluate("$('width').value = 8")
    ends = editor.at((37.5, 70, 0)), editor.at((62.5, 70, 0))
    editor.drag(*ends)
    assert editor.page.inner_text("#says").startswith("A profile")
    unit = editor.at((51, 70, 0))[0] - editor.at((50, 70, 0))[0]
    assert editor.drag(*around(editor.at((50, 70, 12)), 3.5 * unit)) == "400 selected"
    editor.page.screenshot(path=tmp_path / "profile.png")
    assert editor.press("5") == "400 points are high vegetation now."

    outside = [url for url in editor.requests if not url.startswith((editor.address, "data:"))]
    assert outside == [] and editor.errors == []
    editor.process.kill()
    editor.process.wait()
    assert "start `salanet edit` again" in editor.press("z")
    editor.page.close()

    again = Editor(browser, path)
    assert again.said[0].endswith("points, 5 edits so far\n"), "one of them undid another"
    assert again.page.inner_text("#undo") == "Undo (3)"
    counts = again.page.locator("#classes em").all_inner_texts()
    assert counts[4:6] == ["400", "400"]
    again.page.click("#save")
    again.page.locator("#save:enabled").wait_for()
    assert again.page.inner_text("#says") == f"Saved as {tmp_path / 'spots.corrected.laz'}."
    assert again.errors == []
    again.page.close()
    again.process.terminate()
    again.process.wait()

    after = salanet.read(tmp_path / "spots.corrected.laz")
    wanted = np.full(len(before), 2)
    for name, code in (("west", 6), ("east", 9), ("high", 5)):
        wanted[members[name]] = code
    assert np.array_equal(after.label, wanted)
    assert np.array_equal(after.attributes["corrected"] == 1, wanted != 2)
    assert np.array_equal(after.xyz, before.xyz)


def test_classes_hide_and_stand_alone(browser: Any, tmp_path: Path) -> None:
    made, members = spots()
    made.label = np.where(members["west"], 6, 2).astype(np.int32)
    editor = Editor(browser, saved(tmp_path / "spots.ply", made))
    editor.page.keyboard.press("t")
    editor.press("r")
    size = editor.page.viewport_size
    corners = (280, 20), (size["width"] - 300, size["height"] - 20)
    both = int(editor.drag(*corners).split()[0].replace(",", ""))
    editor.press("Escape")
    editor.page.locator("#classes .eye").nth(1).click()
    ground = int(editor.drag(*corners).split()[0].replace(",", ""))
    assert both - ground == 400
    editor.press("Escape")
    editor.page.locator("#classes .eye").nth(1).dblclick()
    assert editor.drag(*corners) == "400 selected"
    assert editor.errors == []
    editor.page.close()
    editor.process.terminate()
    editor.process.wait()
