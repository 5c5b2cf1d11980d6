"""Names and colours of classes, and the colours that stand for values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from salanet.datasets.indoor import PALETTE as INDOOR
from salanet.errors import DataError
from salanet.io.las.asprs import ASPRS

if TYPE_CHECKING:
    from salanet.view.sample import Sample

Colour = tuple[int, int, int]
Mode = str  # one of these, or the name of a further attribute
KNOWN = ("class", "truth", "error", "rgb", "confidence", "intensity", "height")
SHARES = ("confidence", "entropy")  # from 0 to 1, as probabilities are
PROBABILITY = "p_"  # and the name of a class: its probability

MOST = 254  # classes of one picture; a byte holds their numbers, and 255 means none
NONE = 255
UNKNOWN: Colour = (186, 192, 200)  # no label, ignored
RIGHT, WRONG = (108, 118, 130), (230, 57, 70)
# Told apart next to each other; for classes that nothing gives a colour.
PALETTE: tuple[Colour, ...] = (
    (78, 137, 199), (240, 142, 60), (96, 178, 92), (214, 85, 88), (158, 120, 196),
    (158, 112, 88), (226, 134, 190), (186, 190, 72), (70, 188, 202), (250, 200, 90),
    (52, 95, 160), (170, 210, 150), (140, 50, 70), (240, 170, 160), (40, 130, 110),
    (200, 180, 230), (110, 90, 40), (130, 200, 240), (190, 60, 140), (210, 210, 200),
)  # fmt: skip
# For names that are common, those of the models that come with the package as these have them; the
# longest one that a class's name holds counts.
NAMED: dict[str, Colour] = {
    **INDOOR,
    "ground": (170, 121, 66), "terrain": (170, 121, 66), "road": (120, 120, 128),
    "low vegetation": (190, 220, 110), "medium vegetation": (110, 180, 70),
    "high vegetation": (30, 110, 45), "vegetation": (78, 158, 76), "shrub": (142, 190, 92),
    "tree": (30, 110, 45), "building": (205, 60, 50), "car": (86, 120, 210),
    "water": (66, 146, 214), "bridge": (240, 180, 80), "rail": (150, 90, 150),
    "noise": (236, 72, 186), "unclassified": (150, 150, 160), "other": (150, 150, 160),
    "never classified": (150, 150, 160), "wire": (240, 200, 60), "tower": (120, 84, 190),
}  # fmt: skip
# Anchors of colour ramps, evenly spaced: after viridis and turbo, but never too dark to see.
RAMPS: dict[str, tuple[Colour, ...]] = {
    "height": (
        (70, 98, 215), (54, 170, 249), (26, 228, 182), (114, 254, 94), (200, 239, 52),
        (251, 185, 56), (245, 105, 24), (201, 41, 3),
    ),
    "intensity": ((34, 36, 42), (245, 245, 240)),
    "confidence": (
        (202, 0, 32), (244, 130, 90), (250, 215, 150), (150, 205, 195), (30, 120, 165),
    ),
}  # fmt: skip
RAMPS["entropy"] = RAMPS["confidence"][::-1]


@dataclass(frozen=True)
class Classes:
    """The codes that labels have, with a name and a colour for each."""

    codes: tuple[int, ...]
    names: tuple[str, ...]
    colours: tuple[Colour, ...]

    @classmethod
    def of(
        cls, codes: Iterable[int], names: Mapping[int, str], colours: Mapping[int, Colour]
    ) -> Classes:
        """The codes in order; what has no name is called by its code.

        Raises DataError if there are more than a picture can tell apart.
        """
        codes = sorted({int(code) for code in codes})
        if len(codes) > MOST:
            raise DataError(f"the labels have {len(codes):,} values; that is no set of classes")
        named = [names.get(c, "no label" if c < 0 else f"class {c}") for c in codes]
        free = iter(range(len(codes)))
        chosen = [colours.get(c) or _named(n, c) or PALETTE[next(free) % len(PALETTE)]
                  for c, n in zip(codes, named, strict=True)]  # fmt: skip
        return cls(tuple(codes), tuple(named), tuple(chosen))

    @classmethod
    def of_samples(
        cls, samples: Sequence[Sample], metadata: Mapping[str, Any] | None = None
    ) -> Classes:
        """What the samples' labels are, named by a model's metadata or else by their files.

        Args:
            metadata: `classes`, and `codes` and `colours` if it has them, as models carry them.
        """
        names: dict[int, str] = {}
        for sample in samples:
            names |= sample.names
        colours: dict[int, Colour] = {}
        if metadata and metadata.get("classes"):
            given = list(map(str, metadata["classes"]))
            codes = metadata.get("codes") or range(len(given))
            names = dict(zip(codes, given, strict=False))
            colours = given_colours(metadata.get("colours"), names)
        found: set[int] = set()
        for sample in samples:
            for label in (sample.label, sample.truth):
                if label is not None:
                    found |= set(np.unique(label).tolist())
        return cls.of(found, names, colours)

    def index(self, label: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The number of each label (N,) among the codes."""
        order = np.argsort(self.codes)
        places = np.searchsorted(np.asarray(self.codes), label, sorter=order)
        return order.astype(np.uint8)[places]

    def more(self, others: Classes) -> Classes:
        """With those of others that are not here, after those that are."""
        new = [i for i, code in enumerate(others.codes) if code not in self.codes]
        if len(self.codes) + len(new) > MOST:
            raise DataError(f"the labels have more than {MOST} values; that is no set of classes")
        return Classes(
            self.codes + tuple(others.codes[i] for i in new),
            self.names + tuple(others.names[i] for i in new),
            self.colours + tuple(others.colours[i] for i in new),
        )

    def table(self) -> NDArray[np.uint8]:
        """The colours (C, 3)."""
        return np.asarray(self.colours, np.uint8).reshape(-1, 3)


