"""Judge a trained model and put it into the package, with what its users must know.

    python benchmarks/weights.py NAME MODEL.safetensors [SCENES] [--test SCENES] [--temperature T]
        [--fold CLASS] [--mean MODEL.safetensors …]

evaluates the model on the test scenes, by default those beside the scenes it was trained on, as
they are and without what it can do without (a model that is in the package already can be judged
again without the scenes it was trained on), writes
src/salanet/weights/NAME.safetensors and brings the tables of the model's card and
benchmarks/results/weights-NAME.csv, weights.md and rooms.md up to date. How each model is trained
stands in its card.
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from salanet import model_file
from salanet.datasets.indoor import PALETTE
from salanet.evaluation import Confusion, evaluate
from salanet.export import save_float16
from salanet.models import Network, load
from salanet.models.networks import create_network
from salanet.sampling.features import NEUTRAL
from salanet.scenes import Scene, open_scenes

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
WEIGHTS = ROOT / "src" / "salanet" / "weights"
# What the model file says of its use: the kind of scan, the licence, what to leave out in a test.
ROOMS = {
    "domain": "indoor",
    "licence": "Apache-2.0; trained on generated data alone",
    "test": "32 generated rooms",
    "without": {"without colour": ("rgb",)},
    "colours": [list(colour) for colour in PALETTE.values()],
}
TWENTY = {key: value for key, value in ROOMS.items() if key != "colours"}  # those of its scenes
TWENTY["test"] = "24 generated rooms"
RETURNS = ("return_number", "number_of_returns")
AERIAL = {
    "domain": "airborne",
    "licence": (
        "Apache-2.0; trained on IGN LiDAR HD (Licence Ouverte / Etalab 2.0, © IGN), AHN3 (CC0) and "
        "generated data"
    ),
    "training_data": "IGN LiDAR HD, AHN3 and generated surveys",
    "untold": "water (it comes out as ground), bridges (ground or building), wires (other)",
    "test": "2 IGN tiles",
    "without": {"without intensity and returns": ("intensity", *RETURNS)},
}
DOMAINS = {"indoor": "rooms", "airborne": "airborne LiDAR"}
MODELS = {"rooms": ROOMS, "rooms-large": ROOMS, "rooms-20": TWENTY, "aerial": AERIAL}


def neutral(scene: Scene, names: tuple[str, ...]) -> Scene:
    """The scene as if it had been scanned without some arrays."""
    blank = {
        name: np.full_like(array, NEUTRAL[name])
        for name, array in scene.arrays.items()
        if name in names
    }
    color = scene.color
    if color is not None and "rgb" in names:
        color = np.zeros_like(color)
    return replace(scene, color=color, arrays=scene.arrays | blank)


def percent(pooled: Confusion) -> dict[str, float]:
    figures = {"mIoU": pooled.mean_iou, "OA": pooled.overall_accuracy}
    figures |= dict(zip(pooled.classes, pooled.iou.tolist(), strict=True))
    return {name: round(100 * value, 1) for name, value in figures.items()}


def markdown(rows: dict[str, dict[str, float]]) -> str:
    """Classes down, variants across."""
    lines = [
        "| IoU % | " + " | ".join(rows) + " |",
        "|:---|" + "---:|" * len(rows),
    ]
    for name in next(iter(rows.values())):
        # A class that no test scene holds has no IoU.
        values = [row[name] for row in rows.values()]
        cells = " | ".join("–" if value != value else f"{value:.1f}" for value in values)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def overview() -> str:
    """All models of the package, a row each."""
    lines = [
        "| model | for | parameters | file | cells | test | mIoU | OA | mIoU without |",
        "|:---|:---|---:|---:|---:|:---|---:|---:|:---|",
    ]
    for entry in model_file.entries(WEIGHTS):
        with (RESULTS / f"weights-{entry.name}.csv").open(newline="") as file:
            trained, *others = list(csv.DictReader(file))
        less = ", ".join(
            f"{row['mIoU']} ({row['variant'].removeprefix('without ')})" for row in others
        )
        lines.append(
            f"| `{entry.name}` | {DOMAINS[entry.domain]} | {entry.parameters:,} | "
            f"{entry.path.stat().st_size / 1e6:.1f} MB | {entry.config.grid:g} m | "
            f"{MODELS[entry.name]['test']} | {trained['mIoU']} | {trained['OA']} | {less} |"
        )
    return "\n".join(lines)


def widths() -> str:
    """Classes down; the models of rooms, narrow and wide, with and without colours across."""
    columns = {}
    for name in ("rooms", "rooms-large"):
        width = model_file.describe(WEIGHTS / f"{name}.safetensors").config.width
        with (RESULTS / f"weights-{name}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                variant = row.pop("variant")
                title = f"C = {width}" + ("" if variant == "as trained" else f", {variant}")
                columns[title] = {key: float(value) for key, value in row.items()}
    return markdown(columns)


def spacing(scenes: list[Scene]) -> float:
    """Metres between the points of the training cells, as `salanet predict` measures it."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(0)
    found = []
    for scene in scenes[:20]:
        coord = np.asarray(scene.coord)
        rows = rng.choice(len(coord), min(2000, len(coord)), replace=False)
        found.append(np.median(cKDTree(coord).query(coord[rows], k=2)[0][:, 1]))
    return round(float(np.median(found)), 3)


