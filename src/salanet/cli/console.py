"""What the commands share: where they print, how they read durations and load models."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from salanet.errors import ConfigError, MissingExtraError
from salanet.terminal import visible

if TYPE_CHECKING:
    from http.server import HTTPServer
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

    from salanet.models import Network

UNITS = {"h": 3600, "m": 60, "s": 1}


def messages() -> Console:
    """For progress and remarks: stderr, so that stdout holds results alone."""
    return _plain()(stderr=True, highlight=False, markup=False)


def results() -> Console:
    """For tables and figures: stdout."""
    return _plain()(highlight=False, markup=False)


@cache
def _plain() -> type[Console]:
    from rich.console import Console

    class PlainConsole(Console):
        """Shows strings as they are, cells of tables included: one line each, nothing obeyed."""

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(visible(text), **options)

    return PlainConsole


def print_json(value: Any) -> None:
    """JSON on stdout, in ASCII; what is not a number, or not finite, is null."""
    import json

    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    print(json.dumps(finite, indent=2))


def duration(text: str) -> float:
    """Seconds of "90", "90s", "20m", "1h30m"; ConfigError for anything else."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        seconds = float(text)
    elif re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", text):
        parts = re.findall(r"(\d+)([hms])", text)
        seconds = float(sum(int(count) * UNITS[unit] for count, unit in parts))
    else:
        seconds = 0
    if seconds <= 0:
        raise ConfigError(f"'{text}' is no duration; write 90s, 20m or 1h30m")
    return seconds


def serve(running: HTTPServer, address: str, browser: bool) -> None:
    """Say where a page is, open it if wanted, and serve it until Ctrl-C."""
    import webbrowser

    out = results()
    out.print(f"{address}   (Ctrl-C ends)", soft_wrap=True)
    if browser:
        webbrowser.open(address)
    with running:
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            out.print("")


def require_torch() -> None:
    """Raise MissingExtraError unless PyTorch is installed."""
    if find_spec("torch") is None:
        raise MissingExtraError("torch", "train")


def load_model(path: str | Path, device: str) -> Network:
    """A model ready for inference, its batch norms folded.

    Raises:
        FileError: the file is no readable model.
        ConfigError: there is no such device.
    """
    require_torch()
    import torch

    from salanet.models import load

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return load(path).fold().to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device '{device}': {str(error).splitlines()[0]}") from error
