"""Whole clouds, tiles, votes; features from files; clouds at the edge of what makes sense."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from salanet.adapt.alignment import AlignmentOptions, examine
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.engine import point_logits, segment
from salanet.engine.segmentation import cloud_input
from salanet.engine.votes import VOTE_SCALES, turned
from salanet.errors import ConfigError, DataError
from salanet.models import Network, create_model
from salanet.sampling.summary import summarise

NAMES = ("one", "intensity", "returns", "height_above_ground")


@pytest.fixture(scope="module")
def model() -> Network:
    torch.manual_seed(0)
    network = create_model(
        width=8,
        in_channels=6,
        features=NAMES,
        classes=("a", "b", "c", "d"),
        grid=0.25,
        metadata={"intensity_scale": 1000.0},
    )
    # A short training, so that batch statistics are real and all classes are predicted.
    optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
    samples = []
    for seed in range(8):
        cells = cloud_input(network, town(seed, size=16, density=10), "town")
        classes = torch.from_numpy(np.digitize(cells.features[:, -1], [0.3, 2.5, 5.0]))
        pyramid = network.pyramid(torch.from_numpy(cells.points))
        samples.append((torch.from_numpy(cells.features), pyramid, classes))
    for step in range(64):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 64)
        features, pyramid, classes = samples[step % len(samples)]
        torch.nn.functional.cross_entropy(network(features, pyramid), classes).backward()
        optimiser.step()
        optimiser.zero_grad()
    return network.eval()


@pytest.fixture(scope="module")
def cloud() -> PointCloud:
    return town(6, size=50)


def test_every_original_point_gets_the_class_of_its_cell(model: Network, cloud: PointCloud) -> None:
    found = segment(model, cloud, probabilities=True)
    seen = cloud_input(model, cloud, "town")
    logits = point_logits(model, seen.points, seen.features)
    assert found.labels.dtype == np.int64 and found.cells == len(seen.points) < len(cloud)
    assert (found.labels == logits.argmax(1)[seen.cell_of_point]).all()
    assert found.probabilities is not None
    assert found.probabilities.dtype == np.float32
    np.testing.assert_allclose(found.probabilities.sum(1), 1, rtol=1e-5)
    assert (found.probabilities.argmax(1) == found.labels).all()
    assert len(np.unique(found.labels)) >= 2


def test_tiles_agree_with_one_pass(model: Network, cloud: PointCloud) -> None:
    seen = cloud_input(model, cloud, "town")
    calls: list[tuple[int, int]] = []
    whole = point_logits(model, seen.points, seen.features)
    tiled = point_logits(
        model,
        seen.points,
        seen.features,
        tile_points=len(seen.points) // 2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert len(calls) > 3
    assert calls[-1] == (len(seen.points), len(seen.points))
    agreement = (whole.argmax(1) == tiled.argmax(1)).mean()
    assert agreement >= 0.999


def test_the_order_of_points_does_not_matter(model: Network, cloud: PointCloud) -> None:
    order = np.random.default_rng(0).permutation(len(cloud))
    shuffled = PointCloud(
        cloud.xyz[order],
        intensity=cloud.intensity[order],
        attributes={name: array[order] for name, array in cloud.attributes.items()},
    )
    same = segment(model, shuffled).labels == segment(model, cloud).labels[order]
    assert same.mean() > 0.9995


def test_the_result_does_not_depend_on_threads(model: Network, cloud: PointCloud) -> None:
    seen = cloud_input(model, cloud, "town")
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(point_logits(model, seen.points, seen.features))
    finally:
        torch.set_num_threads(threads)
    assert (found[0] == found[1]).all() and (found[0] == found[2]).all()


def test_votes_average_logits(model: Network, cloud: PointCloud) -> None:
    seen = cloud_input(model, cloud, "town")
    by_hand = np.zeros((len(seen.points), 4), np.float32)
    with torch.inference_mode():
        for vote in range(3):
            pyramid = model.pyramid(torch.from_numpy(turned(seen.points, vote, 3)))
            by_hand += model(torch.from_numpy(seen.features), pyramid).numpy()
    found = point_logits(model, seen.points, seen.features, votes=3)
    np.testing.assert_allclose(found, by_hand / 3, rtol=1e-5, atol=1e-6)


def test_votes_turn_about_z_and_scale() -> None:
    points = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    assert turned(points, 0, 4) is points
    quarter = turned(points, 1, 4) / VOTE_SCALES[1]
    expected = np.stack([-points[:, 1], points[:, 0], points[:, 2]], axis=1)
    np.testing.assert_allclose(quarter, expected, rtol=1e-5, atol=1e-6)


def test_training_mode_is_restored(model: Network, cloud: PointCloud) -> None:
    model.train()
    try:
        before = {k: v.clone() for k, v in model.state_dict().items()}
        segment(model, cloud)
        assert model.training and model.encoder.training
        assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    finally:
        model.eval()


def few(xyz: list[list[float]]) -> PointCloud:
    n = len(xyz)
    ones = np.ones(n, np.uint8)
    return PointCloud(
        np.array(xyz, dtype=float).reshape(n, 3),
        intensity=np.full(n, 500, np.float32),
        attributes={"return_number": ones, "number_of_returns": ones},
    )


@pytest.mark.parametrize(
    "xyz",
    [
        [[650_000.0, 6_860_000.0, 30.0]],
        [[1, 2, 3], [1, 2, 3]],
        [[0.1 + 0.001 * i, 0.1, 0.1] for i in range(100)],
        [[0, 0, 0], [1e3, 1e3, 0]],
    ],
    ids=["one point", "identical points", "one cell", "far apart"],
)
def test_tiny_clouds_work(model: Network, xyz: list[list[float]]) -> None:
    found = segment(model, few(xyz), probabilities=True)
    assert len(found.labels) == len(xyz)
    assert np.isfinite(found.probabilities).all()


def test_clouds_that_make_no_sense(model: Network) -> None:
    with pytest.raises(DataError, match=r"scan\.laz: holds no points"):
        segment(model, few([]), where="scan.laz")
    with pytest.raises(DataError, match=r"scan\.laz: none of its 2 points has finite coord"):
        segment(model, few([[np.inf, 0, 0], [0, np.nan, 0]]), where="scan.laz")


def test_missing_features_are_named(model: Network) -> None:
    bare = PointCloud(np.zeros((3, 3)), intensity=np.ones(3, np.float32))
    with pytest.raises(DataError, match=r"scan\.ply.*'returns' needs 'return_number'.*intensity"):
        segment(model, bare, where="scan.ply", alignment=None)
    with pytest.raises(DataError, match=r"scan\.ply: the model needs 'return_number'.*intensity"):
        segment(model, bare, where="scan.ply")


def test_part_models_do_not_segment_scenes() -> None:
    parts = create_model(width=8, in_channels=4, parts={"Chair": 3})
    with pytest.raises(ConfigError, match="scene model"):
        segment(parts, few([[0, 0, 0]]))


def test_features_and_channels_must_agree(cloud: PointCloud) -> None:
    wrong = create_model(width=8, in_channels=3, features=NAMES, classes=("a", "b"), grid=0.5)
    with pytest.raises(ConfigError, match="takes 3 channels"):
        segment(wrong, cloud)


def test_feet_are_labelled_as_metres_are(model: Network, cloud: PointCloud) -> None:
    # Off the borders of cells, where the last digit decides.
    metres = replace(cloud, xyz=cloud.xyz + 0.003)
    feet = replace(cloud, xyz=metres.xyz / 0.3048)
    alignment = examine(model, summarise(feet), AlignmentOptions(units="ft"))
    same = segment(model, feet, alignment=alignment).labels == segment(model, metres).labels
    assert same.mean() > 0.9995
    plain = examine(model, summarise(cloud))
    assert (segment(model, cloud, alignment=plain).labels == segment(model, cloud).labels).all()


def test_lying_clouds_are_labelled_as_upright_ones(model: Network, cloud: PointCloud) -> None:
    turned = np.stack([cloud.xyz[:, 0], cloud.xyz[:, 2], -cloud.xyz[:, 1]], axis=1)
    lying = replace(cloud, xyz=turned)
    alignment = examine(model, summarise(lying), AlignmentOptions(up="y"))
    assert (segment(model, lying, alignment=alignment).labels == segment(model, cloud).labels).all()


def test_larger_cells_look_like_the_models_own(model: Network, cloud: PointCloud) -> None:
    alignment = examine(model, summarise(cloud), AlignmentOptions(grid=0.5))
    seen = cloud_input(model, cloud, "town", alignment)
    cells = np.unique(np.floor(seen.points / 0.25), axis=0)
    assert len(cells) == len(seen.points) == segment(model, cloud, alignment=alignment).cells
    heights = cloud_input(model, cloud, "town").features[:, -1]  # in metres all the same
    assert heights.max() == seen.features[:, -1].max() == 1


def test_a_model_that_does_without_colours(cloud: PointCloud) -> None:
    network = create_model(
        width=4,
        in_channels=4,
        features=("one", "rgb"),
        classes=("a", "b"),
        grid=0.5,
        metadata={"optional": ["rgb"]},
    ).eval()
    bare, black = PointCloud(cloud.xyz), replace(cloud, rgb=np.zeros(cloud.xyz.shape, np.uint8))
    found = [
        segment(network, given, alignment=examine(network, summarise(given))).labels
        for given in (bare, black)
    ]
    found += [segment(network, given, alignment=None).labels for given in (bare, black)]
    assert all((labels == found[0]).all() for labels in found)
    del network.metadata["optional"]
    for given in (bare, black):
        with pytest.raises(DataError, match="needs 'rgb'"):
            segment(network, given, alignment=None)


def test_what_a_model_does_without_may_be_absent(model: Network, cloud: PointCloud) -> None:
    names = ("intensity", "return_number", "number_of_returns")
    kept = {name: a for name, a in cloud.attributes.items() if name not in names}
    bare = PointCloud(cloud.xyz, attributes=kept)
    neutral = PointCloud(
        cloud.xyz,
        intensity=np.zeros(len(cloud)),
        attributes=kept | dict.fromkeys(names[1:], np.ones(len(cloud), np.uint8)),
    )
    expected = segment(model, neutral).labels
    model.metadata["optional"] = list(names)
    try:
        assert (segment(model, bare).labels == expected).all()
    finally:
        del model.metadata["optional"]


def test_clouds_are_examined_unless_told_otherwise(model: Network, cloud: PointCloud) -> None:
    plain = segment(model, cloud)
    assert (plain.labels == segment(model, cloud, alignment=None).labels).all()
    turned = np.stack([cloud.xyz[:, 0], cloud.xyz[:, 2], -cloud.xyz[:, 1]], axis=1)
    lying = replace(cloud, xyz=turned)
    with pytest.warns(UserWarning, match="y is up, as asked"):
        found = segment(model, lying, alignment=AlignmentOptions(up="y"))
    assert (found.labels == plain.labels).all()
    assert any("y is up, as asked" in remark for remark in found.remarks)
    assert segment(model, cloud, alignment=None).remarks == ()
