"""Work that goes on in a thread while the caller uses what is there already."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE = 0.1  # seconds between looks whether the caller has given up


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """The same items, made in a thread up to `depth` before they are asked for.

    An error while making one is raised where it would have been given. Closing the generator ends
    the thread after the item it works on.
    """
    made: Queue[tuple[Any, BaseException | None]] = Queue(depth)
    closed = Event()
    end = object()

    def put(item: Any, error: BaseException | None = None) -> bool:
        while not closed.is_set():
            with suppress(Full):
                made.put((item, error), timeout=PATIENCE)
                return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(end)
        except BaseException as error:  # raised again in the caller's thread
            put(end, error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        closed.set()
        with suppress(Empty):
            made.get_nowait()
        thread.join()
