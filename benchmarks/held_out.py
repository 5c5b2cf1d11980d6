"""Leave sites out of `aerial`'s training and see how it does there: folds, seeds, ablations.

    python benchmarks/held_out.py SITES --work FOLDER [--jobs 2] [--seeds 3] [--epochs 30]
        [--only recipe "without generated surveys" …]
    python benchmarks/held_out.py --table --work FOLDER

SITES holds the IGN and AHN files by the names of `FOLDS` and the town's tiles 7705*. For each fold
the recipe `aerial` is trained from nothing on all sites but the fold's and judged on these, every
point of the files (`benchmarks/aerial.py`), the last model, nothing chosen on them. Ablations are
trained on the first fold alone. What is complete in the work folder is kept, a training that was
broken off goes on. Writes benchmarks/results/held-out.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from forest import site_rows
from surveys import NAMES
from weights import folded

from salanet.export import save_float16
from salanet.models import load

HERE = Path(__file__).parent
RESULTS = HERE / "results"
FOLDS = {
    "A": ("ahn3_delft_1", "870000_rgb", "crop_2", "corse", "km_0299_thinned"),
    "B": ("ahn3_amsterdam_1", "ahn3_lake", "bat", "crop_1", "field_50m", "792000_left"),
}
# Class map by pattern of the name: what the sources know of the classes.
MAPS = {
    "7705*": "aerial",
    "ahn3*": "aerial-ahn",
    "8700*": "aerial-buildings",
    "7920*": "aerial-buildings",
    "*": "aerial-no-other",
}
# What a variant changes of the recipe.
RECIPE = "recipe"
FOREST = "random forest"
ONE_CELL = "cells of 0.2 m alone"
PLAIN = ["one", "intensity", "returns", "height_above_ground", "height_above_lowest"]
VARIANTS: dict[str, dict[str, Any]] = {
    RECIPE: {},
    "without generated surveys": {},
    "without noise": {"augmentation": {"noise": 0.0}},
    "without scaling z": {"augmentation": {"scale_z": [1.0, 1.0]}},
    ONE_CELL: {"sampling": {"cells": None}, "model": {"features": [*PLAIN, "terrain_slope"]}},
    "sala-next": {"model": {"operator": "sala-next"}},
    "C = 36": {"model": {"width": 36}},
    FOREST: {},
}
TEMPERATURE = 0.9
FINE, COARSE = 0.1, 0.2
GENERATED = "survey_*"


@dataclass(frozen=True)
class Run:
    """One training: a fold that it does not see, a variant of the recipe, a seed."""

    fold: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.fold} {self.variant} seed {self.seed}".replace(" ", "-").replace("=", "")


def salanet(*arguments: object) -> None:
    command = [sys.executable, "-m", "salanet.cli.main", *map(str, arguments)]
    print("salanet", *map(str, arguments), flush=True)
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env=one_thread, stdout=subprocess.DEVNULL)


def files(sites: Path) -> list[Path]:
    found = sorted(path for path in sites.rglob("*") if path.suffix in (".laz", ".las"))
    wanted = [name for fold in FOLDS.values() for name in fold]
    wanted += ["7705*", "km_0292_thinned"]
    return [path for path in found if any(fnmatchcase(path.stem, name) for name in wanted)]


def prepare(sites: Path, scenes: Path, grid: float) -> None:
    for path in files(sites):
        classes = next(name for pattern, name in MAPS.items() if fnmatchcase(path.name, pattern))
        salanet("prepare", "files", path, scenes, "--classes", classes, "--grid", grid)
    salanet("prepare", "surveys", scenes, "--count", 60, "--seed", 1, "--grid", grid)


def train(run: Run, work: Path, epochs: int) -> Path:
    """Its model; the training scenes are links to those of all sites, less the fold's."""
    place = work / run.name
    done = place / "done"
    if done.is_file():
        return place / "last.safetensors"
    scenes = work / ("scenes-coarse" if run.variant == ONE_CELL else "scenes")
    data = work / f"data-{run.name}"
    shutil.rmtree(data, ignore_errors=True)
    (data / "train").mkdir(parents=True)
    for scene in sorted((scenes / "train").iterdir()):
        generated = fnmatchcase(scene.name, GENERATED)
        if scene.name in FOLDS[run.fold]:
            continue
        if generated and run.variant == "without generated surveys":
            continue
        (data / "train" / scene.name).symlink_to(scene.resolve(), target_is_directory=True)
    recipe = work / f"{run.name}.yaml"
    recipe.write_text(yaml.safe_dump({"base": "aerial", **VARIANTS[run.variant]}))
    options = ["--epochs", epochs, "--seed", run.seed]
    options += ["--resume"] if (place / "checkpoint.pt").exists() else []
    salanet("train", recipe, "--data", data, "-o", place, *options)
    done.touch()
    return place / "last.safetensors"


