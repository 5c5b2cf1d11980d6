"""What files and their names hold is shown, and never obeyed by a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import salanet
from salanet.cli.console import messages, print_json, results
from salanet.cli.main import main
from salanet.cli.phases import Phases
from salanet.terminal import visible

FORGED = "\x1b[2K\x1b[1mred\nnote: all is well\r\x9b31m\u202etxt"
SHOWN = r"\x1b[2K\x1b[1mred\nnote: all is well\r\x9b31m\u202etxt"


def lines(text: str) -> list[str]:
    assert not set(text) & {"\x1b", "\r", "\x9b", "\u202e"}
    return text.splitlines()


def test_what_is_seen_stays_and_the_rest_is_escaped() -> None:
    assert visible(FORGED) == SHOWN
    assert visible("Gebäude – 木 C:\\new 👩‍🌾") == "Gebäude – 木 C:\\new 👩‍🌾"
    assert visible("a\x00\t\x7f\u2028\udcff") == r"a\x00\t\x7f\u2028\udcff"


def test_consoles_escape_lines_and_cells(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.table import Table

    table = Table(FORGED, title=FORGED)
    table.add_row(FORGED)
    for console in (messages(), results()):
        console.width = 200
        console.print(FORGED, soft_wrap=True)
        console.print(table)
    for text in capsys.readouterr():
        said = lines(text)
        assert said[0] == SHOWN and len(said) == 7 and sum(SHOWN in line for line in said) == 4


def test_a_bar_escapes_its_title() -> None:
    console = messages()
    console.width = 200
    with Phases(console, FORGED) as phases:
        phases.show("read", 1, 2)
        assert phases._bars.tasks[0].description == f"{SHOWN}: read"


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({FORGED: [float("nan"), float("inf"), 1.5]})
    said = capsys.readouterr().out
    assert said.isascii() and json.loads(said) == {FORGED: [None, None, 1.5]}
    assert "NaN" not in said and "Infinity" not in said and "\x1b" not in said


def hostile(path: Path) -> Path:
    """A cloud whose attributes have such names."""
    cloud = salanet.PointCloud(
        np.random.default_rng(0).random((50, 3)), attributes={FORGED: np.arange(50.0)}
    )
    salanet.write(path, cloud)
    return path


def test_info_shows_names_of_attributes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = hostile(tmp_path / "cloud.npz")
    assert main(["info", str(path)]) == 0
    said = lines("".join(capsys.readouterr()))
    assert any(SHOWN in line for line in said)
    assert not any(line.startswith("note: all is well") for line in said)
    assert main(["info", "--json", str(path)]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["attributes"]] == [FORGED]


def test_errors_show_names_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"{FORGED.replace('/', '')}.laz"
    path.write_bytes(b"no cloud")
    assert main(["info", str(path)]) == 2
    said = lines(capsys.readouterr().err)
    assert len(said) == 1 and SHOWN in said[0]


def test_pages_escape_names(tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>"
    path = hostile(tmp_path / "cloud.npz")
    target = tmp_path / "page.html"
    named = path.rename(tmp_path / f"{evil.replace('/', '')}.npz")
    assert main(["view", str(named), "--html", str(target)]) == 0
    page = target.read_text(encoding="utf-8")
    assert "<img" not in page and "\x1b" not in page
