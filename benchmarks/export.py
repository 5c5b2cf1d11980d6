"""Exported networks beside PyTorch: agreement, size, speed; what a process takes; smaller weights.

One row for each operator, as a whole network with random weights and shaken batch norms, on one
cloud: ONNX Runtime, our runtime without PyTorch, PyTorch with the fused kernels and without them,
each on one thread, in processor time.
Then processes that do nothing but label that cloud. `--scan FILE.laz` takes an airborne scan for
the generated room. With `--model`, `--scenes` and `--calibrate`, also a table of what float16 and
int8 cost a trained model on prepared scenes. Writes benchmarks/results/export*.{csv,md}.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tables import write_csv

RESULTS = Path(__file__).parent / "results"
CLASSES = tuple(f"class {i}" for i in range(13))
INDOOR = {"features": ("one", "rgb", "height"), "in_channels": 5, "grid": 0.04}
AIRBORNE = {
    "features": ("one", "intensity", "returns", "height_above_ground"),
    "in_channels": 6,
    "grid": 0.2,
}
WAYS = {
    "native": "salanet.engine, fused kernels",
    "onnx": "salanet.engine, ONNX Runtime",
    "torch": "PyTorch, fused kernels",
}

Row = dict[str, object]


def save_scan(source: Path | None, points: int, folder: Path) -> Path:
    """About that many points as arrays in one .npz: the middle of a scan, or a generated room."""
    import numpy as np
    from scenes import indoor_scan

    import salanet

    path = folder / "scan.npz"
    if source is None:
        xyz, rgb, _ = indoor_scan(points, seed=0)
        np.savez(path, xyz=xyz.astype(np.float64), rgb=rgb)
        return path
    cloud = salanet.read(source)
    apart = np.abs(cloud.xyz - np.median(cloud.xyz, axis=0))[:, :2].max(axis=1)
    near = np.sort(np.argsort(apart, kind="stable")[:points])
    arrays = {name: cloud.attributes[name] for name in ("return_number", "number_of_returns")}
    arrays |= {"xyz": cloud.xyz, "intensity": cloud.intensity}
    np.savez(path, **{name: array[near] for name, array in arrays.items()})
    return path


def make(operator: str, width: int, scan: Path, path: Path) -> None:
    """A model file and, beside it, the ONNX file."""
    import numpy as np
    import torch

    from salanet.export import export
    from salanet.models import create_model, save

    torch.manual_seed(0)
    kind = INDOOR if "rgb" in np.load(scan) else AIRBORNE
    model = create_model(
        operator=operator,
        width=width,
        classes=CLASSES,
        metadata={"intensity_scale": 1000.0},
        **kind,
    )
    generator = torch.Generator().manual_seed(0)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm1d):
            norm.running_mean.normal_(0, 0.1, generator=generator)
            norm.running_var.uniform_(0.1, 1.0, generator=generator)
            norm.weight.data.uniform_(0.5, 1.5, generator=generator)
            norm.bias.data.normal_(0, 0.3, generator=generator)
    save(model.eval(), path)
    export(model, path.with_suffix(".onnx"))


def cloud_of(scan: Path) -> Any:
    """The arrays as a `PointCloud`."""
    import numpy as np

    from salanet import PointCloud

    arrays = dict(np.load(scan))
    known = {name: arrays.pop(name, None) for name in ("rgb", "intensity")}
    return PointCloud(arrays.pop("xyz"), **known, attributes=arrays)


def compare(operator: str, width: int, scan: Path, repeats: int) -> Row:
    """Logits, labels and latency of one network, every way it can run."""
    import numpy as np
    import torch

    from salanet import geometry, ops
    from salanet.engine import open_runner
    from salanet.engine.aggregations import AGGREGATIONS
    from salanet.engine.segmentation import cloud_input
    from salanet.models import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        make(operator, width, scan, path)
        torch.set_num_threads(1)
        model = load(path).fold()
        graph = open_runner(path.with_suffix(".onnx"), threads=1).logits
        native = open_runner(path).logits if operator in AGGREGATIONS else None
        size = path.with_suffix(".onnx").stat().st_size
    config, seen = model.config, cloud_input(model, cloud_of(scan), "scan")
    pyramid = model.pyramid(torch.from_numpy(seen.points))
    levels = geometry.pyramid(
        seen.points, grid=config.grid, radius=config.radius, neighbours=config.neighbours
    )

    def fused() -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(seen.features), pyramid).numpy()

    def eager() -> Any:
        with ops.backend("reference"):
            return fused()

    ours, fused_ms = timed(fused, repeats)
    found, graph_ms = timed(lambda: graph(seen.features, levels), repeats)
    row: Row = {
        "operator": operator,
        "C": width,
        "cells": len(ours),
        "ONNX file (KB)": round(size / 1e3),
        "largest logit": f"{np.abs(ours).max():.1f}",
        "logits apart": f"{np.abs(ours - found).max():.1e}",
        "labels alike": f"{(ours.argmax(1) == found.argmax(1)).mean():.4%}",
        "ONNX Runtime (ms)": graph_ms,
        "PyTorch eager (ms)": timed(eager, repeats)[1],
        "PyTorch, our kernels (ms)": fused_ms,
        "salanet.engine native (ms)": "",
        "native logits apart": "",
    }
    if native:
        found, milliseconds = timed(lambda: native(seen.features, levels), repeats)
        row["salanet.engine native (ms)"] = milliseconds
        row["native logits apart"] = f"{np.abs(ours - found).max():.1e}"
    return row


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, int]:
    """The result, and the processor milliseconds of the quickest time."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return result, round(1e3 * best)


