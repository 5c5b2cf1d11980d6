"""Cross-validation adds confusions, and only those that belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salanet.errors import ConfigError, FileError
from salanet.evaluation import Confusion, merge_folds, result, write_json


def save(folder: Path, split: str, seed: int = 0, **more: Any) -> Path:
    rng = np.random.default_rng(seed)
    confusion = Confusion(["floor", "wall"], rng.integers(0, 9, (2, 2)))
    protocol = {"name": "voting", "votes": 3, "split": split}
    about: dict[str, Any] = {"dataset": "S3DIS", "seconds": 2.5, "name": "sala"} | more
    path = folder / f"{split}-{seed}.json"
    write_json(path, result(confusion, protocol=about.pop("protocol", protocol), **about))
    return path


def test_six_confusions_are_added(tmp_path: Path) -> None:
    paths = [save(tmp_path, f"Area_{i}", seed=i) for i in range(1, 7)]
    pooled, about = merge_folds(paths)
    each = [np.array(json.loads(path.read_text())["confusion"]) for path in paths]
    total = sum(each)
    assert (pooled.counts == total).all()
    first = total[0, 0] / (total[0].sum() + total[:, 0].sum() - total[0, 0])
    assert pooled.iou[0] == pytest.approx(first), "not a mean of six figures"
    assert about["protocol"]["folds"] == [f"Area_{i}" for i in range(1, 7)]
    assert about["folds"]["Area_2"]["points"] == each[1].sum()
    assert about["seconds"] == 15 and about["dataset"] == "S3DIS"


def test_what_does_not_belong_together(tmp_path: Path) -> None:
    one = save(tmp_path, "Area_1")
    with pytest.raises(ConfigError, match="two folds"):
        merge_folds([one])
    with pytest.raises(FileError, match="of the split Area_1"):
        merge_folds([one, save(tmp_path, "Area_1", seed=1)])
    with pytest.raises(ConfigError, match="dataset is ScanNet"):
        merge_folds([one, save(tmp_path, "Area_2", dataset="ScanNet")])
    other = {"name": "whole", "votes": 1, "split": "Area_2"}
    with pytest.raises(ConfigError, match="protocol"):
        merge_folds([one, save(tmp_path, "Area_2", protocol=other)])
    for content, message in (("{", "not JSON"), ("{}", "no result"), ("[]", "no result")):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(FileError, match=message):
            merge_folds([one, tmp_path / "bad.json"])
    with pytest.raises(FileError, match="cannot be read"):
        merge_folds([one, tmp_path / "none.json"])