def shipped(trained: Path) -> Path:
    """The model as the package would have it."""
    model = folded(load(trained), "water")
    model.metadata["temperature"] = TEMPERATURE
    path = trained.with_name("shipped.safetensors")
    save_float16(model, path)
    return path


def judge(run: Run, work: Path, sites: Path, epochs: int) -> Path:
    result = work / f"{run.name}.json"
    if not result.is_file():
        held = [path for path in files(sites) if path.stem in FOLDS[run.fold]]
        part = result.with_suffix(".part")
        if run.variant == FOREST:
            seen = [path for path in files(sites) if path not in held]
            part.write_text(json.dumps({FOREST: site_rows(seen, held, run.seed)}))
        else:
            model = shipped(train(run, work, epochs))
            command = [sys.executable, HERE / "aerial.py", *held, "--model", model, "--json", part]
            subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
        part.rename(result)
    return result


def runs(seeds: int, variants: list[str]) -> Iterator[Run]:
    for seed in range(seeds):
        for variant in variants:
            folds = list(FOLDS)[: None if variant in (RECIPE, FOREST) else 1]
            yield from (Run(fold, variant, seed) for fold in folds)


def spread(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


def collect(work: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Rows of `benchmarks/aerial.py` by variant and file, one for each seed."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for run in runs(10, list(VARIANTS)):
        path = work / f"{run.name}.json"
        if path.is_file():
            (rows,) = json.loads(path.read_text()).values()
            for name, row in rows.items():
                found.setdefault(run.variant, {}).setdefault(name, []).append(row)
    return found


def markdown(found: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    recipe = found[RECIPE]
    classes = ["ground", "low vegetation", "medium vegetation", "high vegetation"]
    classes += ["building", "water", "rest"]
    head = ["site left out", "seeds", "OA", *classes, "ECE", "confidence where wrong"]
    lines = ["| " + " | ".join(head) + " |", "|:---|" + "---:|" * (len(head) - 1)]
    for name, rows in recipe.items():
        cells = [NAMES.get(name, Path(name).stem), str(len(rows))]
        cells.append(spread([row["oa"] for row in rows]))
        for of in classes:
            values = [row["iou"][of] for row in rows if of in row["iou"]]
            cells.append(spread(values) if values else "–")
        cells.append(spread([row["ece"] for row in rows]))
        cells.append(f"{statistics.mean(row['wrong confidence'] for row in rows):.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    roofs = "building recall by slope"
    delft = recipe.get("ahn3_delft_1.laz", [])
    if delft:
        slopes = list(delft[0][roofs])
        lines += ["", "Delft, recall of buildings by the slope of the roof:", ""]
        lines += ["| variant | " + " | ".join(f"{s}°" for s in slopes) + " |"]
        lines += ["|:---|" + "---:|" * len(slopes)]
        for variant, sites in found.items():
            rows = sites["ahn3_delft_1.laz"]
            cells = [spread([row[roofs][s] for row in rows if s in row[roofs]]) for s in slopes]
            lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    lines += ["", "OA (and building IoU) beside other recipes and the random forest:", ""]
    lines += ["| site left out | " + " | ".join(found) + " |", "|:---|" + "---:|" * len(found)]
    for name in recipe:
        cells = [NAMES.get(name, Path(name).stem)]
        for sites in found.values():
            rows = sites.get(name, [])
            text = spread([row["oa"] for row in rows]) if rows else "–"
            if rows and "building" in rows[0]["iou"]:
                text += f" ({spread([row['iou']['building'] for row in rows])})"
            cells.append(text)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sites", type=Path, nargs="?")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--table", action="store_true", help="of what is complete; train nothing")
    asked = parser.parse_args()
    if not asked.table:
        if asked.sites is None:
            parser.error("SITES is needed, or --table")
        prepare(asked.sites, asked.work / "scenes", FINE)
        if ONE_CELL in asked.only:
            prepare(asked.sites, asked.work / "scenes-coarse", COARSE)
        planned = runs(asked.seeds, asked.only)
        with ThreadPoolExecutor(asked.jobs) as pool:
            list(pool.map(lambda run: judge(run, asked.work, asked.sites, asked.epochs), planned))
    found = collect(asked.work)
    (RESULTS / "held-out.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "held-out.md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()
