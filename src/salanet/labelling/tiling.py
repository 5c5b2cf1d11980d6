"""Tiles of stored cells through the network, and what is found for each cell, on disk."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salanet.adapt.alignment import Alignment
from salanet.engine.confidence import confidence, levels, probabilities
from salanet.engine.runner import Levels, Runner
from salanet.engine.votes import finite, turned
from salanet.freed import release_memory
from salanet.io.ahead import ahead
from salanet.labelling.cell_store import CellStore
from salanet.labelling.memory import cell_bytes
from salanet.labelling.pieces import Part, Pieces
from salanet.labelling.point_store import NONE
from salanet.labelling.settling import FILE, TYPE, Rows
from salanet.labelling.workfolder import put
from salanet.sampling.blocks import EDGE, BlockTile, block_tiles, blocks_around
from salanet.sampling.noise import NO_CLASS

WINDOW = 1 << 22  # bytes of results read at once


class Prepared(NamedTuple):
    """One vote of one tile, ready for the network."""

    number: int
    vote: int
    features: NDArray[np.float32]
    levels: Levels
    core: NDArray[np.bool_]


@dataclass
class Tiling:
    """Labels all cells of a store that are in blocks of the file itself.

    Attributes:
        folder: where results go: `labels`, `probabilities`.
        pieces: which tiles are done.
        model: ready for inference.
        store: the cells.
        alignment: how the model sees them.
        votes: see `salanet.engine.votes.point_logits`.
        all_classes: keep the probability of every class too.
        limit: most bytes of a pass, where its buffer allows it.
        names: features of the model.
        least: confidence that a label takes.
        beside: how far around the file itself cells are labelled too, in cells.
    """

    folder: Path
    pieces: Pieces
    model: Runner
    store: CellStore
    alignment: Alignment
    votes: int
    all_classes: bool
    limit: int
    names: list[str]
    least: float = 0.0
    beside: float = 0.0

    def run(self) -> Iterator[tuple[int, int]]:
        """Work on the tiles that are not done yet; yields (cells done, cells in all)."""
        tiles = list(self.tiles())
        sizes = [self._size(tile) for tile in tiles]
        parts = [self._parts(tile) for tile in tiles]
        done = {i for i in range(len(tiles)) if self.pieces.has(f"tile-{i}", parts[i])}
        finished = sum(size for i, size in enumerate(sizes) if i in done)
        total = np.zeros(0, np.float32)
        for piece in ahead(self._prepare(tiles, done)):
            found = finite(self.model.logits(piece.features, piece.levels)[piece.core])
            total = found if piece.vote == 0 else total + found
            if piece.vote + 1 < self.votes:
                continue
            self._put(tiles[piece.number], total / np.float32(self.votes))
            self.pieces.add(f"tile-{piece.number}", parts[piece.number])
            release_memory()  # tiles differ in size: what one leaves hardly fits the next
            finished += sizes[piece.number]
            yield finished, sum(sizes)

    def tiles(self) -> Iterator[BlockTile]:
        """The tiles, which depend on nothing but the cells and the options."""
        model, store = self.model, self.store
        buffer = (
            model.buffer_radii * model.config.radius / self.alignment.zoom / self.alignment.grid
        )
        each = cell_bytes(model)
        limit = self.limit
        if model.pass_points:  # however sparse the cells are
            limit = min(limit, int(model.pass_points * each.sum()))
        return block_tiles(store.blocks, store.levels @ each, self.known, limit, buffer)

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Which blocks are labelled."""
        return blocks_around(self.store.blocks, self.store.own, self.beside)

    @property
    def label_type(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if len(self.model.config.classes) < 256 else np.uint16)

    def labels(self, cells: NDArray[Any]) -> NDArray[np.int64]:
        """The class of each of some cells, int64 (N,): NO_CLASS of cells that are none, one beyond
        the last of those that the model is less sure of than `least`."""
        return self._told(cells, "labels", self.label_type)

    def settled(self, cells: NDArray[Any]) -> NDArray[np.int64]:
        """The same after islands were put right (`salanet.labelling.settling`)."""
        found, settled = self.labels(cells), self._told(cells, FILE, TYPE)
        return np.where(found == len(self.model.config.classes), found, settled)

    def rows(self, start: int, stop: int) -> Rows:
        """The likeliest class of the cells from one number to another, and all probabilities."""
        classes = len(self.model.config.classes)
        path, at = self.folder / "probabilities", 4 * classes * start
        values = np.fromfile(path, np.float32, (stop - start) * classes, offset=at)
        probabilities = values.reshape(-1, classes)
        return Rows(probabilities.argmax(axis=1), probabilities)

    def _told(self, cells: NDArray[Any], name: str, kind: np.dtype[Any]) -> NDArray[np.int64]:
        found, known = np.full(len(cells), NO_CLASS, np.int64), cells != NONE
        found[known] = gather(self.folder / name, kind, 1, cells[known])[:, 0]
        return found

    def levels(self, cells: NDArray[Any]) -> NDArray[np.uint8]:
        """How sure the model is of some cells, uint8 (N,), 0 of cells that are none; see
        `salanet.engine.confidence`."""
        found, known = np.zeros(len(cells), np.uint8), cells != NONE
        found[known] = gather(self.folder / "levels", found.dtype, 1, cells[known])[:, 0]
        return found

    def probabilities(self, cells: NDArray[Any]) -> NDArray[np.float32] | None:
        """The probability of each class for some cells (N, classes), all alike for cells that are
        none; None if not kept."""
        if not self.all_classes:
            return None
        kind, classes = np.dtype(np.float32), len(self.model.config.classes)
        found, known = np.full((len(cells), classes), 1 / classes, kind), cells != NONE
        found[known] = gather(self.folder / "probabilities", kind, classes, cells[known])
        return found

    def _prepare(self, tiles: list[BlockTile], done: Container[int]) -> Iterator[Prepared]:
        least = self.store.lowest(WINDOW) if "height" in self.names else 0.0
        for number, tile in enumerate(tiles):
            if number in done:
                continue
            rows, core = self._rows(tile)
            points = rows[:, :3] * np.float32(self.alignment.zoom)
            values = rows[:, 3:]
            if "height" in self.names:
                values[:, _column(self.names)] -= np.float32(least)
            features = np.ascontiguousarray(values)
            for vote in range(self.votes):
                levels = self.model.levels(turned(points, vote, self.votes))
                yield Prepared(number, vote, features, levels, core)

    def _rows(self, tile: BlockTile) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The cells a tile sees, and which of them it answers for."""
        store, parts = self.store, []
        edge = EDGE * self.alignment.grid
        buffer = self.model.buffer_radii * self.model.config.radius / self.alignment.zoom
        first, last = store.blocks.box(tile.core)
        low, high = first * edge - buffer, last * edge + buffer
        for start, stop in store.spans(tile.seen):
            rows = store.read(start, stop)
            near = ((rows[:, :3] >= low) & (rows[:, :3] <= high)).all(axis=1)
            core = np.zeros(stop - start, bool)
            for a, b in store.spans(tile.core):
                core[max(a - start, 0) : max(b - start, 0)] = True
            parts.append((rows[near | core], core[near | core]))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _put(self, tile: BlockTile, logits: NDArray[np.float32]) -> None:
        labels = logits.argmax(axis=1).astype(self.label_type)
        sure = confidence(self.model, logits)
        labels[sure < self.least] = len(self.model.config.classes)
        shares = probabilities(self.model, logits) if self.all_classes else None
        at = 0
        for start, stop in self.store.spans(tile.core):
            part = slice(at, at + stop - start)
            put(self.folder / "labels", start * labels.itemsize, labels[part])
            put(self.folder / "levels", start, levels(sure[part]))
            if shares is not None:
                put(self.folder / "probabilities", start * shares[:1].nbytes, shares[part])
            at += stop - start

    def _parts(self, tile: BlockTile) -> list[Part]:
        """Where the results of a tile lie."""
        rows = {"labels": self.label_type.itemsize, "levels": 1}
        if self.all_classes:
            rows["probabilities"] = 4 * len(self.model.config.classes)
        spans = self.store.spans(tile.core)
        return [Part(self.folder / n, a * s, b * s) for n, s in rows.items() for a, b in spans]

    def _size(self, tile: BlockTile) -> int:
        return sum(b - a for a, b in self.store.spans(tile.core))


def gather(path: Path, kind: np.dtype[Any], width: int, rows: NDArray[Any]) -> NDArray[Any]:
    """Some rows (n, width) of a file of equal rows, reading little more than what is needed."""
    needed, back = np.unique(rows, return_inverse=True)
    found = np.empty((len(needed), width), kind)
    size = kind.itemsize * width
    window = max(WINDOW // size, 1)
    at = 0
    while at < len(needed):
        first = int(needed[at])
        stop = int(np.searchsorted(needed, first + window))
        count = int(needed[stop - 1]) - first + 1
        values = np.fromfile(path, kind, count * width, offset=first * size)
        found[at:stop] = values.reshape(-1, width)[needed[at:stop] - first]
        at = stop
    return found[back]


def _column(names: list[str]) -> int:
    """Which channel is the height above the lowest cell."""
    from salanet.sampling.features import width

    before = names[: names.index("height")]
    return width(before) if before else 0
