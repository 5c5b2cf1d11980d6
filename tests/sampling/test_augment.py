"""Augmentations stay within their ranges and come from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from salanet.sampling.augment import NONE, Augmentation

XYZ = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def test_none_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(NONE.points(XYZ, rng), XYZ)
    arrays = {"rgb": np.ones((50, 3), np.uint8), "intensity": np.ones(50, np.float32)}
    changed = NONE.attributes(arrays, rng)
    assert all(changed[name] is arrays[name] for name in arrays)


def test_same_generator_same_sample() -> None:
    aug = Augmentation()
    first, second = (aug.points(XYZ, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32 and not np.array_equal(first, XYZ)


@given(st.integers(0, 10**6))
def test_defaults_are_the_papers(seed: int) -> None:
    matrix = Augmentation().matrix(np.random.default_rng(seed))
    lengths = np.linalg.norm(matrix, axis=1)  # rows: scale of each axis after the rotation
    assert (lengths >= 0.7 - 1e-12).all() and (lengths <= 1.3 + 1e-12).all()
    assert matrix[2, :2].tolist() == [0, 0] and matrix[:2, 2].tolist() == [0, 0]
    assert matrix[2, 2] > 0


def test_rotation_and_mirror_by_hand() -> None:
    turn = Augmentation(rotation=90, scale=(2, 2), scale_z=(1, 1), mirror_x=1, jitter=0)

    class Ends(np.random.Generator):
        def uniform(self, *bounds: float) -> float:  # type: ignore[override]
            return bounds[1]

        def random(self) -> float:  # type: ignore[override]
            return 0.0

    rng = Ends(np.random.PCG64(0))
    out = turn.points(np.array([[1.0, 0, 5], [0, 1, 6]]), rng)  # x -> y, y -> -x; x mirrored
    np.testing.assert_allclose(out, [[0, 2, 5], [2, 0, 6]], atol=1e-6)


def test_mirroring_happens_half_the_time() -> None:
    rng = np.random.default_rng(0)
    mirrored = [np.linalg.det(Augmentation().matrix(rng)) < 0 for _ in range(400)]
    assert 0.4 < np.mean(mirrored) < 0.6


def test_jitter_is_clipped() -> None:
    aug = NONE.model_copy(update={"jitter": 0.04, "jitter_clip": 0.05})
    moved = aug.points(np.zeros((20000, 3)), np.random.default_rng(0))
    assert np.abs(moved).max() == pytest.approx(0.05)
    assert 0.025 < moved.std() < 0.04


def test_colour_drop_takes_all_colours_and_nothing_else() -> None:
    arrays = {"rgb": np.full((3, 3), 9, np.uint8), "intensity": np.full(3, 5, np.float32)}
    rng = np.random.default_rng(0)
    drops = 0
    for _ in range(500):
        changed = Augmentation().attributes(arrays, rng)
        assert changed["intensity"] is arrays["intensity"]
        assert changed["rgb"].max() == changed["rgb"].min()
        drops += int(changed["rgb"].max() == 0)
    assert 70 < drops < 130  # p = 0.2
    assert arrays["rgb"].min() == 9


def test_intensity_jitter_is_one_factor() -> None:
    arrays = {"intensity": np.array([10, 20], np.float32)}
    rng = np.random.default_rng(0)
    changed = Augmentation(intensity_jitter=0.2).attributes(arrays, rng)["intensity"]
    assert changed[1] == 2 * changed[0] and 8 <= changed[0] <= 12 and changed[0] != 10


def test_dropped_arrays_become_neutral_and_optional() -> None:
    arrays = {
        "intensity": np.full(3, 5, np.float32),
        "return_number": np.full(3, 2, np.float32),
        "number_of_returns": np.full(3, 4, np.float32),
    }
    augmentation = Augmentation(colour_drop=0, intensity_drop=0.5, returns_drop=0.5)
    rng = np.random.default_rng(0)
    drawn = [augmentation.attributes(arrays, rng) for _ in range(200)]
    seen = {(a["intensity"][0], a["return_number"][1], a["number_of_returns"][2]) for a in drawn}
    assert seen == {(5, 2, 4), (0, 2, 4), (5, 1, 1), (0, 1, 1)}  # returns go together
    assert augmentation.optional() == ["intensity", "return_number", "number_of_returns"]
    assert Augmentation().optional() == ["rgb"]


@pytest.mark.parametrize(
    "bad",
    [
        {"scale": (1.3, 0.7)},
        {"scale_z": (0, 1)},
        {"rotation": 270},
        {"mirror_x": 2},
        {"jitter": -1},
        {"colour_drop": 1.5},
        {"flip": True},
    ],
)
def test_bad_ranges(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Augmentation(**bad)


def test_one_point() -> None:
    assert Augmentation().points(np.ones((1, 3)), np.random.default_rng(0)).shape == (1, 3)


def test_left_out_points() -> None:
    rng = np.random.default_rng(0)
    assert Augmentation().kept(5, rng).tolist() == [0, 1, 2, 3, 4]
    shares = [1 - len(Augmentation(point_drop=0.5).kept(1000, rng)) / 1000 for _ in range(200)]
    assert 0 <= min(shares) < 0.05 and 0.45 < max(shares) < 0.56
    rows = Augmentation(point_drop=0.5).kept(100, rng)
    assert (np.diff(rows) > 0).all()
    assert len(Augmentation(point_drop=0.99).kept(1, rng)) == 1
    assert len(Augmentation(point_drop=0.5).kept(0, rng)) == 0


def test_what_is_measured_less_exactly_has_other_heights_too() -> None:
    rng = np.random.default_rng(5)
    flat = np.column_stack([rng.uniform(-9, 9, (4000, 2)), np.zeros(4000)]).astype(np.float32)
    names = ("height", "z", "height_above_ground", "height_above_lowest")
    arrays = {"xyz": flat} | {name: np.full(4000, 2, np.float32) for name in names}
    sizes, lines, exact = [], 0, 0
    for _ in range(600):
        found = Augmentation(noise=0.2).measured(arrays, rng)
        if found is arrays:
            exact += 1
            continue
        moved = found["xyz"] - flat
        size = moved[:, 2].std()
        sizes.append(size)
        for name in names[:2]:
            np.testing.assert_allclose(found[name] - 2, moved[:, 2], atol=1e-6)
        ground = (found["height_above_ground"] - 2).astype(np.float64)
        assert abs(ground.mean()) <= max(0.21, 2 * size) and abs(ground.std() - size) < 1e-3
        if not moved[:, :2].any():  # two flight lines
            lines += 1
            assert len(np.unique(moved[:, 2].round(5))) <= 2 and abs(ground.mean()) < 1e-3
            assert found["height_above_lowest"].min() >= 2 - 1e-5
        else:
            assert abs(moved[:, 0].std() - size) < 0.1 * size + 1e-6
    assert 250 < exact < 350 and 0.4 < lines / (600 - exact) < 0.6
    assert 0.03 < np.median(sizes) < 0.06 and 0.15 < max(sizes) < 0.21
    assert Augmentation().measured(arrays, rng) is arrays


@pytest.mark.parametrize(("slope", "share"), [(0.175, 0.25), (0.6, 0.5), (None, 0.5)])
def test_heights_are_wrong_where_terrain_is_hard_to_find(slope: float | None, share: float) -> None:
    augmentation = Augmentation(terrain_error=0.5)
    rng = np.random.default_rng(3)
    arrays = {"xyz": rng.normal(0, 5, (50, 3)), "height_above_ground": np.zeros(50, np.float32)}
    if slope is not None:
        arrays["terrain_slope"] = np.full(50, slope, np.float32)
    drawn = [augmentation.terrain(arrays, 1.0, rng)["height_above_ground"] for _ in range(2000)]
    wrong = [heights for heights in drawn if heights.any()]
    assert abs(len(wrong) / 2000 - share) < 0.03
    off = np.concatenate(wrong)
    assert off.dtype == np.float32 and 3 < abs(off).max() < 5 + 0.5 * 30


def test_heights_are_right_on_level_ground() -> None:
    arrays = {
        "xyz": XYZ,
        "height_above_ground": XYZ[:, 2],
        "terrain_slope": np.full(50, 0.04, np.float32),
    }
    rng = np.random.default_rng(4)
    assert all(
        Augmentation(terrain_error=1).terrain(arrays, 1.0, rng) is arrays for _ in range(100)
    )
