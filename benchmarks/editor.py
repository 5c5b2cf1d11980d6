"""Correcting a large file in a headless browser: does exactly what was meant change, how fast.

    python benchmarks/editor.py FILE [--pictures FOLDER]

opens FILE in `salanet edit`, seen from above, and corrects three regions: by brush, by lasso, and
by a lasso in a profile; one assignment is undone, the server is killed with SIGKILL in the middle
and started again, and the result is saved beside FILE. Which points were meant is found again here,
point by point, from the lines drawn and the camera. Needs Chromium and playwright. Writes
benchmarks/results/editor.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Browser, Request, sync_playwright
from viewer import FLAGS, RESULTS, SETTLED

import salanet

Floats = NDArray[np.float64]
Place = tuple[float, float]


class Editor:
    """The command, its page, what the page asked to select, and how long each action took."""

    def __init__(self, browser: Browser, path: Path, pictures: Path | None) -> None:
        self.pictures = pictures
        start = time.perf_counter()
        command = [sys.executable, "-m", "salanet", "edit", str(path), "--no-browser"]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        self.said = [self.server.stdout.readline(), self.server.stdout.readline()]
        self.address = re.findall(r"http://\S+", self.said[1])[0]
        self.ready = time.perf_counter() - start
        self.page = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="dark")
        self.page.set_default_timeout(300_000)
        self.asked: list[dict[str, Any]] = []
        self.page.on("request", self._note)
        start = time.perf_counter()
        self.page.goto(self.address)
        self.page.evaluate("viewer.ready")
        self.shown = time.perf_counter() - start

    def _note(self, request: Request) -> None:
        if request.url.endswith("/select"):
            self.asked.append(json.loads(request.post_data or ""))

    def picture(self, name: str) -> None:
        """Once all is drawn."""
        if self.pictures:
            self.page.evaluate("line")
            self.page.evaluate(SETTLED)
            self.page.screenshot(path=self.pictures / f"{name}.png")

    def press(self, key: str) -> str:
        self.page.keyboard.press(key)
        self.page.evaluate("line")
        return self.page.inner_text("#says")

    def drag(self, places: list[Place]) -> str:
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=6)
        self.page.mouse.up()
        self.page.evaluate("line")
        return self.page.inner_text("#selected")

    def peak(self) -> float:
        """Greatest resident memory of the server so far, in MB."""
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def origin(self) -> Floats:
        """float64 (3,), what the coordinates on the page lack."""
        return np.array(self.page.evaluate("panels[0].low.map((v, k) => v - panels[0].base[k])"))


def meant(asked: dict[str, Any], xyz: Floats) -> NDArray[np.bool_]:
    """bool (N,), which points a line drawn on the screen means, by its definition."""
    shape, part = asked["shape"], asked["scope"]["slice"]
    clip = np.c_[xyz, np.ones(len(xyz))] @ np.array(shape["matrix"]).reshape(4, 4)
    w = clip[:, 3]
    found = (w > 0) & (np.abs(clip[:, :3]) <= w[:, None]).all(axis=1)
    at = (1 + clip[:, :2] / w[:, None] * [1, -1]) * np.array(shape["size"]) / 2
    line = np.array(shape["line"])
    if shape["kind"] == "stroke":
        near = np.zeros(len(xyz), bool)
        for a, b in pairwise(line):
            t = ((at - a) @ (b - a) / max(((b - a) ** 2).sum(), 1e-12)).clip(0, 1)
            near |= np.hypot(*(at - a - t[:, None] * (b - a)).T) <= shape["radius"]
        found &= near
    else:
        inside = np.zeros(len(xyz), bool)
        for a, b in zip(line, np.roll(line, -1, axis=0), strict=True):
            crosses = (a[1] > at[:, 1]) != (b[1] > at[:, 1])
            x = a[0] + (at[:, 1] - a[1]) * (b[0] - a[0]) / (b[1] - a[1] or 1)
            inside ^= crosses & (at[:, 0] < x)
        found &= inside
    if part:
        start, along = np.array(part["start"]), np.subtract(part["stop"], part["start"])
        length = float(np.hypot(*along))
        u = (xyz[:, :2] - start) @ along / length
        v = (xyz[:, :2] - start) @ [-along[1], along[0]] / length
        found &= (u >= 0) & (u <= length) & (np.abs(v) <= part["width"] / 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--pictures", type=Path, help="write screenshots into this folder")
    arguments = parser.parse_args()
    path: Path = arguments.file
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    times: list[tuple[str, float, str]] = []

    def timed(what: str, action: Callable[[], str]) -> None:
        start = time.perf_counter()
        said = action()
        times.append((what, time.perf_counter() - start, said))
        print(f"{what}: {1000 * times[-1][1]:.0f} ms; {said}")

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS.split()
        )
        editor = Editor(browser, path, arguments.pictures)
        times += [("start of the server", editor.ready, ""), ("first picture", editor.shown, "")]
        timed("from above", lambda: editor.press("t"))
        editor.press("x")
        timed("brush", lambda: editor.drag([(500, 300), (620, 340), (640, 420)]))
        editor.picture("brush")
        timed("assign", lambda: editor.press("6"))
        editor.press("l")
        timed("lasso", lambda: editor.drag([(400, 500), (500, 480), (560, 560), (450, 620)]))
        editor.picture("lasso")
        timed("assign", lambda: editor.press("9"))
        timed("undo", lambda: editor.press("z"))
        timed("lasso", lambda: editor.drag([(420, 250), (470, 240), (480, 300), (430, 310)]))
        timed("assign", lambda: editor.press("5"))
        editor.server.kill()
        editor.server.wait()
        print(f"killed; then: {editor.press('z')}")
        again = Editor(browser, path, arguments.pictures)
        print(again.said[0].strip())
        again.press("t")
        again.press("p")
        timed("profile", lambda: again.drag([(420, 400), (700, 430)]))
        again.press("l")
        timed(
            "lasso in the profile",
            lambda: again.drag([(300, 300), (600, 280), (620, 460), (310, 440)]),
        )
        again.picture("profile")
        timed("assign", lambda: again.press("4"))
        start = time.perf_counter()
        again.page.click("#save")
        again.page.locator("#save:enabled").wait_for()
        times.append(("save", time.perf_counter() - start, ""))
        peak, origin = again.peak(), again.origin()
        browser.close()
        again.server.terminate()
        again.server.wait()
    before = salanet.read(path)
    after = salanet.read(path.with_name(f"{path.stem}.corrected{path.suffix}"))
    near = before.xyz - origin
    wanted, assigned = before.label.copy(), np.zeros(len(before), bool)
    kept = [editor.asked[0], editor.asked[2], again.asked[-1]]  # the second was undone
    for asked, code in zip(kept, (6, 5, 4), strict=True):
        points = meant(asked, near)
        wanted[points], assigned[points] = code, True
    wrong = int((after.label != wanted).sum())
    unmarked = int(((after.attributes["corrected"] == 1) != assigned).sum())
    said = (
        f"Of {len(before):,} points {assigned.sum():,} were meant to be assigned; {wrong} have "
        f"another class than meant, {unmarked} another mark. "
        f"Peak memory of the server: {peak:.0f} MB."
    )
    print(said)
    lines = ["| action | time | what the page says |", "|---|---:|---|"]
    lines += [f"| {what} | {seconds:.2f} s | {told} |" for what, seconds, told in times]
    (RESULTS / "editor.md").write_text("\n".join([*lines, "", said]) + "\n")


if __name__ == "__main__":
    main()
