"""The model that a file is for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_alignment import of, room, tall_town

from salanet.adapt.choose import choose, domain
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.errors import ConfigError
from salanet.io import read
from salanet.io.crs import Crs
from salanet.model_card import ModelCard
from salanet.model_config import ModelConfig
from salanet.model_file import Entry
from salanet.models.networks import create_network
from salanet.sampling.summary import summarise


def entry(
    name: str, domain: str, features: tuple[str, ...], width: int = 4, **more: object
) -> Entry:
    config = ModelConfig(
        width=width, in_channels=4, features=features, classes=("a", "b"), grid=0.04
    )
    shapes = {name: [*t.shape] for name, t in create_network(config).state_dict().items()}
    return Entry(
        name, Path(f"{name}.safetensors"), config, ModelCard.of({"domain": domain, **more}), shapes
    )


LARGE = entry("rooms-large", "indoor", ("one", "rgb"), 8, optional=["rgb"])
ROOMS = entry("rooms", "indoor", ("one", "rgb"), optional=["rgb"])
AERIAL = entry("aerial", "airborne", ("one", "intensity", "returns"))
MODELS = [AERIAL, LARGE, ROOMS]


@pytest.mark.parametrize("y_up", [False, True])
@pytest.mark.parametrize("scale", [1, 1000])
def test_rooms(y_up: bool, scale: float) -> None:
    cloud = room(y_up=y_up, scale=scale, size=(9, 8, 2.6))
    found, why = choose(summarise(cloud), "a.ply", MODELS)
    assert found is LARGE
    assert why.startswith("taking the model rooms-large: this looks like rooms (points above one")
    assert why.endswith("; there is rooms (quicker), too")


@pytest.mark.parametrize("size, spacing", [((4, 3), 0.06), ((14, 13), 0.06), ((14, 13), 0.09)])
def test_meshes_of_rooms_without_ceilings(size: tuple[float, float], spacing: float) -> None:
    """As those of ScanNet: open above, often far wider than high, and no survey is so dense."""
    rng = np.random.default_rng(0)
    (width, depth), height = size, 2.4
    faces = [(width, depth, (0, 1)), (width, height, (0, 2)), (depth, height, (1, 2))]
    parts = []
    for across, along, axes in [*faces, (width / 3, depth / 3, (0, 1))]:
        points = np.zeros((int(across * along / spacing**2), 3))
        points[:, axes] = rng.random((len(points), 2)) * [across, along]
        parts.append(points)
    parts[-1] += [1, 1, 0.7]  # a table
    xyz = np.concatenate(parts)
    cloud = PointCloud(xyz, rgb=np.full(xyz.shape, 99, np.uint8))
    assert choose(summarise(cloud), "scene0000_00_vh_clean_2.ply", MODELS)[0] is LARGE


def test_surveys_from_the_air() -> None:
    found, why = choose(summarise(town(1, size=80)), "a.laz", MODELS)
    assert found is AERIAL and "a survey from the air (several returns, open above" in why
    feet = tall_town(1)
    assert choose(summarise(feet), "a.laz", MODELS)[0] is AERIAL


def test_what_a_model_needs() -> None:
    bare = PointCloud(town(1, size=80).xyz)
    with pytest.raises(
        ConfigError, match=r"a\.ply: .* lacks attributes \(aerial needs intensity\)"
    ):
        choose(of(bare, Crs("x", None, "metre")), "a.ply", MODELS)
    assert choose(summarise(PointCloud(room(size=(9, 8, 2.6)).xyz)), "a.ply", MODELS)[0] is LARGE
    strict = entry("strict", "indoor", ("one", "rgb"))
    with pytest.raises(ConfigError, match="strict needs rgb"):
        choose(summarise(PointCloud(room().xyz)), "a.ply", [strict])


def test_others_are_named() -> None:
    bare = entry("bare", "indoor", ("one",), 12)
    twenty = replace(
        ROOMS, name="twenty", config=ROOMS.config.model_copy(update={"classes": ("c",)})
    )
    seen = summarise(room(size=(9, 8, 2.6)))
    found, why = choose(seen, "a.ply", [ROOMS, bare, twenty])
    assert found is bare
    assert why.endswith("; there is rooms (quicker) and twenty (other classes), too")
    found, why = choose(seen, "a.ply", [ROOMS])
    assert found is ROOMS and "there is" not in why


def test_doubt_lists_the_models() -> None:
    statue = np.random.default_rng(0).random((500, 3)) * [9, 9, 0]
    statue[:, 2] = np.sin(statue[:, 0]) + statue[:, 1] / 9
    slab = summarise(PointCloud(statue))
    listed = r"aerial \(a survey from the air\), rooms-large \(rooms\), rooms \(rooms\)"
    with pytest.raises(ConfigError, match=rf"a\.ply: could be anything .* with -m, of {listed}"):
        choose(slab, "a.ply", MODELS)
    with pytest.raises(ConfigError, match=r"looks like rooms .* no model here is for"):
        choose(summarise(room()), "a.ply", [AERIAL])


def test_real_surveys(ign_tiles: Path, shared_data: Path) -> None:
    for path in [*sorted(ign_tiles.glob("*.laz")), shared_data / "autzen" / "autzen-crop.laz"]:
        if path.exists():
            assert domain(summarise(read(path)))[0] == "airborne", path
