"""What tests of margins share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from salanet.io.las.clouds import LasSource
from salanet.io.las.stream import LasStream


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was begun to be decoded."""
    counts: Counter[str] = Counter()
    sources = LasStream.sources

    def counted(self: LasStream, size: int) -> Iterator[LasSource]:
        counts[self.path.name] += size > 1  # one point tells the format
        return sources(self, size)

    monkeypatch.setattr(LasStream, "sources", counted)
    return counts
