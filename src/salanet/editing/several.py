"""Several files under one address: a list of them, and the page of each below it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from threading import Condition

from salanet.editing.journal import journal_of
from salanet.editing.server import Answers, Opened
from salanet.errors import SalaNetError
from salanet.failures import explain
from salanet.view.live import Reply
from salanet.view.page import packaged

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
LIST = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}"><title>{count} files</title>
<style>{style} html, body {{ overflow: auto; }} ol {{ padding: 24px 56px; line-height: 2; }}
li {{ color: var(--quiet); }} a {{ color: var(--accent); }}</style></head>
<body><ol>{rows}</ol></body></html>"""


class Several:
    """Answers for several files, of which one is open at a time.

    Another one is opened when its page is asked for, and closes the former: its edits are on the
    disk. See `salanet.view.live.guarded`.

    Args:
        files: what can be edited.
        outputs: where each is saved.
        open: opens one for editing.
    """

    def __init__(
        self, files: Sequence[Path], outputs: Sequence[Path], open: Callable[[Path], Opened]
    ) -> None:
        self._files, self._outputs, self._open_one = files, outputs, open
        self._turn, self._busy = Condition(), 0
        self._number = -1
        self._opened: Opened | None = None

    def __call__(self, name: str, body: bytes | None) -> Reply | None:
        if not name:
            return None if body is not None else self._list()
        number, slash, rest = name.partition("/")
        if not slash or not number.isascii() or not number.isdigit():
            return None
        if int(number) >= len(self._files):
            return None
        try:
            answers = self._begun(int(number))
        except (SalaNetError, OSError, MemoryError) as error:
            said = escape(explain(error) or str(error))
            return Reply("text/html; charset=utf-8", f"<p>{said}</p>".encode(), 400)
        try:
            return answers(rest, body)
        finally:
            with self._turn:
                self._busy -= 1
                self._turn.notify_all()

    def close(self) -> None:
        """Let others have the file that is open."""
        with self._turn:
            if self._opened is not None:
                self._opened.close()
            self._opened = None

    def _begun(self, number: int) -> Answers:
        """Of the file of a number, which is open then; nobody closes it before it is answered."""
        with self._turn:
            while number != self._number and self._busy:
                self._turn.wait()
            if self._opened is None or number != self._number:
                if self._opened is not None:
                    self._opened.close()
                self._opened = None
                self._opened = self._open_one(self._files[number])
                self._number = number
            self._busy += 1
            return self._opened.answers

    def _list(self) -> Reply:
        rows = []
        for number, (path, output) in enumerate(zip(self._files, self._outputs, strict=True)):
            states = []
            if journal_of(path).is_file():
                states.append("edited")
            if output != path and output.is_file():
                states.append(f"saved as {output.name}")
            said = escape(", ".join(states))
            rows.append(f'<li><a href="{number}/">{escape(path.name)}</a> {said}</li>')
        style = packaged("page.css")
        html = LIST.format(policy=POLICY, count=len(rows), style=style, rows="".join(rows))
        return Reply("text/html; charset=utf-8", html.encode())
