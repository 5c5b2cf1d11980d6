"""Airborne models on whole files of other sites: what is right, what is not, and does it know.

    python benchmarks/aerial.py FILES --model aerial [--model MODEL …] [--json OUT] [--temperature]

Every point counts that the file's own class says something about; sites know different classes,
see `SITES`. Confidence is the probability of what is said: of the class, or where several of the
model's classes are one of the site's, of all of them. ECE is its expected calibration error in 15
bins (Guo et al. 2017, eq. 3). With `--temperature` the one is found that makes the truth of the
files likeliest, each file counting alike; for a model that has none and has not learned from them.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.spatial import cKDTree

import salanet
from salanet.adapt.alignment import AlignmentOptions
from salanet.engine import open_runner, segment

IGN = {2: "ground", 3: "low vegetation", 4: "medium vegetation", 5: "high vegetation"}
IGN |= {6: "building", 9: "water"}
AHN = {2: "ground", 6: "building", 9: "water", 1: "rest"}
# By name of the file: what its codes are (others do not count), and whether "rest" is known.
SITES: dict[str, dict[int, str]] = {
    "770[56]*": IGN | {1: "other", 64: "other"},
    "ahn*": AHN,
    "870000*": {2: "ground", 6: "building"},
    "792000*": {2: "ground", 6: "building"},
    "samp*": {2: "ground", 0: "rest"},  # of the ISPRS filter test: 100 - OA is its total error
    "*": IGN,
}
BINS = 15
SLOPES = (0, 10, 20, 30, 40, 50, 60)  # degrees


@dataclass
class Found:
    """Truth and prediction as rows of `names`, and how sure the model was."""

    names: list[str]
    truth: NDArray[np.int64]
    prediction: NDArray[np.int64]
    confidence: NDArray[np.float32]
    xyz: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    of_class: NDArray[np.int64]

    def row(self) -> dict[str, Any]:
        right = self.truth == self.prediction
        table = np.zeros((len(self.names), len(self.names)), np.int64)
        np.add.at(table, (self.truth, self.prediction), 1)
        both = table.sum(0) + table.sum(1) - table.diagonal()
        present = table.sum(1) > 0
        iou = {
            name: round(100 * float(table[i, i] / both[i]), 1)
            for i, name in enumerate(self.names)
            if present[i]
        }
        row: dict[str, Any] = {
            "points": len(right),
            "oa": round(100 * float(right.mean()), 2),
            "miou": round(float(np.mean(list(iou.values()))), 1),
            "iou": iou,
            "recall": {
                name: round(100 * float(right[self.truth == i].mean()), 1)
                for i, name in enumerate(self.names)
                if present[i]
            },
            "ece": round(100 * self._calibration_error(right), 1),
            "wrong confidence": round(float(self.confidence[~right].mean()), 3),
        }
        if "building" in iou:
            roofs = self.truth == self.names.index("building")
            row["building recall by slope"] = recall_by_slope(self.xyz[roofs], right[roofs])
        return row

    def _calibration_error(self, right: NDArray[np.bool_]) -> float:
        at = np.minimum((self.confidence * BINS).astype(int), BINS - 1)
        count = np.bincount(at, minlength=BINS)
        sure = np.bincount(at, self.confidence, BINS)
        true = np.bincount(at, right, BINS)
        return float(np.abs(sure - true).sum() / count.sum())


def recall_by_slope(
    roofs: NDArray[np.float64], right: NDArray[np.bool_], neighbours: int = 16
) -> dict[str, float]:
    """Recall by the slope of the plane through each roof point's neighbours, in degrees."""
    if len(roofs) < neighbours:
        return {}
    near = roofs[cKDTree(roofs).query(roofs, neighbours)[1]]
    near = near - near.mean(1, keepdims=True)
    spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", near, near))
    flat = spread[:, 0] < 0.02 * spread[:, 1]
    slope = np.degrees(np.arccos(np.clip(np.abs(axes[:, 2, 0]), 0, 1)))
    found = {}
    for low, high in pairwise(SLOPES):
        of = flat & (slope >= low) & (slope < high)
        if of.sum() >= 50:
            found[f"{low}-{high}"] = round(100 * float(right[of].mean()), 1)
    return found