def process(way: str, path: Path, scan: Path) -> Row:
    """Label a scan as a program that does nothing else would; its imports count."""
    start = time.perf_counter()
    if way == "torch":
        from salanet import load
        from salanet.adapt.alignment import examine
        from salanet.engine import segment
        from salanet.sampling.summary import summarise

        model = load(path).fold()
        ready = time.perf_counter()
        cloud = cloud_of(scan)
        labels = segment(model, cloud, alignment=examine(model, summarise(cloud))).labels
    else:
        import numpy as np

        from salanet.engine import Segmenter

        segmenter = Segmenter(path if way == "native" else path.with_suffix(".onnx"))
        ready = time.perf_counter()
        labels = segmenter.predict(**np.load(scan))
        assert "torch" not in sys.modules
    end = time.perf_counter()
    return {
        "process": WAYS[way],
        "points": len(labels),
        "ready (s)": round(ready - start, 2),
        "labelling (s)": round(end - ready, 2),
        "peak memory (MB)": round(peak_memory() / 1e6),
        "labels": hash_of(labels),
    }


def peak_memory() -> int:
    """Bytes; not `ru_maxrss`, which on Linux begins with what the parent process held."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    raise SystemExit("the peak memory of a process is measured on Linux alone")


def hash_of(labels: Any) -> str:
    import zlib

    return f"{zlib.crc32(labels.tobytes()):08x}"


def precisions(model: Path, scenes: Path, calibrate: Path, repeats: int) -> list[Row]:
    """Size, speed and mIoU of a trained model, its weights and products rounded."""
    from salanet.cli.export import calibration
    from salanet.engine.runner import load as load_edge
    from salanet.export import export, save_float16
    from salanet.models import load
    from salanet.scenes import open_scenes

    network = load(model)
    rows, opened = [], open_scenes(scenes)
    with tempfile.TemporaryDirectory() as name:
        files = {"float32, fused kernels": model}
        files["float16, fused kernels"] = half = Path(name) / "half.safetensors"
        save_float16(network, half)
        for precision in ("float32", "float16", "int8"):
            path = Path(name) / f"{precision}.onnx"
            given = calibration(network, calibrate) if precision == "int8" else ()
            export(network, path, precision=precision, calibration=given)
            files[f"{precision}, ONNX Runtime"] = path
        first = None
        for title, path in files.items():
            found, seconds, confusion = score(network, load_edge(path, 1).run, opened, repeats)
            first = found if first is None else first
            rows.append(
                {
                    "weights": title,
                    "file (KB)": round(path.stat().st_size / 1e3),
                    "network (CPU s)": round(seconds, 2),
                    "mIoU %": f"{100 * confusion.mean_iou:.2f}",
                    "OA %": f"{100 * confusion.overall_accuracy:.2f}",
                    "labels as float32": f"{(found == first).mean():.3%}",
                }
            )
            print(rows[-1], file=sys.stderr)
    return rows


def score(network: Any, run: Any, scenes: list[Any], repeats: int) -> tuple[Any, float, Any]:
    """Labels of all cells, processor seconds of one pass, and the confusion on original points."""
    import numpy as np

    from salanet import geometry
    from salanet.engine.segmentation import scene_input
    from salanet.evaluation import Confusion, to_points

    config, confusion = network.config, Confusion(network.config.classes)
    everything, seconds = [], 0.0
    for scene in scenes:
        seen = scene_input(network, scene)
        levels = geometry.pyramid(
            seen.points,
            grid=config.grid,
            radius=config.radius,
            neighbours=config.neighbours,
        )
        best = float("inf")
        for _ in range(repeats):
            start = time.process_time()
            labels = run(seen.features, levels).argmax(1)
            best = min(best, time.process_time() - start)
        seconds += best
        confusion.add(scene.raw["segment"], labels[to_points(scene)])
        everything.append(labels)
    return np.concatenate(everything), seconds, confusion


def isolated(*arguments: str | int | Path) -> Row:
    """One row, measured in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    print(row, file=sys.stderr)
    return row


