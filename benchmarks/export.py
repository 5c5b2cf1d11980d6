"""The exported networks beside PyTorch: agreement, file size, latency; and what a process takes.

One row for each operator: ONNX Runtime against the fused kernels on the same cloud of a generated
room, both with one thread per core. Then two processes that only label that room, with and without
PyTorch: seconds until ready, seconds of labelling, and the most memory. `python
benchmarks/export.py` writes benchmarks/results/export.{csv,md} and export_process.{csv,md}.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
CLASSES = tuple(f"class {i}" for i in range(13))
FEATURES = ("one", "rgb", "height")


def make(operator: str, width: int, folder: Path) -> Path:
    """A model file and, beside it, the ONNX file."""
    import torch

    from salanet.export import export
    from salanet.models import create_model, save

    torch.manual_seed(0)
    model = create_model(
        operator=operator, width=width, in_channels=5, classes=CLASSES, features=FEATURES
    ).eval()
    path = folder / f"{operator}-{width}.safetensors"
    save(model, path)
    export(model, path.with_suffix(".onnx"))
    return path


def compare(operator: str, width: int, points: int, repeats: int) -> dict[str, object]:
    """Logits, labels and latency of one exported network beside the fused kernels."""
    import numpy as np
    import onnxruntime
    import torch
    from scenes import indoor_scan

    from salanet.export import flat_inputs
    from salanet.models import load
    from salanet.ops import grid_subsample

    with tempfile.TemporaryDirectory() as folder:
        path = make(operator, width, Path(folder))
        model = load(path).fold()
        onnx = path.with_suffix(".onnx")
        size = onnx.stat().st_size
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    xyz, rgb, _ = indoor_scan(points, seed=0)
    colours = torch.from_numpy(rgb).float() / 255
    grid = grid_subsample(torch.from_numpy(xyz), model.config.grid, features={"rgb": colours})
    height = grid.points[:, 2:]
    features = torch.cat([torch.ones_like(height), grid.features["rgb"], height], dim=1)
    pyramid = model.pyramid(grid.points)
    inputs = flat_inputs(features, pyramid)
    given = {node.name: inputs[node.name].numpy() for node in session.get_inputs()}
    seconds = {"onnx": float("inf"), "fused": float("inf")}
    with torch.inference_mode():
        for _ in range(repeats):
            start = time.perf_counter()
            ours = model(features, pyramid).numpy()
            middle = time.perf_counter()
            theirs = session.run(None, given)[0]
            end = time.perf_counter()
            seconds["fused"] = min(seconds["fused"], middle - start)
            seconds["onnx"] = min(seconds["onnx"], end - middle)
    return {
        "operator": operator,
        "C": width,
        "cells": len(features),
        "file (KB)": round(size / 1e3),
        "logits apart": f"{np.abs(ours - theirs).max():.1e}",
        "labels alike": f"{(ours.argmax(1) == theirs.argmax(1)).mean():.4%}",
        "ONNX Runtime (ms)": round(1e3 * seconds["onnx"]),
        "fused kernels (ms)": round(1e3 * seconds["fused"]),
    }


def process(way: str, path: Path, room: Path) -> dict[str, object]:
    """Label a room as a program that does nothing else would; its imports count."""
    start = time.perf_counter()
    import numpy as np

    given = dict(np.load(room))
    if way == "edge":
        from salanet.edge import Segmenter

        segmenter = Segmenter(path.with_suffix(".onnx"))
        ready = time.perf_counter()
        labels = segmenter.predict(**given)
        assert "torch" not in sys.modules
    else:
        from salanet import PointCloud, load
        from salanet.inference import segment

        model = load(path).fold()
        ready = time.perf_counter()
        labels = segment(model, PointCloud(**given)).labels
    end = time.perf_counter()
    return {
        "process": {"edge": "salanet.edge", "torch": "PyTorch"}[way],
        "points": len(labels),
        "ready (s)": round(ready - start, 2),
        "labelling (s)": round(end - ready, 2),
        "peak memory (MB)": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3),
    }


def processes(points: int) -> list[dict[str, object]]:
    import numpy as np
    from scenes import indoor_scan

    with tempfile.TemporaryDirectory() as folder:
        path, room = make("sala", 36, Path(folder)), Path(folder) / "room.npz"
        xyz, rgb, _ = indoor_scan(points, seed=0)
        np.savez(room, xyz=xyz.astype(np.float64), rgb=rgb)
        return [
            isolated("--process", way, "--model", str(path), "--room", str(room))
            for way in ("edge", "torch")
        ]


def isolated(*arguments: str) -> dict[str, object]:
    """One row, measured in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    row: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    print(row, file=sys.stderr)
    return row


def write(name: str, rows: list[dict[str, object]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    text = "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
    (RESULTS / f"{name}.md").write_text(text + "\n")


def main() -> None:
    from salanet.operators import OPERATORS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--operator", help="this row only, as JSON")
    parser.add_argument("--width", type=int, default=18)
    parser.add_argument("--process", choices=("edge", "torch"), help="this process, as JSON")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--room", type=Path)
    options = parser.parse_args()
    if options.operator:
        row = compare(options.operator, options.width, options.points, options.repeats)
        print(json.dumps(row))
        return
    common = ["--points", str(options.points), "--repeats", str(options.repeats)]
    rows = [("sala", 18), ("sala", 36), *((name, 18) for name in OPERATORS if name != "sala")]
    write(
        "export",
        [isolated(*common, "--operator", name, "--width", str(width)) for name, width in rows],
    )
    write("export_process", processes(options.points))


if __name__ == "__main__":
    main()
