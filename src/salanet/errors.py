"""The errors a user can cause. The command line prints one line for them and exits with 2."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Self


class SalaNetError(Exception):
    """Something the user can put right. The message says what is wrong, where, and what to do.

    Attributes:
        code: what it is about, where the command line has an option for it.
    """

    code = ""

    def about(self, code: str) -> Self:
        """The error, with a code."""
        self.code = code
        return self


class FileError(SalaNetError):
    """A file cannot be read or written, or does not hold what its format promises.

    The message starts with the path.
    """

    def __init__(self, path: str | Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = Path(path)


class DataError(SalaNetError):
    """Values that cannot be worked with: NaN coordinates, an unknown label, a missing attribute."""


class NoLabelsError(DataError):
    """A file without labels to learn from; among others it is left out."""


class ConfigError(SalaNetError):
    """A recipe, option or model file that asks for something impossible."""


class MissingExtraError(SalaNetError):
    """An optional dependency is not installed; the message names the extra that brings it.

    Args:
        package, extra: what is missing, and what brings it.
        why: it is needed, if that is not plain.
    """

    def __init__(self, package: str, extra: str, why: str = "") -> None:
        super().__init__(
            f"{why or 'this'}{': that' if why else ''} needs the package '{package}', which is not "
            f"installed: pip install 'salanet[{extra}]'"
        )


class Ended(KeyboardInterrupt):
    """A signal asked the work to end; what was done is kept, as with Ctrl-C.

    Attributes:
        exit_code: 128 + the signal's number, as shells have it.
    """

    how = "ended"

    def __init__(self, number: int) -> None:
        super().__init__(f"{self.how} by {signal.Signals(number).name}")
        self.exit_code = 128 + number
