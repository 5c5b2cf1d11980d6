"""Pieces of work: done while they are what was written, made again when they are not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from salanet.labelling import pieces as pieces_module
from salanet.labelling.pieces import NAME, Part, Pieces


def test_done_while_they_are_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(bytes(range(100)))
    first, rest = [Part(path, 0, 10)], [Part(path, 10, 60), Part(path, 60, 100)]
    pieces = Pieces(tmp_path)
    assert not pieces.has("first", first) and not pieces.damaged
    pieces.add("first", first)
    pieces.add("rest", rest)
    with path.open("r+b") as file:
        file.seek(70)
        file.write(b"?")
    again = Pieces(tmp_path)
    assert again.has("first", first) and not again.has("rest", rest)
    assert not again.has("first of all", first)
    assert again.damaged == {"rest"}
    again.add("rest", rest)
    assert Pieces(tmp_path).has("rest", rest)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.truncate(path, path.stat().st_size + 1),
        lambda path: path.unlink(),
    ],
)
def test_arrays_that_a_power_cut_has_damaged(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    path = tmp_path / "a.npz"
    Pieces(tmp_path).save(path, rows=np.arange(5))
    known = Pieces(tmp_path).load(path)
    assert known is not None and known["rows"].tolist() == [0, 1, 2, 3, 4]
    spoil(path)
    assert Pieces(tmp_path).load(path) is None


def test_lines_that_are_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b"0123456789")
    Pieces(tmp_path).add("a", [Part.whole(path)])
    with (tmp_path / NAME).open("ab") as file:
        file.write(b"\xff\0b 12")  # and then the power was cut
    Pieces(tmp_path).add("c", [Part.whole(path)])
    again = Pieces(tmp_path)
    assert again.has("a", [Part.whole(path)]) and again.has("c", [Part.whole(path)])
    assert not again.has("b", [Part.whole(path)])


def test_on_the_disk_before_they_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(pieces_module, "flush", lambda path: order.append(path.name))
    monkeypatch.setattr(pieces_module, "append_line", lambda path, _: order.append(path.name))
    for name in "ab":
        (tmp_path / name).write_text(name)
    parts = [Part.whole(tmp_path / name) for name in "aab"]
    Pieces(tmp_path).add("both", parts)
    assert order == ["a", "b", tmp_path.name, NAME], "each file once, the folder once"
