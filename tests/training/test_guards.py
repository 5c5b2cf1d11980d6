"""Bad steps are undone, kept and explained; what is wrong beforehand is said beforehand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from salanet.errors import DataError
from salanet.models import create_model
from salanet.training.guards import KEPT, PATIENCE, Guard, cause, save_bad_batch
from salanet.training.optimisation import Objective
from salanet.training.samples import Batch
from salanet.training.sanity import feature_rows, feature_warnings, sanity_check

CHANNELS = ["one", "intensity"]
NAMES = ["ground", "tree"]


@pytest.fixture
def objective() -> Objective:
    torch.manual_seed(0)
    model = create_model(width=8, in_channels=2, classes=NAMES, grid=0.1, neighbours=(8,) * 5)
    return Objective(model)


def batch_for(objective: Objective, points: int = 300) -> Batch:
    """Two clouds; the label says whether a point lies high."""
    generator = torch.Generator().manual_seed(1)
    xyz = torch.rand(points, 3, generator=generator)
    splits = torch.tensor([0, points // 3, points])
    values = torch.stack([torch.ones(points), torch.rand(points, generator=generator)], 1)
    labels = (xyz[:, 2] > 0.5).long()
    pyramid = objective.model.pyramid(xyz, splits)
    return Batch(values, labels, pyramid, origin=("first", "second"))


def test_a_bad_step_leaves_no_trace(objective: Objective, tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    guard = Guard(objective.model, tmp_path, CHANNELS, console)
    before = {name: value.clone() for name, value in objective.model.state_dict().items()}
    batch = batch_for(objective)
    batch.features[250, 1] = math.nan
    guard.before()
    loss = objective.train()(batch)[0].item()
    assert math.isnan(loss)
    assert any(torch.isnan(buffer).any() for buffer in objective.model.buffers()), "it has traces"
    guard.bad(batch, 7, loss, math.nan)
    for name, value in objective.model.state_dict().items():
        if value.is_floating_point():
            assert torch.equal(value, before[name]), name
    said = console.export_text()
    assert "step 7 skipped: 1 of 300 points have no finite intensity (second)" in said
    assert str(tmp_path / "bad-batches" / "step-7.npz") in said


def test_what_is_kept_of_a_batch(objective: Objective, tmp_path: Path) -> None:
    batch = batch_for(objective)
    path = save_bad_batch(tmp_path / "new", batch, 3, "why not")
    assert path is not None
    with np.load(path, allow_pickle=False) as kept:
        assert kept["points"].shape == (300, 3) and kept["points"].dtype == np.float32
        assert np.array_equal(kept["features"], batch.features.numpy())
        assert np.array_equal(kept["labels"], batch.labels.numpy())
        assert kept["splits"].tolist() == [0, 100, 300]
        assert kept["origin"].tolist() == ["first", "second"]
        assert str(kept["why"]) == "why not"
    (tmp_path / "file").touch()
    assert save_bad_batch(tmp_path / "file", batch, 3, "no folder") is None


def test_the_guard_gives_up_with_an_explanation(objective: Objective, tmp_path: Path) -> None:
    guard = Guard(objective.model, tmp_path)
    batch = batch_for(objective)
    for step in range(PATIENCE - 1):
        guard.bad(batch, step, math.inf, math.nan)
    guard.good()
    for step in range(PATIENCE - 1):
        guard.bad(batch, 100 + step, math.inf, math.nan)
    with pytest.raises(DataError, match=r"10 steps in a row.*loss is inf.*learning_rate") as error:
        guard.bad(batch, 200, math.inf, math.nan)
    kept = sorted((tmp_path / "bad-batches").iterdir())
    assert len(kept) == KEPT
    assert all(str(path) in str(error.value) for path in kept)


def test_causes(objective: Objective) -> None:
    batch = batch_for(objective)
    assert cause(batch, math.nan, 1.0) == "the loss is nan although all inputs are finite"
    assert (
        cause(batch, 2.0, math.inf) == "the gradient's norm is inf although the loss is finite (2)"
    )
    batch.features[:2, 0] = math.inf
    assert cause(batch, math.nan, 1.0) == "2 of 300 points have no finite channel 0 (first)"
    batch.features[:2, 0] = 1
    batch.pyramid.levels[0].points[299] = math.nan
    assert cause(batch, math.nan, 1.0) == "1 of 300 points lie nowhere (second)"


def test_sanity_finds_nothing_wrong_and_changes_nothing(objective: Objective) -> None:
    batch, console = batch_for(objective), Console(record=True, width=120)
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    stream = torch.get_rng_state()
    found = sanity_check(objective, batch, NAMES, CHANNELS, largest=3000)
    assert found.warnings == []
    assert found.points == 300 and found.classes == (2, 2)
    assert found.losses is not None and found.losses[1] < found.losses[0]
    assert torch.equal(stream, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in objective.state_dict().items())
    assert all(parameter.grad is None for parameter in objective.parameters())
    found.show(console)
    said = console.export_text()
    assert "first batch: 300 points, 2 of 2 classes" in said
    assert "one small batch overfits: loss" in said
    if found.step_bytes is not None:
        assert "for a step on these points" in said and "if all 3,000" in said


def test_sanity_warns(objective: Objective) -> None:
    batch = batch_for(objective)
    batch.features[:, 1] = batch.features[:, 1] * 200
    found = sanity_check(objective, batch, NAMES, CHANNELS, absent=["tree"])
    assert found.warnings[0] == "no training point is 'tree': it cannot be learned"
    assert found.warnings[1].startswith("the feature 'intensity' has mean 102")
    batch.labels[:] = -1
    assert sanity_check(objective, batch, NAMES, CHANNELS).losses is None


def test_sanity_refuses(objective: Objective) -> None:
    batch = batch_for(objective)
    batch.labels[4] = 2
    with pytest.raises(DataError, match=r"label 2; there are 2 classes \(0 to 1"):
        sanity_check(objective, batch, NAMES, CHANNELS)
    batch.labels[4] = 0
    batch.features[0, 1] = math.inf
    with pytest.raises(DataError, match=r"loss is nan: 1 of 300 points have no finite intensity"):
        sanity_check(objective, batch, NAMES, CHANNELS)


class Deaf(nn.Module):
    """A network whose loss no step lowers."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.calls = 0

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        del batch
        self.calls += 1
        weight = next(self.model.parameters())
        return 1.0 + self.calls + 0 * weight.sum(), torch.zeros(0)


def test_a_batch_that_cannot_be_learned_is_a_warning(objective: Objective) -> None:
    found = sanity_check(Deaf(objective.model), batch_for(objective), NAMES, CHANNELS)  # type: ignore[arg-type]
    assert found.losses == (3.0, 10.0)
    assert "did not lower its loss" in found.warnings[0]


def test_the_table_of_features() -> None:
    features = torch.tensor([[1.0, -20.0, 3.0], [1.0, 20.0, 3.0]])
    rows = feature_rows(features, ["one", "wide", "flat"])
    assert rows == [("one", 1, 0, 1, 1), ("wide", 0, 20, -20, 20), ("flat", 3, 0, 3, 3)]
    wide, flat = feature_warnings(rows)
    assert "'wide' has mean 0 and standard deviation 20" in wide
    assert flat == "the feature 'flat' is 3 everywhere: it tells nothing"
