"""Which points keep their code: against a definition in three lines of NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salanet.cloud import PointCloud
from salanet.engine import Runner, open_runner
from salanet.errors import ConfigError, DataError, FileError
from salanet.io import read, write
from salanet.io.las.asprs import follows
from salanet.labelling.changes import Tally
from salanet.labelling.decision import Decision, decide
from salanet.labelling.rules import Rules

LAZ, PLY = Path("a.laz"), Path("a.ply")
GIVEN = [2, 3, 4, 5, 6, 1]  # the codes of `aerial`


@pytest.fixture(scope="module")
def aerial() -> Runner:
    return open_runner("aerial")


@pytest.fixture(scope="module")
def rooms() -> Runner:
    return open_runner("rooms")


@pytest.fixture(scope="module")
def las(tmp_path_factory: pytest.TempPathFactory) -> PointCloud:
    """Points of a LAS file with the codes 0 to 9."""
    path = tmp_path_factory.mktemp("las") / "a.las"
    write(path, PointCloud(np.arange(30.0).reshape(10, 3), label=np.arange(10, dtype=np.int32)))
    return read(path)


def with_codes(cloud: PointCloud, codes: list[int]) -> PointCloud:
    made = cloud.rows(np.zeros(len(codes), np.int64))
    made.label, made.source = np.array(codes, np.int32), cloud.source
    return made


def result(
    decision: Decision, cloud: PointCloud, classes: list[int], sure: list[float] | None = None
) -> tuple[list[int], Tally]:
    confidence = np.array(sure or [1.0] * len(classes), np.float32)
    found = decision.classes(np.array(classes, np.int64), confidence)
    none = np.zeros(len(classes), bool)
    own = decision.own(cloud, none, np.zeros(0, np.int32))
    codes, tally = decision.written(found, own), Tally(decision)
    tally.add(found, own, codes, np.zeros(len(codes), np.uint8))
    return codes.tolist(), tally


codes = st.integers(0, 255)
spans = st.lists(st.tuples(codes, codes).map(sorted).map(tuple), min_size=1, max_size=4)


@given(
    st.lists(st.tuples(codes, st.integers(0, 5), st.floats(0, 1, width=32)), min_size=1),
    spans | st.just(None),
    spans | st.just(None),
    st.sampled_from([0.0, 0.25, 0.6, 1.0]),
)
def test_as_numpy_defines_it(
    aerial: Runner, las: PointCloud, points: list[Any], keep: Any, only: Any, least: float
) -> None:
    def text(spans: Any) -> str:
        return ",".join(f"{a}-{b}" for a, b in spans)

    def listed(spans: Any) -> list[int]:
        return [code for a, b in spans for code in range(a, b + 1)]

    former, classes, sure = map(np.array, zip(*points, strict=True))
    sure = sure.astype(np.float32)
    rules = Rules(text(keep) if keep else "none", text(only) if only else None, None, least)
    decision = decide(aerial, rules, las, LAZ, False, LAZ)
    cloud = with_codes(las, former.tolist())
    found, tally = result(decision, cloud, classes.tolist(), sure.tolist())

    chosen = np.isin(former, listed(only)) if only else np.ones(len(former), bool)
    chosen &= ~np.isin(former, listed(keep)) if keep else True
    new = np.where(chosen, np.where(sure < least, 1, np.array(GIVEN)[classes]), former)

    assert found == new.tolist()
    assert sum(tally.kept.values()) == (~chosen).sum()
    pairs = {(old, code): n for old, row in tally.changes.items() for code, n in row.items()}
    values, counts = np.unique(np.stack([former, new], 1), axis=0, return_counts=True)
    assert pairs == dict(zip(map(tuple, values.tolist()), counts.tolist(), strict=True))
    assert tally.classes.sum() + tally.unsure == chosen.sum()


def test_what_is_kept_by_default(aerial: Runner, las: PointCloud) -> None:
    every = [*range(256)]
    decision = decide(aerial, Rules(), las, LAZ, False, LAZ)
    found, tally = result(decision, with_codes(las, every), [0] * 256)
    assert found == [2 if code in (0, 1, 2, 3, 4, 5, 6) else code for code in every]
    assert tally.kept.keys() == {*range(7, 256)} and not decision.noise
    assert tally.remarks()[0].startswith(
        "249 points keep their class: 7 low noise (1), 8 model key"
    )
    noisy = decide(aerial, Rules(), las, LAZ, True, LAZ)
    found, _ = result(noisy, with_codes(las, [7, 18, 9]), [0] * 3)
    assert found == [2, 2, 9]


@pytest.mark.parametrize(
    "rules,expected,noise",
    [
        (Rules("none"), [2] * 6, True),
        (Rules("all"), [2, 2, 2, 7, 9, 17], False),
        (Rules("auto,ground"), [2, 2, 2, 7, 9, 17], False),
        (Rules("water"), [2, 2, 2, 2, 9, 2], False),
        (Rules("noise,9-17"), [2, 2, 2, 7, 9, 17], False),
        (Rules(only="0,1"), [2, 2, 2, 7, 9, 17], False),
        (Rules(only="7"), [0, 1, 2, 2, 9, 17], True),
        (Rules(only="7-20", keep="bridge"), [0, 1, 2, 2, 2, 17], True),
        (Rules(only="7-20", keep="all"), [0, 1, 2, 7, 9, 17], True),
        (Rules(within="POLYGON((5 5, 6 5, 6 6, 5 5))"), [0, 1, 2, 7, 9, 17], False),
        (Rules(within="POLYGON((-5 -5, 6 -5, 6 6, -5 6, -5 -5))"), [2, 2, 2, 7, 9, 17], False),
    ],
)
def test_words_names_and_areas(
    aerial: Runner, las: PointCloud, rules: Rules, expected: list[int], noise: bool
) -> None:
    decision = decide(aerial, rules, las, LAZ, False, LAZ)
    assert decision.noise == noise
    cloud = with_codes(las, [0, 1, 2, 7, 9, 17])
    assert result(decision, cloud, [0] * 6)[0] == expected


def test_files_without_the_codes_of_las(aerial: Runner, rooms: Runner, las: PointCloud) -> None:
    """Codes of others keep nothing by themselves, but do as they are told."""
    cloud = PointCloud(np.zeros((4, 3)), label=np.array([0, 2, 9, 40]))
    all_new = [2, 2, 2, 2]
    assert result(decide(aerial, Rules(), cloud, PLY, False, PLY), cloud, [0] * 4)[0] == all_new
    cloud.class_names = {2: "chair", 9: "lamp"}
    assert result(decide(aerial, Rules(), cloud, PLY, False, PLY), cloud, [0] * 4)[0] == all_new
    lamps = decide(aerial, Rules("lamp,40"), cloud, PLY, False, PLY)
    assert result(lamps, cloud, [0] * 4)[0] == [2, 2, 9, 40]
    cloud.class_names = {2: "ground", 9: "water"}
    named = decide(aerial, Rules(), cloud, PLY, False, PLY)
    assert result(named, cloud, [0] * 4)[0] == [2, 2, 9, 40]
    other = with_codes(las, [2, 9, 17])
    found, tally = result(decide(rooms, Rules(), las, LAZ, False, LAZ), other, [0] * 3)
    assert found == [0] * 3
    assert tally.remarks() == [
        "its classes are replaced: the codes of the model are not those of LAS"
    ]
    las_of_rooms = with_codes(las, [2, 9, 17])
    las_of_rooms.class_names = {2: "wall"}
    decision = decide(rooms, Rules(), las_of_rooms, LAZ, False, LAZ)
    assert result(decision, las_of_rooms, [0] * 3)[0] == [0] * 3


@pytest.mark.parametrize(
    "names,expected",
    [
        ({}, None),
        ({0: "a", 1: "b", 64: "c"}, None),
        ({2: "Ground", 5: "trees", 6: "buildings"}, True),
        ({1: "car", 2: "ground", 4: "shrub", 5: "tree", 6: "building"}, True),
        ({0: "ceiling", 1: "floor", 2: "wall", 3: "column"}, False),
    ],
)
def test_whose_codes_these_are(names: dict[int, str], expected: bool | None) -> None:
    assert follows(names) is expected


def test_codes_that_mean_two_things(aerial: Runner, rooms: Runner, las: PointCloud) -> None:
    _, tally = result(
        decide(rooms, Rules("2"), las, LAZ, False, LAZ), with_codes(las, [2, 3]), [0, 0]
    )
    said = [r for r in tally.remarks() if r.startswith("codes that are kept now mean two things")]
    assert len(said) == 1 and "2 'ground', for the model '" in said[0]
    _, tally = result(
        decide(aerial, Rules("2"), las, LAZ, False, LAZ), with_codes(las, [1, 2]), [0, 0]
    )
    assert len(tally.remarks()) == 1


def test_no_class(aerial: Runner, rooms: Runner, las: PointCloud) -> None:
    rules, cloud = Rules("none", min_confidence=0.5), with_codes(las, [5, 5])
    for model, to, code in ((aerial, LAZ, 1), (aerial, PLY, -1), (rooms, PLY, -1)):
        decision = decide(model, rules, las, to, False, to)
        found, tally = result(decision, cloud, [0, 0], [0.4, 0.5])
        assert found[0] == code and found[1] == decision.codes[0] and tally.unsure == 1
    decision = decide(rooms, rules, las, LAZ, False, LAZ)
    unsure = int(decision.codes[-1])
    assert unsure not in decision.codes[:-1] and unsure not in (7, 18)
    assert decision.names_of([], [])[unsure] in ("unclassified", "never classified")


def test_names_of_what_is_kept(aerial: Runner, las: PointCloud) -> None:
    cloud = with_codes(las, [9, 64, 65])
    cloud.class_names = {64: "virtual"}
    _, tally = result(decide(aerial, Rules(), cloud, LAZ, False, LAZ), cloud, [0] * 3)
    assert tally.names[9] == "water" and tally.names[64] == "virtual" and 65 not in tally.names
    assert tally.names[2] == "ground" and tally.written == [9, 64, 65]


def test_labels_that_are_hardly_classes(aerial: Runner) -> None:
    cloud = PointCloud(np.zeros((1000, 3)), label=np.arange(1000) * 1000)
    decision = decide(aerial, Rules("0-500000"), cloud, PLY, False, PLY)
    found, tally = result(decision, cloud, [0] * 1000)
    assert found[:501] == cloud.label[:501].tolist() and {*found[501:]} == {2}
    assert tally.changes == {} and "…" in tally.remarks()[0]


def test_what_is_refused(aerial: Runner, las: PointCloud) -> None:
    for rules in ({"min_confidence": 1.5}, {"into": "a b"}, {"into": "x" * 33}, {"into": ""}):
        with pytest.raises(ConfigError):
            Rules(**rules)
    for name in ("Classification", "label", "x", "class", "gps_time", "withheld"):
        with pytest.raises(FileError, match=rf"a\.laz: has '{name}' already"):
            decide(aerial, Rules(into=name), las, LAZ, False, LAZ)
    with pytest.raises(DataError, match=r"a\.ply: has no classes yet"):
        decide(aerial, Rules(only="0,1"), PointCloud(np.zeros((1, 3))), PLY, False, PLY)
    with pytest.raises(ConfigError, match="no class is called 'watr'"):
        decide(aerial, Rules("watr"), las, LAZ, False, LAZ)
