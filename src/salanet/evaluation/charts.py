"""Charts as SVG text, without a dependency: confusion matrix, bars, curves.

Each is one complete ``<svg>`` element on a white ground, for a page or for a file of its own. Texts
are escaped. Colours are told apart by the colour-blind too (after Okabe and Ito), and every value
is also there as a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#666666")
INK, QUIET, GRID = "#1f2933", "#5f6b76", "#e3e7eb"
DARKEST = (8, 64, 129)  # of the confusion's cells
LETTER = 6.7  # about the width of a letter in pixels, for the room that names need
LONGEST = 28  # letters of a name


def confusion_svg(confusion: ArrayLike, classes: Sequence[str]) -> str:
    """A confusion matrix as a heat map, each row in percent of its true points.

    Args:
        confusion: counts (C, C), row = truth, column = prediction.
        classes: the C names.
    """
    counts = np.asarray(confusion, dtype=np.float64)
    if counts.shape != (len(classes), len(classes)):
        raise ValueError(f"a confusion of {counts.shape} for {len(classes)} classes")
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    names = [_short(name) for name in classes]
    wide, high = 46, 28
    left, top = _room(names) + 34, _room(names) * 0.72 + 44
    parts = [
        _text(left + wide * len(names) / 2, 16, "predicted", fill=QUIET, anchor="middle"),
        f'<g transform="translate(14 {top + high * len(names) / 2}) rotate(-90)">'
        + _text(0, 0, "true", fill=QUIET, anchor="middle")
        + "</g>",
    ]
    for i, name in enumerate(names):
        x, y = left + wide * (i + 0.5), top + high * (i + 0.5)
        parts.append(_text(left - 8, y + 4, name, anchor="end"))
        turned = _text(0, 0, name)
        parts.append(f'<g transform="translate({x:.1f} {top - 8:.1f}) rotate(-45)">{turned}</g>')
        parts += [
            _cell(left + wide * j, top + high * i, wide, high, share[i, j], note)
            for j, note in enumerate(_notes(classes, counts, i))
        ]
    width = left + wide * len(names) + _room(names[-1:]) * 0.72 + 12
    return _svg(width, top + high * len(names) + 10, parts, "Confusion matrix")


def bars_svg(
    names: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    *,
    most: float | None = 1.0,
    percent: bool = True,
) -> str:
    """Horizontal bars, those of a name together, each with its value.

    Args:
        names: what the bars are of, such as classes.
        series: values of each kind, one for each name; None and nan have no bar.
        most: what the whole width stands for; None: the greatest value.
        percent: print shares as percentages.
    """
    labels = [_short(name) for name in names]
    left, right, bar, gap = _room(labels) + 14, 420.0, 12, 10
    values = [_number(v) for column in series.values() for v in column]
    top = most or max((v for v in values if v is not None), default=1.0) or 1.0
    parts, y = _legend(series, left), 34.0
    for i, label in enumerate(labels):
        parts.append(_text(left - 8, y + bar * len(series) / 2 + 4, label, anchor="end"))
        for n, column in enumerate(series.values()):
            value = _number(column[i])
            length = 0.0 if value is None else right * min(max(value / top, 0), 1)
            colour = COLOURS[n % len(COLOURS)]
            parts.append(
                f'<rect x="{left}" y="{y:.1f}" width="{right}" height="{bar - 2}" fill="#f2f4f6"/>'
                f'<rect x="{left}" y="{y:.1f}" width="{length:.1f}" height="{bar - 2}" '
                f'fill="{colour}"/>'
            )
            shown = "–" if value is None else f"{100 * value:.1f}" if percent else _brief(value)
            parts.append(_text(left + right + 8, y + bar - 3, shown, size=11))
            y += bar
        y += gap
    return _svg(left + right + 64, y + 4, parts, "Bars")


def curves_svg(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, x: str = "epoch"
) -> str:
    """Values over time as lines that share one axis.

    Args:
        rows: one for each time; a value that is absent, None or nan has no point.
        columns: which of them to draw.
        x: the column of the time; absent, the rows are counted from 1.
    """
    left, top, width, height = 62.0, 40.0, 560.0, 240.0
    lines = {name: _points(rows, name, x) for name in columns}
    low_x, high_x = _span(p[0] for line in lines.values() for p in line)
    low_y, high_y = _span(p[1] for line in lines.values() for p in line)
    ticks_y = _ticks(low_y, high_y)
    low_y, high_y = min(low_y, ticks_y[0]), max(high_y, ticks_y[-1])
    parts = _legend(lines, left)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        across = (point[0] - low_x) / (high_x - low_x)
        return left + width * across, top + height * (high_y - point[1]) / (high_y - low_y)

    for tick in ticks_y:
        y = place((low_x, tick))[1]
        parts.append(
            f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
        )
        parts.append(_text(left - 8, y + 4, _brief(tick), anchor="end", size=11, fill=QUIET))
    for tick in _ticks(low_x, high_x):
        if low_x <= tick <= high_x:
            at = place((tick, low_y))[0]
            parts.append(
                _text(at, top + height + 18, _brief(tick), anchor="middle", size=11, fill=QUIET)
            )
    middle = left + width / 2
    parts.append(_text(middle, top + height + 36, x, anchor="middle", size=11, fill=QUIET))
    for n, (name, line) in enumerate(lines.items()):
        placed = [place(point) for point in line]
        parts.append(_line(placed, COLOURS[n % len(COLOURS)], f"{name}: {len(line)} values"))
    return _svg(left + width + 24, top + height + 48, parts, ", ".join(columns))


def _notes(classes: Sequence[str], counts: np.ndarray, i: int) -> list[str]:
    return [
        f"{count:,.0f} points of {classes[i]} predicted as {other}"
        for other, count in zip(classes, counts[i], strict=True)
    ]


def _cell(x: float, y: float, wide: float, high: float, share: float, note: str) -> str:
    known = not math.isnan(share)
    depth = math.sqrt(share) if known else 0.0  # so that small shares show as well
    fill = "#" + bytes(round(255 + (c - 255) * depth) for c in DARKEST).hex()
    shown = "" if not known or share == 0 else "<0.1" if share < 0.0005 else f"{100 * share:.1f}"
    ink = "#ffffff" if depth > 0.6 else INK
    return (
        f'<g><title>{escape(note)}</title><rect x="{x:.1f}" y="{y:.1f}" width="{wide - 1}" '
        f'height="{high - 1}" fill="{fill if known else "#f2f4f6"}"/>'
        + _text(x + wide / 2, y + high / 2 + 4, shown, size=11, fill=ink, anchor="middle")
        + "</g>"
    )


def _line(points: Sequence[tuple[float, float]], colour: str, note: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in points)
    return (
        f'<g fill="{colour}"><title>{escape(note)}</title><polyline points="{joined}" fill="none" '
        f'stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'
        f"{dots if len(points) <= 60 else ''}</g>"
    )


def _legend(names: Iterable[str], left: float) -> list[str]:
    names = list(names)
    if len(names) < 2:
        return [_text(left, 18, _short(names[0]), fill=QUIET)] if names else []
    parts, x = [], left
    for n, name in enumerate(map(_short, names)):
        colour = COLOURS[n % len(COLOURS)]
        parts.append(f'<rect x="{x:.1f}" y="8" width="12" height="12" rx="2" fill="{colour}"/>')
        parts.append(_text(x + 18, 18, name))
        x += _room([name]) + 40
    return parts


def _points(rows: Sequence[Mapping[str, Any]], name: str, x: str) -> list[tuple[float, float]]:
    found = [
        (_number(row.get(x, n)), _number(row.get(name))) for n, row in enumerate(rows, start=1)
    ]
    return [(a, b) for a, b in found if a is not None and b is not None]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _span(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    low, high = min(known, default=0.0), max(known, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that enclose the span."""
    raw = (high - low) / most
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def _brief(value: float) -> str:
    return f"{value:.4g}".replace("e+0", "e").replace("e-0", "e-")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _room(names: Sequence[str]) -> float:
    return max((len(name) for name in names), default=0) * LETTER


def _text(
    x: float, y: float, text: str, *, fill: str = INK, anchor: str = "start", size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}" '
        f'font-size="{size}">{escape(text)}</text>'
    )


def _svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" '
        'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">'
        f'<title>{escape(title)}</title><rect width="100%" height="100%" fill="#ffffff"/>'
        + "".join(parts)
        + "</svg>"
    )
