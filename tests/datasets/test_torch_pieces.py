"""Prepared scenes as data sets of PyTorch."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from salanet.datasets.torch import Piece, Pieces, Scenes, stack
from salanet.errors import ConfigError, FileError
from salanet.sampling import features
from salanet.scenes import open_scenes

SETTINGS = {
    "model": {"features": ["one", "intensity", "height_above_ground"]},
    "sampling": {"shape": "cylinder", "sphere_radius": 6, "centres": "potentials"},
    "training": {"samples_per_epoch": 5},
}


@pytest.fixture
def pieces(town_scenes: Path) -> Pieces:
    return Pieces(town_scenes, **SETTINGS)


def same(a: Piece, b: Piece) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_pieces(pieces: Pieces, town_scenes: Path) -> None:
    assert len(pieces) == 5 and len([*pieces]) == 5
    assert pieces.classes == open_scenes(town_scenes, "train")[0].classes
    assert pieces.channels[:2] == ["one", "intensity"] and len(pieces.channels) == 4
    one = pieces[0]
    count = len(one.labels)
    assert one.points.shape == (count, 3) and one.points.dtype == torch.float32
    assert one.features.shape == (count, 4) and one.features.dtype == torch.float32
    assert one.labels.dtype == torch.int64 and one.splits.tolist() == [0, count]
    assert (one.points[:, :2].norm(dim=1) < 6.7).all()  # scaled a little
    assert 0 <= int(one.labels.max()) < len(pieces.classes)
    assert not same(one, pieces[1])


def test_a_piece_is_the_same_whenever_asked_for(pieces: Pieces) -> None:
    third = pieces[3]
    assert len([*pieces]) == 5
    assert same(pieces[3], third)
    assert same(pickle.loads(pickle.dumps(pieces))[3], third)
    pieces.epoch = 1
    assert not same(pieces[3], third)


def test_batches(pieces: Pieces) -> None:
    batches = [*DataLoader(pieces, batch_size=2, collate_fn=stack)]
    assert [len(batch.splits) for batch in batches] == [3, 3, 2]
    assert same(batches[2], pieces[4])
    first, ends = batches[0], batches[0].splits.tolist()
    assert ends[-1] == len(first.points) == len(first.labels)
    assert torch.equal(first.features[ends[1] :], pieces[1].features)
    others = [*DataLoader(pieces, batch_size=2, collate_fn=stack, num_workers=1)]
    assert all(same(a, b) for a, b in zip(batches, others, strict=True))


def test_whole_scenes(pieces: Pieces, town_scenes: Path) -> None:
    scale = pieces.intensity_scale
    whole = Scenes(town_scenes, "val", intensity_scale=scale, **SETTINGS)
    (scene,) = open_scenes(town_scenes, "val")
    assert len(whole) == 1
    one = whole[0]
    np.testing.assert_array_equal(one.points.numpy(), scene.coord)
    np.testing.assert_array_equal(one.labels.numpy(), scene.segment)
    names = SETTINGS["model"]["features"]
    expected = features.compute(
        names, intensity_scale=scale, cell_size=scene.grid, **features.gather(scene)
    )
    np.testing.assert_array_equal(one.features.numpy(), expected)


def test_what_cannot_be(town_scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError):
        Pieces(tmp_path)
    with pytest.raises(ConfigError, match="features"):
        Pieces(town_scenes, model={"features": ["nothing"]})
    with pytest.raises(ConfigError, match="no pieces of scenes"):
        Pieces(town_scenes, sampling={"shape": "whole"})
    with pytest.raises(ConfigError):
        Pieces(town_scenes, recipe="no-such-recipe")
