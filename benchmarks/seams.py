"""Neighbouring tiles, labelled one by one, against the same points in one file.

    python benchmarks/seams.py TILE TILE … --model MODEL

labels the tiles with the points of their neighbours in view and without, merges them, labels the
merged file in one pass, and compares labels. Writes benchmarks/results/seams.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import salanet
from salanet.engine import open_runner
from salanet.labelling.buffer import touching
from salanet.labelling.predict import PredictOptions, predict_file
from salanet.labelling.rules import Rules

RESULTS = Path(__file__).parent / "results"
NEAR_BORDER = 5.0  # metres
UNTILED = 1 << 40  # bytes: more than it takes
LABELLED_ANEW = Rules(keep="7,18")  # codes that were kept would be the same by themselves


def merged(clouds: list[salanet.PointCloud]) -> salanet.PointCloud:
    names = ("return_number", "number_of_returns")
    return salanet.PointCloud(
        np.concatenate([cloud.xyz for cloud in clouds]),
        intensity=np.concatenate([cloud.intensity for cloud in clouds]),
        attributes={n: np.concatenate([c.attributes[n] for c in clouds]) for n in names},
    )


def near_border(cloud: salanet.PointCloud) -> np.ndarray:
    xy = cloud.xyz[:, :2]
    return np.minimum(xy - xy.min(axis=0), xy.max(axis=0) - xy).min(axis=1) < NEAR_BORDER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiles", type=Path, nargs="+")
    parser.add_argument("--model", required=True)
    arguments = parser.parse_args()
    model = open_runner(arguments.model)
    clouds = [salanet.read(tile) for tile in arguments.tiles]
    near = np.concatenate([near_border(cloud) for cloud in clouds])
    lines = [
        "| neighbours | labels as in one file | within 5 m of a border |",
        "|:---|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        whole, to = Path(folder) / "whole.laz", Path(folder) / "out.laz"
        salanet.write(whole, merged(clouds))
        predict_file(model, whole, to, PredictOptions(memory=UNTILED, rules=LABELLED_ANEW))
        expected = salanet.read(to).label
        for title, seen in (("seen", True), ("not seen", False)):
            found = []
            for tile in arguments.tiles:
                border = touching(model, tile, arguments.tiles) if seen else ()
                options = PredictOptions(neighbours=border, margins=True, rules=LABELLED_ANEW)
                predict_file(model, tile, to, options)
                found.append(salanet.read(to).label)
            same = np.concatenate(found) == expected
            lines.append(f"| {title} | {same.mean():.3%} | {same[near].mean():.3%} |")
    text = (
        "\n".join(lines) + f"\n\n{len(clouds)} tiles, {len(near):,} points, {near.sum():,} of them "
        f"near a border; the model `{Path(arguments.model).stem}`.\n"
    )
    (RESULTS / "seams.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
