"""The viewer's tools in a real browser: what they say is what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from opened import COLOURS, Opened, halves
from PIL import Image

from salanet.view import Classes, Sample, write_page
from salanet.view.live import server
from salanet.view.page import make_page
from salanet.view.whole import MOST, Whole

ORIGIN = np.array([650_000.0, 6_860_000, 50])
# A right-angled triangle on the ground, and a mast of 8 m over its second corner.
MARKS = np.array([[2.0, 2, 0], [14, 2, 0], [14, 11, 0], [14, 2, 8]])


def marked() -> Sample:
    """Marks far apart, and ground round about; 20 m wide, with further attributes."""
    x, y = map(np.ravel, np.meshgrid(np.arange(0, 20.5, 2), np.arange(0, 20.5, 2)))
    ground = np.c_[x + 0.5, y + 0.5, np.zeros(len(x))]
    xyz = np.concatenate([MARKS, ground])
    label = np.r_[np.ones(len(MARKS)), np.zeros(len(ground))].astype(np.int32)
    further = {
        "gps_time": np.linspace(3e8, 3e8 + 100, len(xyz)),
        "p_pole": np.r_[np.ones(len(MARKS)), np.full(len(ground), 0.25)].astype(np.float32),
    }
    names = {0: "a meadow that is mown three times a year", 1: "pole"}
    return Sample("marks", len(xyz), xyz + ORIGIN, label=label, names=names, further=further)


class Tools(Opened):
    def at(self, place: np.ndarray) -> tuple[float, float]:
        """The pixel of a place of the file, whose z is up."""
        x, y = self.page.evaluate(
            "(at) => project(0, at.map((v, k) => v - shift(panels[0], k)))",
            (np.asarray(place) + ORIGIN).tolist(),
        )
        return x, y

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.image()

    def click(self, *places: np.ndarray) -> None:
        for place in places:
            self.page.mouse.click(*self.at(place))

    def until(self, true: str) -> None:
        """Wait; the page's policy forbids what playwright has for it."""
        for _ in range(100):
            if self.page.evaluate(f"Boolean({true})"):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never {true}")

    def measures(self) -> list[dict[str, float]]:
        found: list[dict[str, float]] = self.page.evaluate("viewer.measures.map(viewer.measured)")
        return found

    def inside(self) -> int:
        """What the legend says, once it has counted."""
        self.until("counting === 0")
        return int(self.page.inner_text("#everything").split()[0].replace(",", ""))


@pytest.fixture
def tools(browser: Any, tmp_path: Path) -> Iterator[Tools]:
    write_page([marked()], tmp_path / "page.html")
    opened = Tools(browser, (tmp_path / "page.html").as_uri())
    yield opened
    assert opened.errors == []
    opened.page.close()


def test_distances_heights_and_areas_are_true(tools: Tools) -> None:
    tools.press("o", "ArrowUp", "m")
    tools.click(*MARKS[[0, 1, 3]])
    tools.press("Enter")
    tools.page.click("#area")
    tools.click(*MARKS[:3])
    tools.page.click("#done")
    line, area = tools.measures()
    assert line == pytest.approx({"length": 20, "level": 12, "rise": 8}, abs=2e-3)
    assert area == pytest.approx({"area": 54, "surface": 54, "perimeter": 36}, abs=0.02)
    said = tools.page.inner_text("#measures")
    assert "20.000 m" in said and "+8.000 m" in said and "54.000 m²" in said
    tools.page.click("#area")
    tools.click(*MARKS[[0, 3, 2]])
    tools.press("Backspace")
    tools.click(MARKS[2])
    tools.press("Enter")
    aslant = np.linalg.norm(np.cross(MARKS[3] - MARKS[0], MARKS[2] - MARKS[0])) / 2
    assert tools.measures()[2]["surface"] == pytest.approx(aslant, abs=0.02)
    tools.press("m")
    tools.click(MARKS[0])
    tools.press("Escape")
    assert len(tools.measures()) == 3, "one that was given up is none"
    tools.page.locator("#measures button").first.click()
    assert len(tools.measures()) == 2


