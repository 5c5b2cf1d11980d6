"""What the page asks of the session, one thing after the other.

Every question is a POST of JSON. The answer is the length of a JSON text as four bytes, the text,
and bytes: for each layer the page shows a byte of the class and one of the selection of each of
its points, or the points of a new layer.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from salanet.editing import page
from salanet.editing.asked import Assign, Hit, Place, Request, Select
from salanet.editing.edited import Options
from salanet.editing.learning import Learner, can_learn
from salanet.editing.session import Session
from salanet.errors import DataError, SalaNetError
from salanet.failures import explain
from salanet.view.asked import Detail
from salanet.view.live import Reply, guarded, packed, refused

Kind = TypeVar("Kind", bound=BaseModel)


def server(session: Session, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """A server of the page and its address; the caller runs it (`serve_forever`) and closes it."""
    return guarded(Answers(session), port)


class Opened:
    """A file that is open for editing, and what answers its page.

    Args:
        path: the file.
        options: see `Options`; with a model, the page offers to learn where that is possible.
        listed: whether its page is one of several.
    """

    def __init__(self, path: Path, options: Options, *, listed: bool = False) -> None:
        self.session = Session(path, options)
        teaches = options.model is not None and can_learn()
        self._learner = Learner(self.session.file, str(options.model)) if teaches else None
        self.answers = Answers(self.session, self._learner, listed=listed)

    def close(self) -> None:
        """Let others have it; what is being learned ends."""
        if self._learner is not None:
            self._learner.stop()
        self.session.close()


class Answers:
    """Answers to what the page asks for by name; see `salanet.view.live.guarded`."""

    def __init__(
        self, session: Session, learner: Learner | None = None, *, listed: bool = False
    ) -> None:
        self._session, self._lock, self._saving = session, Lock(), Lock()
        self._learner = learner
        head, points = session.head()
        head["edits"]["model"] = None if learner is None else learner.output.name
        head["edits"]["listed"] = listed
        self._files = page.files(session.file.path.name, head, points)
        self._routes: dict[str, Callable[[bytes], Reply]] = {
            "state": self._act(Request, lambda _: {}),
            "select": self._act(Select, session.select),
            "clear": self._act(Request, lambda _: session.clear()),
            "assign": self._act(Assign, lambda asked: {"assigned": session.assign(asked.index)}),
            "undo": self._act(Request, lambda _: session.undo()),
            "redo": self._act(Request, lambda _: session.redo()),
            "detail": self._detail,
            "hit": self._tell(Hit, session.hit),
            "place": self._tell(Place, session.place),
            "save": self._save,
        }
        if learner is not None:
            self._routes |= {
                "learn": self._act(Request, lambda _: learner.start(*session.result())),
                "learning": self._act(Request, lambda _: self._learned(learner)),
                "unlearn": self._act(Request, lambda _: learner.stop()),
            }

    def __call__(self, name: str, body: bytes | None) -> Reply | None:
        if body is None:
            return self._file(name)
        route = self._routes.get(name)
        if route is None:
            return None
        try:
            return route(body)
        except ValidationError as error:
            return refused(f"not understood: {error.errors()[0]['msg']}")
        except (SalaNetError, OSError, MemoryError) as error:
            return refused(explain(error) or str(error))

    def _file(self, name: str) -> Reply | None:
        found = self._files.get(name)
        return None if found is None else Reply(*found)

    def _act(self, kind: type[Kind], do: Callable[[Kind], Any]) -> Callable[[bytes], Reply]:
        """Do something, and tell how things are then."""

        def route(body: bytes) -> Reply:
            asked = kind.model_validate_json(body)
            with self._lock:
                said = do(asked) or {}
                state, parts = self._session.state(getattr(asked, "layers", ()))
            return packed(state | said, parts)

        return route

    def _tell(self, kind: type[Kind], find: Callable[[Kind], Any]) -> Callable[[bytes], Reply]:
        """Tell something, and change nothing."""

        def route(body: bytes) -> Reply:
            asked = kind.model_validate_json(body)
            with self._lock:
                found = find(asked)
            return packed({"found": found})

        return route

    def _detail(self, body: bytes) -> Reply:
        asked = Detail.model_validate_json(body)
        with self._lock:
            found = self._session.detail(asked)
        if found is None:
            return packed({"panel": None})
        panel, points = found
        return packed({"panel": panel}, [points])

    def _learned(self, learner: Learner) -> dict[str, Any]:
        """How learning goes; once it is done, what it says of the points nobody has assigned."""
        found = learner.take()
        if found is None:
            return learner.state()
        if found.codes is None:
            raise DataError(found.error)
        return learner.state() | {"relabelled": self._session.relabel(found.codes)}

    def _save(self, body: bytes) -> Reply:
        """Edits go on meanwhile; what is saved are the classes as they are at the beginning."""
        Request.model_validate_json(body)
        with self._saving:
            with self._lock:
                result = self._session.result()
            remarks = self._session.file.save(*result)
        return packed({"saved": str(self._session.file.output), "remarks": list(map(str, remarks))})
