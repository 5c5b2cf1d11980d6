"""What predictions add to a cloud, in every format that is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.cloud import PointCloud
from salanet.engine import Segmentation
from salanet.labelling.decision import decide
from salanet.labelling.outputs import extra_columns, extra_names
from salanet.labelling.rules import Rules
from salanet.labelling.whole import label_cloud
from salanet.models import Network, create_model

CLASSES = ("ground", "low vegetation", "building")
ALL = {"probabilities": True, "confidence": True, "entropy": True}
NAMES = ["p_ground", "p_low_vegetation", "p_building", "confidence", "entropy"]


def model(classes: tuple[str, ...] = CLASSES) -> Network:
    return create_model(
        width=4, in_channels=1, classes=classes, metadata={"codes": [*range(2, 2 + len(classes))]}
    )


def found(count: int = 50) -> Segmentation:
    shares = np.random.default_rng(0).dirichlet([1, 1, 1], count).astype(np.float32)
    return Segmentation(shares.argmax(1), shares, cells=count)


def cloud(count: int = 50) -> PointCloud:
    xyz = np.round(np.random.default_rng(1).random((count, 3)) * 100, 3)
    return PointCloud(xyz, label=np.zeros(count, np.int32))


def put(labelled: PointCloud, result: Segmentation, by: Network, **wanted: bool) -> list[str]:
    decision = decide(by, Rules(), labelled, Path("a.laz"), False, Path("a.laz"))
    return label_cloud(labelled, result, by, decision, **wanted)[1]


def test_confidence_and_entropy() -> None:
    shares = np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0]], np.float32)
    confidence, entropy = extra_columns(shares, confidence=True, entropy=True)
    assert confidence.dtype == entropy.dtype == np.float32
    np.testing.assert_allclose(confidence, [1, 1 / 3, 0.5], rtol=1e-6)
    np.testing.assert_allclose(entropy, [0, 1, np.log(2) / np.log(3)], atol=1e-6)
    (alone,) = extra_columns(np.ones((4, 1), np.float32), entropy=True)
    assert alone.tolist() == [0] * 4
    assert extra_columns(shares) == []


@pytest.mark.parametrize("suffix", io.WRITABLE)
def test_every_format_holds_them(tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("lzf")
    io.write(tmp_path / f"a{suffix}", cloud())
    labelled, result = io.read(tmp_path / f"a{suffix}"), found()
    assert put(labelled, result, model(), **ALL) == []
    io.write(tmp_path / f"b{suffix}", labelled)
    again = io.read(tmp_path / f"b{suffix}")
    assert again.label is not None and (again.label == result.labels + 2).all()
    assert result.probabilities is not None
    expected = extra_columns(result.probabilities, **ALL)
    for name, column in zip(NAMES, expected, strict=True):
        np.testing.assert_array_equal(again.attributes[name].astype(np.float32), column)


def test_only_what_is_wanted() -> None:
    labelled = cloud()
    assert put(labelled, found(), model(), probabilities=False, entropy=True) == []
    assert list(labelled.attributes) == ["entropy"]
    plain = Segmentation(found().labels, None, cells=50)
    assert put(labelled, plain, model(), **ALL) == []
    assert list(labelled.attributes) == ["entropy"]


def test_nothing_of_the_file_is_overwritten() -> None:
    labelled = cloud()
    own = np.arange(50)
    labelled.attributes |= {"confidence": own, "p_ground": own, "p_ground_1": own}
    remarks = put(labelled, found(), model(), **ALL)
    assert remarks == [
        "'p_ground' is written as 'p_ground_2': that name is taken or too long",
        "'confidence' is written as 'confidence_1': that name is taken or too long",
    ]
    assert all((labelled.attributes[name] == own).all() for name in ("confidence", "p_ground"))
    assert labelled.attributes["p_ground_2"].dtype == np.float32


def test_long_names_stay_apart() -> None:
    long = "a very long name of a class, façade "
    names, remarks = extra_names(model((long + "1", long + "2")), probabilities=True)
    assert len(set(names)) == 2 and len(remarks) == 2
    assert all(len(name.encode()) <= 32 for name in names)


@pytest.mark.parametrize("suffix", [".laz", ".ply", ".pcd", ".csv", ".npz"])
def test_names_with_accents(tmp_path: Path, suffix: str) -> None:
    labelled = cloud()
    put(labelled, found(), model(("façade", "Straße", "other")), **ALL)
    io.write(tmp_path / f"a{suffix}", labelled)
    assert {"p_façade", "p_Straße"} <= set(io.read(tmp_path / f"a{suffix}").attributes)
