"""Work that goes on in a thread while the caller uses what is there already.

Context variables, such as how many threads kernels may use, are those of the caller.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from queue import Queue
from threading import Event, Semaphore, Thread
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")

TOGETHER = 2  # items at once: what bounds memory is halved for each


def ahead(items: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """The same items, up to `depth` of them made or being made before they are asked for.

    An error while making one is raised where it would have been given. Closing the generator ends
    the thread after the item it works on.
    """
    made: Queue[tuple[Any, BaseException | None]] = Queue()
    slots = Semaphore(depth)
    closed = Event()
    end = object()

    def work() -> None:
        try:
            source = iter(items)
            while True:
                slots.acquire()
                if closed.is_set():
                    return
                item = next(source, end)
                made.put((item, None))
                if item is end:
                    return
        except BaseException as error:  # raised again in the caller's thread
            made.put((end, error))

    thread = Thread(target=copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is end:
                return
            slots.release()
            yield item
            del item  # or it would be kept while the next one is waited for
    finally:
        closed.set()
        slots.release()
        thread.join()


def side_by_side(
    work: Callable[[A], T], items: Iterable[A], weigh: Callable[[A], int], most: int
) -> Generator[T, None, None]:
    """What `work` makes of each item, in order; `TOGETHER` at once in threads.

    Those that are worked on or wait to be taken weigh at most `most` together, or are one alone.
    Errors are raised where the result would have been given.
    """
    waiting: deque[tuple[Future[T], int]] = deque()
    with ThreadPoolExecutor(TOGETHER, "side-by-side") as pool:
        try:
            for item in items:
                weight = weigh(item)
                while waiting and (
                    len(waiting) == TOGETHER or sum(w for _, w in waiting) + weight > most
                ):
                    yield waiting.popleft()[0].result()
                waiting.append((pool.submit(copy_context().run, work, item), weight))
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()
