"""Many files in one command: folders and patterns become files, one that fails stops no other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from salanet.cli.console import messages, print_json
from salanet.errors import SalaNetError
from salanet.failures import explain


def for_each(files: Sequence[Path], work: Callable[[int], None]) -> dict[Path, str]:
    """Call `work` with the index of each file; returns why files failed.

    Each failure is said on stderr when it happens, all of them again after the last file. The
    error of an only file is raised. Ctrl-C stops at once.
    """
    console = messages()
    failed: dict[Path, str] = {}
    for i, path in enumerate(files):
        try:
            work(i)
        except Exception as error:  # whatever is wrong with this file, the others may be fine
            if len(files) == 1:
                raise
            named = explain(error)
            if named is None or not isinstance(error, SalaNetError):
                named = f"{path}: {named or repr(error)}"
            failed[path] = " ".join(named.split())
            console.print(f"failed: {failed[path]}", soft_wrap=True, markup=False)
    if failed:
        console.print(f"{len(files) - len(failed)} of {len(files)} files done; these failed:")
        for message in failed.values():
            console.print(f"  {message}", soft_wrap=True, markup=False)
    return failed


def conclude(done: Sequence[dict[str, Any]], failed: dict[Path, str], name: str, json: bool) -> int:
    """Print reports and errors as JSON if wanted; returns the exit code.

    Args:
        done: a report of each file that succeeded.
        failed: what `for_each` returned.
        name: under which a report has its file.
        json: whether to print.
    """
    from salanet.cli.main import EXIT_USER_ERROR

    if json:
        print_json([*done, *({name: str(p), "error": message} for p, message in failed.items())])
    return EXIT_USER_ERROR if failed else 0


def full_scans(path: Path) -> list[int]:
    """The numbers of the scans of a file that have points; a line for each of the others."""
    from salanet.cli.console import messages
    from salanet.io import scan_count, scan_numbers

    numbers = scan_numbers(path)
    for i in sorted({*range(scan_count(path))} - {*numbers}):
        said = f"note: {path}: scan {i} has no points, nothing is written for it"
        messages().print(said, soft_wrap=True, markup=False)
    return numbers
