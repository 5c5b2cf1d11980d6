"""Recipes: defaults, names, paths, and every way to write them wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from salanet.errors import ConfigError
from salanet.models import create_model
from salanet.training.recipe import Recipe, load_recipe, recipe_names
from salanet.training.run import differences

ABLATIONS = {
    "reduction-sum": {"operator_options": {"reduction": "sum"}},
    "positional-false": {"operator_options": {"positional": False}},
    "assignment-hard": {"operator_options": {"assignment": "hard"}},
    "assignment-none": {"operator_options": {"assignment": "none"}},
    "norm-neighbour": {"operator_options": {"norm": "neighbour"}},
    "sala-g4": {"operator": "sala_g4"},
    **{f"groups-{s}": {"operator_options": {"groups": s}} for s in (1, 2, 3, 4, 8)},
    **{f"width-{c}": {"width": c} for c in (18, 36, 72, 90, 144)},
}


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_are_valid(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.model.features[0] == "one"


def test_a_file_names_only_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("training: {epochs: 3}\nmodel: {operator_options: {groups: 4}}\n")
    recipe = load_recipe(path)
    assert recipe.training.epochs == 3
    assert recipe.model.operator_options == {"groups": 4}
    assert recipe.sampling == Recipe().sampling


@pytest.mark.parametrize("name", ABLATIONS)
def test_ablations_differ_from_area_5_in_one_thing(name: str) -> None:
    recipe, base = load_recipe(f"ablations/{name}"), load_recipe("s3dis-area5")
    expected = base.model_dump()
    expected["model"] |= ABLATIONS[name]
    assert recipe.model_dump() == expected
    options = recipe.model.architecture() | {"width": 12}
    assert create_model(**options, in_channels=5, classes=("a", "b"))


def test_every_ablation_is_tested() -> None:
    assert {f"ablations/{name}" for name in ABLATIONS} == {n for n in recipe_names() if "/" in n}


@pytest.mark.parametrize("area", range(1, 7))
def test_folds_differ_in_their_areas_alone(area: int) -> None:
    fold, base = load_recipe(f"s3dis-area{area}"), load_recipe("s3dis-area5")
    changed = differences(fold.model_dump(), base.model_dump())
    assert changed == ([] if area == 5 else ["data.train_split", "data.val_split"])
    assert sorted([*fold.data.train_split, fold.data.val_split]) == [
        f"Area_{i}" for i in range(1, 7)
    ]


def test_a_recipe_changes_its_base(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("model: {width: 18, operator_options: {groups: 4}}")
    (tmp_path / "second.yaml").write_text("base: first.yaml\ntraining: {epochs: 3}")
    (tmp_path / "third.yaml").write_text("base: second.yaml\nmodel: {operator_options: {lift: 4}}")
    recipe = load_recipe(tmp_path / "third.yaml")
    assert (recipe.model.width, recipe.training.epochs) == (18, 3)
    assert recipe.model.operator_options == {"lift": 4}
    (tmp_path / "mine.yaml").write_text("base: quick")
    assert load_recipe(tmp_path / "mine.yaml") == load_recipe("quick")


def test_the_dump_is_the_recipe() -> None:
    recipe = load_recipe("quick")
    assert Recipe.model_validate(yaml.safe_load(recipe.dump())) == recipe


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_recipe(tmp_path / "empty.yaml") == Recipe()


@pytest.mark.parametrize(
    "text, message",
    [
        ("training: {epoch: 3}", r"training\.epoch: unknown key"),
        ("trainig: {}", r"trainig: unknown key"),
        ("training: {epochs: 0}", r"training\.epochs: .*greater than or equal to 1, got 0"),
        ("training: {schedule: linear}", r"training\.schedule: .*'cosine'"),
        ("augmentation: {scale: [2, 1]}", r"augmentation: .*two positive factors"),
        ("- a list", "a recipe is a mapping"),
        ("a: [", "not readable YAML"),
        ("base: bad.yaml", "cannot be its own base"),
        ("base: atlantis", "no recipe named 'atlantis'"),
        ("base: [demo]", "the name or path of a recipe"),
    ],
)
def test_errors_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_recipe(path)
    assert str(path) in str(error.value) or "atlantis" in message
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_recipes() -> None:
    with pytest.raises(ConfigError, match="ign-lidar-hd"):
        load_recipe("atlantis")
    with pytest.raises(ConfigError, match="no such recipe file"):
        load_recipe("atlantis.yaml")
