"""Recipes: defaults, names, paths, and every way to write them wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from salanet.errors import ConfigError
from salanet.training.recipe import Recipe, load_recipe, recipe_folders

SHIPPED = sorted(path.stem for folder in recipe_folders() for path in folder.glob("*.yaml"))


@pytest.mark.parametrize("name", SHIPPED)
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


def test_the_dump_is_the_recipe() -> None:
    recipe = load_recipe("demo")
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
    ],
)
def test_errors_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        load_recipe(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_recipes() -> None:
    with pytest.raises(ConfigError, match="ign-lidar-hd"):
        load_recipe("atlantis")
    with pytest.raises(ConfigError, match="no such recipe file"):
        load_recipe("atlantis.yaml")
