"""Strays and flagged noise change nothing about the other points, on every way to a label."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from salanet import read, write
from salanet.adapt.alignment import AlignmentOptions
from salanet.cli.main import main
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.engine import Runner, Segmenter, open_runner, segment
from salanet.errors import DataError
from salanet.io.stream import open_stream
from salanet.labelling.memory import Plan
from salanet.labelling.predict import PredictOptions, predict_file
from salanet.labelling.stream import Work

PLAN = Plan(chunk=7_000, group=5_000, tile=16_000_000)
SITE = np.array([770_000.0, 6_277_000.0, 120.0])
Points = NDArray[np.float64]


@pytest.fixture(scope="module")
def model(town_model: Path) -> Runner:
    return open_runner(town_model)


@pytest.fixture(scope="module")
def clean() -> PointCloud:
    made = town(4, size=40, density=12)
    made.xyz += SITE - np.floor(made.xyz.min(axis=0))
    return made


def with_points(cloud: PointCloud, xyz: Points, label: int = 2, withheld: int = 0) -> PointCloud:
    """The cloud and more points at its end, which it says to be of some class."""
    xyz = np.asarray(xyz, np.float64).reshape(-1, 3)
    rows = np.r_[np.arange(len(cloud)), np.zeros(len(xyz), np.int64)]
    made = cloud.rows(rows)
    made.xyz[len(cloud) :] = xyz
    assert made.label is not None
    made.label[len(cloud) :] = label
    flags = np.r_[np.zeros(len(cloud)), np.full(len(xyz), withheld)]
    made.attributes["withheld"] = flags.astype(np.uint8)
    made.class_names = {7: "low noise"}
    return made


def strays() -> dict[str, tuple[Points, str]]:
    """What is added, and the remark it brings."""
    middle = SITE + [20, 20, 0]
    under = np.c_[np.random.default_rng(0).uniform(18, 22, (10, 2)), np.full(10, -10)] + SITE
    return {
        "origin": (np.zeros((3, 3)), "3 points lie 6,300 km from the rest"),
        "100 km": (middle + [1e5, 0, 0], "1 point lies 100 km from the rest"),
        "5 km": (middle + [0, 5e3, 0], "1 point lies 5 km from the rest"),
        "deep": (middle - [0, 0, 300], "1 point lies 300 m from the rest"),
        "high": (middle + [0, 0, 2000], "1 point lies 2 km from the rest"),
        "no value": (np.r_[middle[:2], -9999], "1 point lies 10 km from the rest"),
        "1e160": (np.r_[middle[:2], 1e160], "more than 1,000,000 km from the rest"),
        "under": (under, "10 points stand alone: the terrain does not rest on them"),
    }


def alike(kind: str) -> float:
    """The least share of labels that stay. What lies 10 m below is seen, by coarse cells: the model
    of these tests, trained for seconds, minds that more than one that has learned."""
    return 0.97 if kind == "under" else 0.995


@pytest.mark.parametrize("kind", strays())
def test_in_memory_and_without_pytorch(
    model: Runner, town_model: Path, clean: PointCloud, kind: str
) -> None:
    added, said = strays()[kind]
    cloud = with_points(clean, added)
    with pytest.warns(UserWarning, match=said):
        found = segment(model, cloud, probabilities=True)
    rest = slice(len(clean))
    expected = segment(model, clean, alignment=AlignmentOptions(units="m")).labels
    assert (found.labels[rest] == expected).mean() >= alike(kind)
    segmenter = Segmenter(town_model, threads=1)
    assert (segmenter.predict(cloud) == found.labels).all()
    assert any(said in remark for remark in segmenter.examine(cloud).remarks)
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)
    if kind != "under":
        assert (found.labels[len(clean) :] == -1).all()
        assert np.ptp(found.probabilities[len(clean) :]) == 0


def streamed(model: Runner, path: Path, to: Path, options: PredictOptions) -> list[str]:
    stream = open_stream(path, to)
    assert stream is not None
    return list(Work(model, stream, to, options, PLAN, lambda *_: None).run()[0].remarks)


@pytest.mark.parametrize("kind", ["origin", "no value", "1e160", "under"])
def test_piece_by_piece(model: Runner, clean: PointCloud, tmp_path: Path, kind: str) -> None:
    added, said = strays()[kind]
    everything = PredictOptions(probabilities=True, confidence=True, entropy=True)
    write(tmp_path / "a.ply", with_points(clean, added))
    remarks = streamed(model, tmp_path / "a.ply", tmp_path / "o.ply", everything)
    predict_file(model, tmp_path / "a.ply", tmp_path / "whole.ply", everything)
    found, whole = read(tmp_path / "o.ply"), read(tmp_path / "whole.ply")
    assert any(said in remark for remark in remarks)
    np.testing.assert_array_equal(found.xyz, read(tmp_path / "a.ply").xyz)
    np.testing.assert_array_equal(found.label, whole.label)
    for name, array in whole.attributes.items():
        np.testing.assert_allclose(found.attributes[name], array, atol=0.02, err_msg=name)
    write(tmp_path / "clean.ply", clean)
    predict_file(model, tmp_path / "clean.ply", tmp_path / "c.ply")
    assert found.label is not None
    assert (found.label[: len(clean)] == read(tmp_path / "c.ply").label).mean() >= alike(kind)
    if kind != "under":
        assert (found.attributes["entropy"][len(clean) :] > 0.999).all()


@pytest.mark.parametrize("label,withheld", [(7, 0), (2, 1)])
def test_flagged_points_keep_their_code(
    model: Runner, clean: PointCloud, tmp_path: Path, label: int, withheld: int
) -> None:
    """Five clumps 4 m below, as water and windows make them."""
    rng = np.random.default_rng(1)
    clumps = rng.uniform(5, 35, (5, 1, 3)) * [1, 1, 0] + rng.normal(0, 0.4, (5, 30, 3))
    clumps = clumps.reshape(-1, 3) + SITE - [0, 0, 4]
    standard = standard_model(model)
    write(tmp_path / "a.laz", with_points(clean, clumps, label, withheld))
    write(tmp_path / "clean.laz", clean)
    predict_file(standard, tmp_path / "clean.laz", tmp_path / "c.laz")
    report = predict_file(standard, tmp_path / "a.laz", tmp_path / "o.laz")
    streamed(standard, tmp_path / "a.laz", tmp_path / "s.laz", PredictOptions())
    expected = np.r_[read(tmp_path / "c.laz").label, np.full(150, label)]
    for name in ("o.laz", "s.laz"):
        np.testing.assert_array_equal(read(tmp_path / name).label, expected)
    assert any(r.startswith("150 points are flagged as noise") for r in report.remarks)
    assert sum(report.classes.values()) == len(clean)
    asked = PredictOptions(alignment=AlignmentOptions(noise=True))
    report = predict_file(standard, tmp_path / "a.laz", tmp_path / "n.laz", asked)
    assert sum(report.classes.values()) == len(clean) + 150


def standard_model(model: Runner) -> Runner:
    """The model, its classes called as the LAS standard calls their codes."""
    names = {2: "ground", 6: "building", 5: "high vegetation", 4: "medium vegetation", 1: "other"}
    codes = model.card.codes
    made = copy.copy(model)
    called = tuple(names[code] for code in codes)
    made.config = model.config.model_copy(update={"classes": called})
    return made


def test_strays_of_las_are_noise(model: Runner, clean: PointCloud, tmp_path: Path) -> None:
    added = SITE + [[20, 20, -500], [20, 20, 900], [9_000, 0, 3]]
    write(tmp_path / "a.laz", with_points(clean, added))
    for to, run in (("o.laz", predict_file), ("s.laz", streamed)):
        run(standard_model(model), tmp_path / "a.laz", tmp_path / to, PredictOptions())
        label = read(tmp_path / to).label
        assert label is not None and label[-3:].tolist() == [7, 18, 18]


def test_strays_of_other_models_have_a_name(
    model: Runner, clean: PointCloud, tmp_path: Path
) -> None:
    """No class of the model is a car's: its codes are 1 car, 2 ground, 4, 5 and 6."""
    write(tmp_path / "a.ply", with_points(clean, np.zeros((3, 3))))
    predict_file(model, tmp_path / "a.ply", tmp_path / "o.ply")
    streamed(model, tmp_path / "a.ply", tmp_path / "s.ply", PredictOptions())
    for name in ("o.ply", "s.ply"):
        found = read(tmp_path / name)
        assert found.label is not None and found.label[-3:].tolist() == [7] * 3
        assert found.class_names[7] == "noise"


