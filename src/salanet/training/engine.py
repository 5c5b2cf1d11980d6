"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from salanet.datasets.partnet import Shapes
from salanet.evaluation import Confusion, PartScores
from salanet.models import Network, save
from salanet.operators.norm import alone
from salanet.sampling import features
from salanet.scenes import Scene
from salanet.training.assignment import spreads
from salanet.training.epoch import Epoch
from salanet.training.fingerprint import learned
from salanet.training.guards import Guard
from salanet.training.memory import checkpoint_blocks
from salanet.training.optimisation import (
    MovingAverage,
    Objective,
    Share,
    create_optimiser,
    learning_rate,
    set_rate,
)
from salanet.training.processes import Processes, launch
from salanet.training.progress import TrainingProgress
from salanet.training.recipe import Recipe
from salanet.training.record import Record
from salanet.training.run import Run
from salanet.training.samples import Batch
from salanet.training.sanity import sanity_check
from salanet.training.search import faster_on_device
from salanet.training.stopping import Stopped, Stopping
from salanet.training.task import task_for
from salanet.training.workers import Waiting

# Seconds between checkpoints within an epoch.
CHECKPOINT_SECONDS = 300.0


class Trainer:
    """Trains one network into a run folder.

    Args:
        recipe: what to do.
        scenes: labelled training scenes, or shapes by category.
        validation: labelled ones on which the best model is chosen; none = the last is the best.
        folder: the run folder.
        parent: the model to start from, see `salanet.training.finetune`; none = a new one.
        budget: seconds of the whole run after which to stop, those before it was broken off
            among them; the learning rate then follows the clock where that is ahead of the steps,
            so that it has come down when the time is up.
        accelerator: as in Lightning Fabric.
        devices: processes on this machine, started by `processes.start_others`; by default one,
            or as torchrun or SLURM says.
        workers: threads that make batches, per process; at least one.
        log: loggers beside TensorBoard, see `salanet.training.loggers`.
        console: where progress is shown, by the first process.

    Raises:
        MissingExtraError: Lightning Fabric or TensorBoard is not installed.
        ConfigError, DataError, FileError: the scenes cannot be trained on.
    """

    def __init__(
        self,
        recipe: Recipe,
        scenes: Sequence[Scene] | Sequence[Shapes],
        validation: Sequence[Scene] | Sequence[Shapes],
        folder: str | Path,
        *,
        parent: Network | None = None,
        budget: float | None = None,
        accelerator: str = "auto",
        devices: int | None = None,
        workers: int = 1,
        log: Sequence[str] = (),
        console: Console | None = None,
    ) -> None:
        self.recipe = recipe
        self.scenes: list[Scene | Shapes] = list(scenes)
        self.validation: list[Scene | Shapes] = list(validation)
        self.run = Run(folder)
        self.budget, self.workers = budget, max(workers, 1)
        whole = recipe.sampling.shape == "whole"
        self.fabric = launch(accelerator, devices, recipe.training.precision, unused=whole)
        self.processes = Processes(self.fabric)
        self.everyone = console or Console(stderr=True)
        self.console = self.everyone if self.processes.first else Console(quiet=True)
        self.task = task_for(recipe, self.scenes, self.validation, parent)
        self.parent, self.channels = parent, features.channels(recipe.model.features)
        self.record = Record(self.run, recipe, log, self.console)

    def train(self, *, resume: bool = False) -> Run:
        """Train to the end of the recipe or of the budget; returns the run folder.

        SIGINT and SIGTERM end it after the step, which is saved. Started again with `resume` it
        ends with the weights it would have had, bit for bit on a CPU with as many processes and
        threads, but for runs with a budget, whose learning rate follows the clock.

        Raises:
            FileError: the folder holds another run or nothing to resume, or cannot be written.
            DataError: the loss is not finite for several steps in a row.
            SalaNetError: another process is gone.
            Stopped: a signal came.
        """
        with self.processes.together():
            self._build()
            origin = self.parent.metadata["file"] if self.parent else None
            about = {"processes": self.processes.count, "from": origin}
            state = self.processes.from_first(
                lambda: self.record.begin(resume, self.scenes, self.validation, about, self.model)
            )
            try:
                self._look() if state is None else self._restore(state)
                self._loop()
            finally:
                self.record.close()
        return self.run

    def _look(self) -> None:
        """Try the first batch on a copy of the network, and show what it is."""
        if not self.processes.first:
            return
        batch = self.samples.batch(0, 0).to(self.fabric.device)
        names, absent = self.task.names(self.model), self.task.absent()
        most = self.recipe.largest_batch
        with self.fabric.autocast(), alone():
            found = sanity_check(self.loss, batch, names, self.channels, absent, most)
        found.show(self.console)

    def _build(self) -> None:
        training, processes = self.recipe.training, self.processes
        torch.manual_seed(training.seed)
        self.model = self.task.model()
        if training.activation_checkpointing:
            checkpoint_blocks(self.model)
        weights = self.task.weights()
        self.loss = Objective(
            self.model, weights, training.label_smoothing, training.lovasz, self.task.unions()
        )
        self.objective, self.optimiser = self.fabric.setup(
            self.loss, create_optimiser(self.model, training)
        )
        self.average = MovingAverage(self.model, training.ema) if training.ema else None
        self.samples = self.task.samples(self.model, processes.rank, processes.count)
        self.per_epoch = training.steps_per_epoch(processes.count)
        self.steps = training.epochs * self.per_epoch
        self.step, self.elapsed, self.best = 0, 0.0, -1.0
        self.rate = 0.0  # the learning rate
        self.history: list[dict[str, Any]] = []
        self.latest: Batch | None = None
        self.guard = Guard(self.model, self.run.folder, self.channels, self.everyone)
        self._new_epoch()

    def _loop(self) -> None:
        self.started, self.earlier = time.monotonic(), self.elapsed
        self.saved = self.started
        show = TrainingProgress(self.console, self.steps, self.step)
        k = self.recipe.training.accumulate
        self.samples.on_device = faster_on_device(self.samples, self.fabric.device, self.workers)
        batches = Waiting(self.samples.batches(self.step * k, self.steps * k, self.workers))
        self.stopping = Stopping()
        try:
            with self.stopping, show:
                self._steps(batches, show)
        finally:
            batches.close()
        if self.processes.first:
            self.record.end()

    def _steps(self, batches: Waiting[Batch], show: TrainingProgress) -> None:
        over = self._over
        while True:
            # A run may have been killed between the last step of an epoch and its end.
            if self.epoch.steps and (self.step % self.per_epoch == 0 or over):
                row, best = self._end_epoch(over)
                show.epoch(row, best)
            if self.step == self.steps:
                return
            if over:
                said = f"the time is up after {self.elapsed:.0f} s"
                self.console.print(f"{said}; --resume goes on, with a longer --budget or with none")
                return
            over = self._one_step(batches, show)

    def _one_step(self, batches: Waiting[Batch], show: TrainingProgress) -> bool:
        """Take a step and show it; save and leave if asked to; returns whether the time is up."""
        group = list(islice(batches, self.recipe.training.accumulate))
        self.epoch.waited += batches.seconds
        batches.seconds = 0.0
        begun = time.monotonic()
        loss = self._train_step(group, self._progress())
        self.step += 1
        self.epoch.steps += 1
        points = sum(map(len, group)) * self.processes.count
        seconds = time.monotonic() - begun
        show.step(self._epoch_number, loss, self.epoch.confusion.mean_iou, points / seconds)
        stop, over, due = self._agree()
        if stop or (due and self.step % self.per_epoch):
            self._save()
        if stop:
            raise Stopped(stop)
        return over

    def _train_step(self, group: Sequence[Batch], progress: float) -> float:
        """One update from one batch or several; returns the loss, nan if it was skipped."""
        training = self.recipe.training
        # Where a network drops out at random, a resumed run must drop the same.
        key = (training.seed, self.step, self.processes.rank)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        self.guard.before()
        group = [batch.to(self.fabric.device) for batch in group]
        self.latest = group[-1]
        self.rate = learning_rate(training, progress)
        set_rate(self.optimiser, self.rate)
        share = self._share(group)
        losses, predictions = [], []
        for i, batch in enumerate(group):
            several = self.processes.count > 1 and i + 1 < len(group)
            with self.fabric.no_backward_sync(self.objective, enabled=several):
                loss, prediction = self.objective(batch, share)
                self.fabric.backward(loss)
            losses.append(loss.item())
            predictions.append(prediction.cpu())
        norm = float(
            self.fabric.clip_gradients(
                self.objective,
                self.optimiser,
                max_norm=training.clip or math.inf,
                error_if_nonfinite=False,
            )
        )
        value = self.processes.sum([sum(losses)])[0] / self.processes.count
        finite = math.isfinite(value) and math.isfinite(norm)
        if finite:
            self.optimiser.step()
            if self.average:
                self.average.update(self.model)
            for batch, prediction in zip(group, predictions, strict=True):
                self.epoch.confusion.add(batch.labels.cpu(), prediction)
            self.epoch.losses.append(value)
            self.guard.good()
        self.optimiser.zero_grad()
        self.epoch.points += sum(map(len, group))
        if not finite:
            self.epoch.skipped += 1
            blamed = self._blamed(losses)
            shown = None if blamed is None else group[blamed]
            self.guard.bad(shown, self.step, losses[blamed or 0], norm)
        return value if finite else math.nan

    def _blamed(self, losses: Sequence[float]) -> int | None:
        """Which batch of a bad step to show: the first bad one of the first process with one."""
        bad = [i for i, loss in enumerate(losses) if not math.isfinite(loss)]
        rank = self.processes.rank
        turn = -rank if bad else -self.processes.count - rank
        return (bad or [0])[0] if self.processes.largest([turn])[0] == turn else None

    def _share(self, group: Sequence[Batch]) -> Share | None:
        """What each batch is to the step; None for the only one of the only process."""
        count = self.processes.count
        if count * len(group) == 1:
            return None
        weight = sum(self.loss.weight(batch).double().item() for batch in group)
        total = self.processes.sum([weight])[0] / count
        heads = {head for batch in group for head in batch.heads}
        used = [float(head in heads) for head in range(len(self.model.config.parts))]
        together = self.processes.largest(used) if used else []
        return Share(
            torch.tensor(total, dtype=torch.float32, device=self.fabric.device),
            1 / len(group),
            tuple(head for head, one in enumerate(together) if one),
        )

    def _progress(self) -> float:
        """How far the learning rate's schedule is: by steps, or by the clock if that is ahead."""
        done = self.step / self.steps
        if self.budget:
            spent = self.earlier + time.monotonic() - self.started
            done = self.processes.largest([max(done, spent / self.budget)])[0]
        return min(done, 1.0)

    def _agree(self) -> tuple[int, bool, bool]:
        """The signal to stop by or 0, whether the time is up, and whether to save."""
        now = time.monotonic()
        self.elapsed = self.earlier + now - self.started
        due = now - self.saved >= CHECKPOINT_SECONDS
        agreed = self.processes.largest([self.stopping.signal, self._over, due])
        return int(agreed[0]), bool(agreed[1]), bool(agreed[2])

    @property
    def _over(self) -> bool:
        """Whether the time was up after the last step."""
        return self.budget is not None and self.elapsed >= self.budget

    def _stop_now(self, *_: object) -> None:
        """Called while validating, which can take long; all needed to go on is saved."""
        if self.stopping.signal and self.processes.count == 1:
            raise Stopped(self.stopping.signal)

    @property
    def _epoch_number(self) -> int:
        return -(-self.step // self.per_epoch)

    def _new_epoch(self) -> None:
        self.epoch = Epoch(self.task.names(self.model), self.processes)

    def _end_epoch(self, over: bool) -> tuple[dict[str, Any], bool]:
        """Validate when due, save, note the figures; returns them and whether they are the best."""
        every = self.recipe.training.validate_every
        last = over or self.step == self.steps
        due = bool(self.validation) and (self._epoch_number % every == 0 or last)
        figures, trained = self.epoch.figures()
        pooled = None
        if due:
            self._save()
        with self.average.used_by(self.model) if self.average else nullcontext():
            if due:
                pooled = self.task.evaluate(self.model, self.processes, self._stop_now)
                self.objective.train()
            row = {
                "epoch": self._epoch_number,
                "step": self.step,
                "seconds": round(self.elapsed, 1),
                "learning_rate": self.rate,
                **figures,
                "val_miou": pooled.mean_iou if pooled else None,
                "val_oa": pooled.overall_accuracy if pooled else None,
                **spreads(self.model, self._latest()),
            }
            self.history.append(row)
            best = self._save_models(pooled)
        if self.processes.first:
            self.record.epoch(self.history, trained, pooled, best)
        self._new_epoch()
        self._save()
        return row, best

    def _latest(self) -> Batch:
        """The batch of the latest step; made again by a run that was resumed after it."""
        again = self.step * self.recipe.training.accumulate - 1
        return self.latest or self.samples.numbered(again).to(self.fabric.device)

    def _save_models(self, pooled: Confusion | PartScores | None) -> bool:
        best = pooled is not None and not pooled.mean_iou <= self.best
        if pooled is not None and best:
            self.best = pooled.mean_iou
        if self.processes.first:
            trained = {"epochs": self.history[-1]["epoch"], "seed": self.recipe.training.seed}
            metrics = pooled.to_dict() if pooled else None
            metadata: dict[str, object] = {"trained": trained, "validation": metrics}
            save(self.model, self.run.last, metadata)
            if best or not self.validation:
                save(self.model, self.run.best, metadata)
        return best

    def _save(self) -> None:
        """Write a checkpoint; all processes must take part."""
        state = {
            "recipe": self.recipe.model_dump(mode="json"),
            "learned": learned(self.model),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state if self.average else None,
            "average_steps": self.average.steps if self.average else 0,
            "processes": self.processes.count,
            "step": self.step,
            "elapsed": self.elapsed,
            "rate": self.rate,
            "best": self.best,
            "bad": self.guard.in_a_row,
            "history": self.history,
            "epoch": self.epoch.state(),
        }
        if self.processes.first:
            self.run.save_checkpoint(state)
        self.saved = time.monotonic()

    def _restore(self, state: dict[str, Any]) -> None:
        self.processes.check(state["processes"])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.steps = state["average_steps"]
            for name, tensor in state["average"].items():
                self.average.state[name].copy_(tensor)
        self.step, self.elapsed, self.best = state["step"], state["elapsed"], state["best"]
        self.rate, self.guard.in_a_row = state["rate"], state["bad"]
        self.history = state["history"]
        self.epoch.restore(state["epoch"])
