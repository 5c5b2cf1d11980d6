"""Generated surveys as a whole: landscapes, determinism, scenes, the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.cli.main import main
from salanet.datasets.classes import ClassMap
from salanet.datasets.surveys import KINDS, generate
from salanet.datasets.surveys.generator import build
from salanet.datasets.surveys.scanner import any_scanner, fly
from salanet.datasets.surveys.scenes import plan
from salanet.errors import ConfigError
from salanet.sampling.features import available, required
from salanet.scenes import open_scenes
from salanet.training import load_recipe

SMALL = {"density": 3.0, "size": 60.0}


@pytest.mark.parametrize("kind", KINDS)
def test_every_landscape(kind: str) -> None:
    clouds = [generate(seed, kind, **SMALL) for seed in range(3)]
    codes = set(np.concatenate([np.unique(cloud.label) for cloud in clouds]).tolist())
    assert codes <= {1, 2, 3, 4, 5, 6, 7, 9, 14, 15, 17, 18}
    assert {2, 5} <= codes
    if kind in ("terraces", "villas", "slabs", "works", "village"):
        assert {1, 6} <= codes
    for cloud in clouds:
        assert len(cloud) > 3000 and np.isfinite(cloud.xyz).all()
        assert (np.ptp(cloud.xyz[:, :2], axis=0) <= 60.001).all()
        number, count = cloud.attributes["return_number"], cloud.attributes["number_of_returns"]
        assert (number >= 1).all() and (number <= count).all()
        assert (cloud.intensity == np.rint(cloud.intensity)).all() and cloud.intensity.max() > 0


def test_the_same_seed_gives_the_same_points() -> None:
    one, same, other = generate(4, **SMALL), generate(4, **SMALL), generate(5, **SMALL)
    for name, values in one.arrays().items():
        np.testing.assert_array_equal(values, same.arrays()[name])
    np.testing.assert_array_equal(one.xyz, same.xyz)
    assert len(one) != len(other) or not np.array_equal(one.xyz, other.xyz)


@pytest.mark.parametrize("kind", ["terraces", "slabs", "works", "village"])
def test_buildings_stand_on_the_ground(kind: str) -> None:
    rng = np.random.default_rng(1)
    site = build(kind, 80, rng)
    found = fly(site, any_scanner(6.0, rng), rng)
    x, y = found.xyz[found.code == 6, :2].T.astype(np.float32)
    above = found.xyz[found.code == 6, 2] - site.grid.bilinear(site.surface, x, y)
    # A wide beam and a wandering place put points of a wall beside it.
    assert (above > -0.3).mean() > 0.995


def test_surveys_survive_a_file(tmp_path: Path) -> None:
    cloud = generate(6, **SMALL)
    salanet.write(tmp_path / "survey.laz", cloud)
    back = salanet.read(tmp_path / "survey.laz")
    np.testing.assert_allclose(back.xyz, cloud.xyz, atol=0.0011)
    np.testing.assert_array_equal(back.label, cloud.label)
    np.testing.assert_array_equal(back.intensity, cloud.intensity)
    for name in cloud.attributes:
        np.testing.assert_array_equal(back.attributes[name], cloud.attributes[name])


def test_nonsense_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no landscape 'moon'; there are terraces"):
        generate(0, "moon")
    with pytest.raises(ConfigError, match="density of a survey is above 0"):
        generate(0, density=0)
    with pytest.raises(ConfigError, match="of 3 surveys, 1 for validation and 2"):
        plan(tmp_path, count=3, val=1, test=2)
    with pytest.raises(ConfigError, match="no landscape 'moon'"):
        plan(tmp_path, kinds=["moon"])


def test_scenes_go_with_real_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["prepare", "surveys", str(tmp_path), "--count", "3", "--test", "1", "--seed", "6"]
    arguments += ["--density", "2", "--size", "50", "--workers", "1"]
    arguments += ["--kinds", "terraces", "coast"]
    assert main(arguments) == 0
    assert "3 folders" in capsys.readouterr().out
    train, test = open_scenes(tmp_path, "train"), open_scenes(tmp_path, "test")
    assert [len(train), len(test)] == [2, 1]
    recipe = load_recipe("aerial")
    for scene in (*train, *test):
        assert list(scene.classes) == ClassMap.parse("aerial").names
        assert set(required(recipe.model.features)) <= set(available(scene))
        assert scene.color is None and scene.grid == 0.1
        segment = np.asarray(scene.segment)
        assert segment.min() >= -1 and segment.max() < len(scene.classes)
    row = test[0]  # of terraced houses
    segment, heights = np.asarray(row.segment), row.arrays["height_above_ground"]
    assert (np.abs(heights[segment == row.classes.index("ground")]) < 0.3).mean() > 0.9
    assert np.median(heights[segment == row.classes.index("building")]) > 2
    assert main(arguments) == 0, "again: all is there"
    before = np.array(train[0].coord)
    more = [*arguments[:4], "4", *arguments[5:]]
    assert main(more) == 0
    again = open_scenes(tmp_path, "train")
    assert len(again) == 3
    np.testing.assert_array_equal(again[0].coord, before)
