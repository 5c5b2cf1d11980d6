"""The code in README and docs, found."""

from __future__ import annotations

import re
import shlex
from glob import glob
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Fenced as shell or Python, or a command in an indented block.
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


class Block(NamedTuple):
    """Code of one language, and the line it starts in."""

    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page that readers are meant to run: ```sh and ```python."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(match[1], match[2], text[: match.start()].count("\n") + 2)
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if block.language in ("sh", "python")]


def commands(block: Block) -> list[list[str]]:
    """The commands of a shell block, split and with patterns expanded as the shell does."""
    joined = block.text.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True, posix=False) for line in joined.splitlines()]
    return [[name for word in line for name in expanded(word)] for line in lines if line]


def expanded(word: str) -> list[str]:
    if word[0] in "\"'":
        return [word[1:-1]]
    return sorted(glob(word)) or [word]  # noqa: PTH207
