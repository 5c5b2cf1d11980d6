"""OBJ and glTF: places, colours, labels, and what is refused in a line."""

from __future__ import annotations

import io as streams
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from glb import HALVES, SQUARE, Glb, square
from PIL import Image

import salanet
from salanet.errors import FileError, MissingExtraError
from salanet.io.faces import triangles

needs_trimesh = pytest.mark.usefixtures("_trimesh")


@pytest.fixture
def _trimesh() -> None:
    pytest.importorskip("trimesh")


QUAD = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def obj(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def png(colours: np.ndarray) -> bytes:
    made = streams.BytesIO()
    Image.fromarray(colours.astype(np.uint8)).save(made, "PNG")
    return made.getvalue()


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trimesh", None)
    for name in ("a.glb", "a.obj"):
        (tmp_path / name).write_bytes(b"v 0 0 0\n")
        with pytest.raises(MissingExtraError, match=r"pip install 'salanet\[mesh\]'"):
            salanet.read(tmp_path / name)


@needs_trimesh
def test_nodes_place_their_meshes(tmp_path: Path) -> None:
    made = Glb()
    mesh = made.mesh()
    quarter = [0, np.sqrt(0.5), 0, np.sqrt(0.5)]  # about y
    child = made.node(root=False, mesh=mesh, translation=[10, 0, 0])
    made.node(translation=[0, 5, 0], rotation=quarter, scale=[2, 2, 2], children=[child])
    matrix = np.eye(4)
    matrix[:3, 3] = [0, 0, -7]
    made.node(mesh=mesh, matrix=matrix.T.ravel().tolist())
    cloud = salanet.read(made.write(tmp_path / "two.glb"))
    local = SQUARE.astype(float)
    x, y, z = ((local + [10, 0, 0]) * 2).T
    turned = np.stack([z, y + 5, -x], axis=1)
    both = {tuple(np.round(p, 4)) for p in cloud.xyz}
    assert len(cloud) == 8 and cloud.y_up and cloud.source.metric and cloud.rgb is None
    assert both == {tuple(np.round(p, 4) + 0.0) for p in [*turned, *(local - [0, 0, 7])]}
    faces = triangles(cloud)
    assert faces is not None and faces.shape == (4, 3)
    sides = np.linalg.norm(cloud.xyz[faces[:, 1]] - cloud.xyz[faces[:, 0]], axis=1)
    assert sorted(np.round(sides, 4)) == sorted(np.round([2**0.5, 1, 8**0.5, 2], 4))


@needs_trimesh
def test_colours_of_vertices_in_every_type(tmp_path: Path) -> None:
    bright = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]])
    for values in (
        bright.astype(np.uint8),
        (bright * 257).astype(np.uint16),
        np.float32(bright / 255),
    ):
        cloud = salanet.read(square(tmp_path / "c.glb", COLOR_0=values))
        assert cloud.rgb is not None and np.array_equal(cloud.rgb, bright)
    assert (
        salanet.read(square(tmp_path / "c.glb", COLOR_0=np.full((4, 3), 9, np.uint8))).rgb is None
    )


@needs_trimesh
def test_colours_of_a_texture(tmp_path: Path) -> None:
    made = Glb()
    picture = np.zeros((2, 2, 3))
    picture[0, 0], picture[0, 1], picture[1, 1] = [200, 0, 0], [0, 150, 0], [0, 0, 90]
    image = made.add("images", {"bufferView": made.view(png(picture)), "mimeType": "image/png"})
    made.add("textures", {"source": image})
    material = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    mesh = made.mesh(TEXCOORD_0=uv, material=made.add("materials", material))
    made.node(mesh=mesh)
    cloud = salanet.read(made.write(tmp_path / "t.glb"))
    assert cloud.rgb is not None
    assert cloud.rgb.tolist() == [[200, 0, 0], [0, 150, 0], [0, 0, 90], [0, 0, 0]]


@needs_trimesh
def test_labels_and_further_attributes(tmp_path: Path) -> None:
    label = np.array([0, 3, 3, 7], np.float32)  # as programs write them that know floats alone
    cloud = salanet.read(square(tmp_path / "l.glb", _LABEL=label, _HEAT=np.float32(label / 2)))
    assert cloud.label is not None and cloud.label.tolist() == [0, 3, 3, 7]
    assert cloud.attributes["heat"].tolist() == [0, 1.5, 1.5, 3.5]


