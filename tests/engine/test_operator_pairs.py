"""Scores by NumPy are those by PyTorch, also where a neighbour lies on the border of two bins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from salanet.engine.pairs import spherical_scores
from salanet.operators import assignment


@pytest.mark.parametrize("cell", [0.02, 0.04, 0.1, 0.25, 0.37])
@pytest.mark.parametrize("fuzzy", [False, True], ids=["hard", "fuzzy"])
def test_spherical_bins_of_measured_coordinates(cell: float, fuzzy: bool) -> None:
    """On a grid, half of the neighbours are due north, at 45°, as high, or at half the radius."""
    steps = np.arange(-3, 4)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    offsets = (grid * np.float32(cell)).astype(np.float32) / np.float32(4 * cell)
    ours = spherical_scores(offsets, (8, 2, 2), fuzzy=fuzzy)
    define = assignment.fuzzy_spherical_scores if fuzzy else assignment.spherical_scores
    theirs = define(torch.from_numpy(offsets), (8, 2, 2))
    exact = define(torch.from_numpy(grid / 4), (8, 2, 2))  # float64
    for scores in (theirs, exact):
        assert scores.groups is not None and ours.groups is not None
        np.testing.assert_array_equal(ours.groups, scores.groups.numpy())
        np.testing.assert_allclose(ours.values, scores.values.numpy(), atol=1e-3)
