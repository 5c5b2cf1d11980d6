"""`salanet profile`: what a network costs, without training it."""

from __future__ import annotations

import json as json_format
from typing import TYPE_CHECKING, Annotated

import tyro

if TYPE_CHECKING:
    from salanet.models.profile import Profile


def main(argv: list[str]) -> None:
    tyro.cli(run, args=argv, prog="salanet profile", description=run.__doc__)


def run(
    operator: str = "sala",
    width: Annotated[int, tyro.conf.arg(aliases=["-C"])] = 36,
    features: int = 5,
    classes: int = 13,
    partnet: bool = False,
    json: bool = False,
) -> None:
    """Parameters per part, weight bytes, and multiply-accumulates of a network.

    Args:
        operator: the local aggregation.
        width: C, channels after the first residual block.
        features: d0, channels of the input features (5 for S3DIS, 4 for ScanNet and PartNet).
        classes: number of classes of a scene model.
        partnet: the PartNet model instead: one head for each of the 17 categories.
        json: print JSON.
    """
    from salanet.models import PARTNET_NEIGHBOURS, PARTNET_PARTS, SCENE_NEIGHBOURS, ModelConfig
    from salanet.models.profile import profile

    result = profile(
        ModelConfig(
            operator=operator,
            width=width,
            in_channels=features,
            classes=() if partnet else tuple(f"class {i}" for i in range(classes)),
            parts=PARTNET_PARTS if partnet else {},
            grid=0.02 if partnet else 0.04,
            neighbours=PARTNET_NEIGHBOURS if partnet else SCENE_NEIGHBOURS,
        )
    )
    if json:
        print(json_format.dumps(result.as_dict(), indent=2))
    else:
        show(result)


def show(result: Profile) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"SALANet, {result.operator}, C = {result.width}", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for part, count in result.parameters_by_part.items():
        table.add_row(f"parameters, {part}", f"{count:,}")
    table.add_row("parameters", f"{result.parameters:,}", end_section=True)
    table.add_row("weights (float32)", f"{result.weight_bytes / 1e6:.2f} MB")
    table.add_row("training checkpoint", f"{result.checkpoint_bytes / 1e6:.2f} MB", end_section=True)
    table.add_row("points per level", " / ".join(f"{n:,}" for n in result.points))
    table.add_row("MACs, per neighbour", f"{result.macs_per_neighbour / 1e9:.2f} G")
    table.add_row("MACs, as executed", f"{result.macs_executed / 1e9:.2f} G")
    Console().print(table)
