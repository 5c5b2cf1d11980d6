"""Spheres hold exactly the points within reach, and draws cover what they promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salanet.errors import ConfigError, DataError
from salanet.sampling.spheres import PotentialSampler, SphereIndex, SphereSampler
from salanet.scenes import Scene

LINE = np.column_stack([np.arange(10.0), np.zeros(10), np.arange(10.0) * 100]).astype(np.float32)


def scene(coord: np.ndarray, segment: object = None) -> Scene:
    return Scene(
        Path("made-up"),
        np.asarray(coord, np.float32),
        np.zeros(3),
        segment=None if segment is None else np.asarray(segment, np.int16),
    )


def test_by_hand() -> None:
    flat = LINE * [1, 1, 0]
    index = SphereIndex(flat)
    assert index.within([4, 0, 0], 2.0).tolist() == [3, 4, 5]  # strictly inside
    assert index.within([4, 0, 0], 2.5).tolist() == [2, 3, 4, 5, 6]
    assert index.within([4, 0, 0], 2.5, limit=2).tolist() == [3, 4]  # of 3 and 5 the lower
    assert index.within([4, 0, 9], 2.0).tolist() == []


def test_a_cylinder_ignores_height() -> None:
    assert SphereIndex(LINE).within([4, 0, 400], 1.5).tolist() == [4]
    assert SphereIndex(LINE, "cylinder").within([4, 0, 0], 1.5).tolist() == [3, 4, 5]
    with pytest.raises(ConfigError, match="'box'"):
        SphereIndex(LINE, "box")  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 200), st.floats(0.1, 3), st.integers(1, 50), st.booleans(), st.integers(0, 99)
)
def test_against_brute_force(n: int, radius: float, limit: int, upright: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coord = rng.uniform(0, 4, (n, 3)).astype(np.float32)
    centre = rng.uniform(0, 4, 3)
    axes = 2 if upright else 3
    distance = np.linalg.norm(coord[:, :axes] - centre[:axes], axis=1)
    expected = np.flatnonzero(distance < radius)
    expected = np.sort(expected[np.argsort(distance[expected], kind="stable")[:limit]])
    index = SphereIndex(coord, "cylinder" if upright else "sphere")
    assert index.within(centre, radius, limit).tolist() == expected.tolist()


def test_draws_repeat_with_the_generator_and_reach_all_scenes() -> None:
    sampler = SphereSampler([scene(LINE), scene(LINE[:0]), scene(LINE[:5])], 1.5)
    draws = [sampler.draw(np.random.default_rng(i)) for i in range(100)]
    again = [sampler.draw(np.random.default_rng(i)) for i in range(100)]
    assert [d.rows.tolist() for d in draws] == [d.rows.tolist() for d in again]
    numbers = np.bincount([d.scene for d in draws], minlength=3)
    assert numbers[1] == 0 and 50 < numbers[0] < 85 and numbers.sum() == 100  # 10 of 15 points
    assert all(len(d.rows) >= 1 for d in draws)


def test_balanced_centres_find_rare_classes() -> None:
    segment = np.zeros(1000)
    segment[0], segment[1:500] = 1, -1
    coord = np.column_stack([np.arange(1000) * 10.0, np.zeros((1000, 2))])
    sampler = SphereSampler([scene(coord, segment)], 1.0, balance=1.0)
    rng = np.random.default_rng(0)
    labels = segment[[sampler.draw(rng).rows[0] for _ in range(200)]]
    assert 0.4 < (labels == 1).mean() < 0.6
    assert (labels >= 0).all()  # ignored points are no centre


@pytest.mark.parametrize("potentials", [False, True])
def test_balance_raises_the_share_of_rare_classes(potentials: bool) -> None:
    """A square patch of 3 % of the points."""
    rng = np.random.default_rng(0)
    coord = rng.uniform(0, 20, (4000, 3)) * [1, 1, 0.01]
    segment = ((coord[:, 0] < 4) & (coord[:, 1] < 4)).astype(int)
    assert segment.mean() == pytest.approx(0.033)

    def share(balance: float) -> float:
        sampler = SphereSampler([scene(coord, segment)], 2.0, balance=balance)
        drawing = PotentialSampler(sampler, np.random.default_rng(1)) if potentials else sampler
        drawn = [drawing.draw(np.random.default_rng(i)).rows for i in range(200)]
        return float(segment[np.concatenate(drawn)].mean())

    # Potentials answer many draws in the patch by fewer others there.
    expected = (0.03, 0.13, 0.29) if potentials else (0.02, 0.19, 0.39)
    assert [share(balance) for balance in (0, 0.5, 1)] == pytest.approx(expected, abs=0.01)


def test_balanced_potentials_visit_a_class_evenly() -> None:
    """The second scene is all of the rare class; its ends are as often a centre as its middle."""
    coord = np.column_stack([np.arange(100.0), np.zeros((100, 2))])
    scenes = [scene(coord, np.zeros(100)), scene(coord[:20], np.ones(20))]
    sampler = PotentialSampler(SphereSampler(scenes, 1.5, balance=1), np.random.default_rng(0))
    draws = [sampler.draw(np.random.default_rng(i)) for i in range(160)]
    rare = [round(sphere.centre[0]) for sphere in draws if sphere.scene == 1]
    assert 60 < len(rare) < 100
    visits = np.bincount(np.clip(rare, 0, 19), minlength=20)
    assert visits.min() >= 1 and visits.max() <= 12


def test_potentials_visit_everything_evenly() -> None:
    rng = np.random.default_rng(0)
    coord = rng.uniform(0, 10, (2000, 3)) * [1, 1, 0.1]
    sampler = PotentialSampler(SphereSampler([scene(coord), scene(coord[:300])], 2.0), rng)
    seen = [np.zeros(2000), np.zeros(300)]
    for _ in range(80):
        sphere = sampler.draw(rng)
        seen[sphere.scene][sphere.rows] += 1
    assert seen[0].min() >= 1 and seen[1].min() >= 1


def test_potentials_move_on_although_the_limit_leaves_the_centre_out() -> None:
    rng = np.random.default_rng(0)
    coord = rng.uniform(0, 4, (500, 3))
    sampler = PotentialSampler(SphereSampler([scene(coord)], 2.0, limit=3), rng)
    rows = {int(row) for _ in range(400) for row in sampler.draw(rng).rows}
    assert len(rows) > 250


def test_potentials_add_tukeys_weight() -> None:
    rng = np.random.default_rng(0)
    sampler = PotentialSampler(SphereSampler([scene(np.zeros((1, 3)))], 1.0), rng)
    before = sampler.potentials[0][0]
    sphere = sampler.draw(rng)
    distance = np.linalg.norm(sphere.centre)
    assert sampler.potentials[0][0] == pytest.approx(before + (1 - distance**2) ** 2)


def test_one_point() -> None:
    sphere = SphereSampler([scene(np.ones((1, 3)))], 1.0).draw(np.random.default_rng(0))
    assert sphere.rows.tolist() == [0] and sphere.centre.tolist() == [1, 1, 1]


def test_bad_input() -> None:
    with pytest.raises(DataError, match="no points"):
        SphereSampler([scene(np.zeros((0, 3)))], 1.0)
    with pytest.raises(DataError, match="no points"):
        SphereSampler([], 1.0)
    with pytest.raises(ConfigError, match="radius"):
        SphereSampler([scene(LINE)], 0.0)
    with pytest.raises(ConfigError, match="balance"):
        SphereSampler([scene(LINE)], 1.0, balance=2)
    with pytest.raises(DataError, match="made-up: no segment"):
        SphereSampler([scene(LINE)], 1.0, balance=0.5)
    with pytest.raises(DataError, match="ignored"):
        SphereSampler([scene(LINE, np.full(10, -1))], 1.0, balance=0.5)