def asprs(codes: Iterable[int]) -> dict[int, str]:
    """Names of the codes of LAS files."""
    return {code: ASPRS.get(code, "reserved" if code < 64 else "user defined") + (
        "" if code in ASPRS else f" ({code})") for code in codes}  # fmt: skip


def modes(sample: Sample) -> list[Mode]:
    """What the sample can be coloured by."""
    having: dict[Mode, bool] = {
        "class": sample.label is not None,
        "truth": sample.truth is not None and sample.label is not None,
        "error": sample.truth is not None and sample.label is not None,
        "rgb": sample.rgb is not None and bool(sample.rgb.any()),
        "confidence": sample.confidence is not None,
        "intensity": sample.intensity is not None,
        "height": True,
    }
    return [mode for mode, there in having.items() if there] + [*sample.further]


def best_mode(sample: Sample) -> Mode:
    """What to show first: classes if there are several, else colours, else heights."""
    having = modes(sample)
    if sample.label is not None and len(np.unique(sample.label)) > 1:
        return "class"
    return next(m for m in ("rgb", "height") if m in having)


def colour(sample: Sample, mode: Mode, classes: Classes) -> NDArray[np.uint8]:
    """The colour uint8 (N, 3) of each point.

    Raises DataError if the sample has no such values.
    """
    if mode not in modes(sample):
        raise DataError(
            f"{sample.name} cannot be coloured by {mode}; it can by {', '.join(modes(sample))}"
        )
    if mode == "rgb":
        return np.asarray(sample.rgb)
    if mode in ("class", "truth"):
        label = sample.label if mode == "class" else sample.truth
        return classes.table()[classes.index(np.asarray(label))]
    if mode == "error":
        states = np.array([RIGHT, WRONG, UNKNOWN], np.uint8)
        return states[errors(sample)]
    found = values(sample, mode)
    return ramp(ramp_of(mode))[scaled(found, ends_of(found, mode))]


def values(sample: Sample, mode: Mode) -> NDArray[Any]:
    """What a ramp of colours stands for, (N,); heights are in the file's units."""
    if mode == "height":
        return sample.drawn[:, 2]
    found: NDArray[Any] = getattr(sample, mode) if mode in KNOWN else sample.further[mode]
    return found


def title_of(mode: Mode) -> str:
    """What a legend calls it."""
    if mode.startswith(PROBABILITY):
        return f"Probability of {mode.removeprefix(PROBABILITY)}"
    return mode.capitalize() if mode in (*KNOWN, *SHARES) else mode


def ramp_of(mode: Mode) -> str:
    """The ramp that stands for its values; all attributes without one of their own share one."""
    return "confidence" if mode.startswith(PROBABILITY) else mode if mode in RAMPS else "height"


def ends_of(values: NDArray[Any], mode: Mode) -> tuple[float, float]:
    """The values of the ends of a ramp: of shares 0 and 1, else the 1st and 99th percentile."""
    share = mode in SHARES or mode.startswith(PROBABILITY)
    return (0.0, 1.0) if share else span(values)


def errors(sample: Sample) -> NDArray[np.uint8]:
    """0 where the label is the truth, 1 where not, 2 where the truth is unknown (negative)."""
    label, truth = np.asarray(sample.label), np.asarray(sample.truth)
    return np.where(truth < 0, 2, label != truth).astype(np.uint8)


def scaled(values: ArrayLike, ends: tuple[float, float]) -> NDArray[np.uint8]:
    """Values (N,) as bytes, 0 and 255 at these ends and beyond."""
    values, (low, high) = np.asarray(values, np.float64), ends
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.clip((values - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def span(values: NDArray[Any]) -> tuple[float, float]:
    """The 1st and 99th percentile of the finite values, a little apart at the least."""
    finite = values[np.isfinite(values)]
    low, high = (
        np.percentile(finite.astype(np.float64), (1, 99)).tolist() if len(finite) else (0.0, 1.0)
    )
    return (low, high) if high > low else (low, low + 1)


def ramp(name: str) -> NDArray[np.uint8]:
    """The 256 colours (256, 3) of a ramp."""
    anchors = np.asarray(RAMPS[name], np.float64)
    at = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.stack(columns, axis=1).round().astype(np.uint8)


def given_colours(given: Any, names: Mapping[int, str]) -> dict[int, Colour]:
    """Of metadata: a list beside the classes, or colours by name."""
    if isinstance(given, Mapping):
        pairs = [(code, given.get(name)) for code, name in names.items()]
    else:
        pairs = list(zip(names, given or [], strict=False))
    return {
        code: (int(c[0]) & 255, int(c[1]) & 255, int(c[2]) & 255)
        for code, c in pairs
        if isinstance(c, Sequence) and len(c) == 3
    }


def _named(name: str, code: int) -> Colour | None:
    if code < 0:
        return UNKNOWN
    held = [known for known in NAMED if known in name.lower()]
    return NAMED[max(held, key=len)] if held else None