def write(name: str, rows: list[Row]) -> None:
    write_csv(RESULTS / f"{name}.csv", rows)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    (RESULTS / f"{name}.md").write_text(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scan", type=Path, help="LAS or LAZ; default: a generated room")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", type=Path, help="a trained model, for the table of precisions")
    parser.add_argument("--scenes", type=Path, help="labelled scenes to score it on")
    parser.add_argument("--calibrate", type=Path, help="scenes to calibrate int8 on")
    parser.add_argument("--only", choices=("operators", "processes", "precisions"))
    parser.add_argument("--row", help="OPERATOR:WIDTH, this row alone, as JSON")
    parser.add_argument("--process", choices=WAYS, help="this process alone, as JSON")
    options = parser.parse_args()
    scored = options.only == "precisions" or options.scenes or options.calibrate
    if scored and not (options.model and options.scenes and options.calibrate):
        parser.error("the table of precisions takes --model, --scenes and --calibrate")
    if options.process:
        print(json.dumps(process(options.process, options.model, options.scan)))
        return
    if options.row:
        operator, width = options.row.split(":")
        print(json.dumps(compare(operator, int(width), options.scan, options.repeats)))
        return
    from salanet.operators import OPERATORS

    wanted = {options.only} if options.only else {"operators", "processes", "precisions"}
    with tempfile.TemporaryDirectory() as name:
        scan = save_scan(options.scan, options.points, Path(name))
        common = ("--scan", scan, "--repeats", options.repeats)
        if "operators" in wanted:
            others = [name for name in OPERATORS if name != "sala"]
            rows: list[Row] = []
            for row in ("sala:18", "sala:36", *(f"{operator}:36" for operator in others)):
                rows.append(isolated(*common, "--row", row))
                write("export", rows)  # a run that is cut short leaves what it has
        if "processes" in wanted:
            path = Path(name) / "model.safetensors"
            make("sala", 36, scan, path)
            given = ("--model", path, "--scan", scan)
            write("export_process", [isolated(*given, "--process", way) for way in WAYS])
    if "precisions" in wanted and scored:
        given = (options.model, options.scenes, options.calibrate, options.repeats)
        write("export_precision", precisions(*given))


if __name__ == "__main__":
    main()
