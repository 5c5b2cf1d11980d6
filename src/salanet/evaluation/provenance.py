"""Where a number comes from: command, versions, state of the source."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from salanet import __version__, geometry


def provenance() -> dict[str, Any]:
    """Command, time (UTC), versions, machine and git state, as plain JSON values."""
    import numpy

    torch = sys.modules.get("torch")  # where nothing has loaded it, it had no part
    threads = torch.get_num_threads() if torch else geometry.threads()
    cuda = torch is not None and torch.cuda.is_available()
    return {
        "command": command(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "salanet": __version__,
            "torch": torch.__version__ if torch else None,
            "numpy": numpy.__version__,
            "python": platform.python_version(),
        },
        "machine": {
            "platform": platform.platform(),
            "threads": threads,
            "cuda": torch.cuda.get_device_name() if torch and cuda else None,
        },
        "git": git_state(),
    }


def command() -> str:
    """The command line that started this process, to be typed again."""
    program = Path(sys.argv[0])
    name = "salanet" if program.parts[-2:] == ("cli", "main.py") else program.name
    return shlex.join([name, *sys.argv[1:]])


def git_state() -> dict[str, Any] | None:
    """Commit of the checkout this package runs from and whether it has changes; None elsewhere."""
    folder = Path(__file__).resolve().parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "modified": bool(_git(folder, "status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=5,
    )
    return done.stdout.strip()
