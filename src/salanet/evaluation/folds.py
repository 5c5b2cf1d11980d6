"""Cross-validation: the confusions of several folds, added before any ratio is formed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from salanet.errors import ConfigError, FileError
from salanet.evaluation.confusion import Confusion
from salanet.evaluation.report import read_result


def merge_folds(paths: Sequence[Path]) -> tuple[Confusion, dict[str, Any]]:
    """Add the confusions of saved results, one for each fold.

    Returns:
        The sum, and what a result says of the folds: their common protocol, data set and model.

    Raises:
        FileError: a file is no result, or its split was in an earlier one.
        ConfigError: fewer than two, or they differ in classes, data set, model or protocol.
    """
    if len(paths) < 2:
        raise ConfigError("--folds takes the results of two folds or more")
    results = [read_result(path) for path in paths]
    common = _description(results[0], paths[0])
    splits: dict[str, Path] = {}
    pooled = Confusion(list(results[0]["classes"]))
    for path, found in zip(paths, results, strict=True):
        for what, value in _description(found, path).items():
            if value != common[what]:
                raise ConfigError(
                    f"{path}: {what} is {value}, but {paths[0]} has {common[what]}; folds must be "
                    "evaluated alike"
                )
        split = found["protocol"].get("split", "")
        if split in splits:
            raise FileError(path, f"is of the split {split}, as {splits[split]} is already")
        splits[split] = path
        pooled += Confusion(pooled.classes, found["confusion"])
    about = {
        "dataset": common["dataset"],
        "name": results[0].get("name"),
        "config": results[0].get("config"),
        "parameters": results[0].get("parameters"),
        "protocol": common["protocol"] | {"folds": list(splits)},
        "folds": {split: {"file": str(path)} for split, path in splits.items()},
        "seconds": sum(found.get("seconds", 0) for found in results),
    }
    for split, found in zip(splits, results, strict=True):
        about["folds"][split] |= {key: found[key] for key in ("miou", "oa", "macc", "points")}
    return pooled, about


def _description(result: dict[str, Any], path: Path) -> dict[str, Any]:
    """What the results of all folds must have in common."""
    if "confusion" not in result:
        raise FileError(path, "has no confusion over classes to add")
    protocol = {key: value for key, value in result["protocol"].items() if key != "split"}
    return {
        "classes": list(result["classes"]),
        "dataset": result.get("dataset"),
        "config": result.get("config"),
        "protocol": protocol,
    }
