from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from torch import Tensor

from salanet import ops
from salanet.errors import DataError


def random_cloud(n: int, seed: int, *, step: float = 0.0, offset: float = 0.0) -> Tensor:
    """Points of the unit cube, on a lattice (many ties and duplicates) if ``step`` is given."""
    points = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))
    if step:
        points = (points / step).round() * step
    return points + offset


def random_splits(n: int, clouds: int, seed: int) -> Tensor:
    """Prefix offsets of ``clouds`` clouds, some of them probably empty."""
    cuts = torch.randint(0, n + 1, (clouds - 1,), generator=torch.Generator().manual_seed(seed))
    return torch.cat([torch.tensor([0]), cuts.sort().values, torch.tensor([n])])


@settings(max_examples=60, deadline=None)
@given(
    queries=st.integers(0, 200),
    supports=st.integers(0, 700),
    radius=st.sampled_from([0.05, 0.1, 0.25, 0.5, 3.0]),
    k=st.sampled_from([1, 5, 26, 200]),
    step=st.sampled_from([0.0, 0.05, 0.5]),
    offset=st.sampled_from([0.0, -1e5]),
    clouds=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_equals_reference(
    queries: int,
    supports: int,
    radius: float,
    k: int,
    step: float,
    offset: float,
    clouds: int,
    seed: int,
) -> None:
    q = random_cloud(queries, seed, step=step, offset=offset)
    s = random_cloud(supports, seed + 1, step=step, offset=offset)
    splits = random_splits(queries, clouds, seed), random_splits(supports, clouds, seed + 1)
    found = ops.radius_search(q, s, radius, k, *splits)
    with ops.backend("reference"):
        expected = ops.radius_search(q, s, radius, k, *splits)
    assert torch.equal(found, expected)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 2000), radius=st.sampled_from([0.06, 0.2, 2.0]), seed=st.integers(0, 99))
def test_equals_scipy(n: int, radius: float, seed: int) -> None:
    points = random_cloud(n, seed)
    found = ops.radius_search(points, points, radius, 30).numpy()
    distances, expected = cKDTree(points).query(points, k=30, distance_upper_bound=radius)
    # Where float32 and float64 round differently, the farther of two may come first, by an ulp.
    padded = torch.cat([points, torch.full((1, 3), torch.inf)]).double().numpy()
    gaps = np.linalg.norm(padded[found] - points.double().numpy()[:, None], axis=2)
    assert np.abs((found == n).sum(1) - (expected == n).sum(1)).max() <= 1
    agreeing = np.isfinite(gaps) & np.isfinite(distances)
    np.testing.assert_allclose(gaps[agreeing], distances[agreeing], rtol=1e-5, atol=1e-6)


def test_known_answer() -> None:
    points = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [1.0, 0, 0], [0.5, 0, 0], [-0.25, 0, 0]])
    found = ops.radius_search(points[:1], points, 1.0, 5)
    assert found.tolist() == [[0, 4, 1, 3, 5]]  # the tie by row; a point at the radius is outside
    assert found.dtype == torch.int32
    assert ops.radius_search(points[:1], points, 1.0, 3).tolist() == [[0, 4, 1]]


def test_clouds_do_not_see_each_other() -> None:
    points = torch.zeros(5, 3)
    found = ops.radius_search(
        points, points, 1.0, 3, torch.tensor([0, 2, 2, 5]), torch.tensor([0, 1, 1, 5])
    )
    assert found.tolist() == [[0, 5, 5]] * 2 + [[1, 2, 3]] * 3


@pytest.mark.parametrize("k", [3, 40, 3000])
def test_one_point_and_many_identical_points(k: int) -> None:
    for n in (1, 2, 2500):
        points = torch.full((n, 3), 7.5)
        found = ops.radius_search(points, points, 0.1, k)
        expected = torch.arange(k).clamp(max=n).int()
        assert torch.equal(found, expected.expand(n, k))


def test_far_outliers_and_mixed_densities() -> None:
    points = torch.cat(
        [
            random_cloud(600, 0),
            random_cloud(600, 1) * 1e-4 + 50,
            torch.tensor([[1e12, 0, 0], [-1e30, 1e30, 5], [3e38, -3e38, 3e38], [1e-40, 0, 0]]),
        ]
    )
    for radius in (1e-5, 0.1, 1e31):
        found = ops.radius_search(points, points, radius, 20)
        with ops.backend("reference"):
            assert torch.equal(found, ops.radius_search(points, points, radius, 20))


