"""Valid files of every kind SalaNet reads, to be damaged (`damage`) and read.

Used by `test_fuzz.py`, for seconds, and by `benchmarks/fuzz.py`, for hours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import drawn
import numpy as np
from clouds import some_cloud
from copc_files import make_copc
from damage import damage, damage_zip
from fuzzing_folders import edit_json, make_work, use_scene, use_work
from model_damage import damage_model
from structure import damage_copc, damage_e57

from salanet import io
from salanet.cloud import PointCloud
from salanet.errors import SalaNetError

Seeds = list[tuple[str, bytes]]  # file names and contents


@dataclass(frozen=True)
class Target:
    """Something that is read.

    Attributes:
        make: writes valid files into an empty folder.
        read: reads one file; the whole folder if `folder`.
        folder: the files belong together; one of them gets damaged.
        damage: gives a damaged one for valid bytes.
        needs: the package without which there is nothing to read.
    """

    make: Callable[[Path], None]
    read: Callable[[Path], object]
    folder: bool = False
    damage: Callable[[bytes, np.random.Generator], bytes] = damage
    needs: str = ""

    def seeds(self, folder: Path) -> Seeds:
        self.make(folder)
        return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def place(target: Target, seeds: Seeds, rng: np.random.Generator, folder: Path) -> Path:
    """Write a damaged seed into the folder; returns what to read."""
    name, data = seeds[rng.integers(len(seeds))]
    if target.folder:
        for other, content in seeds:
            (folder / other).write_bytes(content)
    if rng.random() < 0.02:  # the content of another file under this name
        data = seeds[rng.integers(len(seeds))][1]
    damaged = damage_in_folder(name, data, rng) if target.folder else target.damage(data, rng)
    if not target.folder:
        name = f"case{name[name.index('.') :]}"
    (folder / name).write_bytes(damaged)
    return folder if target.folder else folder / name


def damage_in_folder(name: str, data: bytes, rng: np.random.Generator) -> bytes:
    """As its kind of file gets damaged, or as a power cut leaves any."""
    if rng.random() < 0.1:
        return bytes(len(data) * int(rng.integers(2)))
    if name.endswith(".json") and rng.random() < 0.7:
        return edit_json(data, rng)
    return damage_zip(data, rng) if data[:2] == b"PK" else damage(data, rng)


def use_cloud(path: Path) -> None:
    """Read a cloud, look at it, bring it into cells, and write it again."""
    from salanet.io.describe import describe
    from salanet.sampling.cells import to_cells

    cloud = io.read(path)
    cloud.check()
    describe(path)
    if np.isfinite(cloud.xyz).all():
        to_cells(cloud, 0.5, keep=("rgb", "intensity"))  # heights take seconds
    suffix = ".laz" if path.suffix == ".e57" else path.suffix
    io.write(path.with_name(f"again{suffix}"), cloud)


def use_copc(path: Path) -> None:
    """Parts of it, and the whole; the first error counts."""
    from salanet.io.las.region import read_part

    errors = []
    for use in (
        lambda: read_part(path, resolution=1e-3),
        lambda: read_part(path, (10.0, 5.0, 40.0, 33.0), 8.0),
        lambda: io.read(path),
    ):
        try:
            use()
        except SalaNetError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def use_e57(path: Path) -> None:
    """All of it, and its last scan."""
    cloud = io.read(path)
    cloud.check()
    io.read(path, scan=io.scan_numbers(path)[-1])
    if np.isfinite(cloud.xyz).all() and np.abs(cloud.xyz).max() < 1e6:
        io.write(path.with_name("again.laz"), cloud)


def use_stream(path: Path) -> None:
    """Read and copy a few points at a time, as `salanet predict` does with large files."""
    from salanet.io.stream import open_stream

    stream = open_stream(path, path)
    assert stream is not None
    assert sum(map(len, stream.clouds(7, stream.names))) == stream.count
    sample = PointCloud(np.zeros((2, 3)), label=np.array([0, 19]))
    copied = stream.copy(
        path.with_name(f"again{path.suffix}"),
        7,
        sample,
        lambda begin, end: PointCloud(np.zeros((end - begin, 3)), label=np.arange(begin, end) % 20),
    )
    assert list(copied)[-1] == stream.count


def make_las(folder: Path, suffix: str = ".las") -> None:
    import laspy

    cloud = some_cloud()
    io.write(folder / f"own{suffix}", cloud)
    for point_format, version in ((0, "1.2"), (3, "1.2"), (5, "1.3"), (6, "1.4"), (10, "1.4")):
        header = laspy.LasHeader(point_format=point_format, version=version)
        header.scales, header.offsets = np.full(3, 0.01), np.array([651000, 6861000, 0])
        if point_format == 3:
            header.add_extra_dim(laspy.ExtraBytesParams("height", "3f4"))
            header.add_extra_dim(laspy.ExtraBytesParams("small", "u2", scales=[0.1], offsets=[5.0]))
        if point_format == 6:
            header.evlrs = laspy.vlrs.vlrlist.VLRList(
                [laspy.VLR("LASF_Projection", 2112, "", b'PROJCS["somewhere"]')]
            )
        las = laspy.LasData(header)
        las.xyz = cloud.xyz
        las.classification = np.asarray(cloud.label)
        las.write(str(folder / f"format{point_format}{suffix}"))


def make_ply(folder: Path) -> None:
    io.write(folder / "own.ply", some_cloud())
    faces = np.array([(3, (0, 1, 2)), (3, (1, 2, 3))], [("n", "u1"), ("v", "<i4", (3,))])
    head = (
        "ply\nformat {}\ncomment made\nelement vertex 4\nproperty float x\nproperty float y\n"
        "property float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue\n"
        "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    )
    row = np.dtype([*((c, "f4") for c in "xyz"), *((c, "u1") for c in "rgb")])
    for name, order in (("binary_little_endian 1.0", "<"), ("binary_big_endian 1.0", ">")):
        body = np.ones(4, row.newbyteorder(order)).tobytes()
        body += faces.astype(faces.dtype.newbyteorder(order)).tobytes()
        (folder / f"{name[:10]}{order == '<':d}.ply").write_bytes(head.format(name).encode() + body)


def make_ply_ascii(folder: Path) -> None:
    (folder / "a.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty double x\nproperty double y\n"
        "property double z\nproperty int label\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n"
        "651000.5 6861000.25 1 2\n1 2 3 4\n5 6 7 8\n3 0 1 2\n"
    )


def make_pcd(folder: Path, encoding: str) -> None:
    from salanet.io.pcd import PcdSource

    io.write(folder / "plain.pcd", some_cloud())
    cloud = io.read(folder / "plain.pcd")
    assert isinstance(cloud.source, PcdSource)
    cloud.source.encoding = encoding
    io.write(folder / "plain.pcd", cloud)


def make_e57(folder: Path) -> None:
    import pye57

    cloud = some_cloud()
    for scans in (1, 2):
        file = pye57.E57(str(folder / f"scans{scans}.e57"), mode="w")
        for _ in range(scans):
            data = {f"cartesian{c}": cloud.xyz[:, i] - 651000 for i, c in enumerate("XYZ")}
            data["intensity"] = np.linspace(0, 1, len(cloud))
            data |= {f"color{c}": np.full(len(cloud), 7) for c in ("Red", "Green", "Blue")}
            file.write_scan_raw(data, rotation=np.array([1, 0, 0, 0.0]), translation=np.ones(3))
        file.close()


def make_npy(folder: Path) -> None:
    io.write(folder / "table.npy", some_cloud())
    np.save(folder / "plain.npy", np.arange(24.0).reshape(4, 6))


def make_npz(folder: Path) -> None:
    cloud = some_cloud()
    io.write(folder / "own.npz", cloud)
    np.savez_compressed(folder / "other.npz", points=cloud.xyz, color=cloud.rgb, title=np.zeros(2))


def make_text(folder: Path) -> None:
    for suffix in (".csv", ".txt", ".xyz", ".pts"):
        io.write(folder / f"own{suffix}", some_cloud(8))
    (folder / "plain.xyz").write_text("1 2 3 4\n5 6 7 8\n1.5 2.5 3 -4\n")
    (folder / "german.csv").write_text("x;y;z;label\r\n1;2;3;4\r\n5;6;7;8\r\n")


def make_model(folder: Path) -> None:
    from salanet.models import create_model, save

    model = create_model(
        width=4, features=("one", "rgb"), in_channels=4, classes=("ground", "house")
    )
    save(model, folder / "model.safetensors", {"codes": [2, 6], "intensity_scale": 100.0})


def use_model(path: Path) -> None:
    from salanet.models import load

    load(path).fold()


def make_models(folder: Path) -> None:
    """One of each operator and network, as small as they come."""
    from model_damage import WORDS

    from salanet.models import create_model, save

    for operator in WORDS["operator"]:
        model = create_model(
            operator=operator, width=12, features=("one", "intensity"), in_channels=2,
            classes=("ground", "house"),
        )  # fmt: skip
        save(model, folder / f"{operator}.safetensors", {"codes": [2, 6], "intensity_scale": 9.0})
    model = create_model(width=4, features=("one",), in_channels=1, parts={"Chair": 3, "Lamp": 2})
    save(model, folder / "parts.safetensors")


def use_model_throughout(path: Path) -> None:
    """All that can be done with a model: listed, run with PyTorch, run without."""
    from salanet import model_file
    from salanet.engine import Segmenter, segment
    from salanet.errors import SalaNetError
    from salanet.models import load

    cloud = some_cloud(60)
    try:
        edge = Segmenter(path, threads=1)
        edge.predict(cloud)
    except SalaNetError as error:
        assert "\n" not in str(error)
    model_file.describe(path).record()
    segment(load(path), cloud)


def make_scene(folder: Path) -> None:
    from salanet.scenes import Scene

    cloud = some_cloud()
    scene = Scene.write(
        folder / "scene",
        coord=cloud.xyz - cloud.xyz.min(axis=0),
        offset=[651000, 6861000, 0],
        classes=["a", "b"],
        grid=0.5,
        color=cloud.rgb,
        segment=np.arange(len(cloud)) % 3 - 1,
        arrays={"intensity": np.asarray(cloud.intensity)},
        raw={"segment": np.zeros(9, np.int16), "to_cell": np.zeros(9, np.int32)},
        meta={"codes": [2, 6], "provenance": {"licence": "CC0"}},
    )
    for path in list(scene.folder.iterdir()):
        path.rename(folder / path.name)
    scene.folder.rmdir()


def make_classes(folder: Path) -> None:
    (folder / "classes.yaml").write_text(
        "classes:\n  ground: 2\n  vegetation: [3, 4, 5]\n  other: [1, '*']\nignore: [7, 18]\n"
        "colours:\n  ground: [170, 121, 66]\n"
    )


def use_classes(path: Path) -> None:
    from salanet.datasets.classes import ClassMap

    ClassMap.parse(path).encode(np.arange(20))


def make_recipe(folder: Path) -> None:
    from salanet.training.recipe import Recipe

    (folder / "recipe.yaml").write_text(Recipe().dump())
    (folder / "short.yaml").write_text("model: {width: 8, operator: kpconv}\ntraining: {epochs: 3}")


def use_recipe(path: Path) -> None:
    from salanet.training.recipe import load_recipe

    load_recipe(path)


def make_h5(folder: Path) -> None:
    import h5py

    rng = np.random.default_rng(0)
    for name, options in (("plain", {}), ("packed", {"compression": "gzip", "chunks": True})):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset("data", data=rng.random((2, 40, 3), np.float32), **options)
            file.create_dataset("label_seg", data=rng.integers(0, 9, (2, 40)), **options)
            file.create_dataset("data_num", data=np.full(2, 40))
    with h5py.File(folder / "bomb.h5", "w") as file:  # chunks never written take no room
        shape = (10**6, 10**4)
        file.create_dataset("data", (*shape, 3), np.float32, chunks=(100, 10**4, 3))
        file.create_dataset("label_seg", shape, np.int32, chunks=(100, 10**4))


def use_h5(path: Path) -> None:
    from salanet.datasets.partnet import _read

    _read(path, 9)


def make_onnx(folder: Path) -> None:
    from salanet.export import export
    from salanet.models import create_model

    model = create_model(width=4, features=("one",), in_channels=1, classes=("ground", "house"))
    export(model, folder / "model.onnx")


def use_edge(path: Path) -> None:
    from salanet.engine import Segmenter

    Segmenter(path, threads=1)


def make_manifest(folder: Path) -> None:
    scenes = {"Area_5/office": {"points": 3, "files": {"coord.npy": "0" * 64}}}
    text = json.dumps({"format": 1, "dataset": "S3DIS", "scenes": scenes})
    (folder / "manifest.json").write_text(text)


def use_manifest(folder: Path) -> None:
    from salanet.datasets import manifest

    manifest.damage(folder, manifest.load(folder))


TARGETS = {
    "las": Target(make_las, use_cloud),
    "laz": Target(lambda folder: make_las(folder, ".laz"), use_cloud),
    "las stream": Target(make_las, use_stream),
    "laz stream": Target(lambda folder: make_las(folder, ".laz"), use_stream),
    "copc": Target(
        lambda folder: make_copc(folder / "tree.copc.laz", 90), use_copc, damage=damage_copc
    ),
    "ply ascii": Target(make_ply_ascii, use_cloud),
    "ply binary": Target(make_ply, use_cloud),
    "pcd ascii": Target(lambda folder: make_pcd(folder, "ascii"), use_cloud),
    "pcd binary": Target(lambda folder: make_pcd(folder, "binary"), use_cloud),
    "pcd compressed": Target(
        lambda folder: make_pcd(folder, "binary_compressed"), use_cloud, needs="lzf"
    ),
    "pcd structure": Target(
        lambda folder: make_pcd(folder, "ascii"), use_cloud, damage=drawn.pcd, needs="lzf"
    ),
    "ply structure": Target(make_ply, use_cloud, damage=drawn.ply),
    "text structure": Target(make_text, use_cloud, damage=drawn.text),
    "e57": Target(make_e57, use_e57, damage=damage_e57, needs="pye57"),
    "npy": Target(make_npy, use_cloud),
    "npz": Target(make_npz, use_cloud, damage=damage_zip),
    "text": Target(make_text, use_cloud),
    "model": Target(make_model, use_model),
    "model, edge": Target(make_model, use_edge),
    "model structure": Target(make_models, use_model_throughout, damage=damage_model),
    "onnx": Target(make_onnx, use_edge, needs="onnxscript"),
    "scene": Target(make_scene, use_scene, folder=True),
    "work folder": Target(make_work, use_work, folder=True),
    "partnet h5": Target(make_h5, use_h5, needs="h5py"),
    "class map": Target(make_classes, use_classes),
    "recipe": Target(make_recipe, use_recipe),
    "manifest": Target(make_manifest, use_manifest, folder=True),
}
