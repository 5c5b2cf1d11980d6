"""What a model learns from corrections, and what becomes of the points nobody has assigned."""

from __future__ import annotations

import base64
import json
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from edited_files import CODES, cloud, saved

import salanet
from salanet.datasets.town import town
from salanet.editing.asked import Request
from salanet.editing.edited import Options
from salanet.editing.journal import journal_of
from salanet.editing.learning import Learned, Learner
from salanet.editing.server import Answers
from salanet.editing.session import Session
from salanet.errors import DataError, FileError


def wait(learner: Learner) -> Learned:
    while (found := learner.take()) is None:
        assert learner.state()["learning"]
        time.sleep(0.05)
    return found


def assign(session: Session, rows: np.ndarray, code: int) -> None:
    session._selected[rows] = True
    session.assign(session.classes.codes.index(code))


def test_a_relabelling_is_one_step_that_spares_what_a_person_has_said(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.laz", cloud())
    session = Session(path)
    assign(session, np.arange(100, 200), 6)
    before = session.result()
    given = np.full(4000, 5, np.int32)
    given[:50] = 77  # a code that is no class here
    expected = before[0].copy()
    expected[50:] = np.where(before[1][50:], before[0][50:], 5)
    assert session.relabel(given) == (expected != before[0]).sum() > 1000
    after = session.result()
    assert np.array_equal(after[0], expected) and np.array_equal(after[1], before[1])
    assert session.corrections.counts.sum() == 4000
    assert session.relabel(given) == 0, "and is no step then"
    session.undo()
    assert np.array_equal(session.result()[0], before[0])
    session.redo()
    session.close()

    again = Session(path)
    assert again.resumed == 4 and np.array_equal(again.result()[0], expected)
    again.undo()
    again.undo()
    assert not again.result()[1].any() and len(again.corrections.done) == 0
    again.close()


@pytest.mark.parametrize("given", [b"\x09" * 10, b"\x00" * 9, b"\x00" * 5000])
def test_a_damaged_relabelling_is_refused(tmp_path: Path, given: bytes) -> None:
    path = saved(tmp_path / "scan.laz", cloud())
    session = Session(path)
    rows = base64.b64encode(zlib.compress(np.ones(10, "<u4").tobytes())).decode()
    entry = {"do": "relabel", "points": 10, "codes": list(CODES), "rows": rows}
    packed = base64.b64encode(zlib.compress(given)).decode()
    session.file.journal.append(entry | {"given": packed})
    session.close()
    with pytest.raises(FileError, match="edit 1 is none of this file"):
        Session(path)
    assert json.loads(journal_of(path).read_bytes().splitlines()[1][9:])["do"] == "relabel"


def test_the_model_learns_and_labels_the_rest(town_model: Path, tmp_path: Path) -> None:
    made = town(11, size=24)
    truth = made.label.copy()
    made.label = np.full(len(made), 1, np.int32)
    path = saved(tmp_path / "town.laz", made)
    session = Session(path, Options(classes=dict.fromkeys(np.unique(truth).tolist(), "")))
    learner = Learner(session.file, str(town_model))
    with pytest.raises(DataError, match="nothing was assigned"):
        learner.start(*session.result())
    west = made.xyz[:, 0] < np.median(made.xyz[:, 0])
    for code in np.unique(truth):
        assign(session, np.flatnonzero(west & (truth == code)), int(code))
    learner.start(*session.result())
    with pytest.raises(DataError, match="already"):
        learner.start(*session.result())
    found = wait(learner)
    assert found.error == "" and found.codes is not None
    assert session.relabel(found.codes) > 0
    codes, marked = session.result()
    assert np.array_equal(marked, west) and np.array_equal(codes[west], truth[west])
    assert (codes == truth)[~west].mean() > 0.8, "all of it was 1"
    assert learner.output == tmp_path / "town.laz.refined.safetensors"
    assert salanet.open_model(learner.output).config.width == 8
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "town.laz", "town.laz.edits", "town.laz.refined.safetensors",
    ]  # fmt: skip
    session.close()


def test_errors_are_told_and_stopping_stops(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.laz", cloud())
    session = Session(path)
    assign(session, np.arange(100), 6)
    learner = Learner(session.file, str(tmp_path / "none.safetensors"))
    answers = Answers(session, learner)
    assert answers("learn", Request().model_dump_json().encode()).status == 200
    while (reply := answers("learning", b"{}")).status == 200:
        time.sleep(0.05)
    assert b"none.safetensors" in reply.content and b"no such" in reply.content
    assert not learner.state()["learning"] and session.result()[1].sum() == 100

    learner.start(*session.result())
    learner.stop()
    assert wait(learner) == Learned(None, "stopped")
    assert Answers(session)("learn", b"{}") is None, "where there is no model to learn"
    session.close()
