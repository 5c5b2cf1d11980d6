"""A polite request to end is like Ctrl-C: temporary files go, and what is done is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from salanet.errors import Ended

# Of schedulers and service managers, and of terminals that are closed (not on every system).
NAMES = ("SIGTERM", "SIGHUP")


@contextmanager
def unwinding() -> Iterator[None]:
    """Inside, these signals raise `Ended`, unless they are ignored (nohup) or handled."""
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    mine = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        mine = []
    for number in mine:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, _: FrameType | None) -> None:
    raise Ended(number)
