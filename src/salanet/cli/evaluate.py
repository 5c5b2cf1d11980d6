"""`salanet evaluate`: how good a model is on labelled scenes or shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

from salanet.cli.parse import parse
from salanet.errors import ConfigError

if TYPE_CHECKING:
    from salanet.engine import Runner
    from salanet.evaluation import Confusion, PartScores
    from salanet.model_config import ModelConfig
    from salanet.model_file import Entry
    from salanet.models import Network
    from salanet.view.report import Gallery

# Votes of the paper's protocol, as CloserLook3D counts them.
SCENE_VOTES = 20
SHAPE_VOTES = 10


EXAMPLES = (
    "evaluate -m model.safetensors --data scenes/",
    "evaluate -m s3dis.safetensors --data s3dis/ --split Area_5 --protocol voting -o area5.json",
)


def main(argv: list[str]) -> None:
    parse(run, argv, "evaluate", EXAMPLES)


def run(
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"])] = None,
    data: Path | None = None,
    split: str = "test",
    protocol: Literal["whole", "voting"] = "whole",
    votes: int | None = None,
    seed: int = 0,
    folds: tuple[Path, ...] = (),
    name: str | None = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    report: Path | None = None,
    json: bool = False,
    device: str = "auto",
) -> None:
    """Per-class IoU, mIoU, OA and mAcc over every original point of labelled scenes.

    All points of all scenes go into one confusion matrix. A class that is neither in the labels
    nor predicted has no IoU and does not count in the mean. A model of object parts is scored on
    PartNet's shapes instead: part IoU by category, and shape IoU.

    Args:
        model: model file (.safetensors).
        data: folder of the scenes, or shapes, that `salanet prepare` wrote.
        split: which of them.
        protocol: "whole" passes over each scene or shape at once. "voting" is the paper's:
            overlapping spheres over each scene, or the whole shape, in augmented votes.
        votes: passes whose logits are averaged. Default: 1, or 20 by voting (shapes: 10).
        seed: of the augmented votes.
        folds: instead of a model: results of the folds of a cross-validation, to be added.
        name: what tables call the model. Default: its operator and width.
        output: also write the result here as JSON: figures, confusion, protocol, command, versions.
        report: also write a page into this folder: tables, charts, the worst scenes as pictures.
        json: print that JSON instead of the table.
        device: auto, cpu, cuda.
    """
    from salanet.cli.console import load_model
    from salanet.engine import open_runner
    from salanet.evaluation import merge_folds
    from salanet.io.atomic import protect
    from salanet.labelling.outputs import check_writable, make_folder
    from salanet.model_file import describe, locate

    # Before the work, not after it.
    if output is not None:
        protect(output, [model, *folds])
        check_writable(output)
    if report is not None:
        protect(report / "report.html", [model, *folds])
        make_folder(report / "report.html")
    if folds:
        if model or data:
            raise ConfigError("--folds adds saved results; leave --model and --data out")
        merged, about = merge_folds(folds)
        about |= {"name": name or about["name"]}
        value = _report(merged, about, f"{len(folds)} folds", output, json)
        if report is not None:
            _write_page(report, value, None, None)
        return
    if model is None or data is None:
        raise ConfigError("give --model and --data, or --folds with saved results")
    if votes is not None and votes < 1:
        raise ConfigError(f"--votes {votes}: at least one is needed")
    entry = describe(locate(model))
    about = {
        "name": name or _name_of(entry.config),
        "model": str(model),
        "config": entry.config.model_dump(mode="json"),
        "parameters": entry.parameters,
        "trained": entry.card.trained,
    }
    gallery = None
    found: Confusion | PartScores
    if entry.config.parts:
        network = load_model(model, device)
        found, more, title = _score_shapes(network, data, split, protocol, votes, seed)
    else:
        opened = load_model(model, device) if protocol == "voting" else open_runner(model, device)
        if report is not None:
            from salanet.view.report import Gallery

            gallery = Gallery()
        found, more, title = _score_scenes(opened, data, split, protocol, votes, seed, gallery)
    value = _report(found, about | more, f"{model}, {title}", output, json)
    if report is not None:
        _write_page(report, value, gallery, entry)


def _write_page(
    folder: Path, value: dict[str, Any], gallery: Gallery | None, entry: Entry | None
) -> None:
    from salanet.cli.console import messages
    from salanet.view.colours import given_colours
    from salanet.view.report import write_report

    names = dict(enumerate(value.get("classes", {})))
    given = given_colours(entry.card.colours, names) if entry else {}
    path = write_report(folder, value, gallery, {names[i]: c for i, c in given.items()})
    messages().print(f"report: {path}", soft_wrap=True)


def _score_scenes(
    model: Network | Runner,
    data: Path,
    split: str,
    protocol: str,
    votes: int | None,
    seed: int,
    gallery: Gallery | None = None,
) -> tuple[Confusion, dict[str, Any], str]:
    from rich.progress import Progress

    from salanet.cli.console import messages
    from salanet.evaluation import Voting, Whole, evaluate, on_raw_points, summary
    from salanet.scenes import Scene, open_scenes

    if protocol == "voting":
        way: Voting | Whole = Voting.of(
            cast("Network", model), votes=votes or SCENE_VOTES, seed=seed
        )
    else:
        way = Whole(votes or 1)
    scenes = open_scenes(data, split)
    console = messages()
    single: dict[str, Confusion] = {}

    def show(scene: Scene, confusion: Confusion) -> None:
        single[scene.name] = confusion
        console.print(
            f"{scene.name}: {confusion.points:,} points, {summary(confusion)}", soft_wrap=True
        )

    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with bar, Stopwatch() as time:
        task = bar.add_task("", total=None)
        found = evaluate(
            model,
            scenes,
            way,
            progress=show,
            passes=lambda n, total: bar.update(task, completed=n, total=total),
            predictions=gallery.add if gallery is not None else None,
        )
    points = "original" if all(map(on_raw_points, scenes)) else "cells"
    sizes = (len(s.raw["to_cell"]) if "to_cell" in s.raw else len(s) for s in scenes)
    about = {
        "dataset": scenes[0].meta.get("provenance", {}).get("dataset"),
        "protocol": way.describe() | {"split": split, "points": points},
        "scenes": {name: confusion.to_dict()["miou"] for name, confusion in single.items()},
        **time.figures(sum(sizes)),
    }
    title = f"{len(scenes)} scenes, {points} points, {protocol}, {way.votes} vote(s)"
    return found, about, title


def _score_shapes(
    network: Network, data: Path, split: str, protocol: str, votes: int | None, seed: int
) -> tuple[PartScores, dict[str, Any], str]:
    from salanet.cli.console import messages
    from salanet.datasets.partnet import Shapes, open_shapes
    from salanet.evaluation import ShapeVotes, evaluate_shapes, percent

    if protocol == "voting":
        way = ShapeVotes.of(network, votes=votes or SHAPE_VOTES, seed=seed)
    elif votes in (None, 1):
        way = ShapeVotes()
    else:
        raise ConfigError("shapes are voted on with --protocol voting")
    shapes = open_shapes(data, split)
    console = messages()

    def show(one: Shapes, scores: PartScores) -> None:
        iou = percent(scores.category_iou(one.category))
        console.print(f"{one.category}: {len(one):,} shapes, part IoU {iou}", soft_wrap=True)

    with Stopwatch() as time:
        found = evaluate_shapes(network, shapes, way, progress=show)
    about = {
        "dataset": shapes[0].meta.get("provenance", {}).get("dataset"),
        "protocol": way.describe() | {"split": split, "points": "original"},
        **time.figures(sum(one.parts.size for one in shapes)),
    }
    count = sum(map(len, shapes))
    return found, about, f"{count} shapes, {protocol}, {way.votes} vote(s)"


def _report(
    found: Confusion | PartScores,
    about: dict[str, Any],
    title: str,
    output: Path | None,
    json: bool,
) -> dict[str, Any]:
    """Show the result, write it if wanted, and return it."""
    from salanet.cli.console import messages, print_json, results
    from salanet.evaluation import (
        Confusion,
        parts_summary,
        parts_table,
        result,
        summary,
        table,
        write_json,
    )

    value = result(found, **about)
    if output is not None:
        write_json(output, value)
    if json:
        print_json(value)
        return value
    out = results()
    out.print(title, soft_wrap=True)
    if isinstance(found, Confusion):
        out.print(table(found))
        out.print(summary(found))
    else:
        out.print(parts_table(found))
        out.print(parts_summary(found))
    if "points_per_second" in about:
        messages().print(f"{about['seconds']:.1f} s, {about['points_per_second']:,} points/s")
    return value


class Stopwatch:
    """Time and memory of a block."""

    def __enter__(self) -> Stopwatch:
        import time

        self.clock = time.perf_counter
        self.started = self.clock()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self.clock() - self.started

    def figures(self, points: int) -> dict[str, Any]:
        """What a result says of it; `points` went through in the block."""
        from salanet.labelling.memory import peak_memory

        return {
            "seconds": round(self.seconds, 3),
            "points_per_second": round(points / max(self.seconds, 1e-9)),
            "peak_memory_bytes": peak_memory(),
        }


def _name_of(config: ModelConfig) -> str:
    options = "".join(f", {key}={value}" for key, value in config.operator_options.items())
    if config.network == "salanet":
        return f"{config.operator} (C={config.width}{options})"
    chosen = config.operator + options
    return config.network if chosen in ("", "kpconv") else f"{config.network} ({chosen})"
