"""Model files from an https address, by their checksum, kept in a folder of the user.

    https://example.org/models/mine.safetensors#sha256=4f2a…

The checksum is mandatory: what is not the very file that somebody has checked is not used, however
it came about. A file that is kept is not fetched again, and works without a network.
"""

from __future__ import annotations

import http.client
import os
import re
import ssl
import sys
import tempfile
import urllib.error
import urllib.request
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from salanet.errors import ConfigError, DataError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DIGEST = re.compile(r"[0-9a-fA-F]{64}")
SUFFIXES = (".safetensors", ".onnx")
FOLDER = "SALANET_CACHE"  # in the environment: where files are kept
MOST = 1 << 30  # bytes of a file
WINDOW = 1 << 20
SECONDS = 30.0  # without a byte
LONGEST = 100  # characters of an address in a message


def is_address(text: str) -> bool:
    """Whether a model is named by an address, of whatever kind."""
    return ADDRESS.match(text) is not None


def folder() -> Path:
    """Where fetched files are kept: $SALANET_CACHE, or as the system has it."""
    if named := os.environ.get(FOLDER):
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "salanet"


def fetched(address: str, digest: str | None = None) -> Path:
    """The file behind an address, fetched if it is not there.

    Args:
        address: https, with ``#sha256=DIGEST`` unless the digest is given.
        digest: SHA-256 of the file as 64 hexadecimal digits.

    Raises:
        ConfigError: another kind of address, or no checksum.
        DataError: it cannot be fetched or kept, or is not the file of that checksum.
    """
    address, _, fragment = address.partition("#")
    said = address[:LONGEST]
    if not address.lower().startswith("https://"):
        raise ConfigError(f"{said}: models are fetched by https alone")
    digest = digest or fragment.removeprefix("sha256=")
    if not digest:
        raise ConfigError(
            f"{said}: say which file it has to be: {said}#sha256=DIGEST, as `sha256sum` gives it "
            "for a copy that you trust, or as its author tells you"
        )
    if not DIGEST.fullmatch(digest):
        raise ConfigError(f"{said}: '{digest[:80]}' is no SHA-256: it has 64 hexadecimal digits")
    name = re.sub(r"[^\w.-]", "_", unquote(urlsplit(address).path).rpartition("/")[2])[-LONGEST:]
    if not name.lower().endswith(SUFFIXES):
        raise ConfigError(f"{said}: the address of a model ends in {' or '.join(SUFFIXES)}")
    path = folder() / digest.lower() / name
    if not (path.is_file() and checked(path, digest)):
        _fetch(address, digest.lower(), path)
    return path


def checked(path: Path, digest: str) -> bool:
    """Whether a file has this SHA-256."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == digest.lower()


def _fetch(address: str, digest: str, path: Path) -> None:
    """Write what is behind an address to a file, whole and checked, or not at all."""
    said = address[:LONGEST]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            temporary = Path(file.name)
            try:
                with _opened(address) as answer:
                    found = _copied(answer, file)
                file.flush()
                os.fsync(file.fileno())
                if found != digest:
                    raise DataError(
                        f"{said}: is not the file of the checksum: its SHA-256 is {found}; nothing "
                        "was kept"
                    )
                file.close()
                temporary.chmod(0o644)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{said}: cannot be fetched: {' '.join(str(reason).split())}") from error


def _copied(answer: Any, file: IO[bytes]) -> str:
    """Copy what comes; returns its SHA-256. OSError if it is more than any model has."""
    hashed, size = sha256(), 0
    while data := answer.read(WINDOW):
        size += len(data)
        if size > MOST:
            raise OSError(f"it is larger than {MOST >> 20} MiB")
        hashed.update(data)
        file.write(data)
    return hashed.hexdigest()


class _HttpsAlone(urllib.request.HTTPRedirectHandler):
    """Follows no answer that leads to another kind of address."""

    def redirect_request(self, *request: Any) -> Any:
        new = str(request[-1])
        if not new.lower().startswith("https://"):
            raise urllib.error.URLError(f"it leads to {new[:LONGEST]}, which is not https")
        return super().redirect_request(*request)


def _opened(address: str) -> Any:
    secure = urllib.request.HTTPSHandler(context=ssl.create_default_context())
    opener = urllib.request.build_opener(secure, _HttpsAlone)
    opener.addheaders = [("User-Agent", "salanet")]
    return opener.open(address, timeout=SECONDS)
