"""Items made ahead in a thread: in order, errors where they belong, no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salanet import geometry
from salanet.io.ahead import TOGETHER, ahead, side_by_side


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


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 20))
def test_side_by_side_keeps_the_order_and_what_is_held(items: list[int], most: int) -> None:
    held: list[int] = []
    heaviest = [0, 0]  # items, their weight

    def work(item: int) -> int:
        return 10 * item

    def weigh(item: int) -> int:
        return item

    def watched() -> Iterator[int]:
        for item in items:
            yield item
            held.append(item)  # asked for the next: this one is worked on, or waits
            heaviest[0] = max(heaviest[0], len(held))
            heaviest[1] = max(heaviest[1], sum(held) if len(held) > 1 else 0)

    for i, found in enumerate(side_by_side(work, watched(), weigh, most)):
        assert found == 10 * items[i]
        if held:
            held.pop(0)
    assert heaviest[0] <= TOGETHER and heaviest[1] <= most


def test_side_by_side_works_at_the_same_time() -> None:
    meet = threading.Barrier(TOGETHER, timeout=20)
    found = side_by_side(lambda _: meet.wait(), range(2 * TOGETHER), lambda _: 1, TOGETHER)
    assert sorted(found) == sorted([*range(TOGETHER)] * 2)


def test_side_by_side_raises_where_it_failed_and_leaves_no_thread() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("here")
        return item

    before = threading.active_count()
    found = side_by_side(work, range(9), lambda _: 1, 9)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="here"):
        next(found)
    assert threading.active_count() == before
    found = side_by_side(work, range(9), lambda _: 1, 9)
    assert next(found) == 0
    found.close()
    assert threading.active_count() == before


def test_kernels_use_as_many_threads_as_the_caller_says() -> None:
    def told(_: int = 0) -> int:
        return geometry.threads()

    with geometry.use_threads(3):
        assert [*ahead(map(told, range(4)))] == [3] * 4
        assert [*side_by_side(told, range(4), lambda _: 1, TOGETHER)] == [3] * 4
