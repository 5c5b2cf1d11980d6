"""Miniature copies of the benchmarks in exactly their raw formats, quirks included.

A test imports them with ``from miniatures import write_s3dis`` (pytest puts this folder on the
path through tests/conftest.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Objects of a miniature room: class, corner and size of a box in metres, colour.
ROOM = (
    ("floor", (0, 0, 0), (3, 3, 0), (120, 90, 60)),
    ("ceiling", (0, 0, 2.5), (3, 3, 0), (230, 230, 230)),
    ("wall", (0, 0, 0), (3, 0, 2.5), (200, 190, 180)),
    ("wall", (0, 0, 0), (0, 3, 2.5), (200, 190, 180)),
    ("table", (1, 1, 0.7), (1, 0.6, 0.05), (140, 80, 40)),
    ("chair", (1.2, 0.4, 0.4), (0.4, 0.4, 0.05), (40, 40, 60)),
    ("stairs", (2.5, 2, 0), (0.5, 1, 0.8), (110, 110, 110)),
    ("clutter", (1.3, 1.2, 0.75), (0.2, 0.2, 0.2), (90, 140, 90)),
)
S3DIS_ROOMS = (
    ("Area_1", "conferenceRoom_1"), ("Area_1", "office_1"), ("Area_2", "storage_1"),
    ("Area_3", "lounge_1"), ("Area_4", "lobby_1"), ("Area_5", "hallway_6"),
    ("Area_5", "office_19"), ("Area_6", "pantry_1"),
)  # fmt: skip
# The first room's defect takes a blank's place, the other one's sits inside a number.
DEFECTS = {"hallway_6": (2, b" ", b"\x10"), "office_19": (4, b".0", b".0\x00")}

SCANNET_LABELS = {
    "wall": 1, "floor": 2, "office chair": 5, "table": 7, "object": 40, "floor mat": 20,
    'monitor 24"': 40,
}  # fmt: skip
SCANNET_SPLITS = {
    "train": ("scene0000_00", "scene0001_00"),
    "val": ("scene0011_00",),
    "test": ("scene0707_00",),
}
AXIS_ALIGNMENT = [0, -1, 0, 2, 1, 0, 0, -1, 0, 0, 1, 0.5, 0, 0, 0, 1]


def box(corner: Array, size: Array, count: int, rng: np.random.Generator) -> Array:
    """Random points (count, 3) in a box."""
    return np.asarray(corner) + rng.random((count, 3)) * np.asarray(size)


def write_s3dis(root: Path, *, points: int = 250, aligned: bool = False, seed: int = 0) -> Path:
    """``Stanford3dDataset_v1.2`` with a few rooms of every area; `points` of each object.

    Has the two defective lines, .DS_Store files, room-level texts, a Mac resource file, stairs.
    Returns its folder.
    """
    rng = np.random.default_rng(seed)
    top = root / ("Stanford3dDataset_v1.2_Aligned_Version" if aligned else "Stanford3dDataset_v1.2")
    for number, (area, room) in enumerate(S3DIS_ROOMS):
        folder = top / area / room / "Annotations"
        folder.mkdir(parents=True)
        (top / area / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / "._floor_1.txt").write_bytes(b"\0\5\x16\7 not points")
        if not aligned:
            with (top / area / f"{area}_alignmentAngle.txt").open("a") as file:
                file.write(f"{room} {90 * (number % 4)}\n")
        counts: dict[str, int] = {}
        everything = b""
        for name, corner, size, colour in ROOM:
            counts[name] = counts.get(name, 0) + 1
            origin = np.array([10.0 * number - 20, 5.0, -0.05]) + corner
            style = ".6f" if room == "office_19" else "d"
            text = s3dis_text(box(origin, np.array(size), points, rng), colour, rng, style)
            if name == "ceiling" and room in DEFECTS:
                text = _with_defect(text, *DEFECTS[room])
            (folder / f"{name}_{counts[name]}.txt").write_bytes(text)
            everything += text
        (top / area / room / f"{room}.txt").write_bytes(everything)
    return top


def s3dis_text(
    xyz: Array, colour: tuple[int, int, int], rng: np.random.Generator, style: str = "d"
) -> bytes:
    """Lines ``x y z r g b`` as in the annotation files."""
    rgb = np.clip(np.array(colour) + rng.integers(-8, 9, (len(xyz), 3)), 0, 255)
    rows = zip(xyz.tolist(), rgb.tolist(), strict=True)
    return "".join(
        f"{x:.3f} {y:.3f} {z:.3f} {r:{style}} {g:{style}} {b:{style}}\n"
        for (x, y, z), (r, g, b) in rows
    ).encode()


def write_scannet(root: Path, *, points: int = 400, seed: int = 0) -> Path:
    """ScanNet with scans/, scans_test/, the table of labels and the split lists.

    Segment numbers have gaps, one segment is in no group, one group names a segment that no
    vertex has, labels map to ids outside the twenty and one contains a quotation mark. Scans
    have their hi-res aggregation beside the right one. Returns the folder.
    """
    rng = np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    head = "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\n"
    rows = (f"{i}\t{raw}\t{raw}\t9\t{code}\t1\n" for i, (raw, code) in enumerate(
        SCANNET_LABELS.items()))  # fmt: skip
    (root / "scannetv2-labels.combined.tsv").write_text(head + "".join(rows))
    for split, scans in SCANNET_SPLITS.items():
        (root / f"scannetv2_{split}.txt").write_text("".join(f"{scan}\n" for scan in scans))
        for scan in scans:
            _write_scan(root, scan, split, points, rng)
    return root


def _write_scan(root: Path, scan: str, split: str, points: int, rng: np.random.Generator) -> None:
    folder = root / ("scans_test" if split == "test" else "scans") / scan
    folder.mkdir(parents=True)
    parts = [box(np.array(c), np.array(s), points, rng) for _, c, s, _ in ROOM[:6]]
    colours = np.repeat([c for _, _, _, c in ROOM[:6]], points, axis=0).astype(np.uint8)
    # Floor 3, ceiling 40 (no group), walls 7 and 12, table 100, chair 101.
    segments = np.repeat([3, 40, 7, 12, 100, 101], points)
    order = rng.permutation(len(segments))
    _write_mesh(folder / f"{scan}_vh_clean_2.ply", np.concatenate(parts)[order], colours[order])
    if split == "test":
        return
    text = f"axisAlignment = {' '.join(f'{v:.6f}' for v in AXIS_ALIGNMENT)}\ncolorHeight = 968\n"
    (folder / f"{scan}.txt").write_text(text)
    stem = folder / f"{scan}_vh_clean_2.0.010000.segs.json"
    content = {"sceneId": scan, "params": {"kThresh": "0.01"}, "segIndices": segments[order]}
    stem.write_text(json.dumps(content, default=lambda array: array.tolist()))
    groups = [
        ("wall", [7, 12]), ("floor", [3]), ("office chair", [101, 555]), ('monitor 24"', [100]),
        ("table", [100]), ("object", []), ("floor mat", [3] if scan == "scene0001_00" else []),
    ]  # fmt: skip
    listed = [
        {"id": i, "objectId": i, "segments": members, "label": label}
        for i, (label, members) in enumerate(groups)
    ]
    (folder / f"{scan}.aggregation.json").write_text(
        json.dumps({"sceneId": scan, "appId": "Aggregator.v2", "segGroups": listed})
    )
    hires = [{"id": 0, "objectId": 0, "segments": [3, 7], "label": "table"}]
    (folder / f"{scan}_vh_clean.aggregation.json").write_text(json.dumps({"segGroups": hires}))


def _write_mesh(path: Path, xyz: Array, rgb: NDArray[np.uint8]) -> None:
    """Binary little-endian PLY with alpha and triangles, as ScanNet's."""
    vertex = np.dtype(
        [(n, "<f4") for n in "xyz"] + [(n, "u1") for n in ("red", "green", "blue", "alpha")]
    )
    rows = np.zeros(len(xyz), vertex)
    for i, name in enumerate("xyz"):
        rows[name] = xyz[:, i]
    for i, name in enumerate(("red", "green", "blue")):
        rows[name] = rgb[:, i]
    rows["alpha"] = 255
    faces = np.zeros(len(xyz) // 3, np.dtype([("n", "u1"), ("vertices", "<i4", 3)]))
    faces["n"] = 3
    faces["vertices"] = np.arange(len(faces) * 3).reshape(-1, 3)
    head = ["ply", "format binary_little_endian 1.0", "comment MLIB generated"]
    head += [f"element vertex {len(rows)}", *(f"property float {n}" for n in "xyz")]
    head += [f"property uchar {n}" for n in ("red", "green", "blue", "alpha")]
    head += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    path.write_bytes(("\n".join(head) + "\n").encode() + rows.tobytes() + faces.tobytes())


def write_partnet(
    root: Path,
    *,
    categories: dict[str, int] | None = None,
    shapes: int = 3,
    points: int = 200,
    seed: int = 0,
) -> Path:
    """``sem_seg_h5`` with some categories: `shapes` for training, one each for val and test.

    Parts 0 (unlabelled) and 1 to the category's last but one occur; the last one is absent.
    Training shapes are spread over two files. Returns the folder.

    Args:
        categories: number of parts by name, 0 included; None = Bottle and Microwave.
    """
    import h5py

    rng = np.random.default_rng(seed)
    top = root / "sem_seg_h5"
    for category, parts in (categories or {"Bottle": 9, "Microwave": 6}).items():
        folder = top / f"{category}-3"
        folder.mkdir(parents=True)
        (top / f"{category}-1").mkdir()
        for split, files in (("train", (shapes - 1, 1)), ("val", (1,)), ("test", (1,))):
            names = [f"./{split}-{i:02d}.h5" for i in range(len(files))]
            (folder / f"{split}_files.txt").write_text("\n".join(names) + "\n")
            for name, count in zip(names, files, strict=True):
                # A part is a slice along the second axis, so that there is something to learn.
                data = rng.uniform([5, 0, 0], [6, 3, 0.5], (count, points, 3))
                label = (data[..., 1] / 3 * (parts - 1)).astype(np.int32)
                with h5py.File(folder / name, "w") as file:
                    file["data"] = data.astype(np.float32)
                    file["label_seg"] = label
                    file["data_num"] = np.full(count, points, np.int32)
    return top


def _with_defect(text: bytes, line: int, old: bytes, new: bytes) -> bytes:
    """The text with the last `old` of a line, counted from 1, replaced by `new`."""
    lines = text.split(b"\n")
    before, after = lines[line - 1].rsplit(old, 1)
    lines[line - 1] = before + new + after
    return b"\n".join(lines)
