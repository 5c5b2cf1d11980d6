"""Items made ahead in a thread: in order, errors where they belong, no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from salanet.io.ahead import ahead


def test_same_items_and_errors() -> None:
    assert list(ahead(range(50), depth=3)) == list(range(50))

    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("here")

    found = ahead(failing())
    assert next(found) == 1
    with pytest.raises(ValueError, match="here"):
        next(found)


def test_no_more_than_asked_for_is_made() -> None:
    made = []

    def making() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    before = threading.active_count()
    found = ahead(making(), depth=2)
    assert next(found) == 0
    found.close()
    assert len(made) <= 4 and threading.active_count() == before
