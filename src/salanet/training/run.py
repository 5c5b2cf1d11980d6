"""The run folder: what was asked, where it stands, what came out.

recipe.yaml        the whole recipe, defaults and overrides included
run.json           command, versions, git state, seed, data
metrics.csv        one row per epoch
events.out.*       the same for TensorBoard
checkpoint.pt      everything needed to go on (`--resume`)
best.safetensors   the model with the best validation mIoU
last.safetensors   the model after the latest epoch
"""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import torch
import yaml

from salanet.errors import ConfigError, FileError
from salanet.evaluation import provenance, write_json
from salanet.io import atomic_path
from salanet.training.recipe import Recipe, parse_recipe

# What may differ from the recipe a run was started with.
RESUMABLE = {"epochs", "validate_every"}


class Run:
    """A run folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.checkpoint = self.folder / "checkpoint.pt"
        self.best = self.folder / "best.safetensors"
        self.last = self.folder / "last.safetensors"

    def start(self, recipe: Recipe, about: dict[str, Any]) -> None:
        """Create the folder and note what is about to be done.

        Raises:
            FileError: the folder holds another run, or cannot be written.
        """
        if self.checkpoint.exists():
            raise FileError(
                self.folder, "holds a run already; continue it with --resume, or choose another -o"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(self.folder, f"cannot be created ({error.strerror})") from error
        with atomic_path(self.folder / "recipe.yaml") as temporary:
            temporary.write_text(recipe.dump(), encoding="utf-8")
        write_json(self.folder / "run.json", about | provenance())

    def resume(self, recipe: Recipe) -> dict[str, Any]:
        """The state to go on from.

        Raises:
            FileError: there is nothing to resume, or the checkpoint cannot be read.
            ConfigError: the recipe is not the one the run was started with.
        """
        if not self.checkpoint.is_file():
            raise FileError(self.folder, "has no checkpoint.pt to resume from")
        try:
            text = (self.folder / "recipe.yaml").read_text(encoding="utf-8")
            started = parse_recipe(yaml.safe_load(text), str(self.folder / "recipe.yaml"))
            state: dict[str, Any] = torch.load(
                self.checkpoint, map_location="cpu", weights_only=True
            )
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())[:200]
            raise FileError(self.folder, f"cannot be resumed: {reason}") from error
        changed = differences(started.model_dump(), recipe.model_dump())
        changed = [key for key in changed if key.rsplit(".", 1)[-1] not in RESUMABLE]
        if changed:
            raise ConfigError(
                f"{self.folder} was started with other values of {', '.join(changed)}; "
                "resume with the same ones, or choose another -o"
            )
        return state

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint, atomically."""
        with atomic_path(self.checkpoint) as temporary:
            torch.save(state, temporary)

    def write_metrics(self, history: list[dict[str, Any]]) -> None:
        """Replace metrics.csv by one row per entry."""
        with (
            atomic_path(self.folder / "metrics.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(history[0]))
            writer.writeheader()
            writer.writerows(history)

    def read_metrics(self) -> list[dict[str, str]]:
        """The rows of metrics.csv, as text."""
        with (self.folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def differences(a: dict[str, Any], b: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the keys whose values differ."""
    found = []
    for key in sorted(a.keys() | b.keys()):
        one, other = a.get(key), b.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(prefix + key)
    return found
