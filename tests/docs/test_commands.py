"""Every command and every Python block of README and docs runs, in the order of its page.

Training and generating are cut short and installing is skipped; nothing else is changed. Each page
gets a fresh folder with files of the names it speaks of (`workspace`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pages
import pytest

from salanet.cli.main import main

# Set up the machine, or are what CI itself runs.
ELSEWHERE = ("pip", "make", "git", "jupyter")
SHORT = [
    "--epochs", "1", "--samples-per-epoch", "2", "--batch-size", "1", "--width", "8",
    "--max-points", "2000", "--accelerator", "cpu",
]  # fmt: skip


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_page(page: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    names: dict[str, Any] = {"__name__": "page"}
    for block in pages.blocks(page):
        if block.language == "python":
            exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)
            continue
        for words in pages.commands(block):
            where = f"{page.name}:{block.line}: {' '.join(words)}"
            assert run(words) == 0, where


def run(words: list[str]) -> int:
    program, *arguments = words
    if program in ELSEWHERE:
        return 0
    if program == "python":
        assert (pages.ROOT / arguments[0]).is_file(), arguments[0]  # benchmarks take too long
        return 0
    assert program == "salanet", f"unknown command {program}"
    if arguments[0] == "train":
        known = "--from" in arguments  # which says how wide the network is
        arguments += [word for word in SHORT if not (known and word in ("--width", "8"))]
    if arguments[:2] == ["prepare", "rooms"]:
        arguments += ["--rooms", "4", "--points", "20000", "--test", "1", "--val", "1"]
    if arguments[:2] == ["prepare", "surveys"]:
        arguments += ["--count", "2", "--size", "40", "--density", "4", "--workers", "1"]
    if arguments[0] == "refine":
        arguments += ["--steps", "2"]
    if arguments[0] == "compare":
        arguments += ["--epochs", "1", "--seeds", "1"]
    if "voting" in arguments and "--votes" not in arguments:
        arguments += ["--votes", "2"]
    return main(arguments)


def test_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((pages.ROOT / "docs" / "first-minute.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert len(names["found"].labels) == len(names["cloud"])
    assert names["picture"].stat().st_size > 10_000 and (tmp_path / "office.ply").stat().st_size > 0
