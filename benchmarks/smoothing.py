"""What putting islands right does to labels: `predict --regularise` and `salanet smooth`.

    python benchmarks/smoothing.py TILES_FOLDER ROOMS_SCENES

labels the IGN tiles 77060_* with `aerial` and generated rooms with `rooms`, as they are,
regularised, and smoothed without probabilities, and writes benchmarks/results/smoothing.{csv,md}:
mIoU and OA over every point, islands of at most ten cells, and the seconds that it takes. The rooms
are the test scenes of

    salanet prepare rooms ROOMS_SCENES --rooms 13 --seed 7 --points 200000 --test 12 --val 0

 How gentle it is was chosen on the tiles 77050_* and 77055_*
(`--choose`), which the model has learned; the test tiles were judged once.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet import read
from salanet.adapt.alignment import AlignmentOptions, examine
from salanet.datasets.classes import ClassMap
from salanet.engine.confidence import probabilities
from salanet.engine.opening import as_runner
from salanet.engine.segmentation import cloud_input, scene_input
from salanet.engine.votes import point_logits
from salanet.evaluation import Confusion
from salanet.sampling import islands
from salanet.sampling.summary import summarise
from salanet.scenes import open_scenes

RESULTS = Path(__file__).parent / "results"
STRENGTHS, SIZES = (0.5, 1.0, 2.0, 4.0), (1, 3, 10, 30)
COLUMNS = ("data", "labels", "mIoU", "OA", "islands", "points changed %", "seconds")


class Seen(NamedTuple):
    """Cells, what the network says of them, and the truth of every point."""

    xyz: NDArray[np.float32]
    said: NDArray[np.float32]
    cell: float
    of_point: NDArray[np.integer]
    truth: NDArray[np.integer]


def tiles(paths: Iterable[Path]) -> tuple[list[Seen], tuple[str, ...]]:
    model, classes, found = as_runner("aerial"), ClassMap.parse("ign-lidar-hd"), []
    for path in paths:
        cloud = read(path)
        known = summarise(cloud)
        alignment = examine(model, known, AlignmentOptions(noise=True), str(path))
        seen = cloud_input(model, cloud, str(path), alignment, known.company)
        said = probabilities(model, point_logits(model, seen.points, seen.features))
        assert seen.cell_of_point is not None and cloud.label is not None
        truth = classes.encode(cloud.label)
        found.append(
            Seen(seen.points, said, alignment.grid * alignment.zoom, seen.cell_of_point, truth)
        )
    return found, tuple(model.config.classes)


def rooms(folder: Path) -> tuple[list[Seen], tuple[str, ...]]:
    model, found = as_runner("rooms"), []
    for scene in open_scenes(folder, "test"):
        seen = scene_input(model, scene)
        said = probabilities(model, point_logits(model, seen.points, seen.features))
        of_point = seen.cell_of_point
        assert of_point is not None, "prepare keeps the points of test scenes"
        truth = scene.raw["segment"]
        found.append(Seen(seen.points, said, model.config.grid, of_point, truth))
    return found, tuple(model.config.classes)


def small(seen: Seen, labels: NDArray[np.integer]) -> int:
    sizes = np.bincount(islands.parts(seen.xyz, labels, seen.cell))
    return int((sizes <= islands.SIZE).sum())


def row(data: str, name: str, all_seen: list[Seen], classes: tuple[str, ...]) -> dict[str, object]:
    """One way of labelling: plain, regularised or smoothed."""
    confusion, count, changed, points, seconds = Confusion(classes), 0, 0, 0, 0.0
    for seen in all_seen:
        plain = labels = seen.said.argmax(axis=1)
        if name != "plain":
            begin = time.perf_counter()
            said = seen.said if name == "regularised" else None
            labels = islands.settled(seen.xyz, plain, seen.cell, probabilities=said)
            seconds += time.perf_counter() - begin
        known = seen.of_point >= 0
        confusion.add(seen.truth[known], labels[seen.of_point[known]])
        changed += int((labels != plain)[seen.of_point[known]].sum())
        points += int(known.sum())
        count += small(seen, labels)
    figures = (100 * confusion.mean_iou, 100 * confusion.overall_accuracy)
    values = (data, name, *(f"{f:.2f}" for f in figures), count, f"{100 * changed / points:.2f}")
    return dict(zip(COLUMNS, (*values, f"{seconds:.1f}"), strict=True))


def choose(all_seen: list[Seen], classes: tuple[str, ...]) -> None:
    """Print what the numbers of `salanet.sampling.islands` do on training tiles."""
    print(row("train", "plain", all_seen, classes))
    for islands.STRENGTH in STRENGTHS:
        for size in SIZES:
            confusion = Confusion(classes)
            for seen in all_seen:
                plain, said = seen.said.argmax(axis=1), seen.said
                labels = islands.settled(seen.xyz, plain, seen.cell, size=size, probabilities=said)
                known = seen.of_point >= 0
                confusion.add(seen.truth[known], labels[seen.of_point[known]])
            figures = f"{100 * confusion.mean_iou:.2f} {100 * confusion.overall_accuracy:.2f}"
            print(f"strength {islands.STRENGTH} size {size}: {figures}", flush=True)


def markdown(rows: list[dict[str, object]]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|:---|:---|" + "---:|" * (len(COLUMNS) - 2)]
    lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("rooms", type=Path, nargs="?")
    parser.add_argument("--choose", action="store_true", help="on training tiles, print only")
    asked = parser.parse_args()
    if asked.choose:
        choose(*tiles([*asked.tiles.glob("77050_*"), *asked.tiles.glob("77055_*")]))
        return
    data = {"2 IGN tiles": tiles(sorted(asked.tiles.glob("77060_*")))}
    if asked.rooms:
        seen, classes = rooms(asked.rooms)
        data[f"{len(seen)} generated rooms"] = seen, classes
    rows = [
        row(name, way, *given)
        for name, given in data.items()
        for way in ("plain", "regularised", "smoothed")
    ]
    with (RESULTS / "smoothing.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    note = (
        "Over every point, one pass, one core; islands of at most ten cells. Regularised: with the "
        "model's probabilities, as `predict --regularise`; smoothed: by the labels alone, as "
        "`salanet smooth`. `python benchmarks/smoothing.py TILES ROOMS`."
    )
    (RESULTS / "smoothing.md").write_text(f"{markdown(rows)}\n\n{note}\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
