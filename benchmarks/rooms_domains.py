"""Models of rooms by sensor and by cell size: what carries over to sensors that were left out.

    python benchmarks/rooms_domains.py SCENES --model rooms [--model MODEL …] [--cells 0.03 0.04 …]
        [--without-colour] [--json OUT]

SCENES are test scenes of `salanet prepare rooms --test-grid 0.025`, whose names say what scanned
them. Every model gets the same points, as `salanet predict` would: the cells of the scenes, one
pass. IoU is over all points of a sensor's scenes; classes that none of them holds do not count.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from salanet.adapt.alignment import AlignmentOptions
from salanet.cloud import PointCloud
from salanet.datasets.rooms.scenes import sensor_of
from salanet.engine import open_runner, segment
from salanet.evaluation import Confusion
from salanet.scenes import Scene, open_scenes


def cloud_of(scene: Scene, *, colour: bool) -> PointCloud:
    rgb = None if scene.color is None else np.array(scene.color)
    return PointCloud(
        np.asarray(scene.coord, np.float64) + scene.offset, rgb=rgb if colour else None
    )


def confusion(model: Any, scenes: list[Scene], cell: float | None, *, colour: bool) -> Confusion:
    pooled = Confusion(list(scenes[0].classes))
    for scene in scenes:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = segment(
                model, cloud_of(scene, colour=colour), alignment=AlignmentOptions(grid=cell)
            )
        assert scene.segment is not None
        pooled.add(np.asarray(scene.segment), found.labels)
    return pooled


def figures(pooled: Confusion) -> dict[str, Any]:
    present = pooled.counts.sum(1) > 0
    iou = {
        name: round(100 * float(value), 1)
        for name, value, there in zip(pooled.classes, pooled.iou, present, strict=True)
        if there
    }
    return {
        "OA": round(100 * float(pooled.overall_accuracy), 1),
        "mIoU": round(float(np.mean(list(iou.values()))), 1),
        "IoU": iou,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--cells", type=float, nargs="*", help="beside the model's own choice")
    parser.add_argument("--without-colour", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    scenes = open_scenes(asked.scenes, asked.split)
    by_sensor: dict[str, list[Scene]] = {}
    for scene in scenes:
        by_sensor.setdefault(sensor_of(scene.name), []).append(scene)
    table: dict[str, Any] = {}
    for name in asked.model:
        model = open_runner(name)
        for sensor, mine in by_sensor.items():
            for cell in (None, *(asked.cells or ())):
                found = confusion(model, mine, cell, colour=not asked.without_colour)
                row = figures(found)
                key = f"{sensor}, {f'cells of {cell:g} m' if cell else 'as it is'}"
                table.setdefault(name, {})[key] = row
                shown = "  ".join(f"{k} {v:4.1f}" for k, v in row["IoU"].items())
                print(f"{name}  {key:28s} OA {row['OA']:5.1f}  mIoU {row['mIoU']:5.1f}  {shown}")
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