def test_strays_of_neighbours(model: Runner, tmp_path: Path) -> None:
    cloud = town(8, size=80, density=8)
    west = cloud.xyz[:, 0] < np.median(cloud.xyz[:, 0])
    write(tmp_path / "west.laz", cloud.rows(west))
    east = cloud.rows(~west)
    near = cloud.xyz[west].max(axis=0)
    bad = [[0, 0, 50_000], near + [5, -10, -900], near + [5, -20, -12]]
    write(tmp_path / "east.laz", east)
    write(tmp_path / "bad.laz", with_points(east, np.array(bad)))
    found = []
    for name in ("east", "bad"):
        for margins in (False, True):
            options = PredictOptions(neighbours=(tmp_path / f"{name}.laz",), margins=margins)
            predict_file(model, tmp_path / "west.laz", tmp_path / "o.laz", options)
            found.append(read(tmp_path / "o.laz").label)
    assert (found[0] == found[1]).all() and (found[2] == found[3]).all()
    assert (found[0] == found[2]).mean() >= 0.995


def test_nothing_but_noise(model: Runner, clean: PointCloud, tmp_path: Path) -> None:
    cloud = replace(clean, label=np.full(len(clean), 7, np.int32), source=None, class_names={})
    write(tmp_path / "a.laz", cloud)
    for run in (predict_file, streamed):
        with pytest.raises(DataError, match=r"a\.laz: all .* points are flagged as noise"):
            run(model, tmp_path / "a.laz", tmp_path / "o.laz", PredictOptions())
    assert not (tmp_path / "o.laz").exists()


@pytest.mark.parametrize("value", ["1e200", "1e30", "-9999"])
def test_one_value_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    path = tmp_path / "far.xyz"
    xyz = np.random.default_rng(0).uniform(0, 3, (400, 3))
    xyz[7, 0] = float(value)
    np.savetxt(path, xyz)
    assert main(["info", "--json", str(path)]) == 0
    (info,) = json.loads(capsys.readouterr().out)
    assert any("1 point lies" in remark for remark in info["prediction"]["remarks"])
    assert 20 < info["density"] < 100
    assert main(["predict", str(path), "-m", "rooms", "-o", str(tmp_path / "o.xyz")]) == 0
    assert main(["view", str(path), "--png", str(tmp_path / "o.png")]) == 0
    said = capsys.readouterr()
    assert "from the rest: not shown" in said.err + said.out
