"""A cloud with an array of every kind, for the tests of formats."""

from __future__ import annotations

import numpy as np

from salanet.cloud import PointCloud


def some_cloud(count: int = 50) -> PointCloud:
    rng = np.random.default_rng(count)
    return PointCloud(
        np.round(rng.random((count, 3)) * 100, 3) + np.array([651000, 6861000, 0]),
        rgb=rng.integers(0, 256, (count, 3)),
        intensity=rng.integers(0, 65536, count),
        label=rng.integers(0, 20, count),
        attributes={
            "return_number": rng.integers(1, 5, count).astype(np.uint8),
            "gps_time": rng.random(count) * 1e8,
            "confidence": rng.random(count, dtype=np.float32),
        },
        class_names={2: "ground", 8: "Straße", 19: "longer than 15 bytes"},
    )
