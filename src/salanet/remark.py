"""Something that was decided or is doubtful, in a line that anybody can print."""

from __future__ import annotations

from typing import Any


class Remark(str):
    """A line of text that knows what it is about.

    The library says what it found; what may be done about it, in a program or on the command line,
    depends on who hears it, and follows from the code.

    Attributes:
        code: what it is about, such as "units-guessed"; empty if there is nothing to do about it.
        values: figures of the text, by name.
    """

    code: str
    values: dict[str, Any]

    def __new__(cls, text: str, code: str = "", **values: Any) -> Remark:
        made = super().__new__(cls, text)
        made.code, made.values = code, values
        return made
