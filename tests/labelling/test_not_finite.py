"""Points without finite coordinates, as where a sensor saw nothing: they keep their place."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.engine import Runner, Segmenter, open_runner
from salanet.engine.segmentation import segment
from salanet.errors import DataError
from salanet.io.convert import convert
from salanet.labelling.memory import Plan
from salanet.labelling.predict import PredictOptions, inspect_file, predict_file
from salanet.view.sample import load as load_sample

SAID = "points have NaN or infinite coordinates: no class, the label -1"


@pytest.fixture(scope="module")
def model(town_model: Path) -> Runner:
    return open_runner(town_model)


@pytest.fixture(scope="module")
def clouds() -> tuple[PointCloud, PointCloud, np.ndarray]:
    """A cloud, the same with gaps in it, and which points of the second those of the first are."""
    whole = town(7, size=24)
    whole.label = None
    rng = np.random.default_rng(0)
    there = np.ones(len(whole) * 5 // 4, bool)
    there[rng.choice(len(there), len(there) - len(whole), replace=False)] = False
    there[:4000] = np.sort(there[:4000])  # a whole piece of nothing
    there[np.flatnonzero(there)[len(whole) :]] = False
    assert there.sum() == len(whole)
    gaps = PointCloud(np.full((len(there), 3), np.nan))
    gaps.xyz[there] = whole.xyz
    gaps.xyz[np.flatnonzero(~there)[::3]] = [1, 2, np.inf]
    for name, array in whole.arrays().items():
        spread = np.zeros((len(there), *array.shape[1:]), array.dtype)
        spread[there] = array
        if name == "intensity":
            gaps.intensity = spread
        else:
            gaps.attributes[name] = spread
    return whole, gaps, there


@pytest.mark.parametrize("suffix", [".pcd", ".ply", ".npz", ".xyz"])
@pytest.mark.parametrize("memory", [None, 10**8])
def test_such_points_keep_their_row_and_get_no_label(
    tmp_path: Path,
    model: Runner,
    clouds: tuple[PointCloud, PointCloud, np.ndarray],
    suffix: str,
    memory: int | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, gaps, there = clouds
    assert not there[:500].any()
    monkeypatch.setattr(Plan, "of", lambda *_: Plan(500, 2000, 16_000_000))
    if memory is not None and suffix != ".ply":
        pytest.skip("only PLY is streamed")
    options = PredictOptions(memory=memory, confidence=True)
    for name, cloud in (("whole", whole), ("gaps", gaps)):
        io.write(tmp_path / f"{name}{suffix}", cloud)
    expected, found = (
        predict_file(model, tmp_path / f"{n}{suffix}", tmp_path / f"{n}.out{suffix}", options)
        for n in ("whole", "gaps")
    )
    assert ("sort" in found.phases) == (memory is not None)
    assert found.classes == expected.classes and found.cells == expected.cells
    assert f"{(~there).sum():,} {SAID}" in found.remarks
    assert not any(SAID in remark for remark in expected.remarks)
    labels = io.read(tmp_path / f"whole.out{suffix}").label
    back = io.read(tmp_path / f"gaps.out{suffix}")
    np.testing.assert_array_equal(back.xyz, gaps.xyz)
    np.testing.assert_array_equal(back.label[there], labels)
    assert set(back.label[~there].tolist()) == {-1}


def test_laz_leaves_them_out_and_counts(
    tmp_path: Path, model: Runner, clouds: tuple[PointCloud, PointCloud, np.ndarray]
) -> None:
    whole, gaps, there = clouds
    io.write(tmp_path / "a.pcd", gaps)
    left = f"{(~there).sum():,} points have NaN or infinite coordinates: left out"
    report = predict_file(model, tmp_path / "a.pcd", tmp_path / "b.laz")
    assert any(remark.startswith(left) for remark in report.remarks)
    back = io.read(tmp_path / "b.laz")
    np.testing.assert_allclose(back.xyz, whole.xyz, atol=0.0006)
    assert back.label.min() >= 0
    said = convert(tmp_path / "a.pcd", tmp_path / "c.laz")
    assert said[0].startswith(left) and len(said) <= 2  # and the rounding
    np.testing.assert_array_equal(io.read(tmp_path / "c.laz").intensity, whole.intensity)


def test_in_memory_and_on_the_edge(
    town_model: Path, model: Runner, clouds: tuple[PointCloud, PointCloud, np.ndarray]
) -> None:
    whole, gaps, there = clouds
    with pytest.warns(UserWarning, match=SAID):
        found = segment(model, gaps, probabilities=True)
    labels = segment(model, whole, alignment=None).labels
    np.testing.assert_array_equal(found.labels[there], labels)
    assert set(found.labels[~there].tolist()) == {-1}
    segmenter = Segmenter(town_model, threads=1)
    on_edge = segmenter.predict(gaps)
    assert set(on_edge[~there].tolist()) == {-1}
    np.testing.assert_array_equal(on_edge[there], segmenter.predict(whole))
    assert any(SAID in remark for remark in segmenter.examine(gaps).remarks)


def test_info_view_and_dry_run(
    tmp_path: Path,
    model: Runner,
    clouds: tuple[PointCloud, PointCloud, np.ndarray],
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, gaps, there = clouds
    path = tmp_path / "a.ply"
    io.write(path, gaps)
    assert main(["info", str(path), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert f"{(~there).sum():,} points have NaN or infinite coordinates" in found["warnings"]
    assert len(load_sample(path, 10**6)) == there.sum()
    for memory in (None, 10**8):
        plan = inspect_file(model, path, tmp_path / "b.ply", PredictOptions(memory=memory))
        assert any(SAID in remark for remark in plan.remarks)


def test_nothing_but_such_points(
    tmp_path: Path, model: Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.ply"
    io.write(path, PointCloud(np.full((9, 3), np.nan)))
    for memory in (None, 10**8):
        with pytest.raises(DataError, match=r"a\.ply: none of its 9 points has finite coord"):
            predict_file(model, path, tmp_path / "b.ply", PredictOptions(memory=memory))
    assert main(["info", str(path)]) == 0
    assert "no point has finite coordinates" in capsys.readouterr().out
    assert main(["predict", str(path)]) == 2
    assert "a.ply: none of its 9 points has finite coordinates" in capsys.readouterr().err
