"""The pooled confusion against scikit-learn, and its definitions at the edges."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
import torch
from sklearn import metrics

from salanet.evaluation import Confusion, confusion, result, summary, table

NAMES = ["ground", "tree", "house", "car"]


@pytest.fixture
def labels() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    truth = rng.integers(-1, 4, 5000)
    prediction = np.where(rng.random(5000) < 0.7, np.maximum(truth, 0), rng.integers(0, 4, 5000))
    return truth, prediction


def test_agrees_with_scikit_learn(labels: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = labels
    ours = Confusion(NAMES).add(truth, prediction)
    true, predicted = truth[truth >= 0], prediction[truth >= 0]
    assert (ours.counts == metrics.confusion_matrix(true, predicted)).all()
    np.testing.assert_allclose(ours.iou, metrics.jaccard_score(true, predicted, average=None))
    np.testing.assert_allclose(
        ours.mean_iou, metrics.jaccard_score(true, predicted, average="macro")
    )
    assert ours.overall_accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    assert ours.mean_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, predicted))
    assert ours.points == len(true)


def test_pools_before_dividing(labels: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = labels
    parts = Confusion(NAMES).add(truth[:100], prediction[:100])
    parts += Confusion(NAMES).add(torch.from_numpy(truth[100:]), torch.from_numpy(prediction[100:]))
    assert (parts.counts == Confusion(NAMES).add(truth, prediction).counts).all()
    assert Confusion(NAMES, parts.counts.tolist()).mean_iou == parts.mean_iou


def test_absent_classes_are_left_out_of_the_means() -> None:
    ours = Confusion(NAMES).add([0, 0, 1, 1], [0, 0, 1, 2])
    np.testing.assert_array_equal(ours.iou, [1.0, 0.5, 0.0, np.nan])  # house: predicted, never true
    assert ours.mean_iou == pytest.approx(0.5)
    np.testing.assert_array_equal(ours.recall, [1.0, 0.5, np.nan, np.nan])
    assert ours.mean_accuracy == pytest.approx(0.75)


def test_nothing_but_ignored_points() -> None:
    ours = Confusion(NAMES).add([-1, -1], [0, 3])
    assert ours.points == 0
    assert np.isnan([ours.mean_iou, ours.overall_accuracy, ours.mean_accuracy]).all()
    assert ours.to_dict()["miou"] is None
    assert "–" in summary(ours)


@pytest.mark.parametrize("truth, prediction", [([0, 4], [0, 0]), ([0], [-1]), ([0, 1], [0])])
def test_refuses_what_it_cannot_count(truth: list[int], prediction: list[int]) -> None:
    with pytest.raises(ValueError, match=r"labels"):
        Confusion(NAMES).add(truth, prediction)


def test_result_holds_protocol_command_and_versions(labels: tuple[np.ndarray, np.ndarray]) -> None:
    ours = Confusion(NAMES).add(*labels)
    value = json.loads(json.dumps(result(ours, protocol={"name": "whole", "votes": 1}, seed=0)))
    assert value["confusion"] == ours.counts.tolist()
    assert value["protocol"] == {"name": "whole", "votes": 1}
    assert {"command", "versions", "git", "seed", "time"} <= value.keys()
    assert value["classes"]["tree"]["iou"] == pytest.approx(ours.iou[1])


def test_table_has_a_row_per_class(labels: tuple[np.ndarray, np.ndarray]) -> None:
    view = table(Confusion(NAMES).add(*labels))
    assert view.row_count == len(NAMES)


def test_docstring_example() -> None:
    assert doctest.testmod(confusion).failed == 0
