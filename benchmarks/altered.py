"""Airborne models on test tiles as other surveys would have measured them.

    python benchmarks/altered.py TILES --model aerial [--model MODEL …]

Thinned, noisy, tilted, in strips, as photographs would see them: every tile is changed in one way
at a time and labelled as `salanet predict` would; points are judged by the class they had. Beside
the figures stands whether anything was said that doubts the result: what is badly wrong and not
doubted is what to mend. Writes benchmarks/results/altered.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from aerial import found_at, pooled
from numpy.typing import NDArray
from scipy.spatial import cKDTree

import salanet
from salanet.engine import open_runner, segment

RESULTS = Path(__file__).parent / "results"
Cloud = salanet.PointCloud
Change = Callable[[Cloud, np.random.Generator], Cloud]
SHOWN = ("ground", "low vegetation", "medium vegetation", "high vegetation", "building", "other")
# What a remark that doubts the labels has in it.
DOUBTS = ("in doubt", "expected to be right", "expect less", "unlikely to be of use", "next to")
DOUBTS += ("shapes are lost", "seems to point down")


def thinned(share: float) -> Change:
    return lambda c, rng: c.rows(np.flatnonzero(rng.random(len(c)) < share))


def noisy(across: float, up: float) -> Change:
    return lambda c, rng: moved(c, c.xyz + rng.normal(size=c.xyz.shape) * [across, across, up])


def tilted(degrees: float) -> Change:
    def change(c: Cloud, _: np.random.Generator) -> Cloud:
        x = c.xyz[:, 0] - c.xyz[:, 0].mean()
        return moved(c, c.xyz + np.outer(x, [0, 0, np.tan(np.radians(degrees))]))

    return change


def scaled(factor: float) -> Change:
    return lambda c, _: moved(c, c.xyz * [1, 1, factor])


def flight_lines(apart: float) -> Change:
    """Half of the points are of a second flight line that was measured higher."""
    return lambda c, rng: moved(c, c.xyz + np.outer(rng.random(len(c)) < 0.5, [0, 0, apart]))


def strips(period: float, width: float) -> Change:
    """Strips that were measured, gaps between them that were not."""

    def change(c: Cloud, _: np.random.Generator) -> Cloud:
        along = c.xyz[:, 0] - c.xyz[:, 0].min()
        return c.rows(np.flatnonzero(along % period < width))

    return change


def low_noise(share: float) -> Change:
    """Echoes that took a way round."""

    def change(c: Cloud, rng: np.random.Generator) -> Cloud:
        down = np.where(rng.random(len(c)) < share, rng.uniform(1, 8, len(c)), 0)
        return moved(c, c.xyz - np.outer(down, [0, 0, 1]))

    return change


def rounded(step: float) -> Change:
    return lambda c, _: moved(c, np.round(c.xyz / step) * step)


def bare(c: Cloud, _: np.random.Generator) -> Cloud:
    """Coordinates alone."""
    return replace(c, intensity=None, attributes={})


def other_intensity(c: Cloud, _: np.random.Generator) -> Cloud:
    """Of another sensor: the logarithm, in eight bits."""
    assert c.intensity is not None
    power = np.log1p(c.intensity)
    return replace(c, intensity=np.rint(255 * power / power.max()).astype(np.float32))


def photographed(c: Cloud, rng: np.random.Generator) -> Cloud:
    """What a camera sees: first returns alone, smoothed, 5 cm of noise, no attributes."""
    c = c.rows(np.flatnonzero(c.attributes["return_number"] == 1))
    near = cKDTree(c.xyz).query(c.xyz, 8)[1]
    xyz = np.c_[c.xyz[:, :2], c.xyz[near, 2].mean(1)]
    return moved(bare(c, rng), xyz + rng.normal(0, 0.05, xyz.shape))


def moved(cloud: Cloud, xyz: NDArray[np.float64]) -> Cloud:
    return replace(cloud, xyz=xyz)


CHANGES: dict[str, Change] = {
    "as it is": lambda c, _: c,
    "coordinates alone": bare,
    "intensities of another kind": other_intensity,
    "a third of the points": thinned(1 / 3),
    "a tenth of the points": thinned(1 / 10),
    "a hundredth of the points": thinned(1 / 100),
    "noise of 2 cm": noisy(0.02, 0.02),
    "noise of 5 cm": noisy(0.05, 0.05),
    "noise of 20 cm across, 10 cm up": noisy(0.2, 0.1),
    "noise of 30 cm": noisy(0.3, 0.3),
    "two flight lines, 10 cm apart": flight_lines(0.1),
    "two flight lines, 25 cm apart": flight_lines(0.25),
    "one point in 250 is 1 to 8 m too low": low_noise(1 / 250),
    "one point in 100 is 1 to 8 m too low": low_noise(1 / 100),
    "rounded to 0.5 m": rounded(0.5),
    "photographed": photographed,
    "lines of 0.2 m every metre": strips(1.0, 0.2),
    "strips of 6 m every 10 m": strips(10.0, 6.0),
    "on a slope of 10°": tilted(10),
    "on a slope of 25°": tilted(25),
    "heights times 0.6": scaled(0.6),
    "heights times 1.5": scaled(1.5),
    "z points down": scaled(-1),
}


def judge(name: str, tiles: list[Path]) -> dict[str, dict[str, Any]]:
    model = open_runner(name)
    table = {}
    for title, change in CHANGES.items():
        found, doubted = [], 0
        for number, path in enumerate(tiles):
            cloud = change(salanet.read(path), np.random.default_rng(number))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = segment(model, cloud, probabilities=True)
            doubted += any(doubt in remark for remark in result.remarks for doubt in DOUBTS)
            assert result.probabilities is not None
            classes = model.config.classes
            found.append(found_at(path, cloud, classes, result.labels, result.probabilities))
        table[title] = pooled(found).row() | {"doubted": doubted, "of": len(tiles)}
        row = table[title]
        print(f"{name}  {title:32s} OA {row['oa']:6.2f}  mIoU {row['miou']:5.1f}  {row['iou']}")
    return table


def markdown(tables: dict[str, dict[str, dict[str, Any]]]) -> str:
    lines = []
    for name, table in tables.items():
        lines += [f"| `{Path(name).stem}`, IoU % | OA | mIoU | " + " | ".join(SHOWN)]
        lines[-1] += " | ECE | confidence where wrong | doubted |"
        lines += ["|:---|" + "---:|" * (len(SHOWN) + 5)]
        for title, row in table.items():
            values = [f"{row['iou'][of]:.1f}" if of in row["iou"] else "–" for of in SHOWN]
            lines.append(
                f"| {title} | {row['oa']:.1f} | {row['miou']:.1f} | {' | '.join(values)} | "
                f"{row['ece']:.1f} | {row['wrong confidence']:.2f} | "
                f"{'yes' if row['doubted'] == row['of'] else 'in part' if row['doubted'] else ''} |"
            )
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tiles", nargs="+", type=Path)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--dry-run", action="store_true", help="print the rows, write nothing")
    asked = parser.parse_args()
    tables = {name: judge(name, sorted(asked.tiles)) for name in asked.model}
    if not asked.dry_run:
        named = {Path(name).stem: table for name, table in tables.items()}
        (RESULTS / "altered.json").write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")
        (RESULTS / "altered.md").write_text(markdown(tables), encoding="utf-8")


if __name__ == "__main__":
    main()