def folded(model: Network, name: str) -> Network:
    """The model without one of its classes: such points become what is likeliest of the others."""
    if name not in model.config.classes:  # of the package, where it is folded already
        return model
    kept = [i for i, known in enumerate(model.config.classes) if known != name]
    names = tuple(model.config.classes[i] for i in kept)
    metadata = dict(model.metadata)
    for key in ("codes", "colours"):
        values = metadata[key]
        assert isinstance(values, list)
        metadata[key] = [values[i] for i in kept]
    new = create_network(model.config.model_copy(update={"classes": names}), metadata)
    tensors = model.state_dict()
    tensors |= {key: tensors[key][kept] for key in ("head.1.weight", "head.1.bias")}
    new.load_state_dict(tensors)
    return new.eval()


def averaged(models: list[Network]) -> Network:
    """The first model with the mean of all their weights: stages of one training (Wortsman et al.,
    Model soups, ICML 2022)."""
    first, *_ = states = [model.state_dict() for model in models]
    mean = {
        key: torch.stack([state[key].double() for state in states]).mean(0).to(tensor.dtype)
        for key, tensor in first.items()
    }
    models[0].load_state_dict(mean)
    return models[0]


def rounded(model: Network) -> Network:
    """As it will be shipped: the matrices in float16."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_float16(model, path)
        return load(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("model", type=Path)
    parser.add_argument("scenes", type=Path, nargs="?", help="that it was trained on")
    parser.add_argument("--test", type=Path, help="test scenes from elsewhere")
    parser.add_argument("--fold", metavar="CLASS", help="learned, but not well enough to be told")
    parser.add_argument("--mean", type=Path, nargs="+", default=[], help="average it with these")
    parser.add_argument("--temperature", type=float, help="see `benchmarks/aerial.py`")
    arguments = parser.parse_args()
    if not (arguments.scenes or arguments.test):
        parser.error("give the scenes it was trained on, or --test")
    about = MODELS[arguments.name]
    models = [load(path) for path in (arguments.model, *arguments.mean)]
    if arguments.fold:
        models = [folded(model, arguments.fold) for model in models]
    model = rounded(averaged(models))
    test = open_scenes(arguments.test or arguments.scenes, "test")
    variants = {"as trained": (), **about["without"]}
    rows = {
        title: percent(evaluate(model, [neutral(scene, names) for scene in test]))
        for title, names in variants.items()
    }
    metrics = {f"mIoU % {title}": row["mIoU"] for title, row in rows.items()}
    metadata = {
        "colours": about.get("colours", model.metadata.get("colours")),
        "domain": about["domain"],
        "untold": about.get("untold", ""),
        "licence": about["licence"],
        "training_data": about.get("training_data", model.metadata["training_data"]),
        "spacing": (
            spacing(open_scenes(arguments.scenes, "train"))
            if arguments.scenes
            else model.metadata["spacing"]
        ),
        "metrics": metrics | {"protocol": "whole, one pass", "test": about["test"]},
    }
    if arguments.temperature:
        metadata["temperature"] = arguments.temperature
    WEIGHTS.mkdir(exist_ok=True)
    save_float16(model, WEIGHTS / f"{arguments.name}.safetensors", metadata)
    with (RESULTS / f"weights-{arguments.name}.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["variant", *next(iter(rows.values()))])
        writer.writerows([title, *row.values()] for title, row in rows.items())
    card = WEIGHTS / f"{arguments.name}.md"
    marked = re.compile(r"(<!-- metrics -->\n).*?(<!-- end metrics -->)", re.S)
    text = card.read_text(encoding="utf-8")
    card.write_text(
        marked.sub(lambda m: f"{m[1]}\n{markdown(rows)}\n\n{m[2]}", text), encoding="utf-8"
    )
    (RESULTS / "weights.md").write_text(
        f"{overview()}\n\nIn percent, over every original point, one pass. "
        "`python benchmarks/weights.py`.\n"
    )
    (RESULTS / "rooms.md").write_text(f"{widths()}\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
