"""SALANet on IGN LiDAR HD: prepare, train and evaluate with several seeds, and one table.

    python benchmarks/ign.py TILES_FOLDER [--operator sala-next] [--width 9]

trains the recipe `ign-lidar-hd` on the tiles 77050_* and 77055_* and evaluates it on 77060_*. The
test tiles are judged once, by the last model of each seed; nothing is chosen on them. What is
complete in the work folder is kept. Writes benchmarks/results/ign.{csv,md}, where other operators
and widths that were measured before stay.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tables import write_csv

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


def run(
    tiles: Path, folder: Path, operator: str, width: int, seeds: Iterable[int]
) -> list[dict[str, object]]:
    """One row per seed and number of votes."""
    scenes = folder / "scenes"
    files = sorted(tiles.glob("770*.laz"))
    classes = ROOT / "recipes" / "classes" / "ign-lidar-hd.yaml"
    options = ["--classes", classes, "--grid", 0.2, "--test", "77060_*", "--licence", LICENCE]
    salanet("prepare", "files", *files, scenes, *options)
    rows = []
    for seed in seeds:
        place = folder / f"{operator}-{width}-seed{seed}"
        if not (place / "best.safetensors").is_file():
            form = ["--operator", operator, "--width", width, "--seed", seed]
            salanet("train", "ign-lidar-hd", "--data", scenes, "-o", place, *form)
        with (place / "metrics.csv").open(newline="") as file:
            minutes = float(list(csv.DictReader(file))[-1]["seconds"]) / 60
        for votes in VOTES:
            result = folder / f"{place.name}-votes{votes}.json"
            if not result.is_file():
                options = ["--data", scenes, "--votes", votes, "-o", result]
                salanet("evaluate", "-m", place / "best.safetensors", *options)
            form = {"operator": operator, "width": width, "seed": seed, "votes": votes}
            rows.append(form | figures(json.loads(result.read_text()), minutes))
    return rows


def figures(result: dict, minutes: float) -> dict[str, object]:
    shares = {"mIoU": result["miou"], "OA": result["oa"]}
    shares |= {name: value["iou"] for name, value in result["classes"].items()}
    percent = {name: round(100 * value, 2) for name, value in shares.items()}
    return {**percent, "training minutes": round(minutes, 1)}


def markdown(rows: list[dict[str, object]]) -> str:
    names = list(FOREST)
    lines = [
        "| | " + " | ".join(names) + " |",
        "|:---|" + "---:|" * len(names),
        "| random forest | " + " | ".join(f"{FOREST[name]:.1f}" for name in names) + " |",
    ]
    forms = dict.fromkeys((row["operator"], int(row["width"])) for row in rows)
    for operator, width in forms:
        for votes in VOTES:
            found = [
                row
                for row in rows
                if (row["operator"], int(row["width"]), int(row["votes"]))
                == (operator, width, votes)
            ]
            cells = [cell([float(row[name]) for row in found]) for name in names]
            of = "" if operator == "sala" else f", `{operator}`"
            passes = "one pass" if votes == 1 else f"{votes} votes"
            seeds = "" if len(found) > 1 else " (one seed)"
            lines.append(f"| SALANet C={width}{of}, {passes}{seeds} | " + " | ".join(cells) + " |")
    sala = [
        float(row["training minutes"])
        for row in rows
        if (row["operator"], int(row["width"])) == ("sala", 18)
    ]
    lines += [
        "",
        "IoU in percent over every original point of the two test tiles, whole-scene protocol; "
        "mean ± standard deviation over three seeds. Training (C=18) took "
        f"{statistics.median(sala):.0f} minutes. `python benchmarks/ign.py TILES`.",
    ]
    return "\n".join(lines) + "\n"


def cell(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "benchmark-ign")
    parser.add_argument("--operator", default="sala")
    parser.add_argument("--width", type=int, default=18)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    form = options.operator, options.width
    new = run(options.tiles, options.folder, *form, options.seeds)
    table = RESULTS / "ign.csv"
    with table.open(newline="") as file:
        others = [r for r in csv.DictReader(file) if (r["operator"], int(r["width"])) != form]
    rows = sorted(others + new, key=lambda row: (row["operator"], -int(row["width"])))
    write_csv(table, rows)
    (RESULTS / "ign.md").write_text(markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
