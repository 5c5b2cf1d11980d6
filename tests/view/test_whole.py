"""All points of a view, asked of the server of a page that has some of them."""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
from dataclasses import replace
from threading import Thread

import numpy as np
import pytest

from salanet.errors import DataError
from salanet.view import Classes, Sample
from salanet.view.asked import CameraAsked, Detail, Scope
from salanet.view.colours import ends_of
from salanet.view.live import server
from salanet.view.page import make_page
from salanet.view.whole import Whole, fits

ORIGIN = np.array([650_000.0, 6_860_000, 50])


def everything() -> Sample:
    rng = np.random.default_rng(5)
    xyz = rng.uniform(0, (100, 100, 4), (20_000, 3)) + ORIGIN
    label = rng.integers(2, 4, len(xyz)).astype(np.int32)
    label[7_777] = 40
    further = {"gps_time": 3e8 + np.arange(len(xyz)) / 7}
    return Sample("a", len(xyz), xyz, label=label, names={40: "well"}, further=further)


def part(full: Sample) -> Sample:
    return full.rows(np.arange(0, len(full), 100))


def asked(low: tuple[float, float], high: tuple[float, float], **scope: object) -> Detail:
    """What an upright camera without perspective sees between corners, from the middle."""
    matrix = np.zeros((4, 4))
    for k in (0, 1):
        matrix[k, k] = 2 / (high[k] - low[k])
        matrix[k, 3] = -(high[k] + low[k]) / (high[k] - low[k])
    matrix[2, 2], matrix[3, 3] = 1e-3, 1
    camera = CameraAsked(matrix=matrix.T.ravel().tolist(), size=(800, 600))
    return Detail(camera=camera, scope=Scope.model_validate(scope))


def coordinates(panel: dict, payload: bytes) -> np.ndarray:
    planes = np.frombuffer(payload, np.uint8).reshape(-1, panel["shown"])
    steps = [
        np.cumsum(planes[2 * k].astype(np.uint16) << 8 | planes[2 * k + 1], dtype=np.uint16)
        for k in range(3)
    ]
    return np.array(panel["low"]) + np.array(steps).T * panel["step"]


def test_a_view_has_all_its_points() -> None:
    full = everything()
    page = make_page([part(full)])
    whole = Whole(page, [part(full)], lambda: [full])
    shift = np.subtract(page.head["panels"][0]["low"], page.head["panels"][0]["base"])
    local = full.xyz - shift
    seen = ((local[:, :2] >= (-20, -10)) & (local[:, :2] <= (5, 30))).all(axis=1)
    said, payload = whole.detail(asked((-20, -10), (5, 30)))
    panel = said["panel"]
    assert panel["whole"] and panel["shown"] == seen.sum() > 1000
    found = coordinates(panel, payload)
    wanted = full.xyz[seen]
    assert np.abs(np.sort(found, axis=0) - np.sort(wanted, axis=0)).max() < 1e-3
    overview = page.head["panels"][0]["ends"]
    assert panel["ends"] == overview, "colours mean what they mean in the whole"
    assert [c["name"] for c in said["classes"]] == ["class 2", "class 3", "well"]
    box = {"low": [0, 0, -9], "high": [5, 5, 9]}
    inner, _ = whole.detail(asked((-20, -10), (5, 30), box=box))
    assert (
        inner["panel"]["shown"]
        == (seen & (local[:, :2] >= 0).all(axis=1) & (local[:, 1] <= 5)).sum()
    )
    assert whole.detail(asked((900, 900), (905, 930)))[0]["panel"] is None
    alone, payload = whole.detail(asked((-20, -10), (5, 30), hidden=[0, 2]))
    assert alone["panel"]["shown"] == (seen & (full.label == 3)).sum()
    assert set(payload[6 * alone["panel"]["shown"] :][: alone["panel"]["shown"]]) == {1}


def test_classes_keep_their_places() -> None:
    classes = Classes((2, 40), ("a", "b"), ((1, 1, 1), (2, 2, 2)))
    more = classes.more(Classes((2, 7, 41), ("x", "y", "z"), ((3, 3, 3),) * 3))
    assert more.codes == (2, 40, 7, 41) and more.names == ("a", "b", "y", "z")
    assert more.index(np.array([41, 2, 7, 40])).tolist() == [3, 0, 2, 1]


def test_a_file_that_has_changed_is_refused() -> None:
    full = everything()
    some = part(full)
    whole = Whole(make_page([some]), [some], lambda: [replace(full, total=3)])
    with pytest.raises(DataError, match="has changed"):
        whole.detail(asked((0, 0), (1, 1)))
    with pytest.raises(DataError, match="no panel 3"):
        detail = asked((0, 0), (1, 1)).model_copy(update={"panel": 3})
        Whole(make_page([some]), [some], lambda: [full]).detail(detail)


def test_what_memory_does_not_hold_is_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    some = part(everything())
    monkeypatch.setattr("salanet.view.whole.machine_memory", lambda: 10_000_000)
    assert fits([some]) and not fits([some, replace(some, total=30_000)])


def test_the_server_answers_its_own_page_alone() -> None:
    full = everything()
    page = make_page([part(full)])
    running, address = server(page, whole=Whole(page, [part(full)], lambda: [full]))
    body = asked((-20, -10), (5, 30)).model_dump_json().encode()

    def post(data: bytes, **headers: str) -> bytes:
        request = urllib.request.Request(address + "detail", data, headers)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    with running:
        Thread(target=running.serve_forever, daemon=True).start()
        data = post(body)
        (size,) = struct.unpack_from("<I", data)
        panel = json.loads(data[4 : 4 + size])["panel"]
        assert len(data) - 4 - size == panel["shown"] * (6 + 1 + 1), "coordinates, class, time"
        for bad, status in ((b"{}", 400), (b"no", 400)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                post(bad)
            assert refused.value.code == status
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(body, Origin="http://elsewhere.example")
        assert refused.value.code == 403
        running.shutdown()


def test_shares_have_ends_of_their_own() -> None:
    values = np.array([0.4, 0.5])
    assert ends_of(values, "p_tree") == ends_of(values, "entropy") == (0.0, 1.0)
    assert ends_of(values, "gain") == pytest.approx((0.401, 0.499))
