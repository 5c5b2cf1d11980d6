"""The page to correct in: that of the viewer, with tools."""

from __future__ import annotations

from html import escape
from typing import Any

from salanet.view.page import SHARED_SCRIPTS, document, packaged, script_json, scripts

# Scripts come from files alone; of styles those of single elements are in the page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "connect-src 'self'"
)
ALL_SCRIPTS = (*SHARED_SCRIPTS, "edits.js", "tools.js")


def files(title: str, head: dict[str, Any], points: bytes) -> dict[str, tuple[str, bytes]]:
    """Media type and contents of all that the page is made of, by name; "" is the page."""
    head = head | {"panels": [head["panels"][0] | {"url": "points"}]}
    html = document(
        title=escape(title),
        policy=POLICY,
        style='<link rel="stylesheet" href="style.css">',
        tools=packaged("tools.html"),
        controls="",
        help=packaged("tools_help.html"),
        head=script_json(head),
        payloads="",
        script='<script src="script.js"></script>',
    )
    style = packaged("page.css") + packaged("tools.css")
    return {
        "": ("text/html; charset=utf-8", html.encode()),
        "style.css": ("text/css; charset=utf-8", style.encode()),
        "script.js": ("text/javascript; charset=utf-8", scripts(ALL_SCRIPTS).encode()),
        "points": ("application/octet-stream", points),
    }
