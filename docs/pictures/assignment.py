"""Draws what SALA's assignments have learned: `python docs/pictures/assignment.py`.

For each layer of the model `aerial`, in the order of the network: the share of group 1 (orange)
and of group 2 (blue) of a neighbour, by where it lies in the neighbourhood; above seen from above,
below from the side. Writes assignment.png beside this file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import salanet
from salanet.operators import SALA
from salanet.view import write_png

SIZE, GAP = 96, 6
GROUPS = np.array([[242, 150, 25], [45, 115, 150]])


def disc(layer: SALA, side: bool) -> np.ndarray:
    """A square picture (SIZE, SIZE, 3) of the scores on a slice through the ball."""
    u, v = torch.meshgrid(torch.linspace(-1, 1, SIZE), torch.linspace(1, -1, SIZE), indexing="xy")
    nought = torch.zeros_like(u)
    position = torch.stack([u, nought, v] if side else [u, v, nought], dim=-1)
    with torch.no_grad():
        lifted = torch.relu(torch.nn.functional.linear(position, *layer.lift.fixed()))
        hidden = torch.relu(torch.nn.functional.linear(lifted, *layer.hidden.fixed()))
        scores = torch.softmax(layer.score(hidden), dim=-1).numpy()
    picture = scores @ GROUPS
    picture[(u**2 + v**2 > 1).numpy()] = 255
    return np.pad(picture, ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)


def main() -> None:
    layers = [m for m in salanet.load("aerial").modules() if isinstance(m, SALA)]
    rows = [np.concatenate([disc(layer, side) for layer in layers], 1) for side in (False, True)]
    picture = np.concatenate(rows).round().astype(np.uint8)
    write_png(Path(__file__).with_suffix(".png"), picture)


if __name__ == "__main__":
    main()
