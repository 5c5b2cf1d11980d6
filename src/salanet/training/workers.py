"""Threads that work beforehand, and how long they are waited for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

# Results that wait, made, for their use.
AHEAD = 2


def ahead(jobs: Iterator[Callable[[], T]], workers: int = 1) -> Generator[T]:
    """Results of jobs in order, made beforehand by so many threads."""
    with lone_threads(workers) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) >= AHEAD + workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def lone_threads(count: int) -> ThreadPoolExecutor:
    """Threads whose native code runs in no further threads.

    PyTorch's would otherwise be as many again for each of them, and fight those of the step.
    """
    usual = torch.get_num_threads()
    started = threading.Barrier(count + 1)

    def alone() -> None:
        torch.get_num_threads()  # the first call in a thread takes over the general setting
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(count, "batches")
    for _ in range(count):
        pool.submit(alone)
    # The setting of a thread becomes the general one too: restore that after the last.
    started.wait()
    torch.set_num_threads(usual)
    return pool


class Waiting(Generic[T]):
    """Iterates over batches and notes how long each is waited for.

    Attributes:
        seconds: waited in all; may be set back to 0.
    """

    def __init__(self, batches: Generator[T]) -> None:
        self.batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Waiting[T]:
        return self

    def __next__(self) -> T:
        begun = time.perf_counter()
        try:
            return next(self.batches)
        finally:
            self.seconds += time.perf_counter() - begun

    def close(self) -> None:
        self.batches.close()
