"""The run folder: what was asked, where it stands, what came out.

recipe.yaml        the whole recipe, defaults and overrides included
run.json           command, versions, git state, seed, data
metrics.csv        one row per epoch
metrics.json       the latest figures and the best ones, class by class
summary.md         the same for people, with pictures
bad-batches/       batches without a finite loss
events.out.*       the same for TensorBoard
checkpoint.pt      everything needed to go on (`--resume`); checkpoint.previous.pt is the one before
best.safetensors   the model with the best validation mIoU
last.safetensors   the model after the latest epoch
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import pickle
from contextlib import suppress
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

# A checkpoint is this, the SHA-256 of the rest, and what torch.save makes of the state.
MAGIC = b"SalaNet checkpoint 1\n"
DIGEST = hashlib.sha256().digest_size


class Run:
    """A run folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.recipe = self.folder / "recipe.yaml"
        self.checkpoint = self.folder / "checkpoint.pt"
        self.previous = self.folder / "checkpoint.previous.pt"
        self.best = self.folder / "best.safetensors"
        self.last = self.folder / "last.safetensors"

    def start(self, recipe: Recipe, about: dict[str, Any]) -> None:
        """Create the folder and note what is about to be done.

        Raises:
            FileError: the folder holds another run, or cannot be written.
        """
        if self.has_checkpoint:
            raise FileError(
                self.folder, "holds a run already; continue it with --resume, or choose another -o"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(self.folder, f"cannot be created ({error.strerror})") from error
        self._write_recipe(recipe)
        self.describe(about)

    def describe(self, about: dict[str, Any]) -> None:
        """Write run.json."""
        write_json(self.folder / "run.json", about | provenance())

    @property
    def has_checkpoint(self) -> bool:
        return self.checkpoint.is_file() or self.previous.is_file()

    def resume(self, recipe: Recipe) -> tuple[dict[str, Any], str]:
        """The state to go on from, and a remark if it is not the newest one.

        Raises:
            FileError: there is nothing to resume, or no checkpoint can be read.
            ConfigError: the recipe is not the one the run was started with.
        """
        if not self.has_checkpoint:
            raise FileError(self.folder, "has no checkpoint.pt to resume from")
        state, remark = self.read_checkpoint()
        started = self._started(state)
        changed = differences(started.model_dump(), recipe.model_dump())
        changed = [key for key in changed if key.rsplit(".", 1)[-1] not in RESUMABLE]
        if changed:
            raise ConfigError(
                f"{self.folder} was started with other values of {', '.join(changed)}; "
                "resume with the same ones, or choose another -o"
            )
        self._write_recipe(recipe)
        return state, remark

    def _started(self, state: dict[str, Any]) -> Recipe:
        """The recipe of a state; those of earlier versions have it only beside them."""
        if "recipe" in state:
            return parse_recipe(state["recipe"], str(self.checkpoint))
        try:
            content = yaml.safe_load(self.recipe.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())[:200]
            raise FileError(self.folder, f"cannot be resumed: {reason}") from error
        return parse_recipe(content, str(self.recipe))

    def _write_recipe(self, recipe: Recipe) -> None:
        with atomic_path(self.recipe) as temporary:
            temporary.write_text(recipe.dump(), encoding="utf-8")

    def read_checkpoint(self) -> tuple[dict[str, Any], str]:
        """The newest state that is whole, and a remark if that is the one before the newest.

        Raises:
            FileError: neither is.
        """
        try:
            return _read(self.checkpoint), ""
        except FileError as error:
            try:
                state = _read(self.previous)
            except FileError as other:
                raise FileError(
                    self.folder, f"cannot be resumed: {error}; {other}; start again with another -o"
                ) from other
            # Out of the way, or the next checkpoint would keep it as the one before.
            with suppress(OSError):
                self.checkpoint.replace(self.folder / "checkpoint.damaged.pt")
            return state, f"{error}; going on from the checkpoint before it"

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint; at any moment a whole one is there, and the one before it."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getbuffer()
        with atomic_path(self.checkpoint) as temporary:
            with temporary.open("wb") as file:
                file.write(MAGIC)
                file.write(hashlib.sha256(content).digest())
                file.write(content)
            self._keep()

    def _keep(self) -> None:
        """Make the checkpoint also the previous one, without a moment in which it is neither."""
        link = self.previous.with_name(f".{self.previous.name}")
        with suppress(FileNotFoundError):
            link.unlink()
        try:
            os.link(self.checkpoint, link)
            link.replace(self.previous)
        except FileNotFoundError:
            return  # the first of all
        except OSError:  # a file system without links: for a moment only the previous one exists
            self.checkpoint.replace(self.previous)

    def write_metrics(self, history: list[dict[str, Any]]) -> None:
        """Replace metrics.csv by one row per entry."""
        with (
            atomic_path(self.folder / "metrics.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(
                file, list(dict.fromkeys(key for row in history for key in row))
            )
            writer.writeheader()
            writer.writerows(history)

    def read_metrics(self) -> list[dict[str, str]]:
        """The rows of metrics.csv, as text."""
        with (self.folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def _read(path: Path) -> dict[str, Any]:
    """A checkpoint; FileError if it is absent or not what was written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(path, f"cannot be read ({error.strerror})") from error
    body = memoryview(content)[len(MAGIC) + DIGEST :]
    digest = content[len(MAGIC) : len(MAGIC) + DIGEST]
    if not content.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
        raise FileError(path, "is damaged")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileError(path, f"is of no use to this version ({reason})") from error
    return state


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
