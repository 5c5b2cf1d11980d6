"""Edits survive: whatever a kill leaves of the last line, the state is that of those before it."""

from __future__ import annotations

import base64
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from edited_files import CODES, cloud, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from salanet.editing.corrections import Corrections, pack_rows, unpack_rows
from salanet.editing.edited import Options
from salanet.editing.journal import Journal, journal_of
from salanet.editing.session import Session
from salanet.errors import FileError


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=200))
def test_rows_pack(rows: list[int]) -> None:
    given_rows = np.array(sorted(rows), np.int64)
    assert np.array_equal(unpack_rows(pack_rows(given_rows), len(given_rows)), given_rows)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_undo_and_redo_are_those_of_a_list_of_states(seed: int) -> None:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, 50).astype(np.uint8)
    marks = rng.random(50) < 0.1
    made = Corrections(label.copy(), marks.copy(), 4)
    states, at = [(label, marks)], 0
    for _ in range(30):
        what = rng.integers(4)
        if what < 2:
            rows, index = np.flatnonzero(rng.random(50) < 0.2), int(rng.integers(4))
            after = states[at][0].copy(), states[at][1].copy()
            after[0][rows], after[1][rows] = index, True
            made.assign(rows, index)
            states, at = [*states[: at + 1], after], at + 1
        elif what == 2 and at:
            made.undo()
            at -= 1
        elif what == 3 and at + 1 < len(states):
            made.redo()
            at += 1
        assert np.array_equal(made.label, states[at][0])
        assert np.array_equal(made.marks, states[at][1])
        assert np.array_equal(made.counts, np.bincount(made.label, minlength=4))
        assert (len(made.done), len(made.undone)) == (at, len(states) - 1 - at)


def edit(session: Session, seed: int) -> None:
    """Something a person might do."""
    rng = np.random.default_rng(seed)
    what = rng.integers(4)
    if what == 2 and session.corrections.done:
        session.undo()
    elif what == 3 and session.corrections.undone:
        session.redo()
    else:
        session._selected[rng.random(len(session.sample.xyz)) < 0.3] = True
        session.assign(session.classes.codes.index(int(rng.choice(CODES))))


@pytest.mark.parametrize("seed", range(3))
def test_a_kill_at_any_byte_of_the_last_edit_leaves_those_before(tmp_path: Path, seed: int) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    states = []
    session = Session(path)
    for i in range(6):
        states.append((session.corrections.label.copy(), session.corrections.marks.copy()))
        before = session.file.journal.path.stat().st_size
        edit(session, 100 * seed + i)
    final = session.corrections.label.copy()
    session.close()
    whole = journal_of(path).read_bytes()
    for end in range(before, len(whole) + 1):
        journal_of(path).write_bytes(whole[:end])
        again = Session(path)
        label, marks = states[-1]
        if end == len(whole):
            label, marks = final, again.corrections.marks
        assert np.array_equal(again.corrections.label, label), end
        assert np.array_equal(again.corrections.marks, marks), end
        steps = len(again.corrections.done)
        edit(again, 7)  # and what is cut off spoils nothing that follows
        again.close()
        third = Session(path)
        assert np.array_equal(third.corrections.label, again.corrections.label)
        assert abs(len(third.corrections.done) - steps) == 1
        third.close()


def test_damage_before_the_last_edit_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    session = Session(path)
    for i in range(3):
        edit(session, i)
    session.close()
    lines = journal_of(path).read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"rows", b"rowz")
    journal_of(path).write_bytes(b"".join(lines))
    with pytest.raises(FileError, match=r"ply\.edits: is damaged after 1 edits: move it"):
        Session(path)


@pytest.mark.parametrize(
    ("points", "rows"),
    [
        (41, np.arange(41)),  # more than the file has
        (2, np.array([3, 40])),  # beyond its end
        (2, np.arange(10**7)),  # tens of megabytes, in few bytes
        (3, np.array([1, 2])),
        ("3", np.array([1, 2, 3])),
    ],
)
def test_a_journal_asks_for_no_more_than_its_file(
    tmp_path: Path, points: int, rows: NDArray[np.int64]
) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    session = Session(path)
    edit(session, 1)
    packed = base64.b64encode(pack_rows(rows)).decode()
    session.file.journal.append({"do": "assign", "code": 2, "points": points, "rows": packed})
    session.close()
    tracemalloc.start()
    with pytest.raises(FileError, match=r"edit 2 is none of this file: move it away"):
        Session(path)
    assert tracemalloc.get_traced_memory()[1] < 10**7
    tracemalloc.stop()


def test_a_journal_of_another_version_of_the_file_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    session = Session(path)
    edit(session, 1)
    session.close()
    before = path.read_bytes()
    saved(path, cloud(41))
    with pytest.raises(FileError, match="1 edits of another version of this file") as told:
        Session(path)
    assert "\n" not in str(told.value)
    path.write_bytes(before)
    again = Session(path)
    assert again.resumed == 1
    again.close()


def test_a_journal_without_edits_is_of_no_version(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    session = Session(path)
    text = journal_of(path).read_bytes()
    session.close()
    assert not journal_of(path).exists()
    journal_of(path).write_bytes(text)
    saved(path, cloud(41))
    session = Session(path)
    edit(session, 1)
    session.close()
    Session(path).close()


def test_two_editors_exclude_each_other_but_the_dead_do_not(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    program = textwrap.dedent(
        """
        import sys
        from salanet.editing.session import Session
        from pathlib import Path
        session = Session(Path(sys.argv[1]))
        print("open", flush=True)
        sys.stdin.read()
        """
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None and other.stdout.readline() == "open\n"
    try:
        with pytest.raises(FileError, match="is being edited by another `salanet edit`"):
            Session(path)
        (tmp_path / "link.ply").symlink_to(path)
        with pytest.raises(FileError, match="is being edited"):
            Session(tmp_path / "link.ply")
    finally:
        other.kill()
        other.communicate()
    Session(path, Options(marks=None)).close()


def test_what_cannot_be_written_did_not_happen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "scan.ply", cloud(40))
    session = Session(path)
    edit(session, 1)
    before, size = session.corrections.label.copy(), journal_of(path).stat().st_size
    with monkeypatch.context() as patch:

        def full(_: int) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("salanet.editing.journal.os.fsync", full)
        session._selected[:5] = True
        with pytest.raises(FileError, match=r"No space left on device.*nothing was changed"):
            session.assign(0)
    assert np.array_equal(session.corrections.label, before)
    assert journal_of(path).stat().st_size == size
    with pytest.raises(FileError, match="is being edited"):
        Journal(journal_of(path), path)
    session.assign(0)
    session.close()
    again = Session(path)
    assert np.array_equal(again.corrections.label, session.corrections.label)
    again.close()
