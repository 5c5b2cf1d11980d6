"""How many cells each block holds at every level, which the size of tiles follows from."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from salanet.labelling.cell_store import _distinct, _halved
from salanet.sampling.blocks import EDGE

PLACES = st.lists(
    st.tuples(st.integers(0, 2**40), *[st.integers(0, EDGE - 1)] * 3), min_size=1, max_size=40
)


def code(block: int, x: int, y: int, z: int) -> int:
    return ((block * EDGE + x) * EDGE + y) * EDGE + z


@given(PLACES)
def test_each_code_once(places: list[tuple[int, int, int, int]]) -> None:
    codes = np.array([code(*place) for place in places])
    assert _distinct(codes).tolist() == sorted({*codes.tolist()})


@given(PLACES)
def test_halved_again_and_again(places: list[tuple[int, int, int, int]]) -> None:
    codes = np.array([code(*place) for place in places])
    for level in range(1, 8):
        codes = _halved(codes)
        expected = [code(b, x >> level, y >> level, z >> level) for b, x, y, z in places]
        assert codes.tolist() == expected
