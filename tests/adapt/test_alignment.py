"""Units, axes, density and missing attributes: decided, said, and undone nowhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from salanet.adapt.alignment import Alignment, AlignmentOptions, examine
from salanet.cloud import PointCloud
from salanet.datasets.town import town
from salanet.errors import ConfigError, DataError
from salanet.io.crs import Crs
from salanet.model_card import ModelCard
from salanet.model_config import ModelConfig
from salanet.sampling.summary import Summary, summarise, summarise_pieces

FOOT = 0.3048


@dataclass
class Model:
    """A model's description without weights."""

    grid: float = 0.5
    features: tuple[str, ...] = ("one", "intensity", "returns", "height_above_ground")
    metadata: dict[str, Any] = field(default_factory=lambda: {"intensity_scale": 1000.0})

    @property
    def card(self) -> ModelCard:
        return ModelCard.of(self.metadata)

    @property
    def config(self) -> ModelConfig:
        return ModelConfig(
            in_channels=1, features=self.features, classes=("a", "b"), grid=self.grid
        )


INDOOR = Model(0.04, ("one", "rgb"), {})


def room(y_up: bool = False, scale: float = 1.0, size: tuple[float, ...] = (6, 5, 2.6)) -> Any:
    """A box of floor, ceiling and walls with points about 2 cm apart, and colours."""
    rng = np.random.default_rng(0)
    parts = []
    for axis in range(3):
        area = np.prod(size) / size[axis]
        for end in (0.0, size[axis]):
            points = rng.random((int(area * 1500), 3)) * size
            points[:, axis] = end
            parts.append(points)
    xyz = np.concatenate(parts) + rng.normal(0, 0.002, (sum(map(len, parts)), 3))
    if y_up:
        xyz = np.stack([xyz[:, 0], xyz[:, 2], -xyz[:, 1]], axis=1)
    return PointCloud(xyz * scale, rgb=np.full(xyz.shape, 90))


def of(cloud: PointCloud, system: Crs | None = None, points: int | None = None) -> Summary:
    """The summary of a cloud whose file names this reference system."""
    found = summarise(cloud, points)
    return Summary(found.points, found.xyz, system, found.upright, found.arrays)


def test_metres_by_the_reference_system_change_nothing() -> None:
    cloud = town(1, size=40)
    alignment = examine(Model(), of(cloud, Crs("Lambert-93", 2154, "metre")))
    assert alignment == Alignment(grid=0.5, intensity_scale=1000.0)
    assert alignment.apply(cloud.xyz) is cloud.xyz


@pytest.mark.parametrize(
    "system, scale, said",
    [
        (
            Crs("TX", None, "US survey foot"),
            (1200 / 3937,) * 3,
            ["in US survey feet by the file's"],
        ),
        (
            Crs("OR", None, "foot", "metre"),
            (FOOT, FOOT, 1),
            ["in feet by", "heights are in metres"],
        ),
        (Crs("x", None, "metre", "foot"), (1, 1, FOOT), ["heights are in feet"]),
        (Crs("x", None, "Indian yard", None, 0.9144), (0.9144,) * 3, ["heights taken to be, too"]),
    ],
)
def test_units_of_the_reference_system(system: Crs, scale: Any, said: list[str]) -> None:
    cloud = town(1, size=40)
    cloud.xyz = cloud.xyz / np.array(scale)
    alignment = examine(Model(), of(cloud, system))
    assert alignment.scale == pytest.approx(scale)
    assert len(alignment.remarks) == len(said)
    for remark, text in zip(alignment.remarks, said, strict=True):
        assert text in remark and "the output keeps its units" in remark
    np.testing.assert_allclose(alignment.apply(cloud.xyz), town(1, size=40).xyz, rtol=1e-12)


