"""Class maps: parsing, encoding, decoding, and the errors that name what is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from salanet.datasets.classes import ClassMap
from salanet.errors import ConfigError, DataError

RECIPES = Path(__file__).resolve().parents[2] / "recipes" / "classes"


def test_inline() -> None:
    found = ClassMap.parse("ground=2, low vegetation=3/4 ,other=1/*,ignore=7/18")
    assert found.classes == {"ground": [2], "low vegetation": [3, 4], "other": [1, "*"]}
    assert found.ignore == [7, 18]
    assert found.names == ["ground", "low vegetation", "other"]
    assert found.codes == [2, 3, 1]


def test_encode_and_decode() -> None:
    found = ClassMap.parse("ground=2,veg=3/4,other=1/*,ignore=7")
    indices = found.encode(np.array([2, 4, 64, 7, 1, 3], np.int32))
    assert indices.dtype == np.int16 and indices.tolist() == [0, 1, 2, -1, 2, 1]
    assert found.decode([0, 1, 2]).tolist() == [2, 3, 1]
    assert found.encode(np.zeros(0, np.int32)).tolist() == []


def test_catch_all_alone_writes_unclassified() -> None:
    assert ClassMap.parse("ground=2,other=*").codes == [2, 1]


def test_unknown_label_names_code_count_and_file() -> None:
    with pytest.raises(DataError, match=r"a\.laz: label 6 \(2 points\), 64 \(1 points\) is not in"):
        ClassMap.parse("ground=2").encode([2, 6, 6, 64], "a.laz")


def test_yaml(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text('classes: {ground: 2, other: [1, "*"]}\nignore: 7\ncolours: {ground: [1,2,3]}')
    found = ClassMap.parse(path)
    assert found.codes == [2, 1] and found.ignore == [7] and found.colours["ground"] == (1, 2, 3)


def test_shipped_maps_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ClassMap.parse("ign-lidar-hd") == ClassMap.parse(RECIPES / "ign-lidar-hd.yaml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ign-lidar-hd").write_text("classes: {mine: 2}")
    assert ClassMap.parse("ign-lidar-hd").names == ["mine"]
    with pytest.raises(ConfigError, match=r"no class map .ign.; there is .*ign-lidar-hd, or give"):
        ClassMap.parse("ign")


def test_ign_recipe() -> None:
    found = ClassMap.parse(RECIPES / "ign-lidar-hd.yaml")
    assert found.names == [
        "ground",
        "low vegetation",
        "medium vegetation",
        "high vegetation",
        "building",
        "other",
    ]
    assert found.codes == [2, 3, 4, 5, 6, 1]
    assert found.encode([1, 2, 3, 4, 5, 6, 64, 17]).tolist() == [5, 0, 1, 2, 3, 4, 5, 5]
    assert set(found.colours) == set(found.names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1,b=1", "code 1 is given to both 'a' and 'b'"),
        ("a=*,b=*", r"code \* is given to both"),
        ("a=1,ignore=1", "both 'a' and 'ignore'"),
        ("a=x", "whole numbers"),
        ("a=1,a=2", "'a' is given twice"),
        ("a=1,,b=2", "not of the form"),
        ("=1", "not of the form"),
        ("ignore=2", "classes"),
        ("nowhere.yaml", "nowhere.yaml: cannot be read"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassMap.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: {a: *}", "not YAML"),
        ("- a", "must be a mapping"),
        ("classes: {a: [two]}", "classes.a"),
        ("classes: {a: []}", "at least 1 item"),
        ("classes: {a: 1}\ncolors: {}", "colors: Extra inputs"),
        ("classes: {a: 1}\ncolours: {b: [1,2,3]}", "colour for 'b'"),
        ("classes: {a: 1}\ncolours: {a: [1,2,300]}", "colours.a.2"),
    ],
)
def test_bad_yaml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as error:
        ClassMap.parse(path)
    assert "\n" not in str(error.value)


def test_codes_that_stand_for_one_of_several_classes() -> None:
    found = ClassMap.model_validate(
        {
            "classes": {"ground": 2, "plants": [3, 4], "other": 64},
            "partial": {1: ["other", "plants"], 8: ["ground", "other"]},
            "written": {"other": 1},
        }
    )
    assert found.encode([2, 1, 8, 4]).tolist() == [0, 3, 4, 1]
    assert found.unions() == [[1, 2], [0, 2]]
    assert found.codes == [2, 3, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"partial": {2: ["ground", "other"]}}, "code 2 is given to both"),
        ({"partial": {1: ["ground", "water"]}}, "code 1 may be 'water'"),
        ({"written": {"water": 9}}, "written code for 'water'"),
    ],
)
def test_impossible_maps(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassMap.model_validate({"classes": {"ground": 2, "other": 64}} | change)


def test_the_maps_of_aerial_agree() -> None:
    maps = [ClassMap.parse(path) for path in sorted(RECIPES.glob("aerial*.yaml"))]
    assert len(maps) == 4
    assert {tuple(one.names) for one in maps} == {
        (
            "ground",
            "low vegetation",
            "medium vegetation",
            "high vegetation",
            "building",
            "water",
            "other",
        )
    }
    assert {tuple(one.codes) for one in maps} == {(2, 3, 4, 5, 6, 9, 1)}
