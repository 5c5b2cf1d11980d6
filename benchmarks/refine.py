"""What correcting a part of a tile is worth for the rest of it, and what it costs elsewhere.

    python benchmarks/refine.py TILE --model MODEL [--also FILE …] [--seeds 3] [--json OUT]

TILE holds ground (2), building (6) and anything else (1), as AHN does. The model labels it; in the
square of an eighteenth of its area where it is wrong most, points that are ground or building
in truth are corrected, as a person would. What remains there is checked unless the model called it
ground or building, as the file does not say what it is. Then `salanet refine`, and both models are
judged on the rest of the tile and on the other files, whose classes are ASPRS codes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from aerial import run
from numpy.typing import NDArray

import salanet
from salanet.cloud import PointCloud
from salanet.engine import open_runner
from salanet.training.refine import Checked, Refining, refine

KNOWN = {2: "ground", 6: "building"}
PART = 18  # of the area that is corrected


def labelled(model: str | Path, cloud: PointCloud) -> NDArray[np.int64]:
    runner = open_runner(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = salanet.segment(runner, cloud)
    return np.array([*runner.card.codes, 0])[found.labels]


def worst_square(cloud: PointCloud, wrong: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool (N,), the points in a square of a part of the area, where most are wrong."""
    xy = cloud.xyz[:, :2] - cloud.xyz[:, :2].min(axis=0)
    extent = xy.max(axis=0)
    side = float(np.sqrt(extent.prod() / PART))
    best, most = np.zeros(len(cloud), bool), -1
    for x in np.arange(0, extent[0] - side + 1, 10):
        for y in np.arange(0, extent[1] - side + 1, 10):
            inside = ((xy >= (x, y)) & (xy < (x + side, y + side))).all(axis=1)
            if (count := int(wrong[inside].sum())) > most:
                best, most = inside, count
    return best


def judge(truth: NDArray[np.int64], codes: NDArray[np.int64]) -> dict[str, float]:
    """OA, and IoU of ground, building and anything else, in percent."""
    figures = {}
    reduced = [np.where(np.isin(labels, list(KNOWN)), labels, 1) for labels in (truth, codes)]
    figures["OA"] = 100 * float((reduced[0] == reduced[1]).mean())
    for code, name in (KNOWN | {1: "rest"}).items():
        ours, theirs = (labels == code for labels in reduced)
        figures[name] = 100 * float((ours & theirs).sum() / max((ours | theirs).sum(), 1))
    return {name: round(value, 1) for name, value in figures.items()}


def markdown(table: dict[str, Any]) -> str:
    """Before and after, mean ± standard deviation over the seeds."""
    after = table["after"]
    home = [figures[-1] for name, figures in table["elsewhere"].items() if name != "before"]
    rows = [
        (name if name == "OA" else f"IoU {name}", table["before"][name], [a[name] for a in after])
        for name in table["before"]
    ]
    if home:
        rows.append(("mIoU of the other files", table["elsewhere"]["before"][-1], home))
    lines = ["| % | before | after |", "|:---|---:|---:|"]
    for name, before, values in rows:
        spread = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
        lines.append(f"| {name} | {before:.1f} | {np.mean(values):.1f}{spread} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tile", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--also", type=Path, nargs="+", default=[])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--share", type=float, default=Refining.share)
    parser.add_argument("--rate", type=float, default=Refining.rate)
    parser.add_argument("--steps", type=int, default=Refining.steps)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    cloud = salanet.read(asked.tile)
    assert cloud.label is not None
    truth = np.where(np.isin(cloud.label, [1, *KNOWN]), cloud.label, 0).astype(np.int64)
    before = labelled(asked.model, cloud)
    known = np.isin(truth, list(KNOWN))
    square = worst_square(cloud, known & (truth != before))
    marks = square & (known | ((truth == 1) & ~np.isin(before, list(KNOWN))))
    corrected = square & known & (truth != before)
    rest = ~square & (truth > 0)
    table: dict[str, Any] = {
        "points": len(cloud),
        "corrected": int(corrected.sum()),
        "corrected %": round(100 * float(corrected.mean()), 2),
        "before": judge(truth[rest], before[rest]),
        "after": [],
        "seconds": [],
    }
    cloud.label = np.where(corrected, truth, before).astype(np.int32)
    cloud.attributes["checked"] = marks.astype(np.uint8)
    home: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        salanet.write(Path(folder) / "corrected.laz", cloud)
        models = []
        for seed in range(asked.seeds):
            to = Path(folder) / f"refined-{seed}.safetensors"
            options = Refining(asked.steps, asked.rate, share=asked.share, seed=seed)
            given = [Path(folder) / "corrected.laz"]
            report = refine(given, asked.model, to, Checked(marks="checked"), options)
            after = labelled(to, cloud)
            table["after"].append(judge(truth[rest], after[rest]))
            table["seconds"].append(round(report.seconds))
            models.append(to)
            print(seed, table["before"], table["after"][-1], f"{report.seconds:.0f} s", flush=True)
        for name, model in [("before", asked.model), *((m.stem, m) for m in models)]:
            runner = open_runner(model)
            found = [run(runner, path, 1, "auto").row()["miou"] for path in asked.also]
            home[name] = [*found, round(float(np.mean(found)), 1)] if found else []
            print(name, home[name])
    table["elsewhere"] = home
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1) + "\n")
        asked.json.with_suffix(".md").write_text(markdown(table))


if __name__ == "__main__":
    main()
