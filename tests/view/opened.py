"""A page of the viewer, opened in a real browser, and points to show."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from salanet.view import Sample

COLOURS = {0: (78, 137, 199), 1: (240, 142, 60)}


class Opened:
    """A page, with everything it asked for and complained about."""

    def __init__(self, browser: Any, address: str, **more: Any) -> None:
        size = {"width": 1004, "height": 500}  # of which the panel takes 304
        self.page = browser.new_page(**({"viewport": size, "color_scheme": "dark"} | more))
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address)
        self.page.evaluate("viewer.ready")
        # The shading changes colours; here they are told apart exactly.
        self.page.evaluate("viewer.state.shade = false")

    def image(self, first: str = "viewer.draw()") -> np.ndarray:
        """What the canvas shows after a command: uint8 (height, width, 3)."""
        size, values = self.page.evaluate(
            "async () => {"
            + first
            + """
              while (!viewer.state.done) await new Promise(requestAnimationFrame);
              const c = document.getElementById('canvas'), gl = c.getContext('webgl2');
              const all = new Uint8Array(4 * c.width * c.height);
              gl.readPixels(0, 0, c.width, c.height, gl.RGBA, gl.UNSIGNED_BYTE, all);
              let text = ''; for (const v of all) text += String.fromCharCode(v);
              return [[c.height, c.width], btoa(text)];
            }"""
        )
        image = np.frombuffer(base64.b64decode(values), np.uint8).reshape(*size, 4)
        return image[::-1, :, :3]

    def count(self, colour: tuple[int, int, int]) -> int:
        return int((self.image() == colour).all(axis=2).sum())


def halves(name: str = "halves") -> Sample:
    """A square whose west is of class 0 and whose east is of class 1, at large coordinates."""
    x, y = np.meshgrid(np.linspace(0, 10, 120), np.linspace(0, 10, 120))
    xyz = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    label = (xyz[:, 0] > 5).astype(np.int32)
    return Sample(name, 20 * len(xyz), xyz + np.array([650_000, 6_860_000, 50]), label=label)
