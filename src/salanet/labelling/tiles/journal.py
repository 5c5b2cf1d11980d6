"""What has been made in a folder, from what and by what: one line of JSON per result."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from salanet import __version__
from salanet.io.atomic import append_line, read_lines
from salanet.labelling.predict import PredictOptions
from salanet.labelling.tiles.cluster import Tile

NAME = "salanet-journal.jsonl"
# What a line raises that is not whole, or was edited.
DAMAGED = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
# None changes a result: how the work is divided, where it is taken up, what others get of it.
NOT_RESULTS = ("memory", "resume", "margins")


class Journal:
    """The results in one folder that a run has finished.

    A result counts as made while its file is the one that was written, of the same input, by the
    same model with the same options.

    Args:
        folder: where the results are; need not exist before the first `add`.
        model: a digest of the model.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self._path, self._model = folder / NAME, model
        self._lines: dict[str, dict[str, Any]] = {}
        for text in read_lines(self._path):
            with suppress(
                ValueError, KeyError, TypeError, OverflowError, RecursionError
            ):  # damaged
                line = json.loads(text)
                self._lines[str(line["output"]["name"])] = line | {"points": int(line["points"])}

    def has(self, path: Path, to: Path, options: PredictOptions) -> bool:
        """Whether the result of an input is there already."""
        line = self._lines.get(to.name)
        return line is not None and line == self._line(path, to, options, line["points"])

    def add(self, path: Path, to: Path, options: PredictOptions, points: int) -> None:
        """Note a result that is complete."""
        line = self._line(path, to, options, points)
        if line is None:  # somebody has taken one of the two away
            return
        self._lines[to.name] = line
        append_line(self._path, json.dumps(line))

    def points(self, to: Path) -> int:
        """The points of a result that is there."""
        return int(self._lines[to.name]["points"])

    def _line(
        self, path: Path, to: Path, options: PredictOptions, points: int
    ) -> dict[str, Any] | None:
        given = {k: repr(v) for k, v in asdict(options).items() if k not in NOT_RESULTS}
        try:
            return {
                "output": _identity(to),
                "input": _identity(path),
                "version": __version__,
                "model": self._model,
                "options": given,
                "points": points,
            }
        except OSError:  # one of the two is not there
            return None


def _identity(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"name": path.name, "bytes": status.st_size, "modified": status.st_mtime_ns}


class Journals:
    """The journals of all folders that tiles go to; `model` is a digest of the model."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._of: dict[Path, Journal] = {}

    def has(self, tile: Tile) -> bool:
        return self._journal(tile).has(tile.path, tile.to, tile.options)

    def add(self, tile: Tile, points: int) -> None:
        self._journal(tile).add(tile.path, tile.to, tile.options, points)

    def points(self, tile: Tile) -> int:
        return self._journal(tile).points(tile.to)

    def _journal(self, tile: Tile) -> Journal:
        folder = tile.to.parent
        if folder not in self._of:
            self._of[folder] = Journal(folder, self._model)
        return self._of[folder]
