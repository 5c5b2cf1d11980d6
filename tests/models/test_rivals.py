"""The other networks: the same input, the same promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import salanet
from salanet.models import Network, create_model
from salanet.models.selection import farthest_points, nearest_neighbours, random_points

# KPFCNN is large; its deformable form runs the rigid one, too, at the finer stages.
RIVALS = [
    "kpfcnn-deformable",
    "gacnet",
    "pointasnl",
    "pointcnn",
    "pointnet",
    "pointnet2",
    "randlanet",
    "resgcn28",
    "spg",
]
each_rival = pytest.mark.parametrize("name", RIVALS)
# Their graphs go by ranks of features, or gains of merging: rounding decides between near ties.
RANKING = ["resgcn28", "spg"]


def network(name: str, **options: object) -> Network:
    torch.manual_seed(0)
    kind, _, deformable = name.partition("-")
    operator = "kpconv_deformable" if deformable else "kpconv"
    settings = {"network": kind, "operator": operator, "in_channels": 4, "classes": tuple("abc")}
    return create_model(**settings | options)


def precise(name: str, model: Network) -> torch.dtype:
    """Bring a model that rounding may change to float64; the precision to compare it in."""
    return next(model.double().parameters()).dtype if name in RANKING else torch.float32


def cloud(points: int, seed: int = 0) -> Tensor:
    return torch.rand(points, 3, generator=torch.Generator().manual_seed(seed)) * 0.6


@each_rival
def test_clouds_of_a_batch_do_not_mix(name: str) -> None:
    model = network(name).eval()
    dtype = precise(name, model)
    sizes = [90, 1, 40]
    points = [cloud(n, n).to(dtype) for n in sizes]
    features = [torch.randn(n, 4, dtype=dtype) for n in sizes]
    splits = torch.tensor([0, 90, 91, 131])
    with torch.no_grad():
        together = model(torch.cat(features), model.pyramid(torch.cat(points), splits))
        apart = [model(f, model.pyramid(p)) for f, p in zip(features, points, strict=True)]
        again = model(torch.cat(features), model.pyramid(torch.cat(points), splits))
    assert together.shape == (131, 3)
    assert torch.equal(together, again)
    torch.testing.assert_close(together, torch.cat(apart), rtol=1e-4, atol=1e-5)


@each_rival
@pytest.mark.parametrize("points", [1, 3, 120])
def test_a_training_step_reaches_every_parameter(name: str, points: int) -> None:
    model = network(name).train()
    logits = model(torch.randn(points, 4), model.pyramid(cloud(points)))
    (logits.square().sum() + model.regularisation()).backward()
    for parameter, value in model.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.isfinite().all(), parameter


@each_rival
def test_moving_the_cloud_changes_nothing(name: str) -> None:
    model = network(name).eval()
    dtype = precise(name, model)
    points, features = cloud(200).to(dtype), torch.randn(200, 4, dtype=dtype)
    shift = torch.tensor([5.12, -2.56, 1.28])
    with torch.no_grad():
        here = model(features, model.pyramid(points.round(decimals=3)))
        there = model(features, model.pyramid(points.round(decimals=3) + shift))
    if name.startswith("kpfcnn"):  # cells at whose border a point lies may part differently
        assert ((here - there).abs() > 1e-3).any(1).float().mean() < 0.2
    else:
        torch.testing.assert_close(here, there, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["gacnet", "pointasnl", "pointcnn", "pointnet", "pointnet2"])
def test_only_which_point_comes_first_matters(name: str) -> None:
    """Farthest points start from it; otherwise points may come in any order."""
    model = network(name).eval()
    points, features = cloud(150), torch.randn(150, 4)
    order = torch.cat([torch.tensor([0]), 1 + torch.randperm(149)])
    with torch.no_grad():
        expected = model(features, model.pyramid(points))
        found = model(features[order], model.pyramid(points[order]))
    torch.testing.assert_close(found, expected[order], rtol=1e-3, atol=1e-4)


@each_rival
def test_save_and_load(name: str, tmp_path: Path) -> None:
    model = network(name, features=("one", "rgb")).eval()
    salanet.save(model, tmp_path / "rival.safetensors", {"licence": "CC0"})
    back = salanet.load(tmp_path / "rival.safetensors")
    assert back.config == model.config
    points, features = cloud(60), torch.randn(60, 4)
    with torch.no_grad():
        expected = model(features, model.pyramid(points))
        assert torch.equal(back(features, back.pyramid(points)), expected)
        assert torch.allclose(back.fold()(features, back.pyramid(points)), expected, atol=1e-4)


@each_rival
def test_a_head_for_each_category(name: str) -> None:
    model = network(name, classes=(), parts={"Chair": 3, "Lamp": 5}).eval()
    logits = model(torch.randn(30, 4), model.pyramid(cloud(30)))
    assert [tuple(part.shape) for part in logits] == [(30, 3), (30, 5)]


def test_published_size_wins_over_what_was_asked() -> None:
    config = network("randlanet", operator="sala", width=90, operator_options={"groups": 3}).config
    assert (config.operator, config.width, config.operator_options) == ("", 32, {})
    assert network("kpfcnn", operator="sala").config.operator == "kpconv"


def test_offsets_learn_at_a_tenth_of_the_rate() -> None:
    model = network("kpfcnn-deformable")
    groups = {group["lr_multiplier"]: group["params"] for group in model.parameter_groups()}
    assert set(groups) == {1.0, 0.1}
    assert len(groups[0.1]) == 2 * 5
    assert sum(len(g) for g in groups.values()) == len(list(model.parameters()))
    assert [g["lr_multiplier"] for g in network("pointnet").parameter_groups()] == [1.0]


@pytest.mark.parametrize("name", ["kpfcnn-deformable", "pointnet"])
def test_regularisation_is_given_once_per_step(name: str) -> None:
    model = network(name).train()
    model(torch.randn(50, 4), model.pyramid(cloud(50)))
    first = model.regularisation()
    assert first.requires_grad
    if name != "pointnet":  # its transform starts as the identity
        assert first.item() > 0
    assert model.regularisation().item() == 0
    model.eval()(torch.randn(50, 4), model.pyramid(cloud(50)))
    assert model.regularisation().item() == 0


def test_farthest_points_by_the_definition() -> None:
    points = torch.cat([cloud(60, 1), cloud(9, 2)])
    rows, splits = farthest_points(points, torch.tensor([0, 60, 60, 69]), 4)
    assert splits.tolist() == [0, 15, 15, 17]
    chosen = [0]
    for _ in range(14):
        distance = torch.cdist(points[:60], points[chosen]).amin(1)
        chosen.append(int(distance.argmax()))
    assert rows[:15].tolist() == chosen
    assert rows[15] == 60


def test_random_points_depend_on_the_size_alone() -> None:
    rows, splits = random_points(torch.tensor([0, 40, 80, 82]), 4)
    assert splits.tolist() == [0, 10, 20, 21]
    assert (rows[10:20] - 40).tolist() == rows[:10].tolist()
    assert len(set(rows.tolist())) == 21


def test_nearest_neighbours_of_the_same_cloud() -> None:
    points, queries = cloud(30), cloud(7, 5)
    found = nearest_neighbours(
        queries, points, 3, torch.tensor([0, 5, 7]), torch.tensor([0, 28, 30])
    )
    expected = torch.cdist(queries[:5], points[:28]).argsort(1)[:, :3]
    assert np.array_equal(found[:5], expected)
    assert (found[5:, :2] >= 28).all() and (found[5:, 2] == 30).all()
