"""Generated surveys: how long they take, what is in them, and what training on them is worth.

    python benchmarks/surveys.py speed [--points 1000000]
    python benchmarks/surveys.py transfer NAME=RESULTS.json …

`speed` makes a survey of every landscape, one core, seconds of the processor, and writes
benchmarks/results/surveys.md. `transfer` puts results of `benchmarks/aerial.py --json` on real
sites beside each other, one column a training, and writes benchmarks/results/surveys_transfer.md.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
SHOWN = {2: "ground", 3: "low", 4: "medium", 5: "high", 6: "building", 9: "water", 17: "bridge"}
SHOWN |= {14: "wire", 1: "other"}
NAMES = {
    "ahn3_delft_1.laz": "Delft, terraced houses",
    "870000_rgb.las": "suburb",
    "crop_2.laz": "wood beside water",
    "corse.laz": "sea cliff",
    "bat.laz": "houses in the Alps",
    "crop_1.laz": "trees and few houses",
    "field_50m.laz": "field",
    "ahn3_amsterdam_1.laz": "Amsterdam, flat roofs",
    "ahn3_lake.laz": "lake shore",
    "792000_left.laz": "suburb, 3 points/m²",
    "km_0299_thinned.laz": "square kilometre, 0.28 points/m²",
    "IGN test tiles": "town, IGN test tiles",
}


def speed(points: int, density: float = 15.0) -> str:
    from salanet.datasets.surveys import KINDS, generate

    size = float(np.sqrt(points / density / 1.2))
    head = " | ".join(SHOWN.values())
    rows = [
        f"| landscape | points | s per million | returns per pulse | {head} |",
        "|:---|---:|---:|---:|" + "---:|" * len(SHOWN),
    ]
    for number, kind in enumerate(KINDS):
        start = time.process_time()
        cloud = generate(number, kind, density=density, size=size)
        seconds = time.process_time() - start
        assert cloud.label is not None
        pulses = (cloud.attributes["return_number"] == 1).sum()
        shares = " | ".join(f"{100 * (cloud.label == code).mean():.1f}" for code in SHOWN)
        rows.append(
            f"| {kind} | {len(cloud):,} | {seconds / len(cloud) * 1e6:.1f} | "
            f"{len(cloud) / pulses:.2f} | {shares} |"
        )
        print(rows[-1], flush=True)
    said = f"Squares of {size:.0f} m, {density:g} pulses/m², one core, seconds of the processor; "
    return "\n".join(rows) + f"\n\n{said}classes in percent.\n"


def transfer(columns: list[str]) -> str:
    results: dict[str, dict[str, Any]] = {}
    for column in columns:
        name, path = column.split("=", 1)
        (results[name],) = json.loads(Path(path).read_text()).values()
    sites = [site for site in NAMES if any(site in found for found in results.values())]
    rows = ["| % | " + " | ".join(results) + " |", "|:---|" + "---:|" * len(results)]

    def add(what: str, values: list[float | None]) -> None:
        shown = ["–" if value is None else f"{value:.1f}" for value in values]
        rows.append(f"| {what} | " + " | ".join(shown) + " |")

    for site in sites:
        found = [result.get(site, {}) for result in results.values()]
        add(f"{NAMES[site]}: OA", [one.get("oa") for one in found])
        for name in ("ground", "building", "high vegetation", "medium vegetation", "water"):
            values = [one.get("iou", {}).get(name) for one in found]
            if any(value is not None for value in values):
                add(f"– IoU {name}", values)
        if site == "ahn3_delft_1.laz":
            slopes = sorted({s for one in found for s in one.get("building recall by slope", {})})
            for slope in slopes:
                values = [one.get("building recall by slope", {}).get(slope) for one in found]
                add(f"– recall of roofs of {slope.replace('-', '–')}°", values)
        if site == "corse.laz":
            add("– recall of ground", [one.get("recall", {}).get("ground") for one in found])
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["speed", "transfer"])
    parser.add_argument("columns", nargs="*", metavar="NAME=RESULTS.json")
    parser.add_argument("--points", type=int, default=1_000_000)
    asked = parser.parse_args()
    if asked.what == "speed":
        (RESULTS / "surveys.md").write_text(speed(asked.points), encoding="utf-8")
        return
    text = transfer(asked.columns)
    print(text)
    (RESULTS / "surveys_transfer.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