def test_a_radius_beyond_the_cloud_is_not_quadratic() -> None:
    points = random_cloud(60_000, 3)
    found = ops.radius_search(points, points, 10.0, 4)  # 3.6e9 pairs: minutes if all were tried
    _, expected = cKDTree(points).query(points[:200], k=4)
    assert (found[:200].numpy() == expected).mean() > 0.99
    same = torch.zeros(60_000, 3)
    assert torch.equal(ops.radius_search(same, same, 1.0, 4)[-1], torch.arange(4).int())


def test_an_index_serves_many_searches() -> None:
    points, coarse = random_cloud(900, 5), random_cloud(100, 6)
    index = ops.PointIndex(points)
    for radius, k in ((0.1, 8), (0.4, 40)):
        assert torch.equal(
            ops.radius_search(coarse, index, radius, k),
            ops.radius_search(coarse, points, radius, k),
        )


def all_results() -> str:
    """A digest of every kernel's output on one ragged batch with ties."""
    points = torch.cat([random_cloud(30_000, 8), random_cloud(9_000, 9, step=0.04)])
    splits = torch.tensor([0, 20_000, 20_000, 39_000])
    sub = ops.grid_subsample(points, 0.07, splits, {"f": points}, {"l": (points[:, 0] * 9).int()})
    results = [
        ops.radius_search(points, points, 0.07, 26, splits, splits),
        ops.radius_search(sub.points, points, 0.15, 12, sub.splits, splits),
        ops.nearest(points, sub.points, splits, sub.splits),
        *(sub.points, sub.cells, sub.splits, sub.features["f"], sub.labels["l"]),
    ]
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in results)).hexdigest()


def test_same_bits_for_any_thread_count() -> None:
    before = torch.get_num_threads()
    try:
        digests = set()
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            digests.add(all_results())
    finally:
        torch.set_num_threads(before)
    assert len(digests) == 1


@pytest.mark.parametrize("isa", ["portable", "avx2"])
def test_same_bits_for_any_instruction_set(isa: str) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from test_radius_search import all_results\n"
        "from salanet import _geometry\n"
        "print(_geometry.isa, all_results())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__), *sys.path],  # noqa: PTH120
        env=os.environ | {"SALANET_ISA": isa},
        capture_output=True,
        text=True,
        check=True,
    )
    chosen, digest = run.stdout.split()
    if chosen != isa:
        pytest.skip(f"this processor has no {isa}")
    assert digest == all_results()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_works_in_a_forked_child() -> None:
    points = random_cloud(20_000, 2)
    expected = ops.radius_search(points, points, 0.05, 8)  # starts the threads of the parent
    child = os.fork()
    if child == 0:
        same = False
        signal.alarm(30)  # rather than hang
        try:
            found = ops.radius_search(points, points, 0.05, 8)
            same = np.array_equal(found, expected)  # PyTorch's own threads do not survive
        finally:
            os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_bad_arguments_are_refused() -> None:
    points = random_cloud(10, 0)
    nan = points.clone()
    nan[3, 1] = torch.nan
    for name in ("reference", "native"):
        with ops.backend(name):  # type: ignore[arg-type]
            with pytest.raises(DataError, match="radius must be a positive number"):
                ops.radius_search(points, points, 0.0, 3)
            with pytest.raises(DataError, match="k must be at least 1"):
                ops.radius_search(points, points, 1.0, 0)
            with pytest.raises(DataError, match="point 3 of queries has a NaN or infinite"):
                ops.radius_search(nan, points, 1.0, 3)
            with pytest.raises(DataError, match="point 3 of supports has a NaN or infinite"):
                ops.radius_search(points, nan, 1.0, 3)
            with pytest.raises(DataError, match=r"shape \(N, 3\), not \(10, 2\)"):
                ops.radius_search(points[:, :2], points, 1.0, 3)
            with pytest.raises(DataError, match="must be float32, not float64"):
                ops.radius_search(points.double(), points, 1.0, 3)
            for splits in ([0, 9], [1, 10], [0, 7, 5, 10]):
                with pytest.raises(DataError, match="must rise from 0 to the 10 points"):
                    ops.radius_search(points, points, 1.0, 3, torch.tensor(splits))
            with pytest.raises(DataError, match="queries hold 2 clouds, supports 1"):
                ops.radius_search(points, points, 1.0, 3, torch.tensor([0, 5, 10]))
