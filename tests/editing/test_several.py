"""Several files under one address: one open at a time, and nothing lost by going to another."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from edited_files import cloud, saved

from salanet.editing.edited import MARK, Options
from salanet.editing.server import Opened
from salanet.editing.session import Session
from salanet.editing.several import Several
from salanet.errors import FileError
from salanet.labelling.outputs import plan_outputs


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Several]:
    files = [saved(tmp_path / f"tile-{n}.laz", cloud(1000 + n)) for n in range(2)]
    files.append(tmp_path / "broken<b>.laz")
    files[2].write_bytes(b"LASF")
    made = Several(
        files,
        plan_outputs(files, None, MARK),
        lambda path: Opened(path, Options(), listed=True),
    )
    yield made
    made.close()


def post(several: Several, name: str, **asked: Any) -> dict[str, Any]:
    reply = several(name, json.dumps(asked).encode())
    assert reply is not None and reply.status == 200, reply
    (size,) = struct.unpack_from("<I", reply.content)
    found: dict[str, Any] = json.loads(reply.content[4 : 4 + size])
    return found


BALL = {"kind": "balls", "centres": [[0, 0, 0]], "radius": 8}


def test_each_file_has_its_page_and_its_edits(several: Several, tmp_path: Path) -> None:
    page = several("", None)
    assert page is not None
    text = page.content.decode()
    assert '<a href="1/">tile-1.laz</a> </li>' in text and "broken&lt;b&gt;.laz" in text
    assert b'"listed": true' in several("0/", None).content.replace(b'":true', b'": true')
    first = post(several, "0/select", shape=BALL)["selected"]
    assert post(several, "0/assign", index=1)["assigned"] == first > 50
    with pytest.raises(FileError, match="another `salanet edit`"):
        Session(tmp_path / "tile-0.laz")
    second = post(several, "1/select", shape=BALL)["selected"]
    assert post(several, "1/assign", index=1)["assigned"] == second != first
    Session(tmp_path / "tile-0.laz").close()
    assert post(several, "0/state") | {"layers": []} == {
        "layers": [], "selected": 0, "undo": 1, "redo": 0, "marked": first,
        "counts": post(several, "0/state")["counts"],
    }  # fmt: skip
    post(several, "0/save")
    listed = several("", None)
    assert listed is not None
    assert "tile-0.laz</a> edited, saved as tile-0.corrected.laz</li>" in listed.content.decode()


def test_nothing_else_is_there(several: Several) -> None:
    for name in ("0", "3/", "-1/", "٣/", "x/state", "../0/", "0/none"):
        assert several(name, None) is None
    assert several("", b"{}") is None and several("0/none", b"{}") is None
    broken = several("2/", None)
    assert broken is not None and broken.status == 400
    assert b"broken&lt;b&gt;.laz" in broken.content and b"<b>" not in broken.content
    assert post(several, "0/state")["undo"] == 0, "the others go on"


def test_a_file_is_not_closed_under_a_question(several: Several) -> None:
    for n in range(2):
        post(several, f"{n}/select", shape=BALL)
        post(several, f"{n}/assign", index=1)
    failed = []

    def ask(number: int) -> None:
        try:
            for _ in range(15):
                assert post(several, f"{number}/state")["undo"] == 1
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=ask, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