def known_classes(
    path: Path, cloud: salanet.PointCloud, classes: tuple[str, ...]
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """What the site's file knows: names, the truth as rows of them (-1: unknown), and the row that
    each of the model's `classes` is."""
    codes = next(codes for pattern, codes in SITES.items() if fnmatchcase(path.name, pattern))
    names = list(dict.fromkeys(codes.values()))
    names += [] if "rest" in names or "other" in names else ["nothing of these"]
    fallback = names.index(
        "other" if "other" in names else "rest" if "rest" in names else names[-1]
    )
    of_class = np.array([names.index(c) if c in names else fallback for c in classes], np.int64)
    truth = np.full(len(cloud), -1, np.int64)
    for code, name in codes.items():
        truth[cloud.label == code] = names.index(name)
    return names, truth, of_class


def found_at(
    path: Path,
    cloud: salanet.PointCloud,
    classes: tuple[str, ...],
    labels: NDArray[Any],
    probabilities: NDArray[np.float32],
) -> Found:
    """Labels (N,), rows of `classes` or -1, and probabilities (N, classes), beside the truth."""
    names, truth, of_class = known_classes(path, cloud, classes)
    known = (truth >= 0) & (labels >= 0)
    prediction = of_class[labels[known]]
    # Of "rest" the model is as sure as of all its classes together that are called so.
    sure = (probabilities[known] * (of_class == prediction[:, None])).sum(1)
    return Found(
        names,
        truth[known],
        prediction,
        np.minimum(sure, 1),
        cloud.xyz[known],
        probabilities[known],
        of_class,
    )


def pooled(sites: list[Found]) -> Found:
    """Sites that know the same classes as one."""
    first = sites[0]
    arrays = ("truth", "prediction", "confidence", "xyz", "probabilities")
    joined = (np.concatenate([getattr(site, name) for site in sites]) for name in arrays)
    return Found(first.names, *joined, first.of_class)


def run(model: Any, path: Path, votes: int, grid: str | None) -> Found:
    cloud = salanet.read(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = segment(
            model, cloud, probabilities=True, votes=votes, alignment=AlignmentOptions(grid=grid)
        )
    assert found.probabilities is not None
    return found_at(path, cloud, model.config.classes, found.labels, found.probabilities)


def best_temperature(sites: list[Found]) -> float:
    """The temperature under which the truth is likeliest; a site's name may be several classes."""

    def cost(temperature: float) -> float:
        total = 0.0
        for site in sites:
            logits = np.log(np.maximum(site.probabilities, 1e-12)) / temperature
            p = np.exp(logits - logits.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            inside = site.of_class[None] == site.truth[:, None]
            total -= float(np.log(np.maximum((p * inside).sum(1), 1e-9)).mean())
        return total

    return float(minimize_scalar(cost, bounds=(0.5, 4), method="bounded").x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--votes", type=int, default=1)
    parser.add_argument("--grid", default=None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--temperature", action="store_true")
    asked = parser.parse_args()
    table: dict[str, dict[str, Any]] = {}
    for name in asked.model:
        model = open_runner(name)
        seen: list[Found] = []
        sites: list[Found] = []
        for path in asked.files:
            found = run(model, path, asked.votes, asked.grid)
            row = found.row()
            table.setdefault(name, {})[path.name] = row
            print(f"{name}  {path.name:28s} OA {row['oa']:6.2f}  mIoU {row['miou']:5.1f}  ", end="")
            print(f"ECE {row['ece']:4.1f}  wrong {row['wrong confidence']:.2f}  {row['iou']}")
            if "building recall by slope" in row and len(row["building recall by slope"]) > 1:
                print(f"    building recall by slope {row['building recall by slope']}")
            sites.append(found)
            if fnmatchcase(path.name, "77060*"):
                seen.append(found)
        if len(seen) > 1:
            together = pooled(seen).row()
            table[name]["IGN test tiles"] = together
            figures = f"OA {together['oa']} mIoU {together['miou']} {together['iou']}"
            print(f"{name}  IGN test tiles: {figures}")
        if asked.temperature:
            print(f"{name}  temperature {best_temperature(sites):.2f}")
    if asked.json:
        asked.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
