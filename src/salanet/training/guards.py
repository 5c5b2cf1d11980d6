"""What happens to a step without a finite loss: undone, kept for inspection, counted, explained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from salanet.errors import DataError, FileError
from salanet.io import atomic_path
from salanet.training.samples import Batch

# Steps in a row without a finite loss or gradient before giving up.
PATIENCE = 10
# Files kept of a run: the first ones tell how it began.
KEPT = 5
FOLDER = "bad-batches"


class Guard:
    """Watches the steps of a training.

    A loss that is not finite leaves its traces before it is known: batch norms have taken the
    values into their averages. So the buffers are noted before each step and put back after a bad
    one; with the update left out, the model is as if the batch had never come.

    Args:
        model: its buffers are guarded.
        folder: the run folder; bad batches go into ``bad-batches/`` there.
        channels: names of the input features, for the explanation.
        console: where bad steps are reported; None = nowhere, as on all processes but the first.
    """

    def __init__(
        self,
        model: nn.Module,
        folder: Path,
        channels: Sequence[str] = (),
        console: Console | None = None,
    ) -> None:
        self.folder = folder / FOLDER
        self.channels = list(channels)
        self.console = console
        self.buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self.noted = [buffer.clone() for buffer in self.buffers]
        self.in_a_row = 0
        self.saved: list[Path] = []

    @torch.no_grad()
    def before(self) -> None:
        """Call before a step."""
        for noted, buffer in zip(self.noted, self.buffers, strict=True):
            noted.copy_(buffer)

    def good(self) -> None:
        """Call after a step with a finite loss and gradient."""
        self.in_a_row = 0

    @torch.no_grad()
    def bad(self, batch: Batch | None, step: int, loss: float, norm: float) -> None:
        """Call after any other step, the update left out.

        Args:
            batch: of the step; None on all processes but the one that is to report it.
            step: its number.
            loss: of the batch.
            norm: of the gradient.

        Raises:
            DataError: it was one too many in a row; names the saved files and what to try.
            SystemExit: the same, where another process raises that.
        """
        for noted, buffer in zip(self.noted, self.buffers, strict=True):
            buffer.copy_(noted)
        self.in_a_row += 1
        if batch is None:
            if self.in_a_row >= PATIENCE:
                raise SystemExit(2)
            return
        why = cause(batch, loss, norm, self.channels)
        kept = save_bad_batch(self.folder, batch, step, why) if len(self.saved) < KEPT else None
        if kept is not None:
            self.saved.append(kept)
        if self.console is not None:
            where = f"; the batch is in {kept}" if kept else ""
            self.console.print(
                f"step {step} skipped: {why}{where}", soft_wrap=True, highlight=False, markup=False
            )
        if self.in_a_row >= PATIENCE:
            raise DataError(self._explanation(why))

    def _explanation(self, why: str) -> str:
        files = ", ".join(map(str, self.saved)) or f"none could be written to {self.folder}"
        return (
            f"the loss was not finite {self.in_a_row} steps in a row, last because {why}. "
            "If values in the scenes are wrong, prepare them again; otherwise lower "
            "training.learning_rate, lengthen training.warmup, or lower training.clip. "
            f"Batches kept for inspection (numpy.load): {files}"
        )


def cause(batch: Batch, loss: float, norm: float, channels: Sequence[str] = ()) -> str:
    """Why a step has no finite loss or gradient, as far as the batch shows."""
    values = batch.features
    wrong = ~torch.isfinite(values)
    if bool(wrong.any()):
        columns = torch.nonzero(wrong.any(0)).flatten().tolist()
        named = [channels[c] if c < len(channels) else f"channel {c}" for c in columns]
        rows = int(wrong.any(1).sum())
        places = _places(batch, wrong.any(1))
        return f"{rows} of {len(batch)} points have no finite {', '.join(named)}{places}"
    points = batch.pyramid.levels[0].points
    if not bool(torch.isfinite(points).all()):
        lost = ~torch.isfinite(points).all(1)
        return f"{int(lost.sum())} of {len(batch)} points lie nowhere{_places(batch, lost)}"
    if not math.isfinite(loss):
        return f"the loss is {loss} although all inputs are finite"
    return f"the gradient's norm is {norm} although the loss is finite ({loss:.4g})"


def save_bad_batch(folder: Path, batch: Batch, step: int, why: str) -> Path | None:
    """Write ``step-N.npz`` with points, features, labels, splits, origin and the reason.

    Returns:
        The file; None if it could not be written, which must not end a training.
    """
    finest = batch.pyramid.levels[0]
    arrays: dict[str, Any] = {
        "points": _array(finest.points),
        "features": _array(batch.features),
        "labels": _array(batch.labels),
        "splits": _array(finest.splits),
        "origin": np.array(batch.origin, dtype=str),
        "why": np.array(why),
    }
    path = folder / f"step-{step}.npz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **arrays)
    except (OSError, FileError):
        return None
    return path


def _places(batch: Batch, rows: Tensor) -> str:
    """The clouds that the rows belong to, by origin."""
    if not batch.origin:
        return ""
    ends = batch.pyramid.levels[0].splits[1:]
    clouds = torch.searchsorted(ends, torch.nonzero(rows).flatten().cpu(), right=True)
    return f" ({'; '.join(batch.origin[c] for c in clouds.unique().tolist())})"


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
