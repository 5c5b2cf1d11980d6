"""Which data a run was trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salanet.datasets.partnet import Shapes
from salanet.errors import ConfigError
from salanet.models import Network
from salanet.scenes import Scene


def fingerprints(data: Sequence[Scene | Shapes]) -> list[dict[str, Any]]:
    """Name, folder, number of points (or shapes) and fingerprint of each."""
    return [
        {
            "name": one.folder.name,
            "folder": str(one.folder.resolve()),
            "points": len(one),
            "fingerprint": fingerprint(one.folder),
        }
        for one in data
    ]


def fingerprint(folder: Path) -> str:
    """SHA-256 of the folder's JSON files and of the names, headers and sizes of its arrays.

    The values of the arrays are left out: reading all of a large data set would take longer than
    the first epochs. `salanet prepare` writes sources and settings into the JSON.
    """
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json":
            found.update(path.read_bytes())
        elif path.suffix == ".npy":
            with path.open("rb") as file:
                header = file.read(128)
            found.update(f"{path.name} {path.stat().st_size} ".encode() + header)
    return found.hexdigest()


def differing(before: Sequence[dict[str, Any]], now: Sequence[dict[str, Any]]) -> list[str]:
    """Names of scenes that are new, gone or changed."""
    one, other = ({d["name"]: d["fingerprint"] for d in given} for given in (before, now))
    return sorted(name for name in one | other if one.get(name) != other.get(name))


def learned(model: Network) -> dict[str, Any]:
    """What the outputs of a model mean, and the size of its cells: as JSON knows it."""
    config = model.config
    return {
        "classes": list(config.classes),
        "codes": model.metadata.get("codes"),
        "parts": dict(config.parts),
        "grid": config.grid,
    }


def require_same(before: dict[str, Any], now: dict[str, Any], run: Path) -> None:
    """Raise ConfigError, naming what differs, unless a run goes on with what it has learned."""
    for what, value in now.items():
        then = before.get(what)
        if then == value:
            continue
        order = what == "classes" and sorted(then or []) == sorted(value)
        kind = "the classes in the order" if order else f"the {what}"
        raise ConfigError(
            f"{run} was started with {kind} {_listed(then)}, and the data have {_listed(value)}; "
            "prepare them as they were, or choose another -o"
        )


def _listed(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
