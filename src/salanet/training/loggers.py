"""Where the figures of each epoch go besides the console and metrics.csv."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from salanet.errors import ConfigError, MissingExtraError
from salanet.evaluation import write_json
from salanet.training.recipe import Recipe

PROJECT = "salanet"
# Which run of a service belongs to a run folder, so that a resumed one goes on there.
MEMORY = "loggers.json"


class Logger(Protocol):
    """Takes a row of figures after every epoch.

    Others than these are made by a function `(folder, recipe, step) -> Logger` in `LOGGERS`.
    """

    def log(self, row: dict[str, Any]) -> None:
        """A row as in metrics.csv; values that are absent are None."""

    def close(self) -> None:
        """The training has ended, one way or another."""


class TensorBoard:
    """Scalars by epoch; steps of an earlier attempt beyond `step` are hidden."""

    def __init__(self, folder: Path, recipe: Recipe, step: int) -> None:
        del recipe
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder), purge_step=step or None)

    def log(self, row: dict[str, Any]) -> None:
        for name, value in scalars(row).items():
            self.writer.add_scalar(name, value, row["step"])
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class Wandb:
    """Weights & Biases: the recipe as configuration, the figures by step."""

    def __init__(self, folder: Path, recipe: Recipe, step: int) -> None:
        del step
        wandb = require("wandb")
        self.run = wandb.init(
            project=PROJECT,
            name=folder.name,
            dir=str(folder),
            config=recipe.model_dump(mode="json"),
            id=recall(folder, "wandb"),
            resume="allow",
        )
        remember(folder, "wandb", self.run.id)

    def log(self, row: dict[str, Any]) -> None:
        self.run.log(scalars(row), step=row["step"])

    def close(self) -> None:
        self.run.finish()


class MLflow:
    """MLflow: the recipe as parameters, the figures by step."""

    def __init__(self, folder: Path, recipe: Recipe, step: int) -> None:
        del step
        self.mlflow = require("mlflow")
        self.mlflow.set_experiment(PROJECT)
        known = recall(folder, "mlflow")
        run = self.mlflow.start_run(run_id=known, run_name=None if known else folder.name)
        remember(folder, "mlflow", run.info.run_id)
        if known is None:
            self.mlflow.log_params(flat(recipe.model_dump(mode="json")))

    def log(self, row: dict[str, Any]) -> None:
        self.mlflow.log_metrics(scalars(row), step=row["step"])

    def close(self) -> None:
        self.mlflow.end_run()


LOGGERS: dict[str, Callable[[Path, Recipe, int], Logger]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "mlflow": MLflow,
}


def open_loggers(names: Sequence[str], folder: Path, recipe: Recipe, step: int) -> list[Logger]:
    """The loggers of a run that starts, or goes on, at a step.

    Raises:
        ConfigError: there is none of that name.
        MissingExtraError: its package is not installed.
    """
    for name in names:
        if name not in LOGGERS:
            raise ConfigError(f"no logger '{name}'; there are {', '.join(LOGGERS)}")
    return [LOGGERS[name](folder, recipe, step) for name in dict.fromkeys(names)]


def scalars(row: dict[str, Any]) -> dict[str, float]:
    """The figures of a row that are numbers, without its place in time."""
    return {
        name: float(value)
        for name, value in row.items()
        if name not in ("epoch", "step") and value is not None and math.isfinite(value)
    }


def flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one with dotted names."""
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def require(package: str) -> Any:
    """Import a package that is asked for by name; MissingExtraError if it is absent."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtraError(package, package) from error


def recall(folder: Path, service: str) -> str | None:
    """The service's run of an earlier attempt in this folder."""
    try:
        known = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
        return str(known[service])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none, or damaged
        return None


def remember(folder: Path, service: str, run: str) -> None:
    """Note the service's run of this folder."""
    others = {name: known for name in LOGGERS if (known := recall(folder, name))}
    write_json(folder / MEMORY, others | {service: run})
