"""How the page of `salanet view` moves in a headless browser, drawn by software.

    python benchmarks/viewer.py FILE [--points 2000000] [--picture PICTURE.png]

opens the page of a file from disk and turns it for ten seconds. Needs Chromium and playwright.
Writes benchmarks/results/viewer.md.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from salanet.view import load, write_page

RESULTS = Path(__file__).parent / "results"
FLAGS = (
    "--no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --disable-gpu-sandbox "
    "--disable-background-networking"
)
SETTLED = "async () => { while (!viewer.state.done) await new Promise(requestAnimationFrame); }"
TURN = """async (milliseconds) => {
  const start = performance.now(), before = viewer.state.frames;
  let shown = before, last = start, longest = 0;
  while (performance.now() - start < milliseconds) {
    viewer.cameras[0].turn(0.005, 0); viewer.move();
    await new Promise(requestAnimationFrame);
    if (viewer.state.frames === shown) continue;
    longest = Math.max(longest, performance.now() - last);
    shown = viewer.state.frames; last = performance.now();
  }
  return [1000 * (shown - before) / (performance.now() - start), longest, viewer.state.share];
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--points", type=int, default=2_000_000)
    parser.add_argument("--picture", type=Path, help="write a screenshot here")
    arguments = parser.parse_args()
    sample = load(arguments.file, arguments.points)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = Path(folder) / "page.html"
        write_page([sample], page_file)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS.split()
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        start = time.perf_counter()
        page.goto(page_file.as_uri())
        page.evaluate("viewer.started")
        ready = time.perf_counter() - start
        page.evaluate(SETTLED)
        page.evaluate(TURN, 2000)  # it finds its pace
        frames, longest, share = page.evaluate(TURN, 10_000)
        start = time.perf_counter()
        page.evaluate(SETTLED)
        whole = time.perf_counter() - start
        if arguments.picture:
            page.screenshot(path=arguments.picture)
        size = page_file.stat().st_size / 1e6
    lines = [
        "| points | page | ready | frames/s, turning | longest | points of them | all, at rest |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        f"| {len(sample):,} | {size:.1f} MB | {ready:.1f} s | {frames:.0f} | {longest:.0f} ms "
        f"| 1/{1 / share:.0f} | {whole:.1f} s |",
    ]
    print("\n".join(lines))
    (RESULTS / "viewer.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
