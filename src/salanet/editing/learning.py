"""Learning from what was corrected so far, while editing goes on."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Thread
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet import io
from salanet.editing.edited import EditedFile
from salanet.errors import DataError, SalaNetError

REFINED = ".refined.safetensors"  # after the name of the file
MARKS = "corrected"  # of the copy that is learned from, where the file itself has no marks


class Learned(NamedTuple):
    """What came of it: the code that the new model gives each point, int32 (N,), or an error."""

    codes: NDArray[np.int32] | None
    error: str = ""


def can_learn() -> bool:
    """Whether there is what learning needs."""
    return find_spec("torch") is not None


class Learner:
    """Refines a model on the points a person has assigned, and labels the file with it.

    Both run as commands of their own, so that editing goes on and they can be stopped.

    Args:
        file: what is edited.
        model: to start from, every time.

    Attributes:
        output: the model file that it writes.
    """

    def __init__(self, file: EditedFile, model: str) -> None:
        self._file, self._model = file, model
        self.output = file.path.with_name(file.path.name + REFINED)
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started, self._stopped, self._doing = 0.0, False, ""
        self._thread: Thread | None = None
        self._found: Learned | None = None

    def start(self, codes: NDArray[np.int32], marked: NDArray[np.bool_]) -> None:
        """Begin. DataError while it is under way, or where nothing was assigned."""
        if self._thread is not None:
            raise DataError("it is learning already")
        if not marked.any():
            raise DataError("nothing was assigned yet that could be learned from")
        self._started, self._stopped, self._found = time.monotonic(), False, None
        self._thread = Thread(target=self._run, args=(codes, marked), daemon=True)
        self._thread.start()

    def state(self) -> dict[str, Any]:
        """Whether it is under way, what it does, and for how many seconds."""
        running = self._thread is not None
        seconds = round(time.monotonic() - self._started) if running else 0
        return {"learning": running, "doing": self._doing, "seconds": seconds}

    def take(self) -> Learned | None:
        """What came of it, once; None while there is nothing new."""
        if self._thread is None or self._found is None:
            return None
        self._thread.join()
        found, self._thread, self._found = self._found, None, None
        return found

    def stop(self) -> None:
        """End what is under way; `take` then says that it was stopped."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()

    def _run(self, codes: NDArray[np.int32], marked: NDArray[np.bool_]) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="salanet-edit-") as folder:
                found = Learned(self._relabelled(Path(folder), codes, marked))
        except (SalaNetError, OSError, MemoryError) as error:
            found = Learned(None, str(error) or type(error).__name__)
        self._found = found

    def _relabelled(
        self, folder: Path, codes: NDArray[np.int32], marked: NDArray[np.bool_]
    ) -> NDArray[np.int32]:
        options = self._file.options
        taught = folder / self._file.path.name
        labelled = folder / f"labelled{taught.suffix}"
        marks = options.marks or MARKS
        columns = [] if options.columns is None else ["--columns", options.columns]
        self._doing = "learning"
        self._file.write(taught, codes, marked, marks)
        learn = ["refine", taught, "--from", self._model, "--marks", marks, *columns]
        self._call(*learn, "-o", self.output)
        self._doing = "labelling"
        axes = [f"--up={options.up}", "--units", options.units]
        self._call("predict", taught, "-m", self.output, "-o", labelled, *axes, *columns)
        found = io.read(labelled).label
        if found is None or len(found) != len(codes):
            raise DataError("the labelled copy has other points than the file")
        return found.astype(np.int32)

    def _call(self, *arguments: object) -> None:
        """Run a command; DataError with the last line it printed unless it ends well."""
        command = [sys.executable, "-m", "salanet", *map(str, arguments)]
        with self._lock:
            if self._stopped:
                raise DataError("stopped")
            self._process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
        _, said = self._process.communicate()
        if self._stopped:
            raise DataError("stopped")
        if self._process.returncode:
            lines = said.decode(errors="replace").strip().splitlines()
            raise DataError(lines[-1] if lines else f"{command[3]} failed")