def test_units_as_asked() -> None:
    summary_ = of(town(1, size=40), Crs("Lambert-93", 2154, "metre"))
    assert examine(Model(), summary_, AlignmentOptions(units="m")).remarks == ()
    alignment = examine(Model(), summary_, AlignmentOptions(units="us-ft"))
    assert alignment.scale == (1200 / 3937,) * 3
    assert "as asked, though the file's reference system says metre" in alignment.remarks[0]
    mixed = of(town(1, size=40), Crs("Lambert-93", 2154, "metre", "foot"))
    (remark,) = examine(Model(), mixed, AlignmentOptions(units="m")).remarks
    assert "as asked, though the file's reference system says metre, heights in foot" in remark
    assert examine(INDOOR, of(room()), AlignmentOptions(units="mm")).scale == (0.001,) * 3


def test_degrees_are_an_error_unless_told_otherwise() -> None:
    summary_ = of(town(1, size=40), Crs("WGS 84", 4326, "degree"))
    with pytest.raises(DataError, match=r"a\.laz: .* in degrees \(WGS 84\); project"):
        examine(Model(), summary_, where="a.laz")
    assert examine(Model(), summary_, AlignmentOptions(units="m")).scale == (1, 1, 1)
    with pytest.raises(DataError, match="in degrees"):
        examine(Model(), of(town(1, size=40), Crs("WGS 84", 4326, "degree", "metre")))
    with pytest.raises(DataError, match="geocentric, z no height"):
        examine(Model(), of(town(1, size=40), Crs("WGS 84", 4978, "metre", geocentric=True)))


def test_what_a_reference_system_leaves_open_is_doubted() -> None:
    cloud = town(1, size=40)
    doubted = Crs("EPSG:2264", 2264, doubts=("the unit of EPSG:2264 could not be looked up",))
    remarks = examine(Model(), of(cloud, doubted)).remarks
    assert remarks == (*doubted.doubts, "the file names no unit; taken to be in metres")
    heights = examine(Model(), of(cloud, Crs("unnamed", vertical="foot")))
    assert heights.scale == (1, 1, FOOT)
    assert "heights are in feet by the file's" in heights.remarks[1]


def test_without_a_reference_system_metres_are_assumed_and_said() -> None:
    alignment = examine(Model(), of(town(1, size=60)))
    assert alignment.scale == (1, 1, 1)
    assert alignment.remarks == ("the file has no reference system; taken to be in metres",)


def tall_town(spacing: float, scale: float = 1.0) -> PointCloud:
    """Flat land with 30 m high blocks."""
    rng = np.random.default_rng(0)
    xyz = rng.random((int(300 * 300 / spacing**2), 3)) * [300, 300, 0.1]
    block = (xyz[:, 0] % 60 < 15) & (xyz[:, 1] % 60 < 15)
    xyz[block, 2] += 30
    ones = np.ones(len(xyz), np.uint8)
    returns = {"return_number": ones, "number_of_returns": ones}
    return PointCloud(xyz * scale, intensity=ones * 250.0, attributes=returns)


def test_feet_need_two_signs() -> None:
    model = Model(metadata={"intensity_scale": 250.0})
    alignment = examine(model, summarise(tall_town(0.8, 1 / FOOT)))
    assert alignment.scale == (FOOT,) * 3 and "taken to be in feet" in alignment.remarks[0]
    # As tall, but as dense as in training: skyscrapers, perhaps.
    alignment = examine(model, summarise(tall_town(0.35, 1 / FOOT)))
    assert alignment.scale == (1, 1, 1) and "doubtful" in alignment.remarks[0]
    # As sparse, but of usual height; and neither.
    alignment = examine(model, summarise(tall_town(2.6)))
    assert alignment.scale == (1, 1, 1) and "doubtful" in alignment.remarks[0]
    alignment = examine(model, summarise(tall_town(1)))
    assert alignment.scale == (1, 1, 1) and alignment.remarks[0].endswith("taken to be in metres")


