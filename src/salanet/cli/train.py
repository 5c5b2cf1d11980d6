"""`salanet train`: a recipe and prepared scenes in, a run folder with models out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from salanet.cli.console import duration, messages, require_torch
from salanet.cli.parse import parse
from salanet.errors import ConfigError
from salanet.training.recipe import Recipe, load_recipe

PROG = "salanet train"
UNJUDGED = (
    "note: there is no validation split, so nothing will tell how good the model is on new data, "
    "and best.safetensors is the last; `salanet prepare files --val 0.2` sets a part aside"
)
EXAMPLES = (
    "train ign-lidar-hd --data scenes/ -o runs/ign",
    "train ign-lidar-hd --data scenes/ --from aerial --budget 30m",
    "train my-recipe.yaml --data scenes/ --epochs 40 --resume",
)
NO_RECIPE = "give the recipe first: salanet train RECIPE --data scenes/ [options]"


@dataclass
class Arguments:
    """Train a network on prepared scenes.

    Every value of the recipe can be overridden; the defaults shown are the recipe's.
    """

    recipe: tyro.conf.Positional[str]
    """Name of a shipped recipe, or the path of a YAML file; comes first."""
    data: Path
    """Folder of the scenes that `salanet prepare` wrote."""
    settings: Annotated[Recipe, tyro.conf.arg(name="")]
    weights: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Fine-tune this model, a file or the name of a shipped one: its network, a new head for other
    classes, a tenth of the rate."""
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Run folder. Default: runs/RECIPE."""
    resume: bool = False
    """Go on with the run in the output folder."""
    budget: str | None = None
    """Stop after this time, such as 90s, 20m or 1h30m; the learning rate falls in time."""
    accelerator: str = "auto"
    """Of Lightning Fabric: auto, cpu, gpu, …"""
    devices: int | None = None
    """Processes on this machine, one per device. Default: one, or as torchrun or SLURM says."""
    workers: int = 1
    """Threads that make batches beforehand, per process; more if "waiting for data" is long."""
    log: list[str] = field(default_factory=list)
    """Loggers beside metrics.csv and TensorBoard: wandb, mlflow."""


def main(argv: list[str]) -> int:
    named = bool(argv) and not argv[0].startswith("-")
    recipe = load_recipe(argv[0]) if named else Recipe()

    arguments = parse(
        Arguments,
        argv,
        "train",
        EXAMPLES,
        default=Arguments(tyro.MISSING, tyro.MISSING, recipe),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if not named or arguments.recipe != argv[0]:
        raise ConfigError(NO_RECIPE)
    require_torch()
    from salanet.training import Trainer
    from salanet.training.data import scenes, shapes
    from salanet.training.finetune import open_parent, recipe_from
    from salanet.training.processes import start_others
    from salanet.training.stopping import Stopped

    recipe = arguments.settings
    parent = open_parent(arguments.weights) if arguments.weights else None
    if parent is not None:
        recipe = recipe_from(recipe, parent)
    folder = arguments.output or Path("runs") / Path(arguments.recipe).stem
    if not arguments.resume:
        _protect_inputs(folder, arguments)
    budget = duration(arguments.budget) if arguments.budget else None
    open_data = shapes if recipe.sampling.shape == "whole" else scenes
    train, validation = open_data(arguments.data, recipe)
    console = messages()
    others = start_others(arguments.devices)
    trainer = Trainer(
        recipe,
        train,
        validation,
        folder,
        parent=parent,
        budget=budget,
        accelerator=arguments.accelerator,
        devices=arguments.devices,
        workers=arguments.workers,
        log=arguments.log,
        console=console,
    )
    if not validation:
        trainer.console.print(UNJUDGED, soft_wrap=True)
    try:
        run = trainer.train(resume=arguments.resume)
    except Stopped as stopped:
        again = shlex.join([*argv, *([] if arguments.resume else ["--resume"])])
        trainer.console.print(f"{stopped}, saved; go on with:", soft_wrap=True)
        trainer.console.print(f"  {PROG} {again}", soft_wrap=True)
        return stopped.exit_code
    trainer.console.print(f"models: {run.best} and {run.last}", soft_wrap=True)
    for other in others:
        other.wait()
    return 0


def _protect_inputs(folder: Path, arguments: Arguments) -> None:
    """Raise FileError if the run would write over its own recipe or parent."""
    from salanet.io.atomic import protect
    from salanet.training import Run

    run = Run(folder)
    for path in (run.recipe, run.best, run.last):
        protect(path, [arguments.recipe, arguments.weights])
