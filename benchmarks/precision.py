"""What products in bfloat16 change: labels of files and rooms beside those of float32.

`python benchmarks/precision.py FILES` labels point clouds with `aerial` both ways, and generated
rooms with both models for rooms; files with classes give mIoU too. Writes
results/precision.{csv,md}.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scenes import indoor_scan
from tables import write_csv

import salanet
from salanet.cloud import PointCloud

RESULTS = Path(__file__).parent / "results"
ROOM_POINTS = 100_000


def miou(labels: NDArray[Any], truth: NDArray[Any], classes: int) -> float:
    """In percent, of the classes that occur, over points that have one."""
    confusion = np.zeros((classes, classes), np.int64)
    known = (truth >= 0) & (labels >= 0)
    np.add.at(confusion, (truth[known], labels[known]), 1)
    hits = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hits
    return float(100 * np.mean((hits / np.maximum(union, 1))[confusion.sum(1) > 0]))


def compare(model: str, cloud: PointCloud, name: str) -> dict[str, Any]:
    exact, rough = (salanet.Segmenter(model, precision=p) for p in ("float32", "bf16"))
    wanted, found = (s.segment(cloud, probabilities=True) for s in (exact, rough))
    assert wanted.probabilities is not None and found.probabilities is not None
    row: dict[str, Any] = {
        "model": model,
        "cloud": name,
        "points": len(cloud),
        "equal_percent": round(100 * float(np.mean(found.labels == wanted.labels)), 3),
        "largest_change": round(float(np.abs(found.probabilities - wanted.probabilities).max()), 3),
    }
    if cloud.label is not None and set(exact.codes) >= set(range(2, 7)):
        index = np.full(256, -1)
        index[exact.codes] = np.arange(len(exact.codes))
        truth = index[np.asarray(cloud.label)]
        for column, labels in (("miou", wanted.labels), ("miou_bf16", found.labels)):
            row[column] = round(miou(labels, truth, len(exact.classes)), 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    rows = []
    for path in parser.parse_args().files:
        rows.append(compare("aerial", salanet.read(path), path.name))
        print(rows[-1], flush=True)
    xyz, rgb, _ = indoor_scan(ROOM_POINTS, seed=3)
    for model in ("rooms", "rooms-large"):
        rows.append(compare(model, PointCloud(xyz, rgb=rgb), "a generated room"))
        print(rows[-1], flush=True)
    write_csv(RESULTS / "precision.csv", rows)
    lines = [
        "| model | cloud | points | labels equal | largest change of a probability |"
        " mIoU float32 | mIoU bf16 |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        cells = [row["model"], row["cloud"], f"{row['points']:,}", f"{row['equal_percent']:.3f} %",
                 row["largest_change"], row.get("miou", ""), row.get("miou_bf16", "")]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    (RESULTS / "precision.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