def test_feet_of_a_reference_system_that_cannot_be() -> None:
    system = Crs("a state plane", unit="US survey foot", metres=1200 / 3937)
    for spacing, scale, doubted in ((0.2, 1.0, True), (0.2, 1 / FOOT, False), (0.5, 1.0, False)):
        cloud = tall_town(spacing, scale)
        for returns in (1, 2):
            cloud.attributes["number_of_returns"][:9] = returns
            remarks = examine(Model(), of(cloud, system)).remarks
            codes = [getattr(remark, "code", "") for remark in remarks]
            assert ("units-doubted" in codes) == (doubted and returns == 2)


@pytest.mark.parametrize("scale, name", [(1, ""), (100, "centimetre"), (1000, "millimetre")])
def test_rooms_in_small_units(scale: float, name: str) -> None:
    alignment = examine(INDOOR, summarise(room(scale=scale)))
    assert alignment.scale == pytest.approx((1 / scale,) * 3)
    assert (alignment.remarks[0].code == "units-guessed") == bool(name)
    assert name in alignment.remarks[0] and len(alignment.remarks) == 1
    # A summary from the air is never in millimetres.
    assert examine(Model(), of(town(1, size=60))).scale == (1, 1, 1)


def test_mountains_are_no_rooms() -> None:
    rng = np.random.default_rng(0)
    xyz = rng.random((30_000, 3)) * [4000, 4000, 0] + [652_000, 6_862_000, 0]
    xyz[:, 2] = (xyz[:, 0] - 652_000) * 0.5
    cloud = PointCloud(xyz, rgb=np.full(xyz.shape, 90))
    assert examine(INDOOR, summarise(cloud)).scale == (1, 1, 1)


def test_y_up_is_found_when_evident() -> None:
    flat = (9.0, 8.0, 2.6)
    upright, lying = summarise(room(size=flat)), summarise(room(y_up=True, size=flat))
    assert examine(INDOOR, upright).up == "z"
    alignment = examine(INDOOR, lying)
    assert alignment.up == "y" and any(
        "y is up: most planes lie across y" in r for r in alignment.remarks
    )
    np.testing.assert_allclose(
        alignment.apply(room(y_up=True, size=flat).xyz), room(size=flat).xyz, atol=1e-12
    )
    assert examine(INDOOR, lying, AlignmentOptions(up="z")).up == "z"
    assert examine(INDOOR, upright, AlignmentOptions(up="y")).up == "y"


def test_a_corridor_is_not_turned() -> None:
    for size in ((12.0, 1.5, 2.5), (12.0, 2.0, 3.0), (3.0, 2.0, 2.6)):
        assert examine(INDOOR, summarise(room(size=size))).up == "z"


def test_a_file_with_a_reference_system_is_upright() -> None:
    lying = room(y_up=True, size=(9, 8, 2.6))
    assert examine(INDOOR, of(lying, Crs("Lambert-93", 2154, "metre"))).up == "z"


def test_density_and_grid() -> None:
    model = Model(metadata={"intensity_scale": 250.0, "spacing": 0.6})
    metres = {"units": "m"}
    sparse = summarise(tall_town(3))
    assert sparse.spacing == pytest.approx(3, rel=0.1)
    alignment = examine(model, sparse, AlignmentOptions(**metres))
    assert alignment.grid == 0.5 and alignment.zoom == 1
    assert "points are about 3 m apart, 5 times as far as the 0.6 m" in alignment.remarks[0]
    alignment = examine(model, sparse, AlignmentOptions(**metres, grid="auto"))
    assert alignment.grid == pytest.approx(0.5 * np.sqrt(5), rel=0.1)
    assert (
        alignment.zoom == pytest.approx(0.5 / alignment.grid)
        and "instead of 0.5 m" in alignment.remarks[0]
    )
    alignment = examine(model, sparse, AlignmentOptions(**metres, grid=1.0))
    assert (alignment.grid, alignment.zoom) == (1.0, 0.5) and "as asked" in alignment.remarks[0]
    for grid in (None, "auto", 0.5):
        alignment = examine(model, summarise(tall_town(0.7)), AlignmentOptions(**metres, grid=grid))
        assert (alignment.grid, alignment.zoom, alignment.remarks) == (0.5, 1, ())


