"""Pictures to read on their own: letters, what colours mean, several files side by side."""

from __future__ import annotations

import numpy as np
import pytest

from salanet.errors import DataError
from salanet.view import Classes, Sample, sheet
from salanet.view.colours import RIGHT, UNKNOWN, WRONG, ramp
from salanet.view.legend import MOST, keys, strip
from salanet.view.letters import STROKES, draw, width

RED, BLUE = (200, 30, 30), (30, 30, 200)
CLASSES = Classes((0, 1), ("soil", "leaf"), (RED, BLUE))


def sample(name: str = "a", **more: np.ndarray) -> Sample:
    """A square: 3600 points, a quarter of class 1."""
    x, y = np.meshgrid(np.linspace(0, 10, 60), np.linspace(0, 10, 60))
    xyz = np.stack([x.ravel(), y.ravel(), 3 * y.ravel()], axis=1)
    return Sample(name, 3600, xyz, label=(xyz[:, 0] > 7.5).astype(np.int32), **more)


def ink(text: str, size: float = 20) -> np.ndarray:
    image = np.full((40, 200, 3), 255, np.uint8)
    draw(image, text, 5, 28, size, (0, 0, 0))
    return image.min(axis=2) < 128


def test_every_letter_is_there_and_another() -> None:
    assert {chr(i) for i in range(33, 127)} <= {*STROKES}
    seen = {ink(chr(i)).tobytes() for i in range(33, 127)}
    assert len(seen) == 94, "none looks like another"
    assert all(0 < ink(chr(i)).sum() < 300 for i in range(33, 127))


def test_letters_stand_on_their_line() -> None:
    rows, columns = np.nonzero(ink("H"))
    assert (rows.min(), rows.max()) == (7, 28) and 3 <= columns.min() <= 5
    assert np.nonzero(ink("x"))[0].min() > 12 and np.nonzero(ink("g"))[0].max() > 32
    assert width("HH", 20) > 2 * width("H", 20) > 0 == width("", 20)
    last = np.nonzero(ink("Hallo"))[1].max()
    assert abs(last - (5 + width("Hallo", 20))) < 3
    assert width("Hallo", 10) == pytest.approx(width("Hallo", 20) / 2)


def test_other_alphabets() -> None:
    assert (ink("é") == ink("e")).all() and (ink("ß") == ink("ss")).all()
    assert (ink("点") == ink("木")).all() and ink("点").any(), "a box"
    image = np.full((10, 10, 3), 255, np.uint8)
    draw(image, "outside", -500, 400, 12)
    assert (image == 255).all()


def test_shares_of_classes_and_errors() -> None:
    truth = np.zeros(3600, np.int32)
    truth[:36] = -1
    one = sample(truth=truth)
    (key,) = keys([one], ["class"], CLASSES)
    assert key.title == "Class" and key.rows == ((RED, "soil", (0.75,)), (BLUE, "leaf", (0.25,)))
    (key,) = keys([one], ["error"], CLASSES)
    assert [(c, n) for c, n, _ in key.rows] == [
        (RIGHT, "right"), (WRONG, "wrong"), (UNKNOWN, "truth unknown"),
    ]  # fmt: skip
    assert [s for _, _, (s,) in key.rows] == pytest.approx([0.74, 0.25, 0.01])
    two = keys([one, one], ["truth", "class"], Classes.of_samples([one]))
    assert [k.title for k in two] == ["Truth", "Class"]
    (both,) = keys([one, one], ["class", "class"], CLASSES)
    assert both.rows[0][2] == (0.75, 0.75), "a column for each"
    assert keys([one], ["rgb"], CLASSES) == []


def test_ends_of_ramps() -> None:
    one = sample(confidence=np.linspace(0.2, 0.4, 3600, dtype=np.float32))
    (key,) = keys([one], ["confidence"], CLASSES)
    assert key.ends == (0.0, 1.0) and key.title == "Confidence"
    (key,) = keys([one, one], ["height", "height"], CLASSES)
    assert key.ends == pytest.approx((0, 30)) and key.title == "Height, a"
    image = strip([key], (800, 600))
    assert image is not None
    colours = {tuple(c) for c in image.reshape(-1, 3).tolist()}
    assert {tuple(c) for c in ramp("height")[[0, 255]].tolist()} <= colours


def test_a_legend_fits_or_stays_away() -> None:
    many = Classes(
        tuple(range(60)), tuple(f"a long name of class {i}" for i in range(60)), ((1, 2, 3),) * 60
    )
    label = np.repeat(np.arange(60, dtype=np.int32), 60)
    label[:59] = 7
    one = Sample("b", 3600, sample().xyz, label=label)
    (key,) = keys([one], ["class"], many)
    assert len(key.rows) == 60 and key.shorter().more == 1
    assert key.shorter().rows == key.rows[1:], "the smallest goes first"
    for size in ((1600, 1000), (640, 300), (300, 800)):
        image = strip([key], size)
        assert image is None or (image.shape[0] == size[1] and image.shape[1] <= MOST * size[0])
    assert strip([key], (1600, 1000)) is not None and strip([key], (100, 60)) is None


def test_a_sheet_has_its_legend() -> None:
    image = sheet([sample()], classes=CLASSES, size=(400, 300), view="top")
    assert image.shape == (300, 400, 3) and image.dtype == np.uint8
    right = image[:, 307:].reshape(-1, 3)
    assert (right == RED).all(axis=1).sum() > 30 and (right == BLUE).all(axis=1).sum() > 30
    bare = sheet([sample()], classes=CLASSES, size=(400, 300), view="top", legend=False)
    assert (bare[:, 380:] == 255).all() and (bare[99:200, 150:250] == RED).all(axis=2).any()


def test_files_stand_side_by_side() -> None:
    one, other = sample("one"), sample("other")
    other.label = 1 - other.label
    plain = {"classes": CLASSES, "view": "top", "legend": False}
    image = sheet([one, other], size=(600, 300), **plain)
    left, right = (image == RED).all(axis=2), (image == BLUE).all(axis=2)
    assert 2 < left[:, :295].sum() / left[:, 305:].sum() < 4, "three to one"
    assert np.abs(left[30:, :297].astype(int) - right[30:, 302:599]).mean() < 0.01, "from one place"
    assert (image[:20] < 128).any(), "names"
    upright = sheet([one, other], size=(300, 600), **plain)
    assert (upright[30:300] == RED).all(axis=2).sum() > (upright[330:] == RED).all(axis=2).sum() > 0


def test_each_is_coloured_by_what_it_has() -> None:
    scan = sample("scan", rgb=np.full((3600, 3), (9, 99, 9), np.uint8))
    scan.label = None
    shown = {"classes": CLASSES, "view": "top", "size": (600, 300), "legend": False}
    image = sheet([scan, sample()], **shown)
    assert (image[:, :295] == (9, 99, 9)).all(axis=2).sum() > 1000
    assert (image[:, 305:] == RED).all(axis=2).sum() > 1000
    with pytest.raises(DataError, match="coloured by error; it can by rgb, height"):
        sheet([scan, sample()], mode="error", **shown)
