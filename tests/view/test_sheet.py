"""Pictures to read on their own: what colours mean, several files side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from salanet.errors import DataError
from salanet.io.crs import Crs
from salanet.view import Classes, Sample, sheet
from salanet.view.colours import RIGHT, UNKNOWN, WRONG, ramp
from salanet.view.legend import MOST, keys, strip
from salanet.view.page import overlap
from salanet.view.picture import look
from salanet.view.scale import round_length, symbol

RED, BLUE = (200, 30, 30), (30, 30, 200)
CLASSES = Classes((0, 1), ("soil", "leaf"), (RED, BLUE))


def sample(name: str = "a", **more: np.ndarray) -> Sample:
    """A square: 3600 points, a quarter of class 1."""
    x, y = np.meshgrid(np.linspace(0, 10, 60), np.linspace(0, 10, 60))
    xyz = np.stack([x.ravel(), y.ravel(), 3 * y.ravel()], axis=1)
    return Sample(name, 3600, xyz, label=(xyz[:, 0] > 7.5).astype(np.int32), **more)


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
    lower = image[270:, :120]
    assert (lower < 60).all(axis=2).sum() > 30, "a bar of scale"
    bare = sheet([sample()], classes=CLASSES, size=(400, 300), view="top", legend=False)
    assert (bare[:, 380:] == 255).all() and (bare[99:200, 150:250] == RED).all(axis=2).any()


def test_files_stand_side_by_side() -> None:
    one, other = sample("one"), sample("other")
    other.label = 1 - other.label
    plain = {"classes": CLASSES, "view": "top", "legend": False}
    image = sheet([one, other], size=(600, 300), **plain)
    left, right = (image == RED).all(axis=2), (image == BLUE).all(axis=2)
    assert 2 < left[:, :295].sum() / left[:, 305:].sum() < 4, "three to one"
    assert np.abs(left[30:, :297].astype(int) - right[30:, 303:]).mean() < 0.01, "from one place"
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


def test_a_bar_has_a_round_length() -> None:
    assert [round_length(v) for v in (1, 1.9, 2, 7, 49.9, 0.03)] == [1, 1, 2, 5, 20, 0.02]
    one = sample()
    assert symbol(one) == "m"
    assert symbol(replace(one, unit=1200 / 3937)) == "ft" and symbol(replace(one, unit=0.7)) is None
    image = sheet([one], classes=CLASSES, size=(500, 500), view="top", mode="height")
    columns = np.flatnonzero((image[488:, :200] < 60).all(axis=2).any(axis=0))
    camera = look(one.drawn, "top", (500 - strip_width(one)) / 500)
    unit = camera.pixels((500 - strip_width(one), 500))
    assert len(columns) == pytest.approx(2 * unit, abs=1), "2 m of the 10 m there are"
    degrees = replace(one, crs=Crs("WGS 84", unit="degree", epsg=4326))
    assert symbol(degrees) is None, "angles are no lengths"


def strip_width(one: Sample) -> int:
    image = strip(keys([one], ["height"], CLASSES), (500, 500))
    assert image is not None
    return image.shape[1]


def test_neighbouring_tiles_are_seen_each_on_its_own() -> None:
    one, other = sample("one"), sample("other")
    other.xyz = other.xyz + (0, 9.9, 0)
    assert overlap([one, sample("again")]) and not overlap([one, other])
    image = sheet([one, other], classes=CLASSES, size=(600, 300), view="top", legend=False)
    left, right = ((part == RED).all(axis=2) for part in (image[30:, :297], image[30:, 303:]))
    assert (left == right).mean() > 0.98, "each in the middle of its picture"