def test_the_spacing_of_the_whole_from_a_sample() -> None:
    cloud = tall_town(0.5)
    part = PointCloud(cloud.xyz[::9])
    assert summarise(part, len(cloud)).spacing == pytest.approx(summarise(cloud).spacing, rel=0.1)


def test_pieces_tell_what_the_whole_does() -> None:
    cloud = town(1, size=100)
    whole = summarise(cloud)
    cuts = [0, 10, 11, 40_000, len(cloud)]
    pieces = [PointCloud(cloud.xyz[a:b], intensity=cloud.intensity[a:b]) for a, b in pairwise(cuts)]
    found = summarise_pieces(iter(pieces), len(cloud))
    assert found.points == len(cloud) > len(found.xyz) == 50_000
    np.testing.assert_array_equal(found.xyz, whole.xyz)
    np.testing.assert_array_equal(found.arrays["intensity"], whole.arrays["intensity"])


def test_what_the_file_lacks() -> None:
    bare = of(PointCloud(town(1, size=40).xyz), Crs("", None, "metre"))
    message = r"a\.ply: the model needs 'intensity', .* \(it has coordinates only\).*salanet models"
    with pytest.raises(DataError, match=message):
        examine(Model(), bare, where="a.ply")
    optional = ["intensity", "return_number", "number_of_returns"]
    model = Model(metadata={"intensity_scale": 1000.0, "optional": optional})
    alignment = examine(model, bare)
    assert alignment.remarks == (
        "the file has no intensity, return_number, number_of_returns: the model does without",
    )
    seen = alignment.cloud(PointCloud(np.zeros((3, 3))))
    assert seen.intensity is not None and seen.intensity.tolist() == [0, 0, 0]
    assert seen.attributes["number_of_returns"].tolist() == [1, 1, 1]
    colours = examine(
        Model(0.04, ("one", "rgb"), {"optional": ["rgb"]}), bare, AlignmentOptions(units="m")
    )
    assert colours.cloud(PointCloud(np.zeros((2, 3)))).rgb.tolist() == [[0, 0, 0]] * 2


def test_fields_that_nobody_filled() -> None:
    cloud = town(1, size=40)
    cloud.attributes["number_of_returns"] = np.zeros(len(cloud), np.uint8)
    alignment = examine(Model(), of(cloud, Crs("", None, "metre")))
    assert alignment.fill == (("number_of_returns", 1.0),)
    assert alignment.remarks == (
        "number_of_returns is 0 everywhere in the file: the model never did without: expect less",
    )
    assert (alignment.cloud(cloud).attributes["number_of_returns"] == 1).all()
    assert (cloud.attributes["number_of_returns"] == 0).all()


def test_intensities_of_another_range() -> None:
    cloud = town(1, size=40)
    cloud.intensity = np.round(cloud.intensity / 8)
    alignment = examine(Model(), of(cloud, Crs("", None, "metre")))
    assert alignment.intensity_scale == pytest.approx(np.percentile(cloud.intensity, 95), rel=0.05)
    assert "brought to the same range" in alignment.remarks[0]


@pytest.mark.parametrize(
    "options", [{"units": "miles"}, {"up": "x"}, {"grid": "fine"}, {"grid": 0.0}, {"grid": -1}]
)
def test_bad_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(options))} "):
        AlignmentOptions(**options)


def test_single_points_and_damaged_ones() -> None:
    ones = np.ones(2, np.uint8)
    attributes = {"return_number": ones, "number_of_returns": ones}
    cloud = PointCloud([[0, 0, 0], [np.nan, 0, 0]], intensity=ones, attributes=attributes)
    alignment = examine(Model(), summarise(cloud))
    assert alignment.scale == (1, 1, 1) and alignment.grid == 0.5 and alignment.up == "z"


