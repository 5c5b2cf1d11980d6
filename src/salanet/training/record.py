"""What the first process of a training writes down: the run folder, loggers, figures, summary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from salanet.datasets.partnet import Shapes
from salanet.evaluation import Confusion, PartScores
from salanet.models import Network, load
from salanet.scenes import Scene
from salanet.training.fingerprint import differing, fingerprints, learned, require_same
from salanet.training.loggers import Logger, open_loggers
from salanet.training.recipe import Recipe
from salanet.training.run import Run
from salanet.training.summary import summarise, write_figures

Data = Sequence[Scene | Shapes]


class Record:
    """Keeps the record of a run.

    Args:
        run: its folder.
        recipe: what is trained.
        log: loggers beside TensorBoard.
        console: where remarks are shown.
    """

    def __init__(self, run: Run, recipe: Recipe, log: Sequence[str], console: Console) -> None:
        self.run, self.recipe, self.log, self.console = run, recipe, log, console
        self.loggers: list[Logger] = []

    def begin(
        self,
        resume: bool,
        training: Data,
        validation: Data,
        about: dict[str, Any],
        model: Network,
    ) -> dict[str, Any] | None:
        """Note what is about to be done, or read where it stands.

        Raises:
            FileError, ConfigError: see `Run`; there is no such logger; what the run has learned
                is something else than `model`, made for these data, is to learn.
            MissingExtraError: a logger's package is not installed.
        """
        data = {"training": fingerprints(training), "validation": fingerprints(validation)}
        state = None
        if resume:
            state, remark = self.run.resume(self.recipe)
            before = state.get("learned") or self._learned()  # earlier versions kept none
            if before:
                require_same(before, learned(model), self.run.folder)
            for line in filter(None, (remark, self._changes(data, about))):
                self.console.print(line, style="yellow", soft_wrap=True, markup=False)
            if state["history"]:
                self.run.write_metrics(state["history"])
        else:
            self.run.start(self.recipe, self._about(data, about))
        step = state["step"] if state else 0
        names = ("tensorboard", *self.log)
        self.loggers = open_loggers(names, self.run.folder, self.recipe, step)
        return state

    def epoch(
        self,
        history: Sequence[dict[str, Any]],
        training: Confusion,
        validation: Confusion | PartScores | None,
        best: bool,
    ) -> None:
        """Write the figures of an epoch; see `write_figures`."""
        write_figures(self.run, history, training, validation, best)
        self.run.write_metrics(list(history))
        for logger in self.loggers:
            logger.log(history[-1])

    def end(self) -> None:
        """Write and show the summary."""
        summary = summarise(self.run, self.console)
        self.console.print(f"summary: {summary}", soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Let go of the loggers."""
        for logger in self.loggers:
            logger.close()
        self.loggers = []

    def _about(self, data: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
        seed, here = self.recipe.training.seed, str(Path.cwd())
        return {"seed": seed, "directory": here, "data": data} | more

    def _learned(self) -> dict[str, Any] | None:
        return learned(load(self.run.last)) if self.run.last.is_file() else None

    def _changes(self, data: dict[str, Any], about: dict[str, Any]) -> str:
        """A remark if the data are not those the run was started with, or nobody can tell."""
        changed: list[str] = []
        try:
            started = json.loads((self.run.folder / "run.json").read_text(encoding="utf-8"))
            for part, now in data.items():
                changed += differing(started["data"][part], now)
            _ = started["directory"], started["command"], started["versions"], started["git"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.run.describe(self._about(data, about))
            return "run.json was damaged: written again"
        if not changed:
            return ""
        return f"the data have changed since the run was started: {', '.join(changed)}"
