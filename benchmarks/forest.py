"""A random forest on geometric features of several scales, on sites left out: the baseline.

`site_rows(train, held)` trains it on the files' exact classes and judges it on others, with the
tables of `benchmarks/aerial.py`. Features: per scale those of the covariance of 20 neighbours among
the means of cells (linearity, planarity, scattering, change of curvature, verticality, z in the
neighbourhood; Weinmann et al. 2015, Thomas et al. 2018), height above ground and lowest, slope of
the terrain, intensity by rank in the file, return number and number of returns.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from aerial import SITES, found_at
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import rankdata
from sklearn.ensemble import RandomForestClassifier

import salanet
from salanet.ops import grid_subsample
from salanet.sampling.ground import height_above_ground

CELLS = (0.2, 0.4, 0.8, 1.6, 3.2)  # metres
NEIGHBOURS = 20
PER_CLASS = 10_000  # points of each class and file that it learns from
CLASSES = ("ground", "low vegetation", "medium vegetation", "high vegetation", "building", "water")
TREES, DEPTH = 100, 25


def features(cloud: salanet.PointCloud) -> NDArray[np.float32]:
    """(N, features) of a cloud in metres."""
    xyz = cloud.xyz - cloud.xyz.mean(0)
    columns = [height_above_ground(xyz), xyz[:, 2] - xyz[:, 2].min()]
    for cell in CELLS:
        columns += neighbourhoods(xyz, cell)
    for name in ("return_number", "number_of_returns"):
        columns.append(np.asarray(cloud.attributes.get(name, np.ones(len(xyz)))))
    intensity = cloud.attributes.get("intensity")
    columns.append(np.zeros(len(xyz)) if intensity is None else rankdata(intensity) / len(xyz))
    return np.column_stack(columns).astype(np.float32)


def neighbourhoods(xyz: NDArray[np.float64], cell: float) -> list[NDArray[np.float64]]:
    means = grid_subsample(torch.from_numpy(xyz), cell).points.double().numpy()
    near = means[cKDTree(means).query(xyz, min(NEIGHBOURS, len(means)))[1]]
    heights = xyz[:, 2] - near[..., 2].min(1), near[..., 2].max(1) - xyz[:, 2]
    near -= near.mean(1, keepdims=True)
    spread, axes = np.linalg.eigh(np.einsum("nki,nkj->nij", near, near) / near.shape[1])
    third, second, first = np.sqrt(np.maximum(spread, 1e-12)).T
    shape = (first - second) / first, (second - third) / first, third / first
    change = spread[:, 0] / np.maximum(spread.sum(1), 1e-12)
    return [*shape, change, 1 - np.abs(axes[:, 2, 0]), np.sqrt(spread.sum(1)), *heights]


def known(path: Path, cloud: salanet.PointCloud) -> NDArray[np.int64]:
    """Rows of `CLASSES`, -1 where the file's class is none of them or several."""
    codes = next(codes for pattern, codes in SITES.items() if fnmatchcase(path.name, pattern))
    truth = np.full(len(cloud), -1, np.int64)
    for code, name in codes.items():
        if name in CLASSES:
            truth[cloud.label == code] = CLASSES.index(name)
    return truth


def site_rows(train: list[Path], held: list[Path], seed: int) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(seed)
    inputs, outputs = [], []
    for path in train:
        cloud = salanet.read(path)
        truth = known(path, cloud)
        found = features(cloud)
        for label in np.unique(truth[truth >= 0]):
            of = np.flatnonzero(truth == label)
            of = rng.choice(of, min(PER_CLASS, len(of)), replace=False)
            inputs.append(found[of])
            outputs.append(truth[of])
    forest = RandomForestClassifier(
        TREES, max_depth=DEPTH, min_samples_leaf=5, class_weight="balanced", random_state=seed
    )
    forest.fit(np.concatenate(inputs), np.concatenate(outputs))
    rows = {}
    for path in held:
        cloud = salanet.read(path)
        sure = np.zeros((len(cloud), len(CLASSES)), np.float32)
        sure[:, forest.classes_] = forest.predict_proba(features(cloud))
        rows[path.name] = found_at(path, cloud, CLASSES, sure.argmax(1), sure).row()
    return rows
