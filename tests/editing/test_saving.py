"""What is saved: the same file, but for the points that a person has assigned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edited_files import ORIGIN, cloud, saved

import salanet
from salanet.cloud import PointCloud
from salanet.editing.asked import Select
from salanet.editing.edited import Options
from salanet.editing.journal import journal_of
from salanet.editing.session import Session
from salanet.errors import ConfigError, FileError
from salanet.view.asked import Scope, SliceAsked

SUFFIXES = (".las", ".laz", ".copc.laz", ".ply", ".npz", ".csv")


def ball(
    session: Session, at: tuple[float, ...], radius: float, code: int, **scope: object
) -> None:
    """Assign a class to what lies within a radius of a place in the file."""
    centre = tuple((np.array(at) + ORIGIN - session._shift).tolist())
    shape = {"kind": "balls", "centres": [centre], "radius": radius}
    session.select(Select.model_validate({"shape": shape, "scope": scope}))
    session.assign(session.classes.codes.index(code))


def within(made: PointCloud, at: tuple[float, ...], radius: float) -> np.ndarray:
    return np.linalg.norm(made.xyz - ORIGIN - at, axis=1) <= radius


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exactly_the_assigned_points_differ(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"scan{suffix}", cloud())
    before, bytes_before = salanet.read(path), path.read_bytes()
    session = Session(path)
    ball(session, (10, 10, 2), 5, 6)
    ball(session, (30, 10, 2), 5, 2)
    ball(session, (30, 30, 2), 5, 2)
    session.undo()
    assert session.file.output == tmp_path / f"scan.corrected{suffix}"
    assert session.file.save(*session.result()) == []
    session.close()
    after = salanet.read(session.file.output)
    first, second = within(before, (10, 10, 2), 5), within(before, (30, 10, 2), 5)
    assert before.label is not None and 100 < first.sum() < 400
    assert np.array_equal(after.label, np.where(first, 6, np.where(second, 2, before.label)))
    assert np.array_equal(after.xyz, before.xyz)
    marks = after.attributes.pop("corrected")
    assert np.array_equal(marks != 0, first | second) and marks.max() == 1
    assert {*after.attributes} == {*before.attributes}
    for name, values in before.attributes.items():
        assert np.array_equal(after.attributes[name], values), name
    assert path.read_bytes() == bytes_before


@pytest.mark.parametrize("suffix", [".las", ".ply"])
def test_without_marks_nothing_else_of_the_file_differs(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"scan{suffix}", cloud())
    session = Session(path, Options(marks=None))
    session.file.save(*session.result())
    assert session.file.output.read_bytes() == path.read_bytes()
    ball(session, (10, 10, 2), 5, 6)
    session.undo()
    session.file.save(*session.result())
    assert session.file.output.read_bytes() == path.read_bytes()
    session.redo()
    session.file.save(*session.result())
    now, then = (np.frombuffer(p.read_bytes(), np.uint8) for p in (session.file.output, path))
    changed = within(cloud(), (10, 10, 2), 5) & (cloud().label != 6)
    assert len(now) == len(then) and changed.sum() <= (now != then).sum() <= 4 * changed.sum()
    session.close()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_marks_of_before_stay(tmp_path: Path, suffix: str) -> None:
    made = cloud()
    made.attributes["checked"] = np.where(made.xyz[:, 1] < ORIGIN[1] + 4, 3, 0).astype(np.uint8)
    path = saved(tmp_path / f"scan{suffix}", made)
    session = Session(path, Options(marks="checked"))
    ball(session, (10, 4, 2), 3, 2)
    session.file.save(*session.result())
    session.close()
    after, made = salanet.read(session.file.output), salanet.read(path)
    hit, old = within(made, (10, 4, 2), 3), made.attributes["checked"]
    assert (hit & (old == 3)).any() and (hit & (old == 0)).any()
    assert np.array_equal(after.attributes["checked"], np.where((old == 0) & hit, 1, old))


def test_a_class_that_a_point_has_already_is_confirmed(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.laz", replace(cloud(), label=np.full(4000, 2, np.int32)))
    session = Session(path)
    ball(session, (10, 10, 2), 5, 2)
    session.file.save(*session.result())
    session.close()
    after = salanet.read(session.file.output)
    assert (after.label == 2).all()
    assert np.array_equal(after.attributes["corrected"] == 1, within(after, (10, 10, 2), 5))


def test_a_file_without_classes_gets_those_that_were_named(tmp_path: Path) -> None:
    made = cloud()
    made.label = None
    path = saved(tmp_path / "scan.ply", made)
    session = Session(path, Options(classes={3: "tree", 8: "car"}))
    ball(session, (10, 10, 2), 5, 8)
    session.file.save(*session.result())
    session.close()
    after = salanet.read(session.file.output)
    assert np.array_equal(after.label, np.where(within(after, (10, 10, 2), 5), 8, -1))
    assert after.class_names == {8: "car"}


@pytest.mark.parametrize("what", ["hidden", "top", "slice"])
def test_what_is_not_visible_is_not_touched(tmp_path: Path, what: str) -> None:
    made = cloud()
    assert made.label is not None
    path = saved(tmp_path / "scan.laz", made)
    session = Session(path)
    local = made.xyz - session._shift
    index = session.classes.codes.index(6)
    scopes: dict[str, tuple[dict[str, object], Callable[[], np.ndarray]]] = {
        "hidden": ({"hidden": [index]}, lambda: made.label != 6),
        "top": ({"top": 0.5}, lambda: local[:, 2] <= 0.5),
        "slice": (
            {"slice": SliceAsked(start=(-20.0, 1.0), stop=(5.0, 1.0), width=3.0)},
            lambda: (local[:, 0] <= 5) & (np.abs(local[:, 1] - 1) <= 1.5),
        ),
    }
    scope, visible = scopes[what]
    assert Scope.model_validate(scope)
    before = session.corrections.label.copy()
    ball(session, (20, 20, 2), 12, 9, **scope)
    changed = session.corrections.label != before
    assert np.array_equal(changed, within(made, (20, 20, 2), 12) & visible())
    assert changed.any()
    session.close()


@pytest.mark.parametrize("suffix", [".laz", ".copc.laz", ".ply"])
def test_in_place_the_former_file_is_kept_and_edits_go_on(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"scan{suffix}", cloud())
    former, made = path.read_bytes(), salanet.read(path)
    options = Options(in_place=True)
    session = Session(path, options)
    ball(session, (10, 10, 2), 5, 6)
    session.file.save(*session.result())
    assert (tmp_path / f"scan{suffix}.backup").read_bytes() == former
    ball(session, (30, 10, 2), 5, 2)
    session.file.save(*session.result())
    session.close()

    again = Session(path, options)  # of the former file, with both edits, which can be undone
    assert again.resumed == 2
    again.undo()
    again.file.save(*again.result())
    again.close()
    after = salanet.read(path)
    first = within(made, (10, 10, 2), 5)
    assert np.array_equal(after.label, np.where(first, 6, made.label))
    assert np.array_equal(after.attributes["corrected"] == 1, first)
    assert {p.name for p in tmp_path.iterdir()} == {
        path.name,
        f"{path.name}.backup",
        f"{path.name}.edits",
    }
    assert salanet.restore(path) == [path] and path.read_bytes() == former
    third = Session(path, options)
    assert third.resumed == 3 and len(third.corrections.done) == 1
    third.close()


def test_outputs_that_would_harm_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.laz", cloud(50))
    with pytest.raises(FileError, match="is an input and would be overwritten"):
        Session(path, Options(output=path))
    with pytest.raises(ConfigError, match="--in-place has no other output"):
        Session(path, Options(output=tmp_path / "b.laz", in_place=True))
    with pytest.raises(ConfigError, match="cannot be the name of an attribute"):
        Session(path, Options(marks="a b"))
    (tmp_path / "scan.laz.backup").write_bytes(b"something else")
    with pytest.raises(FileError, match="was labelled in place before"):
        Session(path, Options(in_place=True))
    with pytest.raises(FileError, match="no such file"):
        Session(tmp_path / "none.laz")
    assert not journal_of(path).exists()


def test_a_file_that_was_changed_meanwhile_is_not_mixed(tmp_path: Path) -> None:
    path = saved(tmp_path / "scan.laz", cloud(400))
    session = Session(path)
    ball(session, (10, 10, 2), 9, 6)
    saved(path, cloud(401))
    with pytest.raises(FileError, match="was changed while it was edited"):
        session.file.save(*session.result())
    assert not session.file.output.exists()
    session.close()


def test_what_no_memory_holds_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "scan.las", cloud(1000))
    monkeypatch.setattr("salanet.editing.source.machine_memory", lambda: 149_999)
    with pytest.raises(FileError, match=r"1,000 points take about 0\.0 GB of memory to edit"):
        Session(path)
    monkeypatch.setattr("salanet.editing.source.machine_memory", lambda: 150_000)
    Session(path).close()
