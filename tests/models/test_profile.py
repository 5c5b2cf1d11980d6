"""Counts against those of the paper and of its reference framework, to the unit."""

from __future__ import annotations

import csv
import io
import json
import sys

import pytest

from salanet.cli import main as cli
from salanet.models import (
    PARTNET_NEIGHBOURS,
    PARTNET_PARTS,
    ModelConfig,
    create_model,
)
from salanet.models.measure import measure, surface_cloud
from salanet.models.profile import Profile, profile
from salanet.ops import grid_subsample

WIDTHS = (144, 72, 36, 18)
SCENE_PARAMETERS = {
    "pointwise_mlp": (25_452_589, 6_378_493, 1_602_301, 404_419),
    "pseudo_grid": (18_435_181, 4_637_533, 1_173_757, 300_631),
    "adaptive_weight": (18_386_077, 4_612_981, 1_161_481, 294_493),
    "pospool": (18_368_221, 4_604_053, 1_157_017, 292_261),
    "pospool_sincos": (18_368_221, 4_604_053, 1_157_017, 292_261),
}
PARTNET_WIDTHS = (144, 90, 72, 36, 18)
PARTNET_PARAMETERS = {
    "pointwise_mlp": (25_556_380, 10_002_328, 6_409_780, 1_612_888, 408_544),
    "pseudo_grid": (18_538_972, 7_273_708, 4_668_820, 1_184_344, 304_756),
    "adaptive_weight": (18_489_868, 7_243_018, 4_644_268, 1_172_068, 298_618),
    "pospool": (18_472_012, 7_231_858, 4_635_340, 1_167_604, 296_386),
}


def scene(operator: str, width: int, features: int = 5) -> Profile:
    classes = tuple(f"class {i}" for i in range(13))
    return profile(
        ModelConfig(operator=operator, width=width, in_channels=features, classes=classes)
    )


def partnet(operator: str, width: int) -> Profile:
    return profile(
        ModelConfig(
            operator=operator,
            width=width,
            in_channels=4,
            parts=PARTNET_PARTS,
            neighbours=PARTNET_NEIGHBOURS,
        )
    )


@pytest.mark.parametrize("operator", SCENE_PARAMETERS)
def test_parameters_for_scenes(operator: str) -> None:
    counts = tuple(scene(operator, width).parameters for width in WIDTHS)
    assert counts == SCENE_PARAMETERS[operator]
    # One input feature fewer drops C / 2 weights.
    assert scene(operator, 144, features=4).parameters == counts[0] - 72


@pytest.mark.parametrize("operator", PARTNET_PARAMETERS)
def test_parameters_for_partnet(operator: str) -> None:
    counts = tuple(partnet(operator, width).parameters for width in PARTNET_WIDTHS)
    assert counts == PARTNET_PARAMETERS[operator]


@pytest.mark.parametrize("form", ["sala", "sala-paper"])
def test_parameters_of_sala(form: str) -> None:
    assert 0.405e6 <= scene(form, 18).parameters <= 0.415e6
    assert 1.55e6 <= scene(form, 36).parameters <= 1.65e6
    assert 6.35e6 <= partnet(form, 72).parameters <= 6.45e6
    assert 9.95e6 <= partnet(form, 90).parameters <= 10.05e6


@pytest.mark.parametrize(
    ("operator", "gmacs"), [("pointwise_mlp", 73.04), ("adaptive_weight", 7.34), ("pospool", 6.80)]
)
def test_multiply_accumulates_of_the_paper(operator: str, gmacs: float) -> None:
    assert scene(operator, 144, features=4).macs_per_neighbour / 1e9 == pytest.approx(
        gmacs, abs=0.01
    )


def test_the_compute_matched_sala() -> None:
    # Paper: 4.6 and 12.9 GMACs, 0.41 and 1.6 million parameters.
    small, large = scene("sala_g4", 18), scene("sala_g4", 36)
    assert small.macs_per_neighbour / 1e9 == pytest.approx(4.67, abs=0.01)
    assert large.macs_per_neighbour / 1e9 == pytest.approx(12.92, abs=0.01)
    assert (small.parameters, large.parameters) == (417_833, 1_598_417)


