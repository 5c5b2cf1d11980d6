"""Comparisons: what a variant is, what the table says, and going on after a kill."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from salanet.cli.main import main
from salanet.errors import ConfigError
from salanet.training import Recipe
from salanet.training.compare import Variant, holm, latex, markdown, rows
from salanet.training.engine import Trainer

TINY = """
model: {width: 4, features: [one, height_above_ground]}
sampling: {shape: cylinder, sphere_radius: 8}
training: {epochs: 2, samples_per_epoch: 4, batch_size: 2, optimiser: adamw}
"""


def test_variants() -> None:
    variant = Variant.parse("sala:reduction=sum,groups=4,positional=false")
    assert variant.operator == "sala"
    assert variant.options == {"reduction": "sum", "groups": 4, "positional": False}
    recipe = variant.recipe(Recipe(), seed=5)
    assert recipe.model.operator_options == variant.options
    assert recipe.training.seed == 5
    assert (
        variant.folder(Path("runs"), 5).name == "sala-reduction=sum-groups=4-positional=false-seed5"
    )
    with pytest.raises(ConfigError, match="key=value"):
        Variant.parse("sala:sum")


def test_networks_are_variants() -> None:
    variant = Variant.parse("randlanet")
    model = variant.recipe(Recipe(), seed=1).model
    assert (variant.network, model.network) == ("randlanet", "randlanet")
    assert variant.folder(Path("runs"), 1).name == "randlanet-seed1"
    with pytest.raises(ConfigError, match="randlanet has no options"):
        Variant.parse("randlanet:width=4")


def run(miou: float, iou: float | None, seed: int = 0) -> dict[str, object]:
    return {
        "seed": seed,
        "parameters": 100,
        "miou": miou,
        "oa": 0.5,
        "macc": 0.5,
        "points_per_second": 10.0,
        "steps": 4,
        "seconds": 2.0,
        "classes": {"ground": {"iou": iou}},
    }


def test_the_table_has_mean_and_spread() -> None:
    table = rows({"one": [run(0.2, None)], "two": [run(0.4, 0.5), run(0.6, None)]})
    assert [row["operator"] for row in table] == ["two", "one"]
    assert table[0]["miou"] == 50.0
    assert table[0]["miou_spread"] == 14.14  # sample standard deviation of 40 and 60
    assert table[0]["iou ground"] == 50.0
    assert math.isnan(table[1]["miou_spread"]) and math.isnan(table[1]["iou ground"])
    text = markdown(table)
    assert "| two | 100 | 50.0 ± 14.1 |" in text
    assert "| one | 100 | 20.0 |" in text
    assert r"two & 100 & \textbf{50.0 $\pm$ 14.1} &" in latex(table)
    table[1]["operator"] = "kp_conv:a=50%"
    assert "kp\\_conv:a=50\\% & 100 & 20.0 &" in latex(table)


def test_differences_are_tested_seed_by_seed() -> None:
    table = rows(
        {
            "a": [run(0.5, 1, 0), run(0.6, 1, 1), run(0.7, 1, 2)],
            "b": [run(0.61, 1, 2), run(0.4, 1, 0), run(0.5, 1, 1), run(0.3, 1, 9)],
        }
    )
    # Differences of 0.1, 0.1 and 0.09: t = 29 with two degrees of freedom.
    assert math.isnan(table[0]["p"])
    assert table[1]["p"] == pytest.approx(0.0012, abs=5e-5)
    assert table[0]["significant"] is None and table[1]["significant"] is True
    assert "| 0.001 | yes |" in markdown(table) and "& 0.001 & yes &" in latex(table)


def test_many_tests_together_are_stricter() -> None:
    nan = float("nan")
    assert holm([0.03, nan, 0.01]) == [True, None, True]
    assert holm([0.03, 0.02, 0.04]) == [False, False, False]
    assert holm([0.02, 0.04, 0.01]) == [True, True, True]


def test_a_killed_comparison_goes_on(
    town_scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(TINY)
    out = tmp_path / "compare"
    command = ["compare", str(recipe), "--data", str(town_scenes), "-o", str(out)]
    command += ["--operators", "sala", "pointnet", "--seeds", "1"]
    trained: list[str] = []
    end_epoch = Trainer._end_epoch

    def killed_in_the_second_run(self: Trainer, over: bool) -> object:
        result = end_epoch(self, over)
        trained.append(f"{self.run.folder.name} {self._epoch_number}")
        if len(trained) == 3:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(Trainer, "_end_epoch", killed_in_the_second_run)
    assert main(command) == 130
    assert main([*command, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "sala-seed0: complete" in said and "pointnet-seed0: to be continued" in said
    assert main(command) == 0
    assert trained == ["sala-seed0 1", "sala-seed0 2", "pointnet-seed0 1", "pointnet-seed0 2"]

    with (out / "compare.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["operator"] for row in table} == {"sala", "pointnet"}
    assert all(0 <= float(row["miou"]) <= 100 and row["steps"] == "4" for row in table)
    assert (out / "compare.md").read_text().count("\n") == 4

    part = [word for word in command if word != "pointnet"]  # another part of the same comparison
    capsys.readouterr()
    assert main([*part, "--seeds", "2", "--json"]) == 0
    both = {row["operator"]: row["seeds"] for row in json.loads(capsys.readouterr().out)}
    assert both == {"sala": 2, "pointnet": 1}

    assert main([*command, "--width", "6"]) == 2
    assert "another recipe or budget" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--operators", "magic"], "unknown operator 'magic'"),
        (["--operators", "sala", "sala"], "named twice"),
        (["--operators", "sala", "--seeds", "0"], "at least one run"),
        (["--operators", "sala", "kpconv", "--network", "randlanet"], "has no choice of operators"),
    ],
)
def test_mistakes(
    options: list[str],
    message: str,
    town_scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["compare", "quick", "--data", str(town_scenes), "-o", str(tmp_path / "out")]
    assert main([*command, *options]) == 2
    assert message in capsys.readouterr().err
