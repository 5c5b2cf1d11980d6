"""`salanet train`: a recipe and prepared scenes in, a run folder with models out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from salanet.cli.console import duration, messages
from salanet.datasets.partnet import Shapes, open_shapes
from salanet.errors import ConfigError
from salanet.io.atomic import spare
from salanet.scenes import Scene, check_alike, open_scenes
from salanet.training import Recipe, Run, Trainer, load_recipe
from salanet.training.finetune import open_parent, recipe_from
from salanet.training.processes import start_others
from salanet.training.stopping import Stopped

PROG = "salanet train"
UNJUDGED = (
    "note: there is no validation split, so nothing will tell how good the model is on new data, "
    "and best.safetensors is the last; `salanet prepare files --val 0.2` sets a part aside"
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

    arguments = tyro.cli(
        Arguments,
        args=argv,
        prog=PROG,
        default=Arguments(tyro.MISSING, tyro.MISSING, recipe),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    if not named or arguments.recipe != argv[0]:
        raise ConfigError(NO_RECIPE)
    recipe = arguments.settings
    parent = open_parent(arguments.weights) if arguments.weights else None
    if parent is not None:
        recipe = recipe_from(recipe, parent)
    folder = arguments.output or Path("runs") / Path(arguments.recipe).stem
    if not arguments.resume:
        _spare_inputs(folder, arguments)
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


def _spare_inputs(folder: Path, arguments: Arguments) -> None:
    """Raise FileError if the run would write over its own recipe or parent."""
    run = Run(folder)
    for path in (run.recipe, run.best, run.last):
        spare(path, [arguments.recipe, arguments.weights])


def shapes(data: Path, recipe: Recipe) -> tuple[list[Shapes], list[Shapes]]:
    """Training and validation shapes of PartNet; FileError if there is nothing to train on."""
    train = [one for split in recipe.data.train_split for one in open_shapes(data, split)]
    has_validation = (data / recipe.data.val_split).is_dir()
    return train, open_shapes(data, recipe.data.val_split) if has_validation else []


def scenes(data: Path, recipe: Recipe) -> tuple[list[Scene], list[Scene]]:
    """Training and validation scenes; a folder without splits is all training.

    Raises FileError if there is nothing to train on, or scenes differ in classes or grid.
    """
    splits = recipe.data.train_split
    has_splits = any((data / split).is_dir() for split in splits)
    train = open_scenes(data, splits if has_splits else None)
    has_validation = (data / recipe.data.val_split).is_dir()
    validation = open_scenes(data, recipe.data.val_split) if has_validation else []
    check_alike([*train, *validation])
    return train, validation
