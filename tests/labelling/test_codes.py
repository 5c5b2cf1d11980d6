"""Codes by numbers, ranges and names."""

from __future__ import annotations

import numpy as np
import pytest

from salanet.errors import ConfigError
from salanet.labelling.codes import Codes, among

NAMED = {
    2: "ground",
    3: "low vegetation",
    5: "high vegetation",
    7: "low noise",
    20: "ignored ground",
}


def test_numbers_ranges_and_names() -> None:
    codes = Codes.parse("7, 64-67,Ground,vegetation")
    assert codes.spans == ((7, 7), (64, 67)) and codes.names == ("Ground", "vegetation")
    assert codes.of(NAMED, "a") == ((7, 7), (64, 67), (2, 2), (3, 3), (5, 5))
    found = among(np.array([1, 2, 3, 7, 63, 64, 67, 68], np.int32), codes.of(NAMED, "a"))
    assert found.tolist() == [False, True, True, True, False, True, True, False]
    assert Codes.parse("-1").spans == ((-1, -1),)


def test_words() -> None:
    words = ("auto", "none", "all")
    assert not Codes.parse("none", words)
    assert Codes.parse("all", words).all
    both = Codes.parse("auto,2", words)
    assert both.auto and both.spans == ((2, 2),)
    assert Codes.parse("all").names == ("all",), "a name like any other where it is no word"


@pytest.mark.parametrize(
    "text,message",
    [("", "names no codes"), ("7,,9", "names no codes"), ("9-7", "no range"), ("none,7", "alone")],
)
def test_what_makes_no_sense(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Codes.parse(text, ("auto", "none", "all"))


def test_names_that_nobody_knows() -> None:
    with pytest.raises(ConfigError, match=r"a\.laz: no class is called 'watr'; known are ground, "):
        Codes.parse("watr").of(NAMED, "a.laz")
    with pytest.raises(ConfigError, match="its codes have no names"):
        Codes.parse("wall").of({}, "a.ply")
