"""The shared U-Net: shapes, batches that do not mix, folding, tiny clouds."""

from __future__ import annotations

import pytest
import torch

from salanet import pyramid
from salanet.errors import ConfigError
from salanet.models import ModelConfig, SalaNet, create_model, new_config

CLASSES = tuple("abc")


def network(**options: object) -> SalaNet:
    torch.manual_seed(0)
    return create_model(**{"width": 6, "in_channels": 4, "classes": CLASSES} | options)


def cloud(points: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(points, 3, generator=generator) * torch.tensor([2.5, 2.5, 0.3])


@pytest.fixture
def trained() -> SalaNet:
    """A network whose running statistics are not the initial ones."""
    model = network().train()
    for seed in range(3):
        points = cloud(300, seed)
        model(torch.randn(300, 4), model.pyramid(points))
    return model.eval()


def test_logits_of_every_point() -> None:
    points = cloud(200)
    model = network().eval()
    logits = model(torch.randn(200, 4), model.pyramid(points))
    assert logits.shape == (200, 3)
    assert torch.isfinite(logits).all()


def test_clouds_of_a_batch_do_not_mix(trained: SalaNet) -> None:
    sizes = [150, 1, 90]
    parts = [cloud(n, seed) + seed * 0.01 for seed, n in enumerate(sizes)]
    features = [torch.randn(n, 4) for n in sizes]
    splits = torch.tensor([0, 150, 151, 241])
    together = trained(torch.cat(features), trained.pyramid(torch.cat(parts), splits))
    apart = [trained(f, trained.pyramid(p)) for f, p in zip(features, parts, strict=True)]
    torch.testing.assert_close(together, torch.cat(apart), rtol=1e-4, atol=1e-5)


def test_folding_changes_nothing(trained: SalaNet) -> None:
    levels = trained.pyramid(cloud(200, 7))
    features = torch.randn(200, 4)
    before = trained(features, levels)
    after = trained.fold()(features, levels)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert not any("reduce.norm" in name for name, _ in trained.named_parameters())


@pytest.mark.parametrize("norm", ["point", "neighbour"])
@pytest.mark.parametrize("points", [1, 2, 400])
def test_every_parameter_learns(points: int, norm: str) -> None:
    model = network(operator_options={"norm": norm}).train()
    logits = model(torch.randn(points, 4), model.pyramid(cloud(points)))
    logits.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    if points > 2:
        dead = [n for n, p in model.named_parameters() if p.grad.abs().sum() == 0]
        assert not dead


def test_translation_of_the_cloud_changes_nothing(trained: SalaNet) -> None:
    points, features = cloud(200), torch.randn(200, 4)
    # A whole number of the coarsest cells, and exact in float32, so that the grids agree.
    shift = torch.tensor([16.0, -32.0, 8.0])
    grid = 0.0625
    options = {"grid": grid, "radius": 2.5 * grid, "neighbours": trained.config.neighbours}
    points = torch.round(points * 2**12) / 2**12
    here = trained(features, pyramid.build(points, None, **options))
    there = trained(features, pyramid.build(points + shift, None, **options))
    torch.testing.assert_close(here, there, rtol=1e-4, atol=1e-4)


def test_partnet_has_one_head_per_category() -> None:
    model = network(classes=(), parts={"Bed": 15, "Vase": 6}).eval()
    logits = model(torch.randn(50, 4), model.pyramid(cloud(50)))
    assert [tuple(x.shape) for x in logits] == [(50, 15), (50, 6)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1}, "width"),
        ({"operator": "transformer"}, "unknown operator 'transformer'; known are sala"),
        ({"operator_options": {"heads": 3}}, "operator 'sala' has no option 'heads'"),
        ({"neighbours": (3, 3)}, "five numbers"),
        ({"classes": ()}, "either classes or parts"),
        ({"depth": 3}, "depth"),
    ],
)
def test_impossible_configurations(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        network(**options)


def test_radius_follows_the_grid() -> None:
    config = ModelConfig(in_channels=1, classes=CLASSES, grid=0.3)
    assert config.radius == pytest.approx(0.75)


def test_presets_are_operators_with_options() -> None:
    common = {"in_channels": 4, "classes": ("a", "b"), "width": 36}
    paper = new_config(operator="sala-paper", **common)
    assert paper == new_config(operator="sala", operator_options={"norm": "neighbour"}, **common)
    assert paper.operator_name == "sala:norm=neighbour"
    wider = new_config(operator="sala-paper", operator_options={"groups": 4}, **common)
    assert wider.operator_options == {"norm": "neighbour", "groups": 4}
    assert new_config(**paper.model_dump()) == paper, "written to a model file and read again"
