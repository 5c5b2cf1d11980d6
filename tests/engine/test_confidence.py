"""Confidence: calibrated where the model says so, told of files, the same streamed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from salanet.engine.confidence import (
    LEVELS,
    Certainty,
    confidence,
    levels,
    probabilities,
    temperature,
)
from salanet.model_card import ModelCard


def model(**metadata):
    return SimpleNamespace(card=ModelCard.of(metadata), config=None)


def test_a_temperature_softens_the_probabilities() -> None:
    logits = np.array([[2.0, 0.0, 0.0]])
    sharp, soft = probabilities(model(), logits), probabilities(model(temperature=2.0), logits)
    np.testing.assert_allclose(sharp[0], np.exp([2, 0, 0]) / np.exp([2, 0, 0]).sum(), rtol=1e-6)
    np.testing.assert_allclose(soft[0], np.exp([1, 0, 0]) / np.exp([1, 0, 0]).sum(), rtol=1e-6)
    assert levels(confidence(model(), logits)).tolist() == [round(float(sharp[0, 0]) * LEVELS)]


@pytest.mark.parametrize("damaged", [0, -1.0, float("nan"), "2", None, [1.0]])
def test_what_is_no_temperature_is_none(damaged) -> None:
    assert temperature(model(temperature=damaged)) is None


def test_a_file_unlike_the_training_is_said_if_the_model_is_calibrated() -> None:
    counts = np.zeros(LEVELS + 1, np.int64)
    counts[LEVELS], counts[LEVELS // 2] = 40, 60  # 40 % sure, 60 % at one half
    found = Certainty.of(model(temperature=1.4), counts)
    assert found == Certainty(0.699, 0.6, True, int(counts.sum()))
    (remark,) = found.remarks()
    assert "only about 70% of the labels" in remark and "60% of the points" in remark
    assert Certainty.of(model(), counts).remarks() == []
    chosen = Certainty.of(model(temperature=1.4), counts, chosen=True)
    assert chosen is not None and "that were chosen are harder" in chosen.remarks()[0]
    assert Certainty.of(model(temperature=1.4), counts // 4).remarks() == []  # of 25 points
    counts[LEVELS] = 400
    assert Certainty.of(model(temperature=1.4), counts).remarks() == []
    assert Certainty.of(model(), counts * 0) is None
