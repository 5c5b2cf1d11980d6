"""Prediction of large files: memory, speed, and what a kill costs.

    python benchmarks/predict.py generate town.laz --points 50000000
    python benchmarks/predict.py killed town.laz --model MODEL.safetensors
    python benchmarks/predict.py tiled survey.laz --model MODEL.safetensors

`generate` writes a town as large as wanted, a few points at a time. `killed` labels a file once
without interruption and once with `kill -9` in the middle and `--resume`, and compares the results
byte for byte. `tiled` labels a file with the default memory, with 500 MB, and in one piece without
tiles (`--untiled no` leaves that out: it takes up to 7 kB of memory a point), and compares labels.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import laspy
import numpy as np

from salanet import io
from salanet.datasets.town import town
from salanet.labelling.workfolder import folder_of

TOWN, DENSITY, TOWNS = 100.0, 24.0, 4  # metres, points per m², different ones
JITTER = 0.02  # metres
SOME_TILES = 3


def generate(path: Path, points: int) -> None:
    """A square of towns, each one of a few, jittered."""
    towns = [town(seed, size=TOWN, density=DENSITY) for seed in range(TOWNS)]
    header = laspy.LasHeader(version="1.4", point_format=6)
    header.scales, header.offsets = np.full(3, 0.001), np.floor(towns[0].xyz.min(axis=0))
    side = int(np.ceil(np.sqrt(points / min(map(len, towns)))))
    rng = np.random.default_rng(0)
    written = 0
    with laspy.open(path, mode="w", header=header) as writer:
        for number in range(side * side):
            cloud = towns[rng.integers(TOWNS)]
            count = min(len(cloud), points - written)
            if not count:
                break
            shift = np.array([number % side, number // side, 0]) * TOWN
            xyz = cloud.xyz[:count] + shift + rng.normal(0, JITTER, (count, 3))
            record = laspy.ScaleAwarePointRecord.zeros(count, header=header)
            record.x, record.y, record.z = xyz.T
            record.intensity = cloud.intensity[:count]
            for name in ("return_number", "number_of_returns"):
                record[name] = cloud.attributes[name][:count]
            record.gps_time = np.arange(written, written + count)
            writer.write_points(record)
            written += count


def command(path: Path, to: Path, model: Path, *more: str) -> list[str]:
    program = [sys.executable, "-m", "salanet.cli.main", "predict", str(path)]
    return [*program, "-m", str(model), "-o", str(to), "--json", *more]


def run(path: Path, to: Path, model: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(command(path, to, model, *more), check=True, capture_output=True)
    (report,) = json.loads(done.stdout)
    seconds = {key: value for key, value in report.items() if key.startswith("seconds")}
    spent = ", ".join(f"{key.removeprefix('seconds_')} {s:.1f}" for key, s in seconds.items())
    print(
        f"{path.name} {' '.join(more)}: {report['points']:,} points, {report['cells']:,} cells, "
        f"{spent}; {report['points_per_second']:,.0f} points/s; "
        f"peak {report['peak_memory_bytes'] / 1e6:,.0f} MB",
        flush=True,
    )
    return report


def kill_in_the_middle(path: Path, to: Path, model: Path, *more: str) -> None:
    """Start, wait until some of the tiles are done, and kill."""
    process = subprocess.Popen(command(path, to, model, *more), stdout=subprocess.DEVNULL)
    marks, done = folder_of(to) / "done", 0
    while process.poll() is None and done < SOME_TILES:
        done = marks.read_text().count("tile-") if marks.exists() else 0
        time.sleep(0.05)
    assert process.poll() is None, "it ended before some of its tiles were seen"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not to.exists(), "something is there under the final name"
    print(f"killed when {done} tiles were done", flush=True)


def killed(path: Path, model: Path, memory: str) -> None:
    whole, resumed = (path.with_name(f"{path.stem}.{name}.laz") for name in ("whole", "resumed"))
    run(path, whole, model, "--memory", memory)
    kill_in_the_middle(path, resumed, model, "--memory", memory)
    run(path, resumed, model, "--memory", memory, "--resume")
    same = subprocess.run(["cmp", str(whole), str(resumed)], check=False).returncode == 0
    print(f"identical to the uninterrupted run: {same}")
    assert same
    whole.unlink()
    resumed.unlink()


def tiled(path: Path, model: Path, untiled: bool) -> None:
    outputs = {
        name: path.parent / f"{path.stem}.{name}.laz" for name in ("default", "500MB", "untiled")
    }
    labels = {}
    anew = ("--keep", "7,18")  # other codes that were kept would be the same by themselves
    for name, more in {"default": (), "500MB": ("--memory", "500MB")}.items():
        run(path, outputs[name], model, *anew, *more)
        labels[name] = io.read(outputs[name]).label
    if untiled:
        run(path, outputs["untiled"], model, *anew, "--memory", "1TB")
        labels["untiled"] = io.read(outputs["untiled"]).label
    reference = list(labels)[-1]
    for name, found in labels.items():
        same = (found == labels[reference]).mean()
        print(f"{name}: {same:.4%} of the labels are those of {reference}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["generate", "killed", "tiled"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--points", type=int, default=5_000_000)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--memory", default="500MB")
    parser.add_argument("--untiled", default="yes", choices=["yes", "no"])
    options = parser.parse_args()
    if options.what == "generate":
        generate(options.file, options.points)
    elif options.what == "killed":
        killed(options.file, options.model, options.memory)
    else:
        tiled(options.file, options.model, options.untiled == "yes")


if __name__ == "__main__":
    main()
