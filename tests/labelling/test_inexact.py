"""Points that scatter more than training's are told, whatever way a file is labelled."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.adapt.exactness import EXACT, inexact
from salanet.datasets.town import town
from salanet.engine import open_runner
from salanet.remark import Remark
from salanet.sampling import ground
from salanet.sampling.scatter import UNKNOWN, Quality
from salanet.sampling.terrain import terrain_of


def noisy_town(noise: float) -> salanet.PointCloud:
    cloud = town(5, size=60, density=25)
    cloud.xyz += np.random.default_rng(1).normal(0, noise, cloud.xyz.shape)
    return cloud


@pytest.mark.parametrize("noise", [0.03, 0.1, 0.2])
def test_scatter_is_the_noise(noise: float) -> None:
    exact, found = (terrain_of(noisy_town(one).xyz).scatter for one in (0.0, noise))
    assert exact < 0.03
    assert found == pytest.approx(np.hypot(exact, noise), rel=0.2)


def test_scatter_of_pieces_and_of_many_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    xyz = noisy_town(0.1).xyz
    low, high = xyz.min(0), xyz.max(0)
    whole = ground.find_ground(lambda: [xyz], low, high).scatter
    pieces = ground.find_ground(lambda: np.array_split(xyz, 7), low, high).scatter
    assert abs(whole - pieces) < 1e-9
    monkeypatch.setattr("salanet.sampling.scatter.MOST", 500)
    assert abs(ground.find_ground(lambda: [xyz], low, high).scatter - whole) < 0.01
    assert np.isnan(terrain_of(xyz[::400]).scatter)  # no two in a cell


def test_what_a_model_can_do_with(town_model: Path) -> None:
    exact = open_runner(town_model)
    assert inexact(exact, Quality(EXACT)) == inexact(exact, UNKNOWN) == []
    assert inexact(open_runner("aerial"), Quality(0.07)) == []  # has learned some noise
    assert len(inexact(open_runner("aerial"), Quality(0.09))) == 1
    (remark,) = inexact(exact, Quality(0.12))
    assert isinstance(remark, Remark) and remark.code == "inexact"
    assert remark.values == {"scatter": 0.12} and "0.12 m" in remark


@pytest.mark.parametrize("memory", [None, "200MB"])
def test_low_noise_is_said(memory: str | None, town_model: Path, tmp_path: Path) -> None:
    for share, times in ((0.0, 0), (0.004, 1)):
        cloud, rng = noisy_town(0.0), np.random.default_rng(2)
        low = rng.random(len(cloud)) < share
        cloud.xyz[low, 2] -= rng.uniform(1, 8, low.sum())
        path, to = tmp_path / f"{share}.laz", tmp_path / f"out-{share}.laz"
        salanet.write(path, cloud)
        (report,) = salanet.label(path, to, town_model, units="m", memory=memory)
        said = [r for r in report.remarks if isinstance(r, Remark) and r.code == "below"]
        assert len(said) == times
        for remark in said:
            assert 0.001 < remark.values["below"] < 0.0045 and "low noise" in remark


@pytest.mark.parametrize("memory", [None, "200MB"])
def test_it_is_said(memory: str | None, town_model: Path, tmp_path: Path) -> None:
    for noise, times in ((0.0, 0), (0.25, 1)):
        path = tmp_path / f"{noise}.laz"
        salanet.write(path, noisy_town(noise))
        to = tmp_path / f"out-{noise}.laz"
        (report,) = salanet.label(path, to, town_model, units="m", memory=memory)
        said = [remark for remark in report.remarks if "points of the ground scatter" in remark]
        assert len(said) == times
        for remark in said:
            assert isinstance(remark, Remark) and 0.15 < remark.values["scatter"] < 0.26
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = salanet.segment(town_model, noisy_town(0.25))
    assert any("scatter by about" in remark for remark in found.remarks)
    assert any("scatter by about" in str(one.message) for one in caught)


@pytest.mark.parametrize("memory", [None, "200MB"])
def test_what_the_model_has_no_class_for_is_said(memory: str | None, tmp_path: Path) -> None:
    salanet.write(tmp_path / "a.laz", noisy_town(0.0))
    (report,) = salanet.label(
        tmp_path / "a.laz", tmp_path / "b.laz", "aerial", units="m", memory=memory
    )
    (said,) = [remark for remark in report.remarks if "has no class for" in remark]
    assert "water (it comes out as ground)" in said
