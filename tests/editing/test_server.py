"""Who is answered, and what."""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from edited_files import ORIGIN, cloud, saved

from salanet.cloud import PointCloud
from salanet.editing.journal import journal_of
from salanet.editing.server import server
from salanet.editing.session import Session

VIEW = {  # from above, without perspective: 10 pixels are a unit
    "matrix": [0.05, 0, 0, 0, 0, 0.05, 0, 0, 0, 0, -0.01, 0, 0, 0, 0, 1],
    "size": [400, 400],
}


class Client:
    def __init__(self, address: str) -> None:
        self.parts = urlsplit(address)
        self.host = self.parts.netloc

    def ask(
        self, name: str, body: object = None, path: str | None = None, **headers: str
    ) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection(self.host)
        method = "GET" if body is None else "POST"
        text = None if body is None else json.dumps(body)
        where = self.parts.path + name if path is None else path
        connection.request(method, where, text, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read(), dict(answer.getheaders())
        connection.close()
        return found

    def post(self, name: str, **asked: Any) -> tuple[dict[str, Any], bytes]:
        status, content, _ = self.ask(name, asked)
        assert status == 200, content
        (size,) = struct.unpack_from("<I", content)
        return json.loads(content[4 : 4 + size]), content[4 + size :]

    def refused(self, name: str, **asked: Any) -> str:
        status, content, _ = self.ask(name, asked)
        assert status == 400
        return str(json.loads(content)["error"])


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = cloud()
    made.attributes["confidence"] = np.full(len(made), 0.9, np.float32)
    x, y, _ = (made.xyz - made.xyz.min(axis=0)).T
    made.attributes["confidence"][(x < 8) & (y < 8)] = 0.2
    made.attributes["confidence"][(x > 35) & (y > 35)] = 0.2
    opened = Session(saved(tmp_path / "scan.laz", made))
    yield opened
    opened.close()


@pytest.fixture
def client(session: Session) -> Iterator[Client]:
    running, address = server(session)
    with running:
        Thread(target=running.serve_forever, daemon=True).start()
        yield Client(address)
        running.shutdown()


def test_only_its_own_page_is_answered(client: Client) -> None:
    here = f"http://{client.host}"
    assert client.ask("")[0] == 200 and client.ask("", Origin=here)[0] == 200
    assert client.ask("state", {}, Origin=here)[0] == 200
    port = client.host.split(":")[1]
    for headers in (
        {"Host": f"localhost:{port}"},
        {"Host": "evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://{client.host}"},
    ):
        for name, body in (("", None), ("script.js", None), ("state", {}), ("undo", {})):
            assert client.ask(name, body, **headers)[0] == 403, headers
    token = client.parts.path.strip("/")
    assert len(token) >= 24
    for path in ("/", f"/{token[:-1]}/", f"/{token}x/", "/state", f"/{token}"):
        assert client.ask("", path=path)[0] == 403
        assert client.ask("", {}, path=path)[0] == 403
    assert client.ask("nothing")[0] == 404 and client.ask("nothing", {})[0] == 404
    assert client.ask("undo")[0] == 404, "by GET nothing changes"


def test_the_page_lets_nothing_else_in(client: Client) -> None:
    _, html, headers = client.ask("")
    assert b"script-src 'self'; " in html and b"default-src 'none'" in html
    assert b"<script>" not in html and b"http://" not in html and b"https://" not in html
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_edits_are_on_the_disk_before_they_are_answered(client: Client, session: Session) -> None:
    size = journal_of(session.file.path).stat().st_size
    box = [[100, 100], [200, 100], [200, 200], [100, 200]]
    state, parts = client.post(
        "select", shape={"kind": "lasso", "line": box, **VIEW}, how="add", layers=[0, 5]
    )
    count = state["selected"]
    x, y = session._points.xyz[:, 0], session._points.xyz[:, 1]
    assert count == ((x >= -10) & (x < 0) & (y > 0) & (y <= 10)).sum() > 100
    assert state["layers"] == [[0, 4000]], "the others are not known any more"
    label, lit = np.frombuffer(parts, np.uint8).reshape(2, -1)
    assert lit.sum() == count
    assert journal_of(session.file.path).stat().st_size == size, "a selection is no edit"
    index = session.classes.codes.index(9)
    state, parts = client.post("assign", index=index, layers=[0])
    assert state["assigned"] == count and state["counts"][index] == count
    assert (state["undo"], state["redo"], state["selected"]) == (1, 0, 0)
    after, dark = np.frombuffer(parts, np.uint8).reshape(2, -1)
    assert np.array_equal(after, np.where(lit, index, label)) and not dark.any()
    lines = journal_of(session.file.path).read_bytes().splitlines()
    entry = json.loads(lines[-1][9:])
    assert len(lines) == 2 and entry["code"] == 9 and entry["points"] == count
    state, parts = client.post("undo", layers=[0])
    assert np.array_equal(np.frombuffer(parts, np.uint8)[:4000], label)
    assert (state["undo"], state["redo"], state["marked"]) == (0, 1, 0)


def test_a_roof_grows_from_a_point(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ground, roof = rng.random((6000, 3)) * [40, 40, 0.02], rng.random((3000, 3)) * [20, 20, 0.02]
    wall = rng.random((2000, 3)) * [20, 0.02, 3] + [10, 10, 0]
    xyz = np.concatenate([ground, roof + [10, 10, 3], wall])
    label = np.full(len(xyz), 6, np.int32)
    label[:6000] = 2
    made = PointCloud(xyz + ORIGIN, label=label)
    opened = Session(saved(tmp_path / "scan.laz", made))
    running, address = server(opened)
    with running:
        Thread(target=running.serve_forever, daemon=True).start()
        client = Client(address)
        shape = {"kind": "surface", "at": [200, 200], "radius": 30, **VIEW}
        seen: dict[str, Any] = {
            "scope": {"hidden": [opened.classes.codes.index(2)]},
            "how": "replace",
        }
        state, parts = client.post("select", shape=shape, layers=[0], **seen)
        lit = np.frombuffer(parts, np.uint8).reshape(2, -1)[1]
        state, _ = client.post("select", shape=shape | {"radius": 5}, layers=[], **seen)
        running.shutdown()
    rows = opened._points.rows[opened._layers[0]]
    chosen = np.zeros(len(xyz), bool)
    chosen[rows[lit > 0]] = True
    assert chosen[6000:9000].all() and not chosen[:6000].any()
    assert xyz[9000:][chosen[9000:], 2].min() > 2.6, "the wall goes on below the eaves"
    opened.close()
    inside = np.hypot(*(roof[:, :2] - 10).T) <= 4
    assert inside.sum() <= state["selected"] < 650, "no farther than asked"


def test_a_detail_is_a_layer_of_what_is_seen(client: Client, session: Session) -> None:
    view = VIEW | {"matrix": [0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, -0.01, 0, 0, 0, 0, 1]}
    said, _ = client.post("detail", camera=view)
    inside = (np.abs(session._points.xyz[:, :2]) <= 2).all(axis=1)
    assert said["panel"]["shown"] == inside.sum() > 10 and said["panel"]["whole"]
    number = said["panel"]["layer"]
    state, parts = client.post("state", layers=[0, number])
    assert state["layers"] == [[0, 4000], [number, inside.sum()]]
    assert len(parts) == 2 * (4000 + inside.sum())
    away = VIEW | {"matrix": [0.05, 0, 0, 0, 0, 0.05, 0, 0, 0, 0, -0.01, 0, 9, 9, 0, 1]}
    assert client.post("detail", camera=away)[0]["panel"] is None


def test_pointing_at_a_point_gives_it(client: Client, session: Session) -> None:
    point = session._points.xyz[123]
    at = [200 + 10 * point[0], 200 - 10 * point[1]]
    found = client.post("hit", camera=VIEW, at=at)[0]["found"]
    assert found is not None and abs(found["at"][0] - point[0]) < 0.6
    state, _ = client.post("select", shape={"kind": "pick", "at": at, **VIEW})
    assert state["selected"] == 1
    assert client.post("hit", camera=VIEW, at=[1e6, 0])[0]["found"] is None


def test_uncertain_places_come_largest_first_until_they_are_done(client: Client) -> None:
    first = client.post("place")[0]["found"]
    second = client.post("place", after=0)[0]["found"]
    assert (first["number"], second["number"], first["places"]) == (0, 1, 2)
    assert first["points"] > second["points"] > 50
    assert first["at"][:2] == pytest.approx([-16, -16], abs=0.5)
    assert second["at"][:2] == pytest.approx([17.5, 17.5], abs=0.5)
    assert client.post("place", after=1)[0]["found"]["number"] == 0
    ball = {"kind": "balls", "centres": [first["at"]], "radius": 8}
    client.post("select", shape=ball)
    client.post("assign", index=0)
    assert client.post("place", after=1)[0]["found"]["number"] == 1, "the first is done"
    client.post("undo")
    assert client.post("place", after=1)[0]["found"]["number"] == 0


def test_what_makes_no_sense_is_refused_in_a_line(client: Client, session: Session) -> None:
    before = journal_of(session.file.path).read_bytes()
    assert client.refused("undo") == "there is nothing to undo"
    assert client.refused("redo") == "there is nothing to redo"
    assert client.refused("assign", index=0) == "nothing is selected"
    ball = {"kind": "balls", "centres": [[0, 0, 0]], "radius": 5}
    client.post("select", shape=ball)
    assert client.refused("assign", index=250) == "there is no class 250"
    for shape in (
        {},
        ball | {"kind": "cone"},
        ball | {"radius": -1},
        ball | {"radius": 1e999},
        ball | {"centres": []},
        {"kind": "lasso", "line": [[0, 0]] * 20_001, **VIEW},
        {"kind": "lasso", "line": [[0, 0]], **VIEW, "matrix": [1] * 15},
    ):
        assert client.refused("select", shape=shape).startswith("not understood: ")
    assert client.ask("select", None)[0] == 404
    for size in (str(5 << 20), "-1", "x"):
        assert client.ask("select", {}, **{"Content-Length": size})[0] == 413
    assert journal_of(session.file.path).read_bytes() == before
    state, _ = client.post("select", shape=ball, how="remove")
    assert state["selected"] == 0


def test_saving_tells_where(client: Client, session: Session) -> None:
    client.post("select", shape={"kind": "balls", "centres": [[0, 0, 0]], "radius": 5})
    client.post("assign", index=0)
    said, _ = client.post("save")
    assert said == {"saved": str(session.file.output), "remarks": []}
    assert session.file.output.is_file()
