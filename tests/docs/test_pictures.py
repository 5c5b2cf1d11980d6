"""Pictures of README and docs are there, are small, and say in words what they show."""

from __future__ import annotations

import re

import pages
from PIL import Image

import salanet

MENTIONED = re.compile(r"!\[([^\]]*)\]\(([^)]+\.png)\)")
LARGEST = 150_000  # bytes


def test_pictures_are_there_and_small() -> None:
    shown = set()
    for page in pages.PAGES:
        for words, path in MENTIONED.findall(page.read_text(encoding="utf-8")):
            picture = page.parent / path
            assert len(words) > 20, f"{page.name}: what does {path} show?"
            assert picture.stat().st_size <= LARGEST, f"{path} is too large"
            with Image.open(picture) as image:
                assert image.format == "PNG" and min(image.size) > 100
            shown.add(picture.resolve())
    assert shown == {*(pages.ROOT / "docs" / "pictures").glob("*.png")}, "none is left over"


def test_the_sample_is_what_its_note_says() -> None:
    path = pages.ROOT / "docs" / "data" / "sample.laz"
    cloud = salanet.read(path)
    assert path.stat().st_size <= 200_000 and cloud.crs is not None and cloud.crs.epsg == 2154
    note = path.with_suffix(".txt").read_text(encoding="utf-8")
    assert f"{len(cloud):,} points" in note and "© IGN" in note and "Licence Ouverte" in note
    assert cloud.label is not None and {*cloud.label.tolist()} == {1, 2, 3, 4, 5, 6}
