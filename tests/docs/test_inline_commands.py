"""Commands inside sentences, and those that wait for a person, name what there is."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout, suppress
from functools import cache

import pages
import pytest

from salanet.cli.main import COMMANDS, main

INLINE = re.compile(r"`(salanet [^`\n]+(?:\n[^`\n]+)?)`")
GROUPS = ("prepare",)  # whose commands have commands


def mentioned() -> list[tuple[str, str]]:
    """Page and command of each, of inline code and of blocks that are not run."""
    found = []
    for page in pages.PAGES:
        text = page.read_text(encoding="utf-8")
        waiting = [m[2] for m in pages.FENCE.finditer(text) if m[1] == "text"]
        lines = [line for block in waiting for line in block.splitlines()]
        commands = [line for line in lines if line.startswith("salanet ")]
        bare = pages.FENCE.sub("", text)
        commands += [" ".join(command.split()) for command in INLINE.findall(bare)]
        found += [(page.stem, command) for command in commands]
    return found


@cache
def help_of(*command: str) -> str:
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        main([*command, "--help"])
    return said.getvalue()


@pytest.mark.parametrize(("page", "command"), mentioned())
def test_a_command_is_there_with_its_options(page: str, command: str) -> None:
    words = command.split("#")[0].split()[1:]
    if words[0].startswith("-"):
        return
    assert words[0] in COMMANDS, f"{page}: {command}"
    path = words[: 2 if words[0] in GROUPS and len(words) > 1 and words[1].islower() else 1]
    for word in words:
        option = re.match(r"--?[a-z][\w-]*", word)
        if option:
            known = re.search(rf"{re.escape(option[0])}(?![\w-])", help_of(*path))
            assert known, f"{page}: {command}: no {option[0]}"
