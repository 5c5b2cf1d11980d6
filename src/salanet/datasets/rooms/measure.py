"""The errors of measurement: noise, steps, mixed edges, holes, dents, drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salanet.datasets.rooms.materials import Rng
from salanet.datasets.rooms.primitives import Array, Parts, turn_z
from salanet.datasets.rooms.raycast import Float32, Hits, Sensor
from salanet.datasets.rooms.sensors import MOBILE, Errors

BLACK = 0.18  # brightness below which infrared does not return
PLAIN = 0.07  # contrast below which pictures show nothing to match


def measure(
    sensor: Sensor, hits: Hits, errors: Errors, parts: Parts, rng: Rng
) -> tuple[Array, NDArray[np.int64], Array]:
    """Points (N, 3) with noise and mixed at edges, their parts (N,), unit rays (N, 3)."""
    distance = _mix(hits.range, errors.mixing, rng)
    rows, columns = np.nonzero(hits.part >= 0)
    part = hits.part[rows, columns].astype(np.int64)
    ranges = distance[rows, columns].astype(np.float64)
    ray = np.stack([axis[rows, columns] for axis in sensor.rays], axis=1).astype(np.float64)
    xyz = sensor.origin + ranges[:, None] * ray
    sigma = errors.noise + errors.growth * ranges * (ranges if sensor.pose is not None else 1)
    lumps = errors.lumps * (parts.contrast[part] < PLAIN).astype(np.float64)
    bent = dents(xyz, errors.bumps + lumps, rng)
    ranges += rng.normal(0, 1, len(ranges)) * sigma + bent
    if errors.step:  # whole steps of disparity, which is 1 / range
        ranges = 1 / (errors.step * np.maximum(np.rint(1 / (errors.step * ranges)), 1))
    kept = rng.random(len(part)) >= errors.dark * _lost(part, parts)
    if errors.lumps:  # and whole patches of plain surfaces are missing
        kept &= (lumps == 0) | (np.abs(bent) < 0.6 * errors.lumps)
    return (sensor.origin + ranges[:, None] * ray)[kept], part[kept], ray[kept]


def _lost(part: NDArray[np.int64], parts: Parts) -> Array:
    """How far a part swallows light or lets it through, 0 to 1."""
    black = np.clip((BLACK - parts.rgb[part].mean(axis=1)) / BLACK * 2, 0, 1)
    lost: Array = np.maximum(black, (parts.opacity[part] < 1).astype(float))
    return lost


def _mix(distance: Float32, share: float, rng: Rng) -> Float32:
    """Some rays at an edge return from between its near and its far side."""
    if share <= 0:
        return distance
    mixed = distance.copy()
    for axis in (0, 1):
        other = np.roll(distance, 1, axis=axis)
        with np.errstate(invalid="ignore"):
            gap = other - distance
        edge = np.flatnonzero((gap > 0.03) & (gap < 2.0))
        edge = edge[rng.random(len(edge)) < share]
        mixed.flat[edge] += (0.6 * rng.random(len(edge)) ** 2 * gap.flat[edge]).astype(np.float32)
    return mixed


def dents(xyz: Array, height: float | Array, rng: Rng) -> Array:
    """A smooth random field (N,) of that height, the dents of a reconstructed surface."""
    field = np.zeros(len(xyz))
    if not np.any(height):
        return field
    for _ in range(5):
        wave = rng.normal(0, 1, 3)
        wave *= 2 * np.pi / (np.linalg.norm(wave) * rng.uniform(0.1, 0.7))
        field += np.sin((xyz * wave).sum(axis=1) + rng.uniform(0, 6.28))
    return field * height / 2


def poses(kind: str, sensors: list[Sensor], drift: float, rng: Rng) -> list[tuple[float, Array]]:
    """The error of each position: an angle about z, and a shift (3,).

    A tripod's are independent; those of what moves add up on the way, less what closing the loop
    takes back.
    """
    count = len(sensors)
    angle = rng.normal(0, 0.25 * drift, count)
    shift = rng.normal(0, drift, (count, 3))
    moving = sensors[0].pose is not None or kind == MOBILE
    if moving and count > 1:
        steps = np.column_stack([0.5 * rng.normal(0, 1, count), rng.normal(0, 1, (count, 3))])
        walk = np.cumsum(steps, axis=0) * drift / np.sqrt(count)
        closed = rng.uniform(0.3, 1.0) * np.linspace(0, 1, count)[:, None] * walk[-1]
        walk -= closed
        angle, shift = 0.3 * walk[:, 0], walk[:, 1:]
    return list(zip(angle.tolist(), shift, strict=True))


def moved(xyz: Array, sensor: Sensor, pose: tuple[float, Array]) -> Array:
    """Points where the survey believes them, given the error of the position's pose."""
    turned = np.einsum("ij,nj->ni", turn_z(pose[0]), xyz - sensor.origin)
    placed: Array = turned + sensor.origin + pose[1]
    return placed
