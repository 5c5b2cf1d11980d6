"""`salanet train`: recipes, overrides, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import salanet
from salanet.cli.console import duration
from salanet.cli.main import main
from salanet.errors import ConfigError


def test_overrides_reach_the_run(
    town_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    options = "--epochs 1 --samples-per-epoch 2 --batch-size 1 --width 8 --seed 7 --accelerator cpu"
    arguments = ["--data", str(town_scenes), "-o", str(run), *options.split()]
    more = ["--operator-options", "{groups: 3}", "--features", "one", "intensity"]
    code = main(["train", "quick", *arguments, *more, "--shares", "{'t*': 0.5, other: 2}"])
    assert code == 0
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    assert recipe["training"]["seed"] == 7 and recipe["sampling"]["shape"] == "cylinder"
    assert recipe["sampling"]["shares"] == {"t*": 0.5, "other": 2}
    model = salanet.load(run / "last.safetensors")
    assert (model.config.width, model.config.in_channels) == (8, 2)
    assert model.config.operator_options == {"groups": 3}
    errors = capsys.readouterr().err
    assert "epoch    1  loss" in errors and "best.safetensors" in errors


@pytest.mark.parametrize("recipe", ["aerial", "rooms", "s3dis-area5"])
def test_every_recipe_takes_the_same_options(
    town_scenes: Path, capsys: pytest.CaptureFixture[str], recipe: str
) -> None:
    options = []
    for name in ("quick", recipe):
        with pytest.raises(SystemExit):
            main(["train", name, "--data", str(town_scenes), "--help"])
        options.append(set(re.findall(r"--[^\s,]+", capsys.readouterr().out)))
    assert options[0] == options[1] and "--shares" in options[0]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["atlantis", "--data", "{data}"], "no recipe named 'atlantis'"),
        (["quick", "--data", "{data}/nowhere"], "holds no prepared scenes"),
        (["--data", "{data}"], "required"),
        (["quick"], "--data"),
        (["quick", "--data", "{data}", "--epochs", "0"], "greater than or equal to 1"),
        (["quick", "--data", "{data}", "--epoch", "3"], "Unrecognized"),
        (["quick", "--data", "{data}", "--budget", "soon"], "no duration"),
        (["quick", "--data", "{data}", "--features", "rgb"], "needs 'rgb'"),
        (["quick", "--data", "{data}", "--features", "smell"], "unknown feature 'smell'"),
        (["quick", "--data", "{data}", "--width", "1"], "width"),
        (["quick", "--data", "{data}", "--operator", "magic"], "magic"),
        (["quick", "--data", "{data}", "--operator-options", "3"], "not a mapping"),
        (["quick", "--data", "{data}", "--shares", "{{*_view: 1}}"], "not readable YAML"),
        (["quick", "--data", "{data}", "--shares", "{{'*': -1}}"], "greater than or equal to 0"),
        (["quick", "--data", "{data}", "--resume"], "no checkpoint"),
        (["quick", "--data", "{data}", "-o", "/dev/null/x"], "cannot"),
    ],
)
def test_mistakes_exit_with_2(
    town_scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [argument.format(data=town_scenes) for argument in arguments]
    try:
        code = main(["train", *given])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.safetensors"))


def test_durations() -> None:
    assert [duration(text) for text in ("90", "2.5", "90s", "20m", "1h30m")] == [
        90,
        2.5,
        90,
        1200,
        5400,
    ]
    for text in ("", "0", "-5", "1d", "m"):
        with pytest.raises(ConfigError, match="no duration"):
            duration(text)
