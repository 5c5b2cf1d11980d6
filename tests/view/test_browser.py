"""The page in a real browser without a display: what is drawn, and what it does when used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from opened import COLOURS, Opened, halves

from salanet.view import write_page
from salanet.view.live import server
from salanet.view.page import make_page


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Opened]:
    write_page([halves("<i>halves</i>")], tmp_path / "page.html")
    opened = Opened(browser, (tmp_path / "page.html").as_uri())
    yield opened
    opened.page.close()


def test_points_are_drawn_where_they_are(page: Opened) -> None:
    page.page.keyboard.press("t")
    image = page.image()
    west, east = ((image == COLOURS[c]).all(axis=2) for c in (0, 1))
    assert west.sum() > 20_000 and east.sum() > 20_000
    assert np.nonzero(west)[1].max() <= np.nonzero(east)[1].min() + 12, "west is left of east"
    assert (image[5, 5] == image[-5, 5]).all() and image[5, 5].max() < 40, "the dark ground"
    assert page.page.inner_text("#captions b") == "<i>halves</i>"
    assert page.page.inner_text("#captions span") == "14,400 of 288,000 points · class"


def test_it_asks_for_nothing_and_complains_of_nothing(page: Opened) -> None:
    page.image()
    assert [url for url in page.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in page.requests if url.startswith("file:")]) == 1
    assert page.errors == []


def test_the_legend_hides_classes(page: Opened) -> None:
    both = page.count(COLOURS[0]), page.count(COLOURS[1])
    assert min(both) > 1000
    entry = page.page.locator("#legend .entry").nth(1)
    assert entry.inner_text().split("\n")[0] == "class 1" and "7,200" in entry.inner_text()
    entry.click()
    assert entry.get_attribute("aria-pressed") == "false"
    assert page.count(COLOURS[1]) == 0 and page.count(COLOURS[0]) >= both[0]
    page.page.click("#legend .all button:first-of-type")
    assert page.count(COLOURS[1]) == both[1]


def test_a_click_tells_the_point(page: Opened) -> None:
    page.page.keyboard.press("t")
    page.image()
    page.page.mouse.click(420, 250)
    text = page.page.inner_text("#info")
    assert "class 1 (1)" in text and "650,00" in text and "6,860,00" in text
    page.page.mouse.click(5, 480)
    assert not page.page.is_visible("#info"), "nothing there"


def test_mouse_keys_and_wheel_move_the_camera(page: Opened) -> None:
    def camera() -> list[float]:
        return page.page.evaluate(
            "(({yaw, pitch, distance, centre}) => [yaw, pitch, distance, ...centre])"
            "(viewer.cameras[0])"
        )

    page.image()
    start = camera()
    page.page.mouse.move(200, 300)
    page.page.mouse.down()
    page.page.mouse.move(260, 300, steps=3)
    page.page.mouse.up()
    turned = camera()
    assert turned[0] < start[0] - 0.2 and turned[1:] == start[1:]
    page.page.mouse.wheel(0, -200)
    page.image()
    assert camera()[2] < turned[2]
    page.page.keyboard.press("d")
    assert camera()[3:] != turned[3:]
    page.page.keyboard.press("f")
    page.image()
    assert camera() == pytest.approx(start)


def test_fewer_points_while_the_view_moves_slowly(page: Opened) -> None:
    """Few and at half the sharpness where drawing takes long, all of them again at rest."""
    page.page.evaluate("viewer.state.size = 0.1")  # so that points do not cover each other
    image = page.image()
    full = (image != image[0, 0]).any(axis=2).sum()
    width, done = page.page.evaluate(
        """async () => {
          pace = () => {}; Object.assign(viewer.state, { share: 1 / 32, moving: Infinity });
          viewer.draw();
          const first = viewer.state.frames;
          while (viewer.state.frames < first + 2) await new Promise(requestAnimationFrame);
          return [document.getElementById('canvas').width, viewer.state.done];
        }"""
    )
    assert width == 350 and not done
    page.page.evaluate("viewer.state.moving = 0")
    image = page.image("0")
    assert (image != image[0, 0]).any(axis=2).sum() == full, "by itself"


def test_a_part_of_the_points_is_spread_evenly(page: Opened) -> None:
    """The first 1/64, 1/32, ... of the buffers are every 64th, 32nd, ... point."""
    slots = np.array(page.page.evaluate("[...thinnestFirst(1000)]"))
    assert np.array_equal(np.sort(slots), np.arange(1000))
    for every in (64, 32, 8, 2):
        first = np.argsort(slots)[: -(-1000 // every)]
        assert np.array_equal(np.sort(first), np.arange(0, 1000, every))


@pytest.mark.parametrize("share", [1, 1 / 2, 1 / 64])
def test_a_picture_made_in_parts_is_the_same(page: Opened, share: float) -> None:
    at_once = page.image("pace = () => {}; viewer.state.share = 1; viewer.draw()")
    assert np.array_equal(page.image(f"viewer.state.share = {share}; viewer.draw()"), at_once)


def test_two_views_turn_together(browser: Any, tmp_path: Path) -> None:
    one, other = halves("one"), halves("other")
    other.truth, other.label = one.label, np.zeros_like(one.label)
    write_page([one, other], tmp_path / "two.html")
    opened = Opened(browser, (tmp_path / "two.html").as_uri())
    opened.page.keyboard.press("t")
    image = opened.image()
    left, right = image[:, :350], image[:, 350:]
    assert (left == COLOURS[1]).all(axis=2).any() and not (right == COLOURS[1]).all(axis=2).any()
    shape = (left == COLOURS[0]).all(axis=2) | (left == COLOURS[1]).all(axis=2)
    assert (shape == (right == COLOURS[0]).all(axis=2)).mean() > 0.99, "seen from the same place"
    opened.page.mouse.move(200, 300)
    opened.page.mouse.down()
    opened.page.mouse.move(260, 330, steps=3)
    opened.page.mouse.up()
    image = opened.image()
    left, right = image[:, :350].max(axis=2) > 60, image[:, 350:].max(axis=2) > 60
    assert (left == right).mean() > 0.99 and (shape != left).mean() > 0.01, "both have turned"
    opened.page.select_option("#mode", "error")
    wrong = opened.count((230, 57, 70))
    assert wrong > 1000 and "50.0%" in opened.page.inner_text("#legend")
    opened.page.uncheck("#link")
    opened.page.keyboard.press("t")
    assert opened.errors == []
    opened.page.close()


def test_a_served_page_gets_its_points_from_its_server(browser: Any) -> None:
    running, address = server(make_page([halves()]))
    with running:
        Thread(target=running.serve_forever, daemon=True).start()
        opened = Opened(browser, address)
        assert opened.count(COLOURS[0]) > 1000 and opened.errors == []
        asked = [url for url in opened.requests if not url.startswith("data:")]
        assert asked == [address, address + "points-0"]
        opened.page.close()
        running.shutdown()


def test_it_fits_a_phone(browser: Any, tmp_path: Path) -> None:
    write_page([halves()], tmp_path / "page.html")
    size = {"width": 360, "height": 640}
    opened = Opened(browser, (tmp_path / "page.html").as_uri(), viewport=size, has_touch=True)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert not opened.page.is_visible("#mode"), "the panel is folded"
    opened.page.tap("#fold")
    assert opened.page.is_visible("#mode") and opened.count(COLOURS[0]) > 500
    opened.page.close()


def test_a_click_tells_the_files_coordinates_where_y_is_up(browser: Any, tmp_path: Path) -> None:
    flat = halves()
    x, north, height = (flat.xyz - (650_000, 6_860_000, 50)).T
    flat.xyz = np.stack([x + 1000, height + 77, -north - 3000], axis=1)
    flat.up = "y"
    write_page([flat], tmp_path / "page.html")
    page = Opened(browser, (tmp_path / "page.html").as_uri())
    page.page.keyboard.press("t")
    page.image()
    assert "y is up" in page.page.inner_text("#captions")
    page.page.mouse.click(350, 250)
    rows = [row.split() for row in page.page.inner_text("#info").split("\n")]
    found = {row[0]: row for row in rows}
    assert abs(float(found["x"][-1].replace(",", "")) - 1005) < 2
    assert found["y"][1] == "(up)" and float(found["y"][-1]) == 77
    assert abs(float(found["z"][-1].replace(",", "")) + 3005) < 2
    assert page.errors == []
    page.page.close()