@needs_trimesh
def test_files_beside_it(tmp_path: Path) -> None:
    made = Glb()
    made.node(mesh=made.mesh())
    made.header["buffers"][0] |= {"uri": "far.bin", "byteLength": len(made.binary)}
    (tmp_path / "a.gltf").write_text(json.dumps(made.header))
    with pytest.raises(FileError, match=r"a file that belongs to it is missing: .*far\.bin"):
        salanet.read(tmp_path / "a.gltf")
    (tmp_path / "far.bin").write_bytes(made.binary)
    assert np.array_equal(salanet.read(tmp_path / "a.gltf").xyz, SQUARE)


def _required(name: str) -> Callable[[Glb], None]:
    return lambda made: made.header.update(extensionsRequired=[name])


def _cycle(made: Glb) -> None:
    made.header["nodes"][0]["children"] = [0]


REFUSED: dict[str, tuple[Callable[[Glb], object], str]] = {
    "draco": (_required("KHR_draco_mesh_compression"), "is compressed"),
    "unknown": (_required("ACME_holes"), "needs the extension ACME_holes"),
    "instances": (
        lambda made: made.header.update(extensionsUsed=["EXT_mesh_gpu_instancing"]),
        "places parts by",
    ),
    "sparse": (lambda made: made.header["accessors"][0].update(sparse={}), "sparse data"),
    "fractions": (lambda made: made.header["accessors"][0].update(normalized=True), "quantised"),
    "version": (lambda made: made.header["asset"].update(version="1.0"), "only version 2"),
    "endless": (lambda made: made.header["accessors"][0].update(count=1 << 40), "a bomb"),
    "longer": (lambda made: made.header["accessors"][0].update(count=5), "damaged"),
    "empty": (lambda made: made.header["scenes"][0].update(nodes=[]), "holds no mesh"),
    "nowhere": (lambda made: made.header["nodes"][0].update(mesh=7), "holds no mesh"),
    "bare": (lambda made: made.header["meshes"][0]["primitives"][0].pop("attributes"), "damaged"),
}


@needs_trimesh
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    spoil, said = REFUSED[name]
    made = Glb()
    made.node(mesh=made.mesh())
    spoil(made)
    with pytest.raises(FileError, match=said):
        salanet.read(made.write(tmp_path / "bad.glb"))


@needs_trimesh
def test_damaged_files(tmp_path: Path) -> None:
    whole = square(tmp_path / "a.glb").read_bytes()
    for stop in (3, 11, 19, 40, 300, len(whole) - 30):
        (tmp_path / "cut.glb").write_bytes(whole[:stop])
        with pytest.raises(FileError, match=r"cut\.glb: "):
            salanet.read(tmp_path / "cut.glb")
    (tmp_path / "no.gltf").write_text("[1, 2]")
    with pytest.raises(FileError, match="no object"):
        salanet.read(tmp_path / "no.gltf")
    far = np.array([0, 1, 9], np.uint16)
    with pytest.raises(FileError, match="a face names a vertex that is none of the 4"):
        salanet.read(square(tmp_path / "far.glb", corners=far))


@needs_trimesh
def test_a_node_in_itself_ends(tmp_path: Path) -> None:
    made = Glb()
    made.node(mesh=made.mesh(), children=[0])
    with pytest.raises(FileError, match="its nodes are no tree"):
        salanet.read(made.write(tmp_path / "loop.glb"))


@needs_trimesh
def test_a_mesh_placed_too_often(tmp_path: Path) -> None:
    made = Glb()
    many = np.zeros((20_000, 3), np.float32)
    mesh = made.mesh(many, HALVES)
    for _ in range(3000):
        made.node(mesh=mesh)
    with pytest.raises(FileError, match="a bomb"):
        salanet.read(made.write(tmp_path / "many.glb"))


@needs_trimesh
def test_parts_that_are_no_surface_are_said(tmp_path: Path) -> None:
    made = Glb()
    lines = made.header["meshes"]
    made.node(mesh=made.mesh())
    made.node(mesh=made.mesh(mode=1))
    made.node(mesh=made.mesh(mode=6))
    cloud = salanet.read(made.write(tmp_path / "lines.glb"))
    assert len(lines) == 3 and len(cloud) == 4
    assert [line.split(" are")[0] for line in cloud.source.remarks] == [
        "1 parts of fans of triangles",
        "1 parts of lines",
    ]


