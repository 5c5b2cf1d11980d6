"""Samples of many densities: thinned to cells of a size drawn for each."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from salanet.errors import ConfigError
from salanet.scenes import Scene, open_scenes
from salanet.training.density import Cells, shares
from salanet.training.recipe import Recipe, parse_recipe
from salanet.training.samples import Samples, Unions
from salanet.training.task import SceneTask


def plane(spacing: float, size: float = 20.0) -> SimpleNamespace:
    axis = np.arange(0, size, spacing)
    x, y = np.meshgrid(axis, axis)
    rng = np.random.default_rng(0)
    xy = np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(0, spacing, (x.size, 2))
    return SimpleNamespace(coord=np.column_stack([xy, 0 * xy[:, 0]]).astype(np.float32), name="s")


def recipe(**sampling: object) -> Recipe:
    return parse_recipe(
        {
            "model": {"width": 4, "features": ["one", "cell_size"], "grid": 1.0},
            "sampling": {
                "shape": "cylinder",
                "sphere_radius": 6,
                "max_points": 900,
                "cells": [0.6, 2.0],
                **sampling,
            },
            "augmentation": {"rotation": 0, "scale": [1, 1], "jitter": 0, "mirror_x": 0},
            "training": {"samples_per_epoch": 4, "batch_size": 2},
        },
        "test",
    )


def test_cells_go_with_the_density_of_what_stays() -> None:
    cells = Cells([plane(0.1), plane(1.0)], (0.15, 0.6), 0.2, 0.95)
    rng = np.random.default_rng(0)
    dense = np.array([cells.draw(0, rng) for _ in range(600)])
    sparse = np.array([cells.draw(1, rng) for _ in range(300)])
    whole = dense[:, 1] == 1
    assert 0.28 < whole.mean() < 0.39 and dense[:, 1].min() >= 0.05
    assert dense[whole, 0].min() >= 0.17 and dense[whole, 0].max() <= 0.25
    apart = cells.spacing[0] / np.sqrt(dense[:, 1])  # after points were left out
    ratio = dense[:, 0] / np.maximum(0.2, 0.8 * apart)
    assert 0.849 < ratio.min() < 0.88 and 1.2 < ratio.max() < 1.251
    assert dense[:, 0].max() < 0.601
    assert (sparse[:, 1] == 1).all()  # too sparse to leave out any
    assert sparse[:, 0].min() > 0.6 and sparse[:, 0].max() < 1.5
    assert cells.ranges[0][0] == pytest.approx(0.17) and cells.ranges[1][1] > 0.9


def test_cells_spread_as_the_recipe_says() -> None:
    cells = Cells([plane(0.02)], (0.03, 0.08), 0.04, 0.8, (0.75, 1.5))
    rng = np.random.default_rng(0)
    drawn = np.array([cells.draw(0, rng)[0] for _ in range(800)])
    assert drawn.min() == pytest.approx(0.03, rel=0.02) and 0.058 < drawn.max() < 0.081
    assert cells.ranges[0][0] == pytest.approx(0.03)
    with pytest.raises(ConfigError, match="cell_spread must be two factors around 1"):
        recipe(cell_spread=[1.1, 1.2])


def test_the_nearest_points_stay_in_a_sphere_and_in_a_cylinder() -> None:
    cells = Cells([plane(0.1)], (0.15, 0.6), 0.2, 0.95)
    xyz = np.array([[0.0, 0, 5], [1, 0, 0], [3, 0, 0]], np.float32)
    kept = {}
    for axes in (2, 3):
        _, labels = cells.thin({"xyz": xyz}, np.arange(3), 0.5, 2, axes)
        kept[axes] = sorted(labels.tolist())
    assert kept == {2: [0, 1], 3: [1, 2]}


def test_points_left_out() -> None:
    rng = np.random.default_rng(0)
    cells = Cells([plane(0.1)], (0.15, 0.6), 0.2, 0.95)
    xyz = rng.uniform(0, 20, (1000, 3))
    assert 450 < len(cells.kept(0, xyz, 0.5, rng)) < 550
    assert cells.kept(0, xyz[:3], 0.0, rng).tolist() == [0]


def test_lines_of_points_are_left() -> None:
    """As many as would be at random, in strips: some places near by have none."""
    rng = np.random.default_rng(1)
    cells = Cells([plane(0.1)], (0.15, 0.6), 0.2, 0.95)
    xyz = np.c_[rng.uniform(0, 20, (40_000, 2)), np.zeros(40_000)]
    empty, shares = {}, {}
    for lines in (0.0, 1.0):
        found = [xyz[cells.kept(0, xyz, 0.1, rng, lines)] for _ in range(60)]
        shares[lines] = np.mean([len(one) for one in found]) / len(xyz)
        full = [len(np.unique((one[:, :2] / 0.4).astype(int), axis=0)) for one in found]
        empty[lines] = 1 - np.mean(full) / 2500
    assert abs(shares[0.0] - 0.1) < 0.005 and abs(shares[1.0] - 0.1) < 0.01
    assert empty[1.0] > 1.3 * empty[0.0]


def test_the_geometry_comes_to_the_networks_grid(town_scenes: Path) -> None:
    wanted = recipe()
    task = SceneTask(wanted, open_scenes(town_scenes, "train"), [])
    torch.manual_seed(0)
    model = task.model()
    assert model.config.grid == 1.0
    low, high = model.metadata["cells"]
    assert 0.6 <= low < high <= 2.01
    samples = task.samples(model, 0, 1)
    sizes = set()
    for index in range(6):
        one = samples.sample(0, index)
        sizes.add(round(float(one.features[0, 1]), 3))
        assert len(one.points) == len(one.labels) <= 900
        # Whatever the cells, one point for each cell of the network's own grid, and no wider.
        centres = np.floor(one.points[:, :2]).astype(int)
        assert len(one.points) < 2.5 * len(np.unique(centres, axis=0)) * 4
        assert np.abs(one.points[:, :2]).max() <= 6.01
    assert len(sizes) == 6


def test_own_intensities_of_each_scene(town_scenes: Path) -> None:
    scenes = open_scenes(town_scenes, "train")
    wanted = parse_recipe(
        {
            "model": {"features": ["intensity"], "intensity": "own"},
            "sampling": {"shape": "cylinder"},
        },
        "test",
    )
    samples = SceneTask(wanted, scenes, []).samples(SceneTask(wanted, scenes, []).model(), 0, 1)
    tops = [float(np.percentile(scene.arrays["intensity"], 95)) for scene in scenes]
    assert samples.scales == pytest.approx(tops)


def test_shares_go_by_name_and_the_root_of_the_size(town_scenes: Path) -> None:
    scenes = open_scenes(town_scenes, "train")
    found = shares(scenes, {f"{scenes[0].name}*": 3.0})
    assert found is not None
    roots = [len(scene) ** 0.5 for scene in scenes]
    assert found == pytest.approx([3 * roots[0], *roots[1:]])
    assert shares(scenes, {}) is None


def test_unions_of_several_scenes_have_one_numbering() -> None:
    scenes = [
        SimpleNamespace(classes=["a", "b", "c"], unions=[[0, 1], [1, 2]]),
        SimpleNamespace(classes=["a", "b", "c"], unions=[[1, 2]]),
        SimpleNamespace(classes=["a", "b", "c"], unions=[]),
    ]
    unions = Unions(scenes)
    assert unions.members == [(0, 1), (1, 2)]
    assert unions.of(0, np.array([-1, 0, 2, 3, 4], np.int16)).tolist() == [-1, 0, 2, 3, 4]
    assert unions.of(1, np.array([-1, 2, 3], np.int16)).tolist() == [-1, 2, 4]
    labels, of = unions.split(torch.tensor([-1, 0, 2, 3, 4]))
    assert labels.tolist() == [-1, 0, 2, -1, -1]
    assert of is not None and of.tolist() == [-1, -1, -1, 0, 1]


def test_unions_in_a_scene_are_labels_to_train_on_and_nothing_to_count(tmp_path: Path) -> None:
    coord = np.random.default_rng(0).uniform(0, 9, (400, 3)).astype(np.float32)
    segment = np.tile(np.array([0, 1, 2, -1], np.int16), 100)
    Scene.write(
        tmp_path / "train" / "s",
        coord=coord,
        offset=np.zeros(3),
        classes=["a", "b"],
        grid=0.5,
        segment=segment,
        meta={"unions": [[0, 1]]},
    )
    (scene,) = open_scenes(tmp_path, "train")
    assert scene.exact(scene.segment).tolist()[:4] == [0, 1, -1, -1]
    task = SceneTask(recipe(), [scene], [])
    assert task.counts.tolist() == [100, 100] and task.unions() == [(0, 1)]
    samples = task.samples(task.model(), 0, 1)
    assert isinstance(samples, Samples)
    batch = samples.batch(0, 0)
    assert batch.unions is not None and (batch.unions == 0).any()
    assert batch.labels.max() == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": [0.6, 0.2]}, "in order"),
        ({"centres": "potentials"}, "potentials"),
        ({"cells": [0.1, 0.2]}, "finer --grid"),
    ],
)
def test_impossible_cells(town_scenes: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SceneTask(recipe(**change), open_scenes(town_scenes, "train"), [])
