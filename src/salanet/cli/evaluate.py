"""`salanet evaluate`: how good a model is on labelled scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def main(argv: list[str]) -> None:
    tyro.cli(run, args=argv, prog="salanet evaluate", description=run.__doc__)


def run(
    model: Annotated[Path, tyro.conf.arg(aliases=["-m"])],
    data: Path,
    split: str = "test",
    votes: int = 1,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    json: bool = False,
    device: str = "auto",
) -> None:
    """Per-class IoU, mIoU, OA and mAcc over every original point of labelled scenes.

    All points of all scenes go into one confusion matrix. A class that is neither in the labels
    nor predicted has no IoU and does not count in the mean.

    Args:
        model: model file (.safetensors).
        data: folder of the scenes that `salanet prepare` wrote.
        split: which of them.
        votes: passes, each with the scene turned and scaled otherwise; logits are averaged.
        output: also write the result here as JSON: figures, confusion, protocol, command, versions.
        json: print that JSON instead of the table.
        device: auto, cpu, cuda.
    """
    import time

    from salanet.cli.console import load_model, messages, peak_memory, print_json, results
    from salanet.evaluation import Confusion, result, summary, table, write_json
    from salanet.inference import TILE_POINTS, evaluate, on_raw_points
    from salanet.scenes import Scene, open_scenes

    network = load_model(model, device)
    scenes = open_scenes(data, split)
    console = messages()
    single: dict[str, Confusion] = {}
    started = time.perf_counter()

    def show(scene: Scene, confusion: Confusion) -> None:
        single[scene.name] = confusion
        console.print(
            f"{scene.name}: {confusion.points:,} points, {summary(confusion)}", soft_wrap=True
        )

    pooled = evaluate(network, scenes, votes=votes, progress=show)
    seconds = time.perf_counter() - started
    protocol = {
        "name": "whole",
        "split": split,
        "points": "original" if all(map(on_raw_points, scenes)) else "cells",
        "votes": votes,
        "tile_points": TILE_POINTS,
    }
    value = result(
        pooled,
        protocol=protocol,
        model=str(model),
        trained=network.metadata.get("trained"),
        scenes={name: confusion.to_dict()["miou"] for name, confusion in single.items()},
        seconds=round(seconds, 3),
        peak_memory_bytes=peak_memory(),
    )
    if output is not None:
        write_json(output, value)
    if json:
        print_json(value)
        return
    title = f"{model}, {len(scenes)} scenes, {protocol['points']} points, {votes} vote(s)"
    out = results()
    out.print(title, soft_wrap=True)
    out.print(table(pooled))
    out.print(summary(pooled))
