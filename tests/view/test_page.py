"""Pages: every value of a point is in them, and nothing in a file becomes markup."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from salanet.errors import DataError
from salanet.view import Classes, Sample, write_page
from salanet.view.live import server
from salanet.view.page import make_page

NASTY = "{{script}}</script><script>alert(1)</script><img src=x onerror=alert(2)>"


def sample(name: str = "a", count: int = 500, **more: np.ndarray) -> Sample:
    rng = np.random.default_rng(3)
    xyz = rng.uniform((651_000, 6_861_000, 30), (651_040, 6_861_020, 35), (count, 3))
    return Sample(
        name,
        10 * count,
        xyz,
        rgb=rng.integers(0, 256, (count, 3), dtype=np.uint8),
        label=rng.integers(0, 3, count).astype(np.int32),
        **more,
    )


def parts_of(html: str) -> tuple[dict, list[bytes]]:
    head = json.loads(re.search(r'id="head">(.*?)</script>', html, re.S)[1])
    packed = re.findall(r'id="data-\d+">(.*?)</script>', html, re.S)
    return head, [zlib.decompress(base64.b64decode(text)) for text in packed]


def test_a_page_holds_its_points(tmp_path: Path) -> None:
    one = sample(intensity=np.linspace(0, 1000, 500, dtype=np.float32))
    write_page([one], tmp_path / "page.html")
    head, (data,) = parts_of((tmp_path / "page.html").read_text())
    (panel,) = head["panels"]
    assert panel["shown"] == 500 and panel["total"] == 5000
    assert panel["parts"] == ["label", "intensity", "red", "green", "blue"]
    planes = np.frombuffer(data, np.uint8).reshape(-1, 500)
    for axis in range(3):
        change = planes[2 * axis].astype(np.uint16) << 8 | planes[2 * axis + 1]
        steps = np.cumsum(change, dtype=np.uint16)
        back = panel["low"][axis] + steps * panel["step"][axis]
        assert np.abs(back - one.xyz[:, axis]).max() <= 0.51 * panel["step"][axis] < 1e-3
    assert (planes[6] == one.label).all() and (one.rgb == planes[8:].T).all()
    assert planes[7].min() == 0 and planes[7].max() == 255
    assert head["mode"] == "class" and head["classes"][2]["name"] == "class 2"


def test_names_from_files_are_no_markup() -> None:
    one = sample(NASTY)
    classes = Classes.of([0, 1, 2], {1: NASTY}, {})
    html = make_page([one], classes=classes, title=NASTY).html()
    assert "<script>alert" not in html and "<img" not in html
    head, _ = parts_of(html)
    assert head["classes"][1]["name"] == NASTY == head["panels"][0]["name"]


def test_the_page_asks_for_nothing_elsewhere() -> None:
    html = make_page([sample()]).html()
    assert "connect-src 'none'" in html and "default-src 'none'" in html
    assert not re.findall(r'(?:src|href)="(?!data:)', html)


def test_views_are_linked_where_they_show_one_place() -> None:
    one, moved = sample("a"), sample("b")
    assert make_page([one, moved]).head["linked"]
    moved.xyz = moved.xyz + 1000
    page = make_page([one, moved])
    assert not page.head["linked"]
    assert np.abs(page.head["panels"][1]["base"]).max() < 100, "near its own middle"


def test_what_cannot_be_shown() -> None:
    with pytest.raises(DataError, match="no points"):
        make_page([])
    with pytest.raises(DataError, match="coloured by error; there is class, rgb, height"):
        make_page([sample()], mode="error")


def test_the_server_knows_its_page_alone() -> None:
    page = make_page([sample()])
    running, address = server(page)
    with running:
        Thread(target=running.serve_forever, daemon=True).start()
        try:
            html = urllib.request.urlopen(address).read().decode()
            head, packed = parts_of(html)
            assert not packed and "connect-src 'self'" in html
            points = urllib.request.urlopen(address + head["panels"][0]["url"]).read()
            assert points == page.payloads[0]
            host = "/".join(address.split("/")[:3])
            for path in ("/", "/etc/passwd", "/x/points-0", "/x/../"):
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(host + path)
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(address + "points-1")
            for header in ({"Host": "elsewhere:80"}, {"Origin": "http://elsewhere"}):
                with pytest.raises(urllib.error.HTTPError, match="403"):
                    urllib.request.urlopen(urllib.request.Request(address, headers=header))
            assert host.startswith("http://127.0.0.1:")
        finally:
            running.shutdown()
