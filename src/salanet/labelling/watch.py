"""What a caller may want to know while files are labelled."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salanet.freed import release_memory
from salanet.labelling.report import Report


class Watch:
    """Hears of everything, and says nothing; the command line prints it."""

    def begins(self, files: int) -> None:
        """So many files are to be labelled."""

    def progress(self, path: Path, phase: str, done: int, total: int) -> None:
        """How much of a phase of a file is done; only of files labelled in this process."""

    def says(self, text: str) -> None:
        """Something about all of the work, in a line."""

    def ends(self, report: Report) -> None:
        """A file is done, or has failed."""


@contextmanager
def timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    """Note how long what is inside takes, as so many seconds of a phase, which keeps no memory."""
    begin = time.perf_counter()
    yield
    release_memory()
    seconds[phase] = time.perf_counter() - begin