@needs_trimesh
def test_coordinates_that_are_no_numbers(tmp_path: Path) -> None:
    xyz = np.vstack([SQUARE, [[np.nan, 0, np.inf]]]).astype(np.float32)
    cloud = salanet.read(square(tmp_path / "nan.glb", xyz=xyz))
    assert cloud.finite().tolist() == [True] * 4 + [False]
    text = obj(tmp_path / "nan.obj", QUAD + "v nan 1 2\nf 1 2 3 4\n")
    assert salanet.read(text).finite().tolist() == [True] * 4 + [False]


@needs_trimesh
def test_polygons_become_triangles(tmp_path: Path) -> None:
    more = "v 0.5 1.5 0\n"
    for faces, area in (("f 1 2 3 4", 1), ("f 1 2 3 5 4", 1.25), ("f 1 2 3\nf 1 3 5 4", 1.25)):
        cloud = salanet.read(obj(tmp_path / "p.obj", f"{QUAD}{more}{faces}\n"))
        found = triangles(cloud)
        assert found is not None
        a, b, c = (cloud.xyz[found[:, k]] for k in range(3))
        assert np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2 == pytest.approx(area)
    assert not cloud.y_up and not cloud.source.metric


@needs_trimesh
def test_vertices_keep_their_order_whatever_uses_them(tmp_path: Path) -> None:
    (tmp_path / "m.mtl").write_text("newmtl a\nKd 1 0 0\nnewmtl b\nKd 0 0 1\n")
    text = f"mtllib m.mtl\n{QUAD}v 9 9 9\nusemtl a\nf 4 1 2\nusemtl b\nf 5 3 2\n"
    cloud = salanet.read(obj(tmp_path / "m.obj", text))
    assert cloud.xyz[:, 0].tolist() == [0, 1, 1, 0, 9]
    assert cloud.rgb is not None and cloud.rgb[[0, 3]].tolist() == [[255, 0, 0]] * 2
    assert cloud.rgb[[2, 4]].tolist() == [[0, 0, 255]] * 2
    textured = f"{QUAD}vt 0 0\nvt 1 1\nvt 0.5 0\nf 4/1 1/2 2/3\nf 4/2 2/1 3/3\n"
    assert np.array_equal(salanet.read(obj(tmp_path / "t.obj", textured)).xyz, cloud.xyz[:4])


@needs_trimesh
def test_colours_behind_the_vertices(tmp_path: Path) -> None:
    for scale in (1, 255):
        rows = [f"v {i} {i * i} 0 {scale} {scale * 0.2} {scale * (i == 2)}" for i in range(3)]
        cloud = salanet.read(obj(tmp_path / "v.obj", "\n".join([*rows, "f 1 2 3", ""])))
        assert cloud.rgb is not None
        assert cloud.rgb.tolist() == [[255, 51, 0], [255, 51, 0], [255, 51, 255]]


@needs_trimesh
def test_corners_that_are_counted_back(tmp_path: Path) -> None:
    later = "v 5 5 5\nv 6 5 5\nv 6 6 5\nf -3 -2 -1\n"
    found = triangles(
        salanet.read(obj(tmp_path / "b.obj", f"{QUAD}vn 0 0 1\nf -4//-1 -3 -2\n{later}"))
    )
    assert found is not None and found.tolist() == [[0, 1, 2], [4, 5, 6]]
    with pytest.raises(FileError, match="line 5: a face names a vertex before the first"):
        salanet.read(obj(tmp_path / "b.obj", f"{QUAD}f -5 -2 -1\n"))


@needs_trimesh
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{QUAD}f 0 1 2\n", "the vertex 0"),
        (f"{QUAD}f 1 2 99\n", "damaged"),
        (f"{QUAD}f 1 2 999999999999\n", "damaged"),
        (f"{QUAD}f 1 b 3\n", "damaged"),
        ("v 0 0 zero\nv 1 0 0\nv 1 1 0\nf 1 2 3\n", "damaged"),
        ("v 0 0\nv 1 0\nv 1 1\nf 1 2 3\n", "damaged"),
        ("# nothing\n", "holds no vertices"),
        ("\0\1\2\3", "holds no vertices"),
    ],
)
def test_damaged_obj(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=said):
        salanet.read(obj(tmp_path / "bad.obj", text))


@needs_trimesh
def test_points_without_faces(tmp_path: Path) -> None:
    cloud = salanet.read(obj(tmp_path / "points.obj", QUAD))
    assert len(cloud) == 4 and triangles(cloud) is None


@needs_trimesh
def test_columns_are_no_option(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="names its own fields"):
        salanet.read(obj(tmp_path / "a.obj", QUAD), columns="x,y,z")
