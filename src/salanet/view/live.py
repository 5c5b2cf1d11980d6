"""The page on this machine: a server that no other machine reaches, and no other page can guess."""

from __future__ import annotations

import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from salanet.view.page import Page

HOST = "127.0.0.1"


def server(page: Page, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of the page and its address; the caller runs it (`serve_forever`) and closes it.

    The address has a secret part: other pages in the same browser cannot ask for the points.
    """
    secret = secrets.token_urlsafe(12)
    urls = [f"points-{i}" for i in range(len(page.payloads))]
    files = {f"/{secret}/": ("text/html; charset=utf-8", page.html(urls).encode())}
    for url, payload in zip(urls, page.payloads, strict=True):
        files[f"/{secret}/{url}"] = ("application/octet-stream", payload)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files.get(self.path, ("", b""))
            if not kind:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *_: object) -> None:
            """Says nothing: the address was printed already."""

    made = ThreadingHTTPServer((HOST, port), Handler)
    made.daemon_threads = True
    return made, f"http://{HOST}:{made.server_address[1]}/{secret}/"
