"""Ground filtering against the reference samples of ISPRS, beside cloth simulation.

    python benchmarks/terrain.py SAMPLES_FOLDER

reads samp11*.laz … samp71*.laz (class 2 ground, 0 object) and prints for each sample the total
error and kappa in percent. One set of parameters for all. A point counts as ground where its height
above the terrain is within 0.5 m, and 0.25 m more per metre of rise. Cloth simulation runs with
its published general settings, where `pip install cloth-simulation-filter` was done. Writes
benchmarks/results/terrain.{csv,md}.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import laspy
import numpy as np
from numpy.typing import NDArray

from salanet.sampling.ground import find_ground

RESULTS = Path(__file__).parent / "results"
GROUND = 2
WITHIN = 0.5  # metres
PER_RISE = 0.25  # metres per metre
COLUMNS = ("ours", "kappa", "cloth", "cloth kappa")

Mask = NDArray[np.bool_]


def ours(xyz: NDArray[np.float64]) -> Mask:
    ground = find_ground(lambda: [xyz], xyz.min(axis=0), xyz.max(axis=0))
    return np.abs(ground.heights(xyz)) <= WITHIN + PER_RISE * ground.slopes(xyz)


def cloth(xyz: NDArray[np.float64]) -> Mask | None:
    try:
        import CSF
    except ImportError:
        return None
    filtering = CSF.CSF()
    filtering.setPointCloud(xyz - xyz.min(axis=0))
    ground, objects = CSF.VecInt(), CSF.VecInt()
    filtering.do_filtering(ground, objects, False)
    found = np.zeros(len(xyz), bool)
    found[np.array(ground, np.int64)] = True
    return found


def scores(truth: Mask, found: Mask | None) -> tuple[float, float]:
    """Total error and Cohen's kappa in percent."""
    if found is None:
        return float("nan"), float("nan")
    right = np.mean(truth == found)
    chance = truth.mean() * found.mean() + (1 - truth.mean()) * (1 - found.mean())
    return 100 * float(1 - right), 100 * float((right - chance) / (1 - chance))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("samples", type=Path, metavar="SAMPLES_FOLDER")
    rows = []
    for path in sorted(parser.parse_args().samples.glob("samp*.la[sz]")):
        las = laspy.read(path)
        xyz, truth = np.asarray(las.xyz), np.asarray(las.classification) == GROUND
        rows.append((path.stem[:6], *scores(truth, ours(xyz)), *scores(truth, cloth(xyz))))
    if not rows:
        parser.error("no samp*.laz in this folder")
    rows.append(("mean", *np.mean([row[1:] for row in rows], axis=0)))
    lines = ["| sample | " + " | ".join(COLUMNS) + " |", "|---" * 5 + "|"]
    lines += [
        f"| {name} | " + " | ".join(f"{x:.2f}" for x in values) + " |" for name, *values in rows
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "terrain.md").write_text(text)
    with (RESULTS / "terrain.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("sample", *COLUMNS), *rows])


if __name__ == "__main__":
    main()
