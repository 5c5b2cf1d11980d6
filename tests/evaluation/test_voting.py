"""Voting: every point is seen twice, logits are averaged; order and passes do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.datasets.partnet import HEADER, Shapes
from salanet.errors import ConfigError, FileError
from salanet.evaluation import ShapeVotes, Voting, Whole, evaluate, evaluate_shapes, to_points
from salanet.evaluation.voting import together
from salanet.models import Network, create_model
from salanet.sampling import features
from salanet.sampling.augment import Augmentation
from salanet.scenes import Scene, choose_offset, write_folder

CLASSES = ("a", "b", "c")
GRID = 0.1


def make_scene(folder: Path, seed: int, points: int = 900) -> Scene:
    """An L-shaped room with a far corner: irregular, some of it sparse."""
    rng = np.random.default_rng(seed)
    xyz = rng.random((points, 3)) * [6, 1.5, 1]
    xyz[: points // 3] = xyz[: points // 3, [1, 0, 2]]
    xyz[-3:] += 4
    offset = choose_offset(xyz, GRID)
    raw = rng.integers(0, points, 2 * points).astype(np.int32)
    return Scene.write(
        folder / f"scene{seed}",
        coord=xyz - offset,
        offset=offset,
        classes=CLASSES,
        grid=GRID,
        color=rng.integers(0, 256, (points, 3)),
        segment=rng.integers(-1, 3, points),
        raw={
            "segment": rng.integers(-1, 3, 2 * points).astype(np.int16),
            "to_cell": raw[::-1].copy(),
            "to_nearest": raw,
        },
    )


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Scene]:
    folder = tmp_path_factory.mktemp("scenes")
    return [make_scene(folder, seed, points) for seed, points in enumerate((900, 40, 300))]


@pytest.fixture(scope="module")
def model() -> Network:
    torch.manual_seed(0)
    names = ("one", "rgb", "z")
    network = create_model(
        width=8, in_channels=5, features=names, classes=CLASSES, grid=GRID, neighbours=(8,) * 5
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.eval()


VOTING = Voting(radius=1.0, max_points=200, votes=3, augmentation=Augmentation())


def test_every_point_of_an_irregular_scene_is_seen_twice(scenes: list[Scene]) -> None:
    for scene in scenes:
        seen = np.zeros(len(scene), int)
        for rows in VOTING.spheres(scene):
            assert len(rows) <= 200
            seen[rows] += 1
        assert seen.min() >= 2


def test_averaged_logits_equal_a_direct_computation(model: Network, scenes: list[Scene]) -> None:
    scene = scenes[0]
    logits = [[np.zeros(0)] * 0 for _ in range(len(scene))]
    for vote in range(VOTING.votes):
        for number, rows in enumerate(VOTING.spheres(scene)):
            arrays = VOTING.view(scene, rows, vote, number)
            values = torch.from_numpy(features.compute(("one", "rgb", "z"), **arrays))
            with torch.inference_mode():
                found = model(values, model.pyramid(torch.from_numpy(arrays["xyz"])))
            for row, value in zip(rows, found.numpy().astype(np.float64), strict=True):
                logits[row].append(value)
    assert min(map(len, logits)) >= 2 * VOTING.votes
    direct = np.array([np.mean(values, axis=0) for values in logits])
    np.testing.assert_allclose(VOTING.logits(model, scene), direct, rtol=1e-4, atol=1e-4)


def test_the_first_vote_is_clean_and_the_others_keep_features(scenes: list[Scene]) -> None:
    scene, rows = scenes[0], np.arange(0, 900, 7)
    clean, turned = (VOTING.view(scene, rows, vote, 0) for vote in (0, 1))
    shift = clean["xyz"] - scene.coord[rows]
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-6)
    assert np.abs(turned["xyz"] - clean["xyz"]).max() > 0.1
    for name in ("rgb", "z", "height"):
        assert (turned[name] == clean[name]).all(), f"{name} is that of the real scene"
    again, other = VOTING.view(scene, rows, 1, 0), VOTING.view(scene, rows, 2, 0)
    assert (again["xyz"] == turned["xyz"]).all() and (other["xyz"] != turned["xyz"]).any()


def test_neither_the_order_of_scenes_nor_the_passes_matter(
    model: Network, scenes: list[Scene]
) -> None:
    together = evaluate(model, scenes, VOTING)
    single = replace(VOTING, pass_points=1)
    found: dict[str, np.ndarray] = {}
    backwards = evaluate(
        model, scenes[::-1], single, progress=lambda s, c: found.update({s.name: c.counts})
    )
    assert (together.counts == backwards.counts).all() and together.points > 1000
    assert (found["scene2"] == evaluate(model, scenes[2:], VOTING).counts).all()
    many = VOTING.logits(model, scenes[0])
    np.testing.assert_allclose(single.logits(model, scenes[0]), many, rtol=1e-4, atol=1e-4)
    other = replace(VOTING, seed=1).logits(model, scenes[0])
    assert np.abs(other - many).max() > 1e-3


def test_raw_points_take_the_nearest_cell(model: Network, scenes: list[Scene]) -> None:
    scene = scenes[0]
    assert to_points(scene) is scene.raw["to_nearest"]
    prediction = VOTING.logits(model, scene).argmax(1)
    truth = scene.raw["segment"]
    right = (prediction[scene.raw["to_nearest"]] == truth)[truth >= 0]
    found = evaluate(model, [scene], VOTING)
    assert found.overall_accuracy == pytest.approx(right.mean())


def test_settings_come_from_the_training(model: Network) -> None:
    with pytest.raises(ConfigError, match="does not say how it was trained"):
        Voting.of(model, votes=2)
    sampling = {"shape": "cylinder", "sphere_radius": 5.0, "max_points": 77, "balance": 0.1}
    augmentation = Augmentation(scale=(0.9, 1.1), colour_drop=0.5).model_dump(mode="json")
    model.metadata["recipe"] = {"sampling": sampling, "augmentation": augmentation}
    found = Voting.of(model, votes=2, seed=4)
    assert (found.shape, found.radius, found.max_points) == ("cylinder", 5.0, 77)
    assert (found.votes, found.seed, found.augmentation.scale) == (2, 4, (0.9, 1.1))
    assert found.augmentation.colour_drop == 0
    assert found.describe()["augmentation"]["scale"] == [0.9, 1.1]
    assert Whole().describe() == {"name": "whole", "votes": 1, "tile_points": 250_000}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_passes_hold_all_pieces_in_order(sizes: list[int], most: int) -> None:
    groups = list(together(sizes, most))
    assert [number for group in groups for number in group] == list(range(len(sizes)))
    assert all(len(group) == 1 or sum(sizes[i] for i in group) <= most for group in groups)


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[Shapes]:
    root, rng = tmp_path_factory.mktemp("shapes"), np.random.default_rng(5)
    found = []
    for category, parts in (("Bottle", 4), ("Door", 3)):
        points = rng.uniform(-0.5, 0.5, (3, 80, 3)).astype(np.float32)
        arrays = {"points": points, "parts": rng.integers(0, parts, (3, 80)).astype(np.int16)}
        meta = {"category": category, "parts": parts, "grid": 0.05}
        write_folder(root / category, arrays, meta, HEADER)
        found.append(Shapes.open(root / category))
    return found


@pytest.fixture(scope="module")
def part_model() -> Network:
    torch.manual_seed(0)
    return create_model(
        width=8, in_channels=4, features=("one", "xyz"), parts={"Bottle": 4, "Door": 3}, grid=0.05
    ).eval()


def test_shapes_vote_like_a_direct_computation(part_model: Network, shapes: list[Shapes]) -> None:
    door = shapes[1]
    votes = ShapeVotes(3, Augmentation(rotation=0, scale=(0.8, 1.2)))
    logits = []
    for vote in range(3):
        seen = votes.view(door, 2, vote)
        assert (vote == 0) == bool((seen == door.points[2]).all())
        values = torch.from_numpy(features.compute(("one", "xyz"), xyz=seen))
        with torch.inference_mode():
            logits.append(part_model(values, part_model.pyramid(torch.from_numpy(seen)))[1])
    found = votes.logits(part_model, door, [0, 2])
    np.testing.assert_allclose(found[1], sum(logits) / 3, rtol=1e-4, atol=1e-5)
    one, all_at_once = (
        evaluate_shapes(part_model, order, votes, pass_points=size).to_dict()
        for order, size in ((shapes, 1), (shapes[::-1], 10_000))
    )
    assert one["categories"] == all_at_once["categories"]
    assert one["points"] == sum(int((s.parts > 0).sum()) for s in shapes)


def test_shapes_and_models_that_do_not_fit(
    model: Network, part_model: Network, shapes: list[Shapes]
) -> None:
    with pytest.raises(ConfigError, match="a head per category"):
        evaluate_shapes(model, shapes)
    with pytest.raises(ConfigError, match="does not know Lamp"):
        evaluate_shapes(part_model, [replace(shapes[0], category="Lamp")])
    with pytest.raises(FileError, match="has 9 parts"):
        evaluate_shapes(part_model, [replace(shapes[0], part_count=9)])
