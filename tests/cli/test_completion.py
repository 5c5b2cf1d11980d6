"""What the shells complete: commands, their options, and what `prepare` prepares."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from salanet.cli import completion
from salanet.cli import main as cli

SOURCES = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "-n"]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    known = {"predict": ["--confidence", "--help"], "prepare": ["s3dis", "scannet", "--grid"]}
    monkeypatch.setattr(cli, "COMMANDS", {name: cli.COMMANDS[name] for name in known})
    monkeypatch.setattr(completion, "options", lambda name, _: known[name])
    return tmp_path


@pytest.mark.parametrize("shell", completion.WHERE)
def test_scripts_are_written_and_sound(shell: str, home: Path) -> None:
    assert cli.main(["--install-completion", shell]) == 0
    path = home / completion.WHERE[shell][0]
    assert "confidence" in path.read_text()
    if shutil.which(shell):
        subprocess.run([*SOURCES[shell], str(path)], check=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("salanet pre", "prepare predict"),
        ("salanet predict --c", "--confidence"),
        ("salanet prepare sc", "scannet"),
        ("salanet predict sc", ""),
    ],
)
def test_bash_completes(words: str, expected: str, home: Path) -> None:
    cli.main(["--install-completion", "bash"])
    path = home / completion.WHERE["bash"][0]
    asked = f"COMP_WORDS=({words}); COMP_CWORD={words.count(' ')}; _salanet"
    command = f'source "{path}"; {asked}; echo "${{COMPREPLY[*]}}"'
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert sorted(said.stdout.split()) == sorted(expected.split())


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish")
def test_fish_completes(tmp_path: Path) -> None:
    """Every command with what it does, quotes in it or not."""
    known = {name: ["--grid"] for name in cli.COMMANDS}
    path = tmp_path / "salanet.fish"
    path.write_text(completion.script("fish", cli.COMMANDS, known), "utf-8")
    asked = f'source "{path}"; complete -C "salanet "; complete -C "salanet table --g"'
    command = ["fish", "--no-config", "-c", asked]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    found = dict(line.split("\t") for line in said.stdout.splitlines() if "\t" in line)
    assert {name: found.get(name) for name in known} == {
        name: what for name, (_, what) in cli.COMMANDS.items()
    }
    assert said.stdout.splitlines()[-1] == "--grid" and not said.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh")
@pytest.mark.parametrize(
    ("words", "expected"),
    [("salanet pre", "prepare predict"), ("salanet predict --c", "--confidence")],
)
def test_zsh_completes(words: str, expected: str, home: Path) -> None:
    """What its completion offers is asked of the script with `compadd` printing."""
    cli.main(["--install-completion", "zsh"])
    path = home / completion.WHERE["zsh"][0]
    stated = f"words=({words}); CURRENT=$#words; PREFIX=$words[-1]"
    offered = "compadd() { shift; print -l -- ${(M)@:#$PREFIX*} }; _files() { }"
    command = ["zsh", "-f", "-c", f'{stated}; {offered}; source "{path}"']
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(said.stdout.split()) == sorted(expected.split())


def test_an_unknown_shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert cli.main(["--install-completion"]) == 2
    assert "--install-completion bash|zsh|fish" in capsys.readouterr().err


def test_options_are_those_of_the_help() -> None:
    assert {"--confidence", "--resume", "--output"} <= {
        *completion.options("predict", "salanet.cli.predict")
    }
    assert "partnet" in completion.options("prepare", "salanet.cli.prepare")


@pytest.mark.parametrize("command", ["train", "compare", "prepare files"])
def test_help_has_examples_and_no_empty_defaults(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([*command.split(), "--help"])
    said = capsys.readouterr().out
    assert f"examples:\n  salanet {command} " in said
    assert "default: None" not in said and "default: )" not in said
