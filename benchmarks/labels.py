"""Labels of the native runner beside PyTorch's, and streamed beside in memory, on whole files.

    python benchmarks/labels.py FILES --model MODEL … [--memory 400MB]

MODELs are scene models that the native kernels run, files or names of shipped ones. Appends to
benchmarks/results/labels.md: points with the same label in percent, on average and at least.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np

import salanet
from salanet.engine import as_runner, open_runner, segment
from salanet.models import load
from salanet.models.runner import TorchRunner

RESULTS = Path(__file__).parent / "results"
HEAD = """| model | operator | files | PyTorch | least | streamed | least |
|---|---|---:|---:|---:|---:|---:|
"""


def equal(model: str, path: Path, memory: str) -> tuple[float, float]:
    """Percent of a file's points with the same label: by PyTorch, and streamed."""
    native = open_runner(model)
    assert not isinstance(native, TorchRunner), f"{model} has no native kernels"
    cloud = salanet.read(path)
    labels = segment(native, cloud).labels
    reference = segment(as_runner(TorchRunner(load(model))), cloud).labels
    with tempfile.TemporaryDirectory() as folder:
        whole, streamed = (Path(folder) / f"{name}{path.suffix}" for name in ("whole", "streamed"))
        salanet.label(path, whole, native)
        salanet.label(path, streamed, native, memory=memory)
        written = salanet.read(whole).label, salanet.read(streamed).label
    assert written[0] is not None and written[1] is not None
    return (
        100 * float(np.mean(labels == reference)),
        100 * float(np.mean(written[0] == written[1])),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", nargs="+", required=True)
    parser.add_argument("--memory", default="400MB")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    table = RESULTS / "labels.md"
    if not table.is_file():
        table.write_text(HEAD)
    for model in asked.model:
        found = []
        for path in asked.files:
            found.append(equal(model, path, asked.memory))
            print(model, path.name, *(f"{value:.3f}" for value in found[-1]), flush=True)
        torch, streamed = np.array(found).T
        name = model if "/" not in model else ""
        config = open_runner(model).config
        settings = [f"{key}: {value}" for key, value in config.operator_options.items()]
        operator = " ".join([config.operator, *settings])
        with table.open("a") as file:
            file.write(
                f"| {name} | {operator} | {len(found)} | {torch.mean():.3f} | {torch.min():.3f} "
                f"| {streamed.mean():.3f} | {streamed.min():.3f} |\n"
            )


if __name__ == "__main__":
    main()