@pytest.mark.parametrize(
    ("network", "operator", "parameters"),
    [
        ("gacnet", "", 2_109_260),
        ("kpfcnn", "kpconv", 14_082_701),
        ("kpfcnn", "kpconv_deformable", 14_946_926),
        ("pointcnn", "", 11_513_101),
        ("pointnet", "", 3_548_118),
        ("pointnet2", "", 964_941),
        ("randlanet", "", 4_984_237),
        ("resgcn28", "", 3_640_589),
        ("spg", "", 278_091),
        ("pointasnl", "", 22_420_639),
    ],
)
def test_networks_of_published_size(network: str, operator: str, parameters: int) -> None:
    classes = tuple(f"class {i}" for i in range(13))
    result = profile(
        ModelConfig(network=network, operator=operator, in_channels=5, classes=classes),
        points=(2000,) if network == "resgcn28" else None,  # its graphs take a minute at 15,000
    )
    assert result.operator == operator
    assert result.parameters == parameters == sum(result.parameters_by_part.values())
    least = 1e8 if network == "spg" else 1e9  # which sees 128 points of a part
    assert result.macs_per_neighbour >= result.macs_executed * 0.8 > least


def test_what_modules_say_of_themselves() -> None:
    few = profile(ModelConfig(network="resgcn28", in_channels=6, classes=("a",)), points=(100,))
    rows = [(18, 64)] + 27 * [(128, 64)]
    dense = [(1792, 1024), (2816, 512), (512, 256)]
    pairs = sum(100 * 16 * (i + 2) * o for i, o in rows)
    expected = pairs + sum(100 * (i + 2) * o for i, o in dense) + 100 * 257
    assert few.macs_per_neighbour == expected
    assert few.macs_executed < expected / 1.5


def test_what_is_executed_and_stored() -> None:
    result = scene("sala", 36)
    assert result.macs_executed < result.macs_per_neighbour / 3
    model = create_model(width=36, in_channels=5, classes=tuple("abcdefghijklm"))
    floats = sum(t.numel() for t in model.state_dict().values() if t.is_floating_point())
    assert result.weight_bytes == 4 * floats
    assert result.checkpoint_bytes == 4 * (floats + result.parameters)
    assert sum(result.parameters_by_part.values()) == result.parameters


def test_measuring() -> None:
    config = ModelConfig(width=4, in_channels=3, classes=("a", "b"))
    result = measure(config, points=500, repeats=1)
    assert result.points == 500
    assert result.geometry_ms > 0
    assert result.network_ms > 0
    if sys.platform == "linux":
        assert result.peak_bytes is not None
        assert 0 <= result.peak_bytes < 1e9


def test_the_measured_cloud_fills_one_point_per_cell() -> None:
    cloud = surface_cloud(900, 0.1)
    assert cloud.shape == (900, 3)
    assert len(grid_subsample(cloud, 0.1).points) == 900
    assert cloud.equal(surface_cloud(900, 0.1))


def test_json_of_one_and_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profile", "--operator", "sala", "--width", "18", "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    assert one["parameters"] == 413_053
    assert one["weight_bytes"] > 4 * one["parameters"]
    assert one["macs_per_neighbour"] > one["macs_executed"] > 0
    command = ["profile", "--operator", "sala,pospool", "--width", "36,18", "--json"]
    assert cli.main(command) == 0
    several = json.loads(capsys.readouterr().out)
    assert [(r["operator"], r["width"]) for r in several] == [
        ("sala", 36),
        ("sala", 18),
        ("pospool", 36),
        ("pospool", 18),
    ]


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profile", "--operator", "all", "--width", "144,18", "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| network | operator | C | parameters (M) | GMACs per neighbour |")
    assert "| salanet | pointwise_mlp | 144 | 25.453 | 73.04 |" in "\n".join(lines)
    assert len(lines) == 2 + 2 * 13
    assert cli.main(["profile", "--network", "kpfcnn", "--operator", "all", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["parameters (M)"] for row in rows] == ["14.083", "14.947"]
    assert cli.main(["profile", "--operator", "sala,pospool"]) == 0
    assert "pospool" in capsys.readouterr().out
    assert cli.main(["profile", "--network", "kpfcnn"]) == 0
    assert "14,082,701" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--operator", "salad"], "unknown operator 'salad'"),
        (["--network", "vgg"], "unknown network 'vgg'"),
        (["--width", "wide"], "--width takes numbers"),
        (["--width", "1"], "greater than or equal to 2"),
        (["--json", "--csv"], "choose one of"),
    ],
)
def test_mistakes(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["profile", *arguments]) == 2
    assert message in capsys.readouterr().err
