"""Model files: what they say of themselves, where they are, and those that come with the package.

A model is one `.safetensors` file: weights, and a JSON document with its architecture
(`ModelConfig`) and what else a user needs to know (`ModelCard`). Nothing here reads the weights,
executes what a file holds, or needs PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import file_digest
from math import prod
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

import salanet
from salanet.errors import ConfigError, FileError
from salanet.fetched import fetched, is_address
from salanet.model_card import ModelCard, document
from salanet.model_config import ModelConfig

KEY = "salanet"  # of the JSON document in the metadata of `.safetensors` and `.onnx` files
FOLDER = Path(salanet.__file__).parent / "weights"
SUFFIX = ".safetensors"
# What a file has besides trained numbers, by the last word of its name.
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "kernel_points")


class Described(Protocol):
    """What is known of a model, loaded or not."""

    @property
    def config(self) -> ModelConfig: ...

    @property
    def card(self) -> ModelCard: ...


@dataclass(frozen=True)
class Entry:
    """A model file described without reading its weights.

    Attributes:
        name: the file's name without suffix.
        path: the file.
        config: the network's architecture.
        card: what else the file tells.
        shapes: of its tensors, by name.
    """

    name: str
    path: Path
    config: ModelConfig
    card: ModelCard
    shapes: dict[str, list[int]] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """What scans it is for: "indoor", "airborne", or nothing known."""
        return self.card.domain

    @cached_property
    def parameters(self) -> int:
        """The number of trained numbers."""
        trained = (n for n in self.shapes if n.rpartition(".")[2] not in BUFFERS)
        return sum(prod(self.shapes[name]) for name in trained)

    def text(self) -> str:
        """Data, licence, metrics and limits in Markdown; empty if nobody wrote them down."""
        text, beside = self.card.text, self.path.with_suffix(".md")
        if not text and beside.is_file():
            text = beside.read_text(encoding="utf-8")
        return text.strip()

    def record(self) -> dict[str, Any]:
        """All of it but the text, as JSON-able values."""
        config, card = self.config, self.card
        return {
            "name": self.name,
            "domain": self.domain,
            "operator": config.operator,
            "width": config.width,
            "parameters": self.parameters,
            "bytes": self.path.stat().st_size,
            "classes": list(config.classes),
            "grid": config.grid,
            "features": list(config.features),
            "optional": card.optional,
            "training_data": card.training_data or "",
            "licence": card.licence or "",
            "metrics": card.metrics,
            "path": str(self.path),
        }


def entries(folder: Path | None = None) -> list[Entry]:
    """The models of a folder, by default the package's own, by name."""
    return [describe(path) for path in sorted((folder or FOLDER).glob(f"*{SUFFIX}"))]


def require_entries() -> list[Entry]:
    """The package's own models; ConfigError if there are none."""
    found = entries()
    if not found:
        raise ConfigError(f"{available()}: name one with -m MODEL.safetensors")
    return found


def names() -> list[str]:
    """The names of the models that come with the package."""
    return [path.stem for path in sorted(FOLDER.glob(f"*{SUFFIX}"))]


def find(name: str) -> Entry:
    """The shipped model of this name; ConfigError, with the names there are, if there is none."""
    if name not in names():
        raise ConfigError(f"there is no model '{name}'; {available()}")
    return describe(FOLDER / f"{name}{SUFFIX}")


def available() -> str:
    """The shipped models in words, for messages."""
    known = ", ".join(names())
    return f"there are {known}" if known else "no models come with this installation"


def locate(model: str | Path) -> Path:
    """The file of a model: as given, in a folder, behind an https address with a checksum
    (`salanet.fetched`), or of one that comes with the package, by its name.

    A file of that name is preferred, a folder is not: it is meant as `./NAME`. Of several models in
    a folder, `best.safetensors`. Raises ConfigError
    for a name that no shipped model has, and for a folder without a model, or with several.
    """
    if isinstance(model, str) and is_address(model):
        return fetched(model)
    path = Path(model)
    bare = path.name == str(model) and not path.suffix
    if path.is_dir() and not (bare and path.name in names()):
        return _inside(path)
    if bare and not path.is_file():
        return find(path.name).path
    return path


def _inside(folder: Path) -> Path:
    """The model of a folder, such as that of a run."""
    found = sorted(folder.glob(f"*{SUFFIX}"))
    best = [path for path in found if path.name == f"best{SUFFIX}"]
    if len(best or found) != 1:
        names = ", ".join(path.name for path in found)
        raise ConfigError(
            f"{folder}: a folder with {f'several models: {names}' if found else 'no model'}"
        )
    return (best or found)[0]


def describe(path: Path) -> Entry:
    """Read what a model file says of itself; FileError if it is no model of ours."""
    if not path.is_file():
        raise FileError(path, "no such model file")
    try:
        text, shapes = _outline(path)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise FileError(path, f"not a readable safetensors file ({error})") from error
    config, card = described(path, text, shapes)
    return Entry(path.stem, path, config, card, shapes)


def _outline(path: Path) -> tuple[str | None, dict[str, list[int]]]:
    """Our document, and the shapes of the tensors, as the beginning of the file tells them."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        rest = path.stat().st_size - 8 - size
        if rest < 0:
            raise ValueError("it is cut short")
        tensors = json.loads(file.read(size))
    text = tensors.pop("__metadata__", {}).get(KEY)
    if any(tensor["data_offsets"][1] > rest for tensor in tensors.values()):
        raise ValueError("it is cut short")
    shapes = {name: [int(n) for n in tensor["shape"]] for name, tensor in tensors.items()}
    return None if text is None else str(text), shapes


def described(
    path: Path, text: str | None, tensors: Iterable[str] = ()
) -> tuple[ModelConfig, ModelCard]:
    """The document of a model file, typed; FileError if it is none of ours.

    Args:
        path: the file, for the error.
        text: the document; None if the file has none.
        tensors: names of the file's tensors.
    """
    if text is None:
        raise FileError(path, f"a {path.suffix[1:]} file, but not a SalaNet model")
    try:
        config, metadata = document(text)
        return ModelConfig(**current(config, tensors)), ModelCard.of(metadata)
    except (TypeError, ValueError, ConfigError, ValidationError) as error:
        raise FileError(path, misfit(error)) from error


def identity_of(kind: str, path: Path) -> str:
    """Tells what a kind of runner makes of a model file from anything else."""
    with path.open("rb") as file:
        return f"{kind}-{file_digest(file, 'blake2b').hexdigest()}"


def misfit(error: BaseException) -> str:
    """A document or network that cannot be, as the reason of a FileError."""
    reason = " ".join(str(error).split())[:300]
    return f"the model does not fit this version of SalaNet: {reason}"


def header(config: ModelConfig, metadata: dict[str, Any]) -> str:
    """The JSON document a model file carries: version, architecture, metadata."""
    version, architecture = salanet.__version__, config.model_dump(mode="json")
    return json.dumps({"version": version, "config": architecture, "metadata": metadata})


def current(config: Any, tensors: Iterable[str]) -> Any:
    """The architecture as this version writes it: SALA's perceptrons once had no batch norms."""
    if not isinstance(config, dict) or config.get("operator", "sala") != "sala":
        return config
    options = config.get("operator_options", {})
    if "encoder.first.lift.bias" not in tensors or not isinstance(options, dict):
        return config
    return config | {"operator_options": {"perceptrons": "linear"} | options}
