"""YAML that people write: class maps and recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from salanet.errors import ConfigError

MOST_VALUES = 100_000  # references to references can stand for more than any memory holds


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; OSError if it cannot be read.

    Raises ConfigError: not YAML, nested without end, or a bomb of references. The message is
    without the path.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        values = _count(content, {})
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ConfigError(f"not YAML ({' '.join(str(error).split())[:300]})") from error
    except RecursionError:
        raise ConfigError("not YAML for people: it is nested too deeply") from None
    if values > MOST_VALUES:
        raise ConfigError(f"it stands for more than {MOST_VALUES:,} values")
    return content


def shipped_folders(kind: str = ".") -> list[Path]:
    """Where recipes, or `classes` among them, are: in the package, or at a checkout's root."""
    package = Path(__file__).resolve().parent
    folders = (package / "recipes" / kind, package.parents[1] / "recipes" / kind)
    return [folder for folder in folders if folder.is_dir()]


def _count(value: Any, known: dict[int, int]) -> int:
    """Values that it stands for; each list and mapping is walked once."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        inside = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_count(item, known) for item in inside)
    return known[id(value)]
