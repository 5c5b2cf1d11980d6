"""PartNet's metrics by hand and against scikit-learn."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from sklearn import metrics

from salanet.evaluation import PartScores, parts_summary, parts_table, predicted_parts
from salanet.evaluation import partnet as module


def test_by_hand() -> None:
    scores = PartScores({"Cup": 4, "Jar": 3})
    # Part 1: 2 of 4, part 2: 1 of 3, part 3 never occurs; the 0 does not count.
    scores.add("Cup", [0, 1, 1, 1, 2, 2], [3, 1, 1, 2, 2, 1])
    np.testing.assert_allclose(scores.part_iou("Cup"), [2 / 4, 1 / 3, 0])
    assert scores.category_iou("Cup") == pytest.approx((2 / 4 + 1 / 3) / 3)
    assert scores.shapes["Cup"] == pytest.approx([(2 / 4 + 1 / 3) / 2]), "absent: not in the shape"
    # Pooled over both shapes: part 1: (2 + 2) of (4 + 2); part 3 is predicted now.
    scores.add("Cup", [1, 1, 2], [1, 1, 3])
    np.testing.assert_allclose(scores.part_iou("Cup"), [4 / 6, 1 / 4, 0])
    scores.add("Jar", [1, 2], [1, 2])
    assert scores.mean_iou == pytest.approx(((4 / 6 + 1 / 4) / 3 + 1) / 2)
    cups = [(2 / 4 + 1 / 3) / 2, (1 + 0 + 0) / 3]
    assert scores.mean_shape_iou == pytest.approx((np.mean(cups) + 1) / 2)
    assert scores.overall_accuracy == pytest.approx((3 + 2 + 2) / (5 + 3 + 2))


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 6, (5, 400))
    prediction = np.where(rng.random(truth.shape) < 0.6, np.maximum(truth, 1), 1)
    scores = PartScores({"Vase": 6})
    for true, predicted in zip(truth, prediction, strict=True):
        scores.add("Vase", true, predicted)
    known = truth > 0
    pooled = metrics.jaccard_score(truth[known], prediction[known], average=None)
    np.testing.assert_allclose(scores.part_iou("Vase"), pooled)
    assert scores.mean_iou == pytest.approx(pooled.mean())
    per_shape = [
        metrics.jaccard_score(t[t > 0], p[t > 0], average="macro")
        for t, p in zip(truth, prediction, strict=True)
    ]
    assert scores.mean_shape_iou == pytest.approx(np.mean(per_shape))
    accuracy = metrics.accuracy_score(truth[known], prediction[known])
    assert scores.overall_accuracy == pytest.approx(accuracy)


def test_part_0_is_never_predicted() -> None:
    logits = np.array([[9.0, 1.0, 2.0], [9.0, 3.0, 2.0], [0.0, 0.0, 0.0]])
    assert predicted_parts(logits).tolist() == [2, 1, 1]


def test_edges() -> None:
    scores = PartScores({"Cup": 3, "Jar": 3})
    assert np.isnan([scores.mean_iou, scores.mean_shape_iou, scores.overall_accuracy]).all()
    scores.add("Cup", [0, 0], [1, 2])
    assert scores.shapes["Cup"] == [] and scores.to_dict()["miou"] is None
    scores.add("Jar", [1, 1], [1, 1])
    assert scores.mean_iou == 0.5, "categories without points do not count, absent parts do"
    for truth, prediction in (([3], [1]), ([1], [0]), ([1], [3]), ([1, 2], [1])):
        with pytest.raises(ValueError, match="labels"):
            scores.add("Jar", truth, prediction)


def test_result_and_table() -> None:
    scores = PartScores({"Cup": 4}).add("Cup", [0, 1, 2], [1, 1, 1])
    value = json.loads(json.dumps(scores.to_dict()))
    assert value["categories"]["Cup"]["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert value["categories"]["Cup"]["absent_parts"] == [3]
    assert value["points"] == 2 and value["categories"]["Cup"]["shapes"] == 1
    assert parts_table(scores).row_count == 1
    assert parts_summary(scores).startswith("mpIoU 16.67   shape mIoU 25.00")
    assert doctest.testmod(module).failed == 0
