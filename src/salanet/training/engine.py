"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from salanet.datasets.partnet import Shapes
from salanet.errors import DataError
from salanet.evaluation import Confusion, PartScores
from salanet.models import save
from salanet.scenes import Scene
from salanet.training.optimisation import (
    MovingAverage,
    Objective,
    create_optimiser,
    learning_rate,
    set_rate,
)
from salanet.training.progress import TensorBoard, TrainingProgress
from salanet.training.recipe import Recipe
from salanet.training.run import Run
from salanet.training.setup import launch
from salanet.training.task import task_for

# Consecutive steps without a finite loss or gradient before giving up.
PATIENCE = 10


class Trainer:
    """Trains one network into a run folder.

    Args:
        recipe: what to do.
        scenes: labelled training scenes, or shapes by category.
        validation: labelled ones on which the best model is chosen; none = the last is the best.
        folder: the run folder.
        budget: seconds after which to stop; the learning rate then follows the clock where that
            is ahead of the steps, so that it has come down when the time is up.
        accelerator, devices: as in Lightning Fabric.
        console: where progress is shown.

    Raises:
        MissingExtraError: Lightning Fabric or TensorBoard is not installed.
        DataError, FileError: the scenes cannot be trained on.
    """

    def __init__(
        self,
        recipe: Recipe,
        scenes: Sequence[Scene] | Sequence[Shapes],
        validation: Sequence[Scene] | Sequence[Shapes],
        folder: str | Path,
        *,
        budget: float | None = None,
        accelerator: str = "auto",
        devices: int = 1,
        console: Console | None = None,
    ) -> None:
        self.recipe = recipe
        self.scenes: list[Scene | Shapes] = list(scenes)
        self.validation: list[Scene | Shapes] = list(validation)
        self.run = Run(folder)
        self.budget = budget
        self.fabric = launch(accelerator, devices, recipe.training.precision)
        self.console = console or Console(stderr=True, quiet=not self.fabric.is_global_zero)
        self.task = task_for(recipe, self.scenes, self.validation)

    def train(self, *, resume: bool = False) -> Run:
        """Train to the end of the recipe or of the budget; returns the run folder.

        Raises:
            FileError: the folder holds another run or nothing to resume, or cannot be written.
            DataError: the loss is not finite for several steps in a row.
        """
        self._build()
        state = self.run.resume(self.recipe) if resume else None
        if state is not None:
            self._restore(state)
        elif self.fabric.is_global_zero:
            about = {
                "seed": self.recipe.training.seed,
                "scenes": [s.folder.name for s in self.scenes],
            }
            self.run.start(self.recipe, about)
        self._loop()
        return self.run

    def _build(self) -> None:
        training = self.recipe.training
        torch.manual_seed(training.seed)
        self.model = self.task.model()
        weights = self.task.weights()
        objective = Objective(self.model, weights, training.label_smoothing, training.lovasz)
        self.objective, self.optimiser = self.fabric.setup(
            objective, create_optimiser(self.model, training)
        )
        self.average = MovingAverage(self.model, training.ema) if training.ema else None
        self.samples = self.task.samples(
            self.model, self.fabric.global_rank, self.fabric.world_size
        )
        self.per_epoch = training.steps_per_epoch(self.fabric.world_size)
        self.step, self.elapsed, self.best = 0, 0.0, -1.0
        self.done = 0.0  # share of the schedule behind us
        self.history: list[dict[str, Any]] = []

    def _loop(self) -> None:
        steps = self.recipe.training.epochs * self.per_epoch
        self.started, self.earlier, self.first = time.monotonic(), self.elapsed, self.done
        show = TrainingProgress(self.console, steps, self.step)
        board = TensorBoard(self.run.folder, self.step) if self.fabric.is_global_zero else None
        self._new_epoch()
        self.bad = 0
        batches = self.samples.batches(self.step, steps)
        try:
            with show:
                self.objective.train()
                for batch in batches:
                    begun = time.monotonic()
                    loss = self._train_step(batch, self._progress(steps))
                    self.step += 1
                    epoch = -(-self.step // self.per_epoch)
                    self._watch(loss, epoch)
                    seconds = time.monotonic() - begun
                    show.step(epoch, loss, self.confusion.mean_iou, len(batch) / seconds)
                    over = self._out_of_time()
                    if self.step % self.per_epoch == 0 or over:
                        row, best = self._end_epoch(epoch, steps, over)
                        show.epoch(row, best)
                        if board:
                            board.log(row)
                    if over and self.step < steps:
                        self.console.print(
                            f"the time is up after {self.elapsed:.0f} s; --resume goes on"
                        )
                        return
        finally:
            batches.close()
            if board:
                board.close()

    def _watch(self, loss: float, epoch: int) -> None:
        """Give up once the loss has not been finite for too long."""
        self.bad = 0 if math.isfinite(loss) else self.bad + 1
        if self.bad == PATIENCE:
            raise DataError(
                f"the loss was not finite {self.bad} steps in a row (epoch {epoch}); lower the "
                "learning rate, clip the gradient, or look for wrong values in the scenes"
            )

    def _train_step(self, batch: Any, progress: float) -> float:
        """One update; returns the loss, nan if the update was skipped."""
        batch = batch.to(self.fabric.device)
        self.rate = learning_rate(self.recipe.training, progress)
        set_rate(self.optimiser, self.rate)
        loss, prediction = self.objective(batch)
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.objective,
            self.optimiser,
            max_norm=self.recipe.training.clip or math.inf,
            error_if_nonfinite=False,
        )
        value = loss.item()
        finite = math.isfinite(value) and math.isfinite(float(norm))
        if finite:
            self.optimiser.step()
            if self.average:
                self.average.update(self.model)
            self.confusion.add(batch.labels.cpu(), prediction.cpu())
            self.losses.append(value)
        else:
            self.skipped += 1
        self.optimiser.zero_grad()
        self.points += len(batch)
        return value if finite else math.nan

    def _progress(self, steps: int) -> float:
        """How far the learning rate's schedule is: by steps, or by the clock if that is ahead."""
        done = self.step / steps
        if self.budget:
            spent = (time.monotonic() - self.started) / self.budget
            done = max(done, self.first + (1 - self.first) * spent)
        self.done = min(done, 1.0)
        return self.done

    def _out_of_time(self) -> bool:
        spent = time.monotonic() - self.started
        self.elapsed = self.earlier + spent
        over = self.budget is not None and spent >= self.budget
        return bool(self.fabric.broadcast(over)) if self.fabric.world_size > 1 else over

    def _new_epoch(self) -> None:
        self.confusion = Confusion(self.task.names(self.model))
        self.losses: list[float] = []
        self.skipped = self.points = 0
        self.epoch_started = time.monotonic()

    def _end_epoch(self, epoch: int, steps: int, over: bool) -> tuple[dict[str, Any], bool]:
        """Validate when due, save, note the figures; returns them and whether they are the best."""
        seconds = time.monotonic() - self.epoch_started
        last = over or self.step == steps
        due = bool(self.validation) and (epoch % self.recipe.training.validate_every == 0 or last)
        weights = self.model.state_dict()
        if self.average:
            weights = {name: tensor.clone() for name, tensor in weights.items()}
            self.model.load_state_dict(self.average.state)
        pooled = self.task.evaluate(self.model) if due else None
        row = {
            "epoch": epoch,
            "step": self.step,
            "seconds": round(self.elapsed, 1),
            "learning_rate": self.rate,
            "loss": sum(self.losses) / len(self.losses) if self.losses else math.nan,
            "train_miou": self.confusion.mean_iou,
            "train_oa": self.confusion.overall_accuracy,
            "val_miou": pooled.mean_iou if pooled else None,
            "val_oa": pooled.overall_accuracy if pooled else None,
            "points_per_second": self.points / max(seconds, 1e-9),
            "skipped": self.skipped,
        }
        self.history.append(row)
        best = self._save_models(pooled)
        if self.average:
            self.model.load_state_dict(weights)
        if self.fabric.is_global_zero:
            self.run.save_checkpoint(self._state())
            self.run.write_metrics(self.history)
        self._new_epoch()
        return row, best

    def _save_models(self, pooled: Confusion | PartScores | None) -> bool:
        best = pooled is not None and not pooled.mean_iou <= self.best
        if pooled is not None and best:
            self.best = pooled.mean_iou
        if self.fabric.is_global_zero:
            trained = {"epochs": self.history[-1]["epoch"], "seed": self.recipe.training.seed}
            metrics = pooled.to_dict() if pooled else None
            metadata: dict[str, object] = {"trained": trained, "validation": metrics}
            save(self.model, self.run.last, metadata)
            if best or not self.validation:
                save(self.model, self.run.best, metadata)
        return best

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state if self.average else None,
            "average_steps": self.average.steps if self.average else 0,
            "step": self.step,
            "elapsed": self.elapsed,
            "done": self.done,
            "best": self.best,
            "history": self.history,
            "random": torch.get_rng_state(),
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.steps = state["average_steps"]
            for name, tensor in state["average"].items():
                self.average.state[name].copy_(tensor)
        self.step, self.elapsed, self.best = state["step"], state["elapsed"], state["best"]
        self.done = state["done"]
        self.history = state["history"]
        torch.set_rng_state(state["random"])
