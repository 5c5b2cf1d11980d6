"""Freed memory goes back to the system, and nothing that is in use does."""

from __future__ import annotations

from salanet.freed import release_memory


def test_what_is_in_use_stays() -> None:
    kept = [bytes([i % 256]) * 50_000 for i in range(200)]
    del kept[::2]
    release_memory()
    assert all(set(piece) == {i * 2 % 256 + 1} for i, piece in enumerate(kept))