def test_a_box_shows_exactly_what_is_inside(tools: Tools) -> None:
    sample = marked()
    tools.press("o", "t", "x")
    tools.click(MARKS[0], MARKS[2])
    assert tools.page.is_visible("#box")
    low, high = [3.1, 2.4, -0.5], [14.2, 9.0, 1.0]
    for k in range(3):
        for side, value in (("low", low[k]), ("high", high[k])):
            number = tools.page.locator(f"#box input[data-axis='{k}'][data-side='{side}']")
            number.fill(str(value + ORIGIN[k]))
            number.dispatch_event("change")
    local = sample.xyz - ORIGIN
    wanted = ((local >= low) & (local <= high)).all(axis=1)
    assert 0 < wanted.sum() < len(sample) / 3
    assert tools.inside() == wanted.sum()
    drawn = tools.image("viewer.state.size = 2; viewer.draw()")
    found = (drawn == COLOURS[0]).all(axis=2)
    for place, there in zip(local, wanted, strict=True):
        x, y = map(round, tools.at(place))
        assert found[y - 2 : y + 3, x - 2 : x + 3].any() == there, place
    tools.page.mouse.click(*tools.at(local[4]))
    assert not tools.page.is_visible("#info"), "what is outside cannot be asked"
    tools.press("Escape")
    assert tools.inside() == len(sample)


def test_a_profile_is_a_slice_from_its_side(tools: Tools) -> None:
    tools.press("o", "t")
    before = tools.page.evaluate("({ ...viewer.cameras[0] })")
    tools.press("l")
    tools.click(MARKS[0], MARKS[1])
    tools.page.fill("#width", "1.2")
    tools.page.press("#width", "Enter")
    local = marked().xyz - ORIGIN
    wanted = (local[:, 0] >= 2) & (local[:, 0] <= 14) & (np.abs(local[:, 1] - 2) <= 0.6)
    assert tools.inside() == wanted.sum() > 4
    (x0, y0), (x1, y1) = tools.at(MARKS[0]), tools.at(MARKS[3])
    assert (x1 - x0) / (y0 - y1) == pytest.approx(12 / 8), "seen from its side, to scale"
    bar = tools.page.evaluate("barOf(0, boxes()[0])")
    pixels = (x1 - x0) / 12
    assert bar["to"][0] - bar["from"][0] == pytest.approx(bar["length"] * pixels)
    assert f"{bar['length']} m" == bar["label"] and bar["length"] in (1, 2, 5)
    tools.press(".")
    assert tools.inside() < wanted.sum(), "the next slice"
    tools.press("Escape")
    assert tools.page.evaluate("({ ...viewer.cameras[0] })") == before


def test_a_class_alone(tools: Tools) -> None:
    entries = tools.page.locator("#legend .entry")
    assert entries.nth(0).inner_text().startswith("a meadow that is mown three times a year")
    only = tools.page.locator("#legend .only")
    only.nth(1).click()
    pressed = [entries.nth(i).get_attribute("aria-pressed") for i in (0, 1)]
    assert pressed == ["false", "true"] and entries.nth(1).inner_text().split("\n")[1][0] == "4"
    image = tools.image()
    assert not (image == COLOURS[0]).all(axis=2).any()
    tools.page.select_option("#mode", "height")
    image = tools.image()
    shown = (image != image[0, 0]).any(axis=2).sum()
    assert "1 classes are hidden" in tools.page.inner_text("#legend")
    tools.page.click("text=show all")
    image = tools.image()
    assert (image != image[0, 0]).any(axis=2).sum() > 5 * shown > 0
    tools.page.select_option("#mode", "class")
    only.nth(1).click()
    only.nth(1).click()
    assert tools.count(COLOURS[0]) > 0, "all again"


def test_colours_by_any_attribute(tools: Tools) -> None:
    options = tools.page.locator("#mode option").all_inner_texts()
    assert options == ["Class", "Height", "gps_time", "Probability of pole"]
    tools.page.select_option("#mode", "p_pole")
    image = tools.image("viewer.state.size = 2; viewer.draw()")
    ends = np.array(tools.page.evaluate("head.ramps.confidence")).reshape(256, 3)
    assert (image == ends[255]).all(axis=2).sum() > 10, "certain"
    assert (image == ends[63]).all(axis=2).sum() > 100, "a quarter"
    assert tools.page.inner_text("#legend .ends").split() == ["0", "Probability", "of", "pole", "1"]
    tools.page.mouse.click(*tools.at(MARKS[0]))
    assert "probability of pole\t≈ 1" in tools.page.inner_text("#info")


def test_the_address_brings_the_view_back(tools: Tools, browser: Any) -> None:
    tools.press("o", "ArrowLeft", "ArrowLeft", "+", "d")
    tools.page.select_option("#mode", "height")
    tools.image()
    tools.until("location.hash.includes('colour=height')")
    there = "(({yaw, pitch, distance, centre, flat}) => [yaw, pitch, distance, ...centre, +flat])"
    wanted = tools.page.evaluate(f"{there}(viewer.cameras[0])")
    again = Tools(browser, tools.page.url)
    again.page.evaluate("viewer.ready")
    assert again.page.evaluate(f"{there}(viewer.cameras[0])") == pytest.approx(wanted, abs=2e-3)
    assert again.page.input_value("#mode") == "height"
    again.page.close()
    broken = Tools(browser, tools.page.url.split("#")[0] + "#turn=a,b&at=1,2&far=-3&colour=none")
    assert broken.page.input_value("#mode") == "class" and broken.errors == []
    broken.page.close()


