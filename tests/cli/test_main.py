"""The command line's own behaviour: help, versions, exit codes, one line per user error."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from salanet import __version__
from salanet.cli import console
from salanet.cli import main as cli
from salanet.errors import SalaNetError


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in cli.COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"salanet {__version__}\n"


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["segment"]) == 2
    assert "unknown command 'segment'" in capsys.readouterr().err


@pytest.mark.parametrize("name", [n for n in cli.COMMANDS if n not in ("demo", "profile")])
def test_a_command_alone_says_what_it_wants(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = cli.main([name])
    except SystemExit as asked:  # as the argument parser ends
        code = asked.code
    said = capsys.readouterr()
    assert code in (0, 2) and said.out + said.err
    assert not [*tmp_path.iterdir()], "nothing is written"


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (SalaNetError("no such tile"), 2, "salanet profile: no such tile\n"),
        (KeyboardInterrupt(), 130, "salanet profile: interrupted\n"),
        (
            MemoryError("Unable to allocate 9 TiB"),
            2,
            "salanet profile: there is not enough memory (Unable to allocate 9 TiB); "
            "split the files into smaller pieces\n",
        ),
        (
            OSError(errno.ENOSPC, "", "/disk/run.log"),
            2,
            "salanet profile: /disk/run.log: No space left on device; free some space, or write "
            "to another disk\n",
        ),
    ],
)
def test_errors_are_one_line(
    raised: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: list[str]) -> None:
        raise raised

    monkeypatch.setattr("salanet.cli.profile.main", fail)
    assert cli.main(["profile"]) == code
    assert capsys.readouterr().err == line


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: list[str]) -> None:
        raise RuntimeError("index out of range")

    monkeypatch.setattr("salanet.cli.profile.main", fail)
    with pytest.raises(RuntimeError):
        cli.main(["profile"])


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((4, 3)))
    command = [sys.executable, "-m", "salanet.cli.main", "info", tmp_path / "a.npy", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == cli.EXIT_BROKEN_PIPE


def test_debug_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> None:
        raise SalaNetError("no such tile")

    monkeypatch.setattr("salanet.cli.profile.main", fail)
    assert cli.main(["profile", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_paths_are_printed_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither broken into lines nor taken for markup."""
    monkeypatch.setenv("COLUMNS", "40")
    path = "a folder/of some [old] length/" + "x" * 40
    console.messages().print(path, soft_wrap=True)
    console.results().print(path, soft_wrap=True)
    out, err = capsys.readouterr()
    assert out == err == path + "\n"


def test_help_does_not_import_pytorch() -> None:
    code = (
        "import sys; from salanet.cli.main import main; main(['--help']); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
