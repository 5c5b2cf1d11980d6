"""Calling the command `salanet`: arguments, progress, cancelling. Nothing here needs QGIS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from typing import IO, Any

SETTING = "SALANET_EXECUTABLE"  # in the settings of Processing, and in the environment
PROGRESS = re.compile(r"progress: (?P<what>.*) (?P<percent>\d{1,3}) %")
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_END = 15.0
# Of QGIS's own Python, which another Python must not take for its own.
NOT_OURS = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE")


class CommandError(Exception):
    """The command failed; the message is what it said."""


class Cancelled(Exception):
    """Somebody cancelled it."""


def executable(setting: str = "") -> list[str]:
    """The command: as set, as the environment says, or from the path.

    Raises CommandError, with what to do, if there is none.
    """
    named = setting.strip() or os.environ.get(SETTING, "").strip() or "salanet"
    found = shutil.which(named)
    if found is None:
        raise CommandError(
            f"there is no command '{named}': pip install salanet, and name it under Settings > "
            "Options > Processing > Providers > SalaNet"
        )
    return [found]


def label(
    path: str,
    to: str,
    *,
    model: str = "",
    keep: str = "auto",
    area: str = "",
    confidence: bool = False,
    regularise: bool = False,
) -> list[str]:
    """The arguments that label a file; `area` is a file of polygons, "" for everywhere."""
    found = ["predict", path, "-o", to, "--keep", keep or "auto"]
    found += ["-m", model] if model else []
    found += ["--within", area] if area else []
    found += ["--confidence"] * confidence + ["--regularise"] * regularise
    return [*found, "--json"]


def smooth(path: str, to: str, *, size: int = 10, keep: str = "auto", area: str = "") -> list[str]:
    """The arguments that put islands of classes right."""
    found = ["smooth", path, "-o", to, "--size", str(size), "--keep", keep or "auto"]
    found += ["--within", area] if area else []
    return [*found, "--json"]


def refine(path: str, to: str, *, start: str, area: str) -> list[str]:
    """The arguments that refine a model on what was checked within an area."""
    return ["refine", path, "--from", start, "--within", area, "-o", to, "--json"]


def terrain(path: str, to: str, *, cell: float = 0.0) -> list[str]:
    """The arguments that make a terrain model; cell 0: a metre."""
    found = ["terrain", path, "-o", to]
    found += ["--cell", f"{cell:g}"] if cell else []
    return [*found, "--json"]


def area_text(wkt: str, system: str) -> str:
    """Polygons as a file has them: WKT, with the reference system where it is one of EPSG.

    Args:
        wkt: a polygon or multipolygon.
        system: such as EPSG:2154; others are left out, and then not checked.
    """
    authority, _, number = system.partition(":")
    return f"SRID={number};{wkt}" if authority == "EPSG" and number.isdigit() else wkt


def progress_of(line: str) -> tuple[str, int] | None:
    """What a line says is done, and how many percent of it; None for other lines."""
    match = PROGRESS.fullmatch(line.strip())
    return None if match is None else (match["what"], min(int(match["percent"]), 100))


def run(
    command: Sequence[str],
    arguments: Sequence[str],
    *,
    progress: Callable[[str, int], None],
    said: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Any:
    """Call the command and wait for it.

    Args:
        command, arguments: as `executable` and the functions above give them.
        progress: called with what is being done, and how many percent of it are.
        said: called with every other line of its messages.
        cancelled: asked now and then; if so, the command is ended, which leaves no half file.

    Returns:
        What it printed, as JSON.

    Raises:
        CommandError: it failed; with its last line.
        Cancelled: it was ended.
    """
    environment = {k: v for k, v in os.environ.items() if k not in NOT_OURS}
    environment |= {"SALANET_PROGRESS": "lines", "PYTHONIOENCODING": "utf-8"}
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}
    lines, printed, last = Queue[str](), list[str](), ""
    with subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        **hidden,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        readers = [_reader(process.stderr, lines.put), _reader(process.stdout, printed.append)]
        try:
            while any(reader.is_alive() for reader in readers) or not lines.empty():
                if cancelled():
                    raise Cancelled
                try:
                    line = lines.get(timeout=SECONDS_BETWEEN_LOOKS).strip()
                except Empty:
                    continue
                done = progress_of(line)
                if done is not None:
                    progress(*done)
                elif line:
                    last = line
                    said(line)
            while process.poll() is None:  # it has said all, and ends
                if cancelled():
                    raise Cancelled
                time.sleep(SECONDS_BETWEEN_LOOKS)
        finally:
            _end(process)
            for reader in readers:
                reader.join()
    if process.returncode:
        raise CommandError(last or f"salanet ended with the code {process.returncode}")
    text = "".join(printed)
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"salanet printed no report: {text[:200]}") from error


def _reader(stream: IO[str], take: Callable[[str], None]) -> threading.Thread:
    def read() -> None:
        for line in stream:
            take(line)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _end(process: subprocess.Popen[str]) -> None:
    """End it if it still runs: first so that it can tidy up."""
    if process.poll() is None:
        process.terminate()
        until = time.monotonic() + SECONDS_TO_END
        while process.poll() is None and time.monotonic() < until:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if process.poll() is None:
            process.kill()
            process.wait()


def summary(report: Any) -> list[str]:
    """A report as lines for people."""
    one = report[0] if isinstance(report, list) and report else report
    if not isinstance(one, dict):
        return []
    found = [f"{one['points']:,} points"] if isinstance(one.get("points"), int) else []
    classes, codes = one.get("classes") or {}, one.get("codes") or []
    if len(codes) == len(classes):
        named = list(classes.items())
        found += [f"{code} {named[i][0]}: {named[i][1]:,}" for i, code in enumerate(codes)]
    if "changed" in one and isinstance(one["changed"], int):
        found.append(f"{one['changed']:,} points changed their class")
    return found + [f"note: {remark}" for remark in one.get("remarks") or []]
