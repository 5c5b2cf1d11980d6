"""`manifest.json`: what a prepared data set consists of, with the SHA-256 of every file.

::

    {"format": 1, "dataset": …, "origin": …, "licence": …, "salanet": …, "settings": {…},
     "scenes": {"Area_5/office_19": {"points": …, "cells": …, "counts": {class: points},
                "remarks": […], "sources": {file: sha256}, "files": {"coord.npy": sha256, …}}}}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from salanet.errors import FileError
from salanet.io.atomic import atomic_path

FORMAT = 1
NAME = "manifest.json"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by name."""
    return {path.name: digest(path) for path in sorted(folder.iterdir()) if path.is_file()}


def load(destination: Path) -> dict[str, Any]:
    """The manifest of a prepared data set; FileError if there is none, or none we can read."""
    path = destination / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(path, "no such file; run `salanet prepare` first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(path, f"is not readable JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not _sound(content):
        raise FileError(path, f"is no manifest of format {FORMAT}; run `salanet prepare` again")
    return content


def save(destination: Path, header: Mapping[str, Any], scenes: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest and return it."""
    content = {"format": FORMAT, **header, "scenes": dict(sorted(scenes.items()))}
    with atomic_path(destination / NAME) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    return content


def damage(destination: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Every file that is missing or has other content than when it was written."""
    found = []
    for name, scene in manifest["scenes"].items():
        for file, expected in scene["files"].items():
            path = destination / name / file
            try:
                if digest(path) != expected:
                    found.append(f"{path}: has changed")
            except (OSError, ValueError):
                found.append(f"{path}: missing")
    return found


def _sound(content: Mapping[str, Any]) -> bool:
    """Whether every scene lists its files."""
    scenes = content.get("scenes")
    return isinstance(scenes, dict) and all(
        isinstance(scene, dict) and isinstance(scene.get("files"), dict)
        for scene in scenes.values()
    )
