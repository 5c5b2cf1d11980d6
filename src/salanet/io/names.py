"""Names of label codes as lines of text, among the comments of formats that have such."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from salanet.cloud import usable_names

LINE = re.compile(r"label (-?[0-9]{1,10}) (.+)")
MARKS = re.compile(r"comment |(?:#|//)\s*")  # of comments


def to_lines(names: dict[int, str]) -> list[str]:
    """`label CODE NAME` for each, by rising code."""
    return [f"label {code} {name}" for code, name in sorted(names.items())]


def from_lines(lines: Iterable[str]) -> dict[int, str]:
    """The names among lines of any kind, with or without the mark of a comment."""
    found = filter(None, map(_match, lines))
    return usable_names((int(match[1]), match[2]) for match in found)


def is_name(line: str) -> bool:
    return _match(line) is not None


def put(
    lines: Sequence[str], names: dict[int, str], mark: str, place: int, *, latin: bool = False
) -> list[str]:
    """Lines of a header with these names and no others, where names were before, or at a place.

    Args:
        lines: the header; as it was where it holds these names.
        mark: of a comment, such as "# ".
        latin: the lines are bytes of a file read as Latin-1, as `from_latin` takes them.
    """
    if names == (from_latin(lines) if latin else from_lines(lines)):
        return [*lines]
    first = next((i for i, line in enumerate(lines) if is_name(line)), place)
    new = [mark + line for line in to_lines(names)]
    if latin:
        new = [line.encode().decode("latin-1") for line in new]
    before, after = lines[:first], lines[first:]
    return [*before, *new, *(line for line in after if not is_name(line))]


def from_latin(lines: Iterable[str]) -> dict[int, str]:
    """As `from_lines`, of bytes that were read as Latin-1 but are UTF-8 if they can be."""
    return from_lines(_decoded(line) for line in lines if is_name(line))


def _decoded(line: str) -> str:
    with suppress(UnicodeError):
        return line.encode("latin-1").decode()
    return line


def _match(line: str) -> re.Match[str] | None:
    mark = MARKS.match(line)
    return LINE.fullmatch(line, mark.end() if mark else 0)
