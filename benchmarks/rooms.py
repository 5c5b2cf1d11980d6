"""How long a generated room takes, and how much of each class there is.

    python benchmarks/rooms.py [--rooms 12] [--points 1000000] [--sensor tripod]

One core, one room after the other, each with another seed.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from salanet.datasets.rooms import CLASSES, SENSORS, generate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=int, default=12)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--sensor", choices=SENSORS)
    options = parser.parse_args()
    seconds, counts, points = [], np.zeros(len(CLASSES), np.int64), 0
    for seed in range(options.rooms):
        start = time.perf_counter()
        cloud = generate(seed, options.points, sensor=options.sensor)
        seconds.append(time.perf_counter() - start)
        assert cloud.label is not None
        counts += np.bincount(cloud.label, minlength=len(CLASSES))
        points += len(cloud)
    print(f"{options.rooms} rooms, {points:,} points")
    print(f"seconds per room: median {np.median(seconds):.2f}, longest {max(seconds):.2f}")
    for name, count in zip(CLASSES, counts, strict=True):
        print(f"  {name:<9} {count / points:6.2%}")


if __name__ == "__main__":
    main()