def test_autzen_is_in_feet(shared_data: Path) -> None:
    path = shared_data / "autzen" / "autzen-crop.laz"
    if not path.exists():
        pytest.skip("autzen-crop.laz is absent")
    from salanet.io import read

    model = Model(0.2, metadata={"intensity_scale": 1300.0, "spacing": 0.3})
    alignment = examine(model, summarise(read(path)))
    assert alignment.scale == (FOOT,) * 3
    unit, returns, intensities, alone = alignment.remarks
    assert "stand alone" in alone and "in feet" in unit
    assert "return_number" in returns and "intensities" in intensities


def test_absence_in_part_of_the_points_is_said_with_its_share() -> None:
    cloud = town(1, size=40)
    metres = Crs("Lambert-93", 2154, "metre")
    optional = Model(metadata={"intensity_scale": 1000.0, "optional": ["intensity"]})
    half = np.arange(len(cloud)) % 2 == 0
    assert cloud.intensity is not None
    cloud.intensity[:] = 900
    for value, said in ((np.nan, "NaN or infinite"), (0, "0, as if nobody knew it,")):
        cloud.intensity[half] = value
        alignment = examine(optional, of(cloud, metres))
        assert alignment.remarks == (
            f"intensity is {said} in 50% of the points: the model does without there",
        )
        assert alignment.fill == () and alignment.intensity_scale == 1000
    (remark,) = examine(Model(), of(cloud, metres)).remarks
    assert remark.endswith("the model never did without: expect less there")
    cloud.intensity[:] = np.nan
    alignment = examine(optional, of(cloud, metres))
    assert alignment.remarks == ("intensity is NaN everywhere in the file: the model does without",)
    assert alignment.fill == (("intensity", 0.0),)


def test_a_field_of_several_values_is_as_none() -> None:
    cloud = town(1, size=40)
    several = np.stack([cloud.attributes["return_number"]] * 2, axis=1)
    cloud.attributes["return_number"] = several
    metres = Crs("Lambert-93", 2154, "metre")
    with pytest.raises(DataError, match="needs 'return_number', which the file lacks"):
        examine(Model(), of(cloud, metres))
    optional = {"intensity_scale": 1000.0, "optional": ["return_number"]}
    alignment = examine(Model(metadata=optional), of(cloud, metres))
    assert alignment.remarks == ("the file has no return_number: the model does without",)
    assert alignment.cloud(cloud).attributes["return_number"].shape == (len(cloud),)


MANY_SIZES = {"cells": [0.4, 4.0]}


def test_heights_in_feet_leave_the_cells_as_they_are() -> None:
    cloud = town(1, size=60, density=8)  # 0.43 m apart; 0.53 with heights in feet taken for metres
    feet = PointCloud(cloud.xyz * [1, 1, 1 / FOOT])
    model = Model(0.27, features=("one",), metadata={"cells": [0.2, 4.0]})
    metres, mixed = Crs("in metres", 2154, "metre"), Crs("heights in feet", None, "metre", "foot")
    expected = examine(model, of(PointCloud(cloud.xyz), metres))
    found = examine(model, of(feet, mixed))
    assert found.scale == (1, 1, FOOT)
    assert found.grid == expected.grid == 0.27


def test_cells_follow_the_distance_of_the_points() -> None:
    """In steps, for tiles beside each other are a little denser and less dense, and seen alike."""
    model = Model(features=("one",), metadata=MANY_SIZES)
    system = Crs("in metres", 2154, "metre")
    found = {apart: examine(model, of(tall_town(apart), system)) for apart in (0.6, 0.8, 1.0, 1.4)}
    assert [alignment.grid for alignment in found.values()] == [0.5, 0.5, 0.71, 1.0]
    assert [alignment.zoom for alignment in found.values()] == [1, 1, 0.5 / 0.71, 0.5]
    assert not found[0.6].remarks and "cells of 1 m instead of 0.5 m" in found[1.4].remarks[0]
    close = [examine(model, of(tall_town(apart), system)).grid for apart in (0.95, 1.0, 1.08)]
    assert close == [0.71, 0.71, 0.71]
    (sparse,) = examine(model, of(tall_town(8), system)).remarks
    assert "cells of 4 m" in sparse and "expect less" in sparse
