"""How much memory is meant, and what follows from it."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from salanet.engine.native_runner import NativeRunner
from salanet.engine.opening import as_runner
from salanet.errors import ConfigError
from salanet.io.stream import Stream
from salanet.labelling.memory import (
    EXECUTED_SHARE,
    Plan,
    cell_bytes,
    default_memory,
    fits,
    parse_memory,
    too_little,
)
from salanet.models import create_model


@pytest.mark.parametrize(
    "text, size",
    [
        ("1GB", 10**9),
        ("500M", 5 * 10**8),
        ("1.5 GiB", 3 * 2**29),
        ("700k", 700_000),
        ("123", 123),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "0", "0GB", "-1GB", "1iB", "1 G 2", "1XB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ConfigError, match="write 500MB"):
        parse_memory(text)


def test_small_files_are_worked_on_in_memory() -> None:
    model = create_model(width=18, in_channels=4, classes=("a", "b"), grid=0.2)
    assert 5 * 10**8 <= default_memory() <= 1.2 * 10**9
    assert fits(None, model, 50_000, 34) and fits(5 * 10**8, model, 15_000, 34)
    assert not fits(10**9, model, 2_300_000, 34)
    assert fits(10**11, model, 2_300_000, 34)


def test_coarse_levels_have_more_channels() -> None:
    model = create_model(width=18, in_channels=4, classes=("a", "b"), grid=0.2)
    costs = cell_bytes(model)
    assert len(costs) == 5 and (costs[1:] > costs[:-1]).all()


def test_too_little_memory_is_said() -> None:
    assert too_little(None) == too_little(2 * 10**8) == []
    (said,) = too_little(1, overhead=5 * 10**7)
    assert said == "0 MB of memory are too few: up to 250 MB are taken"
    assert said.code == "memory" and said.values["least"] == 250_000_000
    assert Plan.of(1, 34) == Plan.of(2 * 10**8, 34)


def test_the_executor_takes_less() -> None:
    model = as_runner("aerial")
    assert isinstance(model, NativeRunner) and model.executed
    numpy_alone = SimpleNamespace(config=model.config)
    assert cell_bytes(model) == pytest.approx(EXECUTED_SHARE * cell_bytes(numpy_alone))


def test_more_memory_larger_pieces() -> None:
    plans = [Plan.of(memory, 34) for memory in (1, 5 * 10**8, 10**9, 10**11)]
    for small, large in pairwise(plans):
        assert small.tile < large.tile and small.chunk <= large.chunk and small.group < large.group
    assert all(plan.chunk % 50_000 == 0 for plan in plans[1:])
    assert plans[3].chunk == 1_000_000
    assert min(plans[0].chunk, plans[0].group) >= 2_000


def test_points_are_kept_where_they_take_little_of_a_pass() -> None:
    plan = Plan.of(10**9, 34)
    for taken in (0, 10**7):
        asked: list[int] = []

        def keep(most: int, taken: int = taken, asked: list[int] = asked) -> int:
            asked.append(most)
            return taken

        kept = plan.keeping(cast(Stream, SimpleNamespace(keep=keep)))
        assert kept == Plan(plan.chunk, plan.group, plan.tile - taken)
        assert asked == [plan.tile // 8]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells it there")
def test_the_peak_is_that_of_this_process_and_not_of_the_one_that_started_it() -> None:
    large = np.ones(60_000_000)  # 480 MB, in the process that starts the other
    code = "from salanet.labelling.memory import peak_memory; print(peak_memory())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert 10e6 < int(said.stdout) < 300e6 < large.nbytes
