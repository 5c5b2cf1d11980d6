"""`salanet export`: a model for devices without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from salanet.cli.parse import parse

if TYPE_CHECKING:
    from torch import Tensor

    from salanet.models import Network
    from salanet.pyramid import Pyramid
    from salanet.scenes import Scene

# Points of one calibrating pass, and passes: enough for extremes that hold.
CALIBRATION_POINTS = 20_000
CALIBRATION_PASSES = 16


EXAMPLES = (
    "export rooms -o rooms.onnx",
    "export model.safetensors -o half.safetensors --precision float16",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "export", EXAMPLES)


def run(
    model: tyro.conf.Positional[Path],
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    precision: Literal["float32", "float16", "int8"] = "float32",
    calibrate: Path | None = None,
    json: bool = False,
    dry_run: bool = False,
) -> None:
    """Write a model as ONNX, and compare it with the model on a generated cloud.

    The inputs are features, points, and the indices of neighbours, pooling and upsampling; the
    metadata travels inside. An output that ends in .safetensors, with --precision float16, is a
    model file of half the size. See docs/export.md, also for labelling scans without PyTorch.

    Args:
        model: model file (.safetensors), or the name of one that comes with the package (`salanet
            models`).
        output: the file to write. Default: the model's name with the suffix .onnx, beside its file;
            for a model that comes with the package, here.
        precision: of the weights; int8 also of the products, and needs --calibrate.
        calibrate: folder of prepared scenes like those to be labelled, such as the training data.
        json: print what was done as JSON.
        dry_run: check the model, the output and the packages needed, and write nothing.
    """
    from salanet.cli.console import require_torch

    require_torch()
    from salanet import load
    from salanet.cli.console import messages, print_json, results
    from salanet.errors import ConfigError
    from salanet.export import FlatNetwork, export, require_packages, save_float16, verify
    from salanet.export.verify import VERIFIED_POINTS
    from salanet.io.atomic import protect
    from salanet.labelling.outputs import check_writable
    from salanet.model_file import locate

    to = output or model.with_suffix(".onnx")
    weights = to.suffix.lower() == ".safetensors"
    protect(to, [locate(model)])
    if weights and precision != "float16":
        raise ConfigError(f"{to} would be the model again; .safetensors is for --precision float16")
    if not weights and to.suffix.lower() != ".onnx":
        raise ConfigError(f"{to}: name an output that ends in .onnx or .safetensors")
    if (precision == "int8") != (calibrate is not None):
        raise ConfigError("--precision int8 needs --calibrate SCENES, and nothing else does")
    check_writable(to)
    if not weights:
        require_packages()
    network, console = load(model), messages()
    clouds = calibration(network, calibrate) if calibrate else ()
    report: dict[str, object] = {"output": str(to), "precision": precision}
    if dry_run:
        if not weights:
            FlatNetwork(network)  # refuses what cannot be exported
        text = f"{model} would be written to {to} as {precision}"
    else:
        if weights:
            save_float16(network, to)
        else:
            how = f", calibrated on {calibrate}" if calibrate else ""
            console.print(
                f"{model}: tracing the network and converting it to ONNX, {precision}{how}; this "
                "takes up to a minute",
                soft_wrap=True,
            )
            export(network, to, precision=precision, calibration=clouds)
        console.print(
            f"{to}: comparing its logits and labels with PyTorch's on a generated cloud of up to "
            f"{VERIFIED_POINTS:,} points",
            soft_wrap=True,
        )
        agreement, size = verify(network, to), to.stat().st_size
        report |= {"bytes": size} | agreement._asdict()
        text = (
            f"{to}: {size / 1e6:.2f} MB; logits differ from PyTorch's by at most "
            f"{agreement.difference:.1e} on a generated cloud, {agreement.labels:.2%} of the "
            "labels are the same"
        )
    if json:
        print_json(report)
    else:
        results().print(text, soft_wrap=True)


def calibration(model: Network, root: Path) -> Iterator[tuple[Tensor, Pyramid]]:
    """Features and pyramids of pieces of scenes, evenly from all of them.

    Scenes that are not there or do not suit the model raise before the first piece is asked for.
    """
    from salanet.engine.segmentation import require_grid
    from salanet.scenes import open_scenes

    scenes = open_scenes(root)
    for scene in scenes:
        require_grid(model, scene)
    return pieces(model, scenes)


def pieces(model: Network, scenes: list[Scene]) -> Iterator[tuple[Tensor, Pyramid]]:
    import torch

    from salanet.engine.segmentation import scene_input
    from salanet.sampling.boxes import BUFFER_RADII, tiles

    passes = max(1, CALIBRATION_PASSES // len(scenes))
    for scene in scenes[:CALIBRATION_PASSES]:
        seen = scene_input(model, scene)
        buffer = BUFFER_RADII * model.config.radius
        cut = tiles(seen.points, CALIBRATION_POINTS, buffer)
        for tile, _ in zip(cut, range(passes), strict=False):
            features, points = seen.features[tile.rows], seen.points[tile.rows]
            yield torch.from_numpy(features), model.pyramid(torch.from_numpy(points))
