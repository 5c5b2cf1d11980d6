"""ScanNet's submission: lines, scans, ids; and its rule for ids of no class."""

from __future__ import annotations

import doctest
import zipfile
from pathlib import Path

import numpy as np
import pytest

from salanet.datasets.scannet import BENCHMARK
from salanet.errors import DataError, FileError
from salanet.evaluation import Confusion, submission
from salanet.evaluation.submission import (
    check_submission,
    class_of_ids,
    read_submission,
    write_submission,
)

VERTICES = {"scene0707_00": 4, "scene0708_00": 2}
GOOD = [("scene0707_00", np.array([1, 39, 2, 2])), ("scene0708_00", np.array([14, 16]))]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ours.zip"
    write_submission(path, GOOD, VERTICES)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["scene0707_00.txt", "scene0708_00.txt"]
        assert archive.read("scene0707_00.txt") == b"1\n39\n2\n2\n"
    assert {name: ids.tolist() for name, ids in read_submission(path)} == {
        name: ids.tolist() for name, ids in GOOD
    }
    assert check_submission(path, VERTICES, BENCHMARK.codes) == 6
    first = path.read_bytes()
    write_submission(path, GOOD, VERTICES)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "predictions, message",
    [
        (GOOD[:1], "1 of 2 scans have no prediction, such as scene0708_00"),
        ([*GOOD, GOOD[0]], "scene0707_00 is predicted twice"),
        ([("scene0000_00", np.zeros(4))], "scene0000_00 is not in the benchmark's list"),
        ([("scene0707_00", np.ones(3))], "has 4 vertices but predictions"),
    ],
)
def test_incomplete_submissions_are_not_written(
    tmp_path: Path, predictions: list[tuple[str, np.ndarray]], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_submission(tmp_path / "ours.zip", predictions, VERTICES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "files, message",
    [
        ({"scene0707_00.txt": "1\n1\n1\n1\n"}, "lacks 1 scans, such as scene0708_00"),
        ({"scene0707_00.txt": "1\n1\n1\n"}, "has 3 lines for 4 vertices"),
        ({"scene0707_00.txt": "1\n1\n1\n40\n"}, "holds the id 40, which is no class"),
        ({"scene0707_00.txt": "1\n1\nwall\n1\n"}, "one integer per line"),
        ({"scene0707_00.txt": "1\n\n1\n1\n"}, "one integer per line"),
        ({"scene9999_00.txt": "1\n"}, "has 1 lines for no vertices"),
        ({"ours/scene0707_00.txt": "1\n"}, "only SCAN.txt belong"),
    ],
)
def test_damaged_submissions_are_refused(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    with pytest.raises(FileError, match=message):
        check_submission(path, VERTICES, BENCHMARK.codes)


def test_not_a_zip(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("no zip")
    for name in ("x.zip", "none.zip"):
        with pytest.raises(FileError, match="no readable zip"):
            list(read_submission(tmp_path / name))


def test_ids_of_no_class_count_as_wrong_and_points_of_no_class_not_at_all() -> None:
    # By the rules of ScanNet's evaluation: points whose true id is none of the twenty are left
    # out; predictions of other ids are misses, but no class's false positives.
    codes = BENCHMARK.codes
    truth, predicted = [1, 1, 1, 2, 40, 0], [1, 40, 2, 2, 1, 2]
    found = Confusion(BENCHMARK.classes).add(
        class_of_ids(truth, codes), class_of_ids(predicted, codes), may_miss=True
    )
    assert found.iou[:2].tolist() == [1 / 3, 1 / 2]
    assert np.isnan(found.iou[2:]).all() and found.mean_iou == pytest.approx(5 / 12)
    assert (found.points, found.overall_accuracy) == (4, 0.5)
    assert found.recall[0] == pytest.approx(1 / 3)
    assert doctest.testmod(submission).failed == 0


def test_misses_against_a_confusion_with_one_more_class() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 41, 4000), rng.integers(0, 41, 4000)
    codes = list(BENCHMARK.codes)
    found = Confusion(BENCHMARK.classes).add(
        class_of_ids(truth, codes), class_of_ids(predicted, codes), may_miss=True
    )
    valid = np.isin(truth, codes)
    true, other = truth[valid], np.where(np.isin(predicted, codes), predicted, 99)[valid]
    np.testing.assert_allclose(
        found.iou, metrics.jaccard_score(true, other, labels=codes, average=None)
    )
    assert found.overall_accuracy == pytest.approx(metrics.accuracy_score(true, other))
