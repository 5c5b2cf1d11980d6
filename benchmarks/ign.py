"""SALANet on IGN LiDAR HD: prepare, train and evaluate with several seeds, and one table.

    python benchmarks/ign.py TILES_FOLDER

trains the recipe `ign-lidar-hd` on the tiles 77050_* and 77055_* and evaluates it on 77060_*. The
test tiles are judged once, by the last model of each seed; nothing is chosen on them. What is
complete in the work folder is kept. Writes benchmarks/results/ign.{csv,md}.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
VOTES = (1, 6)
LICENCE = "IGN LiDAR HD, Licence Ouverte / Etalab 2.0"
# A random forest on multi-scale geometric features, on the same split.
FOREST = {
    "mIoU": 63.7,
    "OA": 88.9,
    "ground": 96.5,
    "low vegetation": 45.0,
    "medium vegetation": 56.0,
    "high vegetation": 77.6,
    "building": 80.9,
    "other": 26.5,
}


def salanet(*arguments: object) -> None:
    command = [sys.executable, "-m", "salanet.cli.main", *map(str, arguments)]
    print("salanet", *map(str, arguments), flush=True)
    subprocess.run(command, check=True)


def run(tiles: Path, folder: Path, seeds: int) -> list[dict[str, object]]:
    """One row per seed and number of votes."""
    scenes = folder / "scenes"
    files = sorted(tiles.glob("770*.laz"))
    classes = ROOT / "recipes" / "classes" / "ign-lidar-hd.yaml"
    options = ["--classes", classes, "--grid", 0.2, "--test", "77060_*", "--licence", LICENCE]
    salanet("prepare", "files", *files, scenes, *options)
    rows = []
    for seed in range(seeds):
        place = folder / f"seed{seed}"
        if not (place / "best.safetensors").is_file():
            salanet("train", "ign-lidar-hd", "--data", scenes, "-o", place, "--seed", seed)
        with (place / "metrics.csv").open(newline="") as file:
            minutes = float(list(csv.DictReader(file))[-1]["seconds"]) / 60
        for votes in VOTES:
            result = folder / f"seed{seed}-votes{votes}.json"
            if not result.is_file():
                options = ["--data", scenes, "--votes", votes, "-o", result]
                salanet("evaluate", "-m", place / "best.safetensors", *options)
            rows.append(row(json.loads(result.read_text()), seed, votes, minutes))
    return rows


def row(result: dict, seed: int, votes: int, minutes: float) -> dict[str, object]:
    figures = {"mIoU": result["miou"], "OA": result["oa"]}
    figures |= {name: value["iou"] for name, value in result["classes"].items()}
    percent = {name: round(100 * value, 2) for name, value in figures.items()}
    return {"seed": seed, "votes": votes, **percent, "training minutes": round(minutes, 1)}


def markdown(rows: list[dict[str, object]]) -> str:
    names = list(FOREST)
    lines = [
        "| | " + " | ".join(names) + " |",
        "|:---|" + "---:|" * len(names),
        "| random forest | " + " | ".join(f"{FOREST[name]:.1f}" for name in names) + " |",
    ]
    for votes in VOTES:
        found = [row for row in rows if row["votes"] == votes]
        cells = []
        for name in names:
            values = [float(row[name]) for row in found]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}")
        label = "one pass" if votes == 1 else f"{votes} votes"
        lines.append(f"| SALANet C=18, {label} | " + " | ".join(cells) + " |")
    minutes = sorted({round(float(row["training minutes"])) for row in rows})
    took = " to ".join(str(minute) for minute in (minutes[0], minutes[-1])[-len(minutes) :])
    lines += [
        "",
        f"IoU in percent over every original point of the two test tiles, whole-scene protocol; "
        f"mean ± standard deviation over {len(rows) // len(VOTES)} seeds. Training took "
        f"{took} minutes. `python benchmarks/ign.py TILES`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "benchmark-ign")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    rows = run(options.tiles, options.folder, options.seeds)
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "ign.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (RESULTS / "ign.md").write_text(markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
