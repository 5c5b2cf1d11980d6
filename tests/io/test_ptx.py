from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from salanet import io
from salanet.errors import FileError
from salanet.io.describe import describe

HEAD = "2\n{}\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
PLAIN = "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n"
TURNED = "0 1 0 0\n-1 0 0 0\n0 0 1 0\n100 200 300 1\n"  # x becomes y, y becomes -x


def test_scans_in_one_frame(tmp_path: Path) -> None:
    first = HEAD.format(1) + PLAIN + "1 2 3 0.5 10 20 30\n0 0 0 0.5 0 0 0\n"
    second = HEAD.format(1) + TURNED + "1 2 3 0.25 40 50 60\n4 5 6 0.75 70 80 90\n"
    (tmp_path / "a.ptx").write_text(first + second)
    cloud = io.read(tmp_path / "a.ptx")
    np.testing.assert_array_equal(cloud.xyz, [[1, 2, 3], [98, 201, 303], [95, 204, 306]])
    assert cloud.rgb.tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
    assert cloud.intensity.tolist() == [0.5, 0.25, 0.75]
    assert cloud.attributes["scan"].tolist() == [0, 1, 1]
    assert io.scan_count(tmp_path / "a.ptx") == 2
    assert len(io.read(tmp_path / "a.ptx", scan=1)) == 2
    said = describe(tmp_path / "a.ptx")
    assert said.format == "PTX, 2 scans"
    assert said.warnings[0] == "scan 0: 1 places without a point are left out"


@pytest.mark.parametrize(
    "content, message",
    [
        ("1 2 3 4\n", "line 1: no PTX"),
        (HEAD.format(2) + PLAIN + "1 2 3 4\n", "no room for the 4 points of scan 0"),
        (HEAD.format(1) + PLAIN + "1 2 3\n4 5 6\n", "line 11 has 3 columns"),
        (HEAD.format(1) + PLAIN + "1 2 3 4\n4 5 x 7\n", "line 12: 'x' is not a number"),
        (HEAD.format(1) + PLAIN + "1 2 3 4 1 2 3\n4 5 6 7 8 9 300\n", "from 0 to 255"),
        (HEAD.format(1) + PLAIN + "1 2 3 4\n4 5 6 7\n8\n", "line 13: no PTX"),
        (HEAD.format(0) + PLAIN, "holds no points"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.ptx").write_text(content)
    with pytest.raises(FileError, match=message):
        io.read(tmp_path / "a.ptx")
    with pytest.raises(FileError, match="read only"):
        io.require_writable(tmp_path / "b.ptx")
