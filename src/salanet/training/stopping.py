"""SIGINT and SIGTERM while training: the step is finished and saved first."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from salanet.errors import Ended

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Ended):
    """The training was asked to stop, and where it stands is saved."""

    how = "stopped"


class Stopping:
    """Inside, the first signal is noted, in `signal`; a second one acts at once.

    Outside the main thread signals are not ours to handle, and nothing is noted.
    """

    def __init__(self) -> None:
        self.signal = 0
        self.usual: dict[int, Any] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self.usual = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, usual in self.usual.items():
            signal.signal(number, usual)
        self.usual = {}
