"""Fine-tuning keeps what it should; accumulation and recomputation change no gradient."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from salanet import model_file
from salanet.errors import ConfigError, SalaNetError
from salanet.models import create_model, load
from salanet.scenes import Scene, open_scenes
from salanet.training import Recipe
from salanet.training.finetune import RATE, adopt, check_parent, open_parent, recipe_from
from salanet.training.memory import checkpoint_blocks
from salanet.training.optimisation import Objective, Share
from salanet.training.task import SceneTask

FEATURES = ["one", "intensity", "returns", "height_above_ground"]


def recipe(**training: object) -> Recipe:
    return Recipe.model_validate(
        {
            "model": {"width": 8, "features": FEATURES},
            "sampling": {"shape": "cylinder", "sphere_radius": 8, "max_points": 800},
            "training": training,
        }
    )


def test_a_new_head_on_an_old_backbone(town_model: Path, town_scenes: Path) -> None:
    parent = open_parent(town_model)
    wanted = recipe_from(recipe(learning_rate=0.02), parent)
    assert wanted.training.learning_rate == pytest.approx(0.02 * RATE)
    assert wanted.model.width == 8
    model = SceneTask(wanted, open_scenes(town_scenes, "train"), [], parent).model()
    for name, tensor in parent.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name
    assert {group["lr_multiplier"] for group in model.parameter_groups()} == {1.0}

    config = parent.config.model_copy(update={"classes": ("tree", "pole", "ground")})
    other = type(parent)(config)
    adopt(other, parent)
    rows = [parent.config.classes.index(name) for name in ("tree", "ground")]
    assert torch.equal(other.head[1].weight[[0, 2]], parent.head[1].weight[rows])
    assert torch.equal(other.head[0].linear.weight, parent.head[0].linear.weight)
    assert {group["lr_multiplier"] for group in other.parameter_groups()} == {1.0, 1 / RATE}
    assert other.metadata["parent"]["name"] == "best.safetensors"
    assert len(other.metadata["parent"]["sha256"]) == 64


def test_layers_on_the_logits_start_anew_for_other_classes() -> None:
    parent = create_model(network="gacnet", in_channels=3, classes=("tree", "pole", "ground"))
    parent.metadata["file"] = {}
    for classes in (("ground", "house"), ("ground", "pole", "tree")):
        model = create_model(network="gacnet", in_channels=3, classes=classes)
        adopt(model, parent)
        assert torch.equal(model.head.classify.weight[0], parent.head.classify.weight[2])
        assert torch.equal(model.head.rows[0].weight, parent.head.rows[0].weight)
        assert not torch.equal(model.head.refine.bias[:2], parent.head.refine.bias[:2])
        logits = model.eval()(torch.randn(40, 3), model.pyramid(torch.rand(40, 3)))
        assert logits.shape == (40, len(classes))


def test_a_shipped_model_is_a_parent_by_name() -> None:
    assert model_file.names()
    for name in model_file.names():
        parent = open_parent(name)
        assert parent.metadata["file"]["name"] == f"{name}.safetensors"
        assert len(parent.metadata["file"]["sha256"]) == 64
    with pytest.raises(ConfigError, match="no model 'lunar'; there are aerial"):
        open_parent("lunar")


def test_a_parent_must_fit(town_model: Path, town_scenes: Path) -> None:
    parent = open_parent(town_model)
    check_parent(parent, [0.5], parts=False)
    with pytest.raises(ConfigError, match=r"cells of 0\.5, these scenes have 0\.2.*--grid 0\.5"):
        check_parent(parent, [0.5, 0.2], parts=False)
    with pytest.raises(ConfigError, match="the other kind"):
        check_parent(parent, [0.5], parts=True)
    scenes = open_scenes(town_scenes, "train")
    bare = [Scene(s.folder, s.coord, s.offset, None, s.segment, {}, {}, s.classes, s.grid, s.meta)
            for s in scenes]  # fmt: skip
    with pytest.raises(SalaNetError, match="intensity"):
        SceneTask(recipe_from(recipe(), parent), bare, [], parent)


def gradients(objective: Objective, batches: list, share: Share | None) -> list[torch.Tensor]:
    objective.zero_grad()
    for batch in batches:
        objective(batch, share)[0].backward()
    return [p.grad.clone() for p in objective.parameters() if p.grad is not None]


def test_two_batches_make_the_loss_of_their_points(town_scenes: Path) -> None:
    task = SceneTask(recipe(batch_size=1), open_scenes(town_scenes, "train"), [])
    model = task.model().eval()  # batch statistics are those of each batch
    objective = Objective(model, task.weights())
    samples = task.samples(model, 0, 1)
    batches = [samples.batch(0, 0), samples.batch(0, 1)]
    share = Share(sum(objective.weight(batch) for batch in batches), 0.5)
    both = SceneTask(recipe(batch_size=2), open_scenes(town_scenes, "train"), [])
    whole = both.samples(model, 0, 1).batch(0, 0)
    one, two = gradients(objective, [whole], None), gradients(objective, batches, share)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-3)


def test_blocks_computed_again_have_the_same_gradients_and_statistics(town_scenes: Path) -> None:
    task = SceneTask(recipe(), open_scenes(town_scenes, "train"), [])
    torch.manual_seed(0)
    model = task.model()
    again = task.model()
    again.load_state_dict(model.state_dict())
    checkpoint_blocks(again)
    batch = task.samples(model, 0, 1).batch(0, 0)
    found = [gradients(Objective(net, None), [batch], None) for net in (model, again)]
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_only_salanet_has_blocks_to_compute_again(town_model: Path) -> None:
    config = load(town_model).config.model_copy(update={"network": "pointnet"})
    from salanet.models import create_model

    with pytest.raises(ConfigError, match="activation_checkpointing"):
        checkpoint_blocks(create_model(config))
