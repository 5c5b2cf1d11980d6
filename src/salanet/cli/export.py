"""`salanet export`: a model as one ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def main(argv: list[str]) -> None:
    tyro.cli(run, args=argv, prog="salanet export", description=run.__doc__)


def run(
    model: tyro.conf.Positional[Path],
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    json: bool = False,
) -> None:
    """Write a model as ONNX, and compare it with the model on a generated cloud.

    The inputs are features, points, and the indices of neighbours, pooling and upsampling; the
    metadata travels inside. See docs/export.md, also for labelling scans without PyTorch.

    Args:
        model: model file (.safetensors).
        output: the ONNX file. Default: the model's name with the suffix .onnx.
        json: print what was done as JSON.
    """
    from salanet.cli.console import load_model, print_json, results
    from salanet.errors import FileError
    from salanet.export import export, verify
    from salanet.inference.outputs import check_writable

    to = output or model.with_suffix(".onnx")
    if to.resolve() == model.resolve():
        raise FileError(to, "is the model itself and would be overwritten; name another output")
    check_writable(to)
    network = load_model(model, "cpu")
    export(network, to)
    agreement = verify(network, to)
    size = to.stat().st_size
    if json:
        print_json({"output": str(to), "bytes": size} | agreement._asdict())
        return
    results().print(
        f"{to}: {size / 1e6:.2f} MB; logits differ from PyTorch's by at most "
        f"{agreement.difference:.1e} on a generated cloud, {agreement.labels:.2%} of the labels "
        "are the same",
        soft_wrap=True,
    )
