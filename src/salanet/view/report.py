"""The report of an evaluation: one page with tables, charts, and the worst scenes as pictures."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salanet.evaluation import Confusion
from salanet.evaluation.charts import bars_svg, confusion_svg
from salanet.io import atomic_path
from salanet.labelling.outputs import make_folder
from salanet.scenes import Scene
from salanet.view.canvas import png, write_png
from salanet.view.colours import RIGHT, UNKNOWN, WRONG, Classes, Colour, Mode, colour
from salanet.view.page import packaged
from salanet.view.picture import look, picture
from salanet.view.sample import Sample, picked

PAGE, FOLDER = "report.html", "panels"
SIZE = (720, 540)  # of a picture in pixels
MOST = 400_000  # points of a picture


@dataclass
class Gallery:
    """The scenes with the lowest mIoU, with what was predicted for their cells.

    Holds no more predictions than scenes it shows: `add` fits `inference.evaluate(predictions=)`.
    """

    limit: int = 4
    kept: list[tuple[float, Scene, NDArray[np.int16]]] = field(default_factory=list)

    def add(self, scene: Scene, confusion: Confusion, prediction: NDArray[np.integer]) -> None:
        score = confusion.mean_iou
        self.kept.append((score, scene, prediction.astype(np.int16)))
        self.kept.sort(key=lambda item: (item[0] if item[0] == item[0] else 2.0, item[1].name))
        del self.kept[self.limit :]


def write_report(
    folder: Path,
    result: Mapping[str, Any],
    gallery: Gallery | None = None,
    colours: Mapping[str, Colour] | None = None,
) -> Path:
    """Write `report.html`, whole in one file, and its pictures as `panels/SCENE-KIND.png`.

    Args:
        folder: is made if need be.
        result: what `salanet.evaluation.result` gives, of scenes or of shapes.
        gallery: the scenes to show.
        colours: of classes by name.

    Returns the page's path. Raises FileError if the folder cannot be written.
    """
    make_folder(folder / PAGE)
    if gallery and gallery.kept:
        make_folder(folder / FOLDER / PAGE)
    names = list(result.get("classes", {}))
    classes = Classes.of(
        range(-1, len(names)),
        dict(enumerate(names)) | {-1: "no label"},
        {i: (colours or {})[name] for i, name in enumerate(names) if name in (colours or {})},
    )
    parts = [_top(result), _tables(result, classes)]
    if gallery and gallery.kept:
        parts.append(_worst(gallery, classes, folder))
    parts.append(_origin(result))
    title = escape(f"{result.get('name') or 'SalaNet'}: evaluation")
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{title}</title><style>{packaged('report.css')}</style></head><body><main>"
        + "\n".join(parts)
        + "</main></body></html>\n"
    )
    with atomic_path(folder / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return folder / PAGE


def panels(
    scene: Scene, prediction: NDArray[np.integer], classes: Classes
) -> dict[str, NDArray[np.uint8]]:
    """Pictures of a scene, as in the paper's Figures 5 and 7: input, truth, prediction, error.

    Args:
        prediction: class (N,) of each point of the scene.
        classes: with the classes' indices as codes, and -1.
    """
    rows = picked(len(scene), MOST)
    intensity = scene.arrays.get("intensity")
    sample = Sample(
        scene.name,
        len(scene),
        scene.coord[rows].astype(np.float64),
        rgb=None if scene.color is None else np.asarray(scene.color[rows]),
        intensity=None if intensity is None else np.asarray(intensity[rows], np.float32).ravel(),
        label=prediction[rows].astype(np.int32),
        truth=None if scene.segment is None else scene.segment[rows].astype(np.int32),
    )
    camera = look(sample.xyz, aspect=SIZE[0] / SIZE[1])
    shown: dict[str, Mode] = {
        "input": "rgb" if sample.rgb is not None and sample.rgb.any() else "height",
        "truth": "truth",
        "prediction": "class",
        "error": "error",
    }
    return {
        name: picture(sample.xyz, colour(sample, mode, classes), camera=camera, size=SIZE)
        for name, mode in shown.items()
    }


def _top(result: Mapping[str, Any]) -> str:
    protocol = result.get("protocol", {})
    about = [result.get("dataset"), protocol.get("split"), protocol.get("name")]
    votes = protocol.get("votes")
    about += [f"{votes} vote{'s' if votes != 1 else ''}" if votes else None]
    figures = {
        "mIoU %": _percent(result.get("miou")),
        "OA %": _percent(result.get("oa")),
        "mAcc %": _percent(result["macc"]) if "macc" in result else None,
        "shape mIoU %": _percent(result["shape_miou"]) if "shape_miou" in result else None,
        "points": _count(result.get("points")),
        "parameters": _count(result.get("parameters")),
        "seconds": _count(result.get("seconds"), 1),
        "points per second": _count(result.get("points_per_second")),
        "peak memory, MB": _count((result.get("peak_memory_bytes") or 0) / 1e6 or None),
    }
    boxes = "".join(
        f"<div><b>{value}</b><span>{escape(name)}</span></div>"
        for name, value in figures.items()
        if value
    )
    said = " · ".join(escape(str(text)) for text in about if text)
    name = escape(str(result.get("name") or "Evaluation"))
    return f'<h1>{name}</h1><p class="about">{said}</p><div class="figures">{boxes}</div>'


def _tables(result: Mapping[str, Any], classes: Classes) -> str:
    if "categories" in result:
        rows = result["categories"]
        table = _table(
            ["category", "part IoU %", "shape IoU %", "shapes"],
            [[escape(n), _percent(r["miou"]), _percent(r["shape_miou"]), _count(r["shapes"])]
             for n, r in rows.items()],
        )  # fmt: skip
        bars = bars_svg(list(rows), {"part IoU": [r["miou"] for r in rows.values()]})
        return f'<h2>Categories</h2><div class="side"><div>{table}</div><div>{bars}</div></div>'
    rows = result.get("classes", {})
    swatch = {name: _swatch(c) for name, c in zip(classes.names, classes.colours, strict=True)}
    table = _table(
        ["class", "IoU %", "accuracy %", "points"],
        [[swatch.get(n, "") + escape(n), _percent(r["iou"]), _percent(r["accuracy"]),
          _count(r["points"])] for n, r in rows.items()],
        ["mean", _percent(result.get("miou")), _percent(result.get("macc")),
         _count(result.get("points"))],
    )  # fmt: skip
    kinds = {"IoU": "iou", "accuracy": "accuracy"}
    bars = bars_svg(list(rows), {k: [r[v] for r in rows.values()] for k, v in kinds.items()})
    parts = [f'<h2>Classes</h2><div class="side"><div>{table}</div><div>{bars}</div></div>']
    if "confusion" in result:
        svg = confusion_svg(result["confusion"], list(rows))
        parts.append(
            "<h2>Confusion</h2><p>Each row is in percent of the class's true points.</p>"
            f'<div class="wide">{svg}</div>'
        )
    if scenes := result.get("scenes"):
        worst = sorted(scenes.items(), key=lambda item: (item[1] is None, item[1] or 0))
        listed = [[escape(name), _percent(value)] for name, value in worst]
        parts.append("<h2>Scenes</h2>" + _table(["scene", "mIoU %"], listed))
    return "\n".join(parts)


def _worst(gallery: Gallery, classes: Classes, folder: Path) -> str:
    key = "".join(
        f"<span>{_swatch(c)}{escape(name)}</span>"
        for code, name, c in zip(classes.codes, classes.names, classes.colours, strict=True)
        if code >= 0
    )
    states = {"right": RIGHT, "wrong": WRONG, "truth unknown": UNKNOWN}
    errors = "".join(f"<span>{_swatch(c)}{name}</span>" for name, c in states.items())
    parts = [
        f'<h2>The worst scenes</h2><div class="key">{key}</div><div class="key">{errors}</div>'
    ]
    for score, scene, prediction in gallery.kept:
        images = panels(scene, prediction, classes)
        for kind, image in images.items():
            write_png(folder / FOLDER / f"{scene.name}-{kind}.png", image)
        figures = "".join(
            f'<figure><img alt="{kind}" src="data:image/png;base64,'
            f'{base64.b64encode(png(image)).decode()}"><figcaption>{kind}</figcaption></figure>'
            for kind, image in images.items()
        )
        parts.append(
            f"<h3>{escape(scene.name)}: mIoU {_percent(score)}, {len(scene):,} cells</h3>"
            f'<div class="panels">{figures}</div>'
        )
    return "\n".join(parts)


def _origin(result: Mapping[str, Any]) -> str:
    kept = ("model", "dataset", "protocol", "trained", "time", "versions", "machine", "git")
    rows = [
        f'<tr><td>{escape(name)}</td><td class="text">{_words(result[name])}</td></tr>'
        for name in kept
        if result.get(name)
    ]
    command = escape(str(result.get("command", "")))
    return f"<h2>Where this comes from</h2><pre>{command}</pre><table>{''.join(rows)}</table>"


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = [(key, v) for key, v in value.items() if v not in (None, "", {}, [])]
        return "<br>".join(f"{escape(str(key))}: {_flat(v)}" for key, v in pairs)
    return _flat(value)


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return escape(", ".join(f"{key} {v}" for key, v in value.items()))
    return escape(str(value))


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], foot: Sequence[str] | None = None
) -> str:
    """A table; the head is text, the cells are HTML."""

    def line(cells: Sequence[str], tag: str = "td") -> str:
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(map(line, rows))
    end = f"<tfoot>{line(foot)}</tfoot>" if foot else ""
    return (
        f"<table><thead>{line([escape(h) for h in head], 'th')}</thead><tbody>{body}</tbody>{end}"
        "</table>"
    )


def _swatch(rgb: Colour) -> str:
    return '<i style="background:rgb({},{},{})"></i>'.format(*rgb)


def _percent(value: float | None) -> str:
    return "–" if value is None or value != value else f"{100 * value:.1f}"


def _count(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
