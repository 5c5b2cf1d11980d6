"""The page on this machine: a server that no other machine reaches, and no other page can guess."""

from __future__ import annotations

import json
import secrets
import struct
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from pydantic import ValidationError

from salanet.errors import SalaNetError
from salanet.failures import explain
from salanet.view.asked import Detail
from salanet.view.page import Page
from salanet.view.whole import Whole

HOST = "127.0.0.1"
JSON, BYTES = "application/json", "application/octet-stream"
LARGEST = 4 << 20  # bytes of a request
POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Reply(NamedTuple):
    """What is answered: its media type, its bytes, and the status of HTTP."""

    kind: str
    content: bytes
    status: int = 200


def packed(said: dict[str, Any], parts: Sequence[bytes] = ()) -> Reply:
    """JSON and bytes in one: the length of the text as four bytes, the text, the parts."""
    text = json.dumps(said, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    return Reply(BYTES, b"".join([struct.pack("<I", len(text)), text, *parts]))


def refused(why: str) -> Reply:
    """An error in words."""
    return Reply(JSON, json.dumps({"error": " ".join(why.split())}).encode(), 400)


# Gets the name of what is asked for, and the body of a POST; None: there is no such thing.
Answer = Callable[[str, bytes | None], Reply | None]


def server(
    page: Page, port: int = 0, whole: Whole | None = None
) -> tuple[ThreadingHTTPServer, str]:
    """A server of the page and its address; the caller runs it (`serve_forever`) and closes it.

    Args:
        page: what is served.
        port: 0 for any that is free.
        whole: gives all points of a view, where the page has not all points.
    """
    urls = [f"points-{i}" for i in range(len(page.payloads))]
    html = page.html(urls, detail=whole is not None)
    files = {"": Reply("text/html; charset=utf-8", html.encode())}
    for url, payload in zip(urls, page.payloads, strict=True):
        files[url] = Reply(BYTES, payload)

    def answer(name: str, body: bytes | None) -> Reply | None:
        if body is None:
            return files.get(name)
        return _detail(whole, body) if whole is not None and name == "detail" else None

    return guarded(answer, port)


def _detail(whole: Whole, body: bytes) -> Reply:
    try:
        said, points = whole.detail(Detail.model_validate_json(body))
    except ValidationError as error:
        return refused(f"not understood: {error.errors()[0]['msg']}")
    except (SalaNetError, OSError, MemoryError) as error:
        return refused(explain(error) or str(error))
    return packed(said, [points])


def guarded(answer: Answer, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of answers and the address of the one named ""; the caller runs and closes it.

    The address has a secret part: other pages in the same browser cannot ask for anything. Nor can
    those that have this machine's address under a name of their own (DNS rebinding), or that know
    the secret: a foreign `Host` or `Origin` is refused.
    """
    secret = secrets.token_urlsafe(18)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._trusted():
                self._answer(None)

        def do_POST(self) -> None:
            if not self._trusted():
                return
            size = self.headers.get("Content-Length", "")
            if not size.isascii() or not size.isdigit() or int(size) > LARGEST:
                self.send_error(413)
                return
            self._answer(self.rfile.read(int(size)))

        def _answer(self, body: bytes | None) -> None:
            reply = answer(self.path.removeprefix(f"/{secret}/"), body)
            if reply is None:
                self.send_error(404)
                return
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.content)))
            for name, value in (
                ("Cache-Control", "no-store"),
                ("Content-Security-Policy", POLICY),
                ("Cross-Origin-Resource-Policy", "same-origin"),
                ("Referrer-Policy", "no-referrer"),
                ("X-Content-Type-Options", "nosniff"),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content)

        def _trusted(self) -> bool:
            """Whether the page of this server asks; else it is refused."""
            here = f"{HOST}:{made.server_address[1]}"
            path, wanted = self.path.encode(), f"/{secret}/".encode()
            found = (
                self.headers.get_all("Host") == [here]
                and self.headers.get("Origin", f"http://{here}") == f"http://{here}"
                and secrets.compare_digest(path[: len(wanted)], wanted)
            )
            if not found:
                self.send_error(403)
            return found

        def log_message(self, format: str, *_: object) -> None:
            """Says nothing: the address was printed already."""

    made = ThreadingHTTPServer((HOST, port), Handler)
    made.daemon_threads = True
    return made, f"http://{HOST}:{made.server_address[1]}/{secret}/"