def test_a_screenshot(tools: Tools, tmp_path: Path) -> None:
    tools.image("viewer.state.size = 3; viewer.draw()")
    with tools.page.expect_download() as download:
        tools.page.click("#shot")
    assert download.value.suggested_filename == "marks.png"
    download.value.save_as(tmp_path / "shot.png")
    with Image.open(tmp_path / "shot.png") as picture:
        assert picture.format == "PNG" and picture.size == (700, 500)
        pixels = np.asarray(picture)[:, :, :3]
    assert (pixels == COLOURS[0]).all(axis=2).sum() > 500, "the points"
    square = pixels[14:22, :].reshape(-1, 3)
    assert (square == COLOURS[0]).all(axis=1).sum() > 20, "and what their colours mean"


def test_fingers_measure(browser: Any, tmp_path: Path) -> None:
    write_page([marked()], tmp_path / "page.html")
    size = {"width": 360, "height": 700}
    phone = Tools(browser, (tmp_path / "page.html").as_uri(), viewport=size, has_touch=True)
    phone.image()
    phone.page.tap("#fold")
    phone.page.tap("#distance")
    phone.page.tap("#fold")
    for place in MARKS[[1, 3]]:
        phone.page.touchscreen.tap(*phone.at(place))
    phone.page.tap("#fold")
    phone.page.tap("#done")
    assert phone.measures() == [pytest.approx({"length": 8, "level": 0, "rise": 8}, abs=2e-3)]
    assert phone.errors == []
    phone.page.close()


def test_files_side_by_side_have_a_column_each(browser: Any, tmp_path: Path) -> None:
    one, other = halves("one"), halves("other")
    other.label = np.zeros_like(one.label)
    write_page([one, other], tmp_path / "two.html", classes=Classes.of_samples([one]))
    opened = Tools(browser, (tmp_path / "two.html").as_uri())
    assert opened.page.inner_text("#legend .files").split() == ["one", "other"]
    rows = opened.page.locator("#legend .entry").all_inner_texts()
    assert [row.split()[2:] for row in rows] == [["50.0%", "100.0%"], ["50.0%", "–"]]
    right, side = (opened.page.evaluate(f"$('{n}').getBoundingClientRect().toJSON()")
                   for n in ("canvas", "side"))  # fmt: skip
    assert right["right"] <= side["left"], "the panel covers nothing"
    opened.page.click("#fold")
    assert opened.page.evaluate("$('canvas').clientWidth") == 1004
    assert opened.errors == []
    opened.page.close()


def test_coming_closer_brings_the_points_of_the_view(browser: Any) -> None:
    """A file of 160,000 points, of which the page has 2,000; one of a class it knows nothing of."""
    rng = np.random.default_rng(0)
    xyz = np.c_[rng.uniform(0, 400, (160_000, 2)), rng.uniform(0, 3, 160_000)] + ORIGIN
    label = (xyz[:, 0] > ORIGIN[0] + 200).astype(np.int32)
    label[77_777] = 9
    full = Sample("large", len(xyz), xyz, label=label, names={9: "a well"})
    label[::80][label[::80] == 9] = 0
    part = full.rows(np.arange(0, len(xyz), 80))
    page = make_page([part])
    running, address = server(page, whole=Whole(page, [part], lambda: [full]))
    with running:
        Thread(target=running.serve_forever, daemon=True).start()
        opened = Tools(browser, address)
        opened.image()
        opened.page.evaluate(
            """(place) => {
              const centre = place.map((v, k) => v - shift(panels[0], k));
              Object.assign(viewer.cameras[0], { distance: 25, pitch: Math.PI / 2, centre });
              viewer.move();
            }""",
            full.xyz[77_777].tolist(),
        )
        opened.until("panels[0].detail && panels[0].detail.shown < 5000")
        found = opened.page.evaluate(
            "({ shown: panels[0].detail.shown, whole: panels[0].detail.whole })"
        )
        assert found["whole"] and 300 < found["shown"] < MOST
        assert opened.page.evaluate("head.classes.map((c) => c.name)") == [
            "class 0",
            "class 1",
            "a well",
        ]
        opened.until("bringing === false")
        opened.image()
        opened.page.mouse.click(*opened.at(full.xyz[77_777] - ORIGIN))
        assert "a well (9)" in opened.page.inner_text("#info")
        assert f"all {found['shown']:,} of 160,000" in opened.page.inner_text("#captions")
        assert opened.errors == []
        opened.page.close()
        running.shutdown()
