"""The models that come with the package, by name.

Each is one file in `salanet/weights`, written by `save`; its metadata says what it is for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

import salanet
from salanet.errors import ConfigError, FileError
from salanet.io.model_header import KEY, parse
from salanet.models import files
from salanet.models.config import ModelConfig
from salanet.models.network import Network

FOLDER = Path(salanet.__file__).parent / "weights"
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Entry:
    """A model file described without reading its weights.

    Attributes:
        name: the file's name without suffix.
        path: the file.
        config: the network's architecture.
        metadata: what else the file tells; entries used here are in docs/adding-a-model.md.
        shapes: of its tensors, by name.
    """

    name: str
    path: Path
    config: ModelConfig
    metadata: dict[str, Any]
    shapes: dict[str, list[int]] = field(default_factory=dict)

    @property
    def domain(self) -> str:
        """What scans it is for: "indoor", "airborne", or nothing known."""
        return str(self.metadata.get("domain") or "")

    @cached_property
    def parameters(self) -> int:
        """The number of trained numbers; FileError if the file has other tensors."""
        network = files.outline(self.path, self.config, self.shapes)
        return sum(parameter.numel() for parameter in network.parameters())

    def card(self) -> str:
        """Data, licence, metrics and limits in Markdown; empty if nobody wrote them down."""
        text = self.metadata.get("card")
        beside = self.path.with_suffix(".md")
        if not text and beside.is_file():
            text = beside.read_text(encoding="utf-8")
        return str(text or "").strip()

    def record(self) -> dict[str, Any]:
        """All of it but the card, as JSON-able values."""
        config, metadata = self.config, self.metadata
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
            "optional": metadata.get("optional") or [],
            "training_data": metadata.get("training_data") or "",
            "licence": metadata.get("licence") or "",
            "metrics": metadata.get("metrics") or {},
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


def describe(path: Path) -> Entry:
    """Read what a model file says of itself; FileError if it is no model of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            document, metadata = parse((file.metadata() or {})[KEY])
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
        config = ModelConfig(**files.current(document, shapes))
    except (SafetensorError, OSError) as error:
        raise FileError(path, f"not a readable safetensors file ({error})") from error
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:300]
        raise FileError(path, f"not a model of this version of SalaNet: {reason}") from error
    return Entry(path.stem, path, config, metadata, shapes)


def load(model: str | Path) -> Network:
    """Read a model from a `.safetensors` file, or one that comes with the package by its name.

    Returns it on the CPU, in evaluation mode. A file of that name is preferred.

    Raises:
        FileError: the file is absent, damaged, not one of ours, or from an incompatible version.
        ConfigError: it is no file, and no model of that name comes with the package.
    """
    return files.load(locate(model))


def locate(model: str | Path) -> Path:
    """The file that `load` would read; ConfigError for a name that no shipped model has."""
    path = Path(model)
    if path.name == str(model) and not path.suffix and not path.is_file():
        return find(path.name).path
    return path
