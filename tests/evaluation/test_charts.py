"""Charts: well-formed SVG, the right numbers, nothing from outside taken for markup."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from salanet.evaluation.charts import bars_svg, confusion_svg, curves_svg

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert("1")</script>&'


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def test_confusion_rows_are_percentages_of_the_truth() -> None:
    svg = confusion_svg([[3, 1, 0], [0, 0, 0], [1, 0, 9999]], ["ground", "tree", NASTY])
    shown = texts(svg)
    assert "75.0" in shown and "25.0" in shown and "100.0" in shown
    assert "<0.1" in shown, "a rare mistake is not the same as none"
    assert sum(text.replace(".", "").isdigit() for text in shown) == 3
    assert "<script>" not in svg
    assert any("1 points of ground predicted as tree" in t for t in svg.split("<title>"))
    with pytest.raises(ValueError, match="for 2 classes"):
        confusion_svg([[1]], ["a", "b"])


def test_bars_have_the_length_of_their_values() -> None:
    svg = bars_svg(["a", NASTY], {"IoU": [0.5, math.nan], "accuracy": [1.0, None]})
    assert "<script>" not in svg
    rects = list(ET.fromstring(svg).iter(f"{SVG}rect"))[3:]  # after ground and legend
    widths = [float(rect.get("width") or 0) for rect in rects]
    full = widths[0]
    assert widths[1::2] == [full / 2, full, 0, 0]
    assert texts(svg).count("–") == 2 and "50.0" in texts(svg)


def test_curves_skip_what_is_missing() -> None:
    rows = [
        {"epoch": 1, "loss": 2.0},
        {"epoch": 2, "loss": math.nan, NASTY: 1},
        {"epoch": 3, "loss": 1.0},
    ]
    svg = curves_svg(rows, ["loss", NASTY])
    assert "<script>" not in svg
    lines = [line.get("points", "").split() for line in ET.fromstring(svg).iter(f"{SVG}polyline")]
    assert [len(line) for line in lines] == [2, 1]
    (x0, y0), (x1, y1) = (map(float, p.split(",")) for p in lines[0])
    assert x0 < x1 and y0 < y1, "the loss falls: down is greater y"
    assert len(texts(curves_svg([], ["loss"]))) > 1, "nothing to draw is an empty frame"
    assert curves_svg([{"loss": 3.0}], ["loss"]), "one value has no span"
