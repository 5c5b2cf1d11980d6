"""The file that is edited: which version of it, its journal, and where it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salanet.editing.journal import Entry, Journal, digest_of, journal_of
from salanet.editing.source import Loaded, load, readable, write_corrected
from salanet.errors import ConfigError, FileError
from salanet.io import require_writable
from salanet.labelling.inplace import STAGE, backup_of, put_in_place
from salanet.labelling.outputs import check_writable, make_folder, plan_outputs
from salanet.labelling.rules import check_name

MARK = ".corrected"  # before the suffix of an output whose name was not given
SAVED = "saved"  # what the journal calls it


@dataclass(frozen=True)
class Options:
    """How a file is edited.

    Attributes:
        output: where it is saved; None for NAME.corrected.SUFFIX beside it.
        in_place: it is saved in the place of the file, which is kept as NAME.backup.
        marks: the attribute that is 1 at points a person has assigned; None for none.
        classes: codes that can be assigned beside those that are in the file, and their names.
        colours: of codes; others have their usual ones.
        model: that learns from what is assigned; None for none.
        points: most points shown at once.
        columns: of text files.
        up, units: see `salanet.view.frame.framed`.
    """

    output: Path | None = None
    in_place: bool = False
    marks: str | None = "corrected"
    classes: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    model: str | None = None
    points: int = 1_000_000
    columns: str | None = None
    up: str = "auto"
    units: str = "auto"


class EditedFile:
    """A file that nobody else edits until `close`.

    Args:
        path: the file.
        options: see `Options`.

    Attributes:
        output: where `save` writes.
        journal: of its edits.

    Raises:
        FileError: the file or its journal cannot be read, the output not be written, somebody
            else edits it, or the journal belongs to another version of it.
        ConfigError: options that make no sense.
    """

    def __init__(self, path: Path, options: Options) -> None:
        self.path, self.options = path, options
        if options.marks is not None:
            check_name(options.marks)
        if options.points < 1:
            raise ConfigError("at least one point is to be shown")
        self.output = self._checked_output()
        self.journal = Journal(journal_of(path), path)
        try:
            self._source = self._begun()
        except BaseException:
            self.journal.close()
            raise

    @property
    def entries(self) -> list[Entry]:
        """The edits that were in the journal."""
        return [entry for entry in self.journal.entries if entry.get("do") != SAVED]

    def close(self) -> None:
        """Let others have it."""
        self.journal.close()

    def load(self) -> Loaded:
        """All points. A new journal is begun: it is of this version of the file.

        Raises FileError if that is no version that the journal knows.
        """
        with readable(self._source, self.path) as source:
            loaded = load(source, self.path, self.options.marks, self.options.columns)
        digest, count = digest_of(self._source), len(loaded.sample)
        if not self.journal.about:
            size = self._source.stat().st_size
            about = {"file": self.path.name, "bytes": size, "digest": digest, "points": count}
            self.journal.begin(about)
        if digest != self.journal.about["digest"] or count != self.journal.about["points"]:
            raise self._foreign()
        return loaded

    def save(self, codes: NDArray[np.int32], marked: NDArray[np.bool_]) -> list[str]:
        """Write the file with other classes; returns remarks.

        Args:
            codes: int32 (N,), of all points.
            marked: bool (N,), which points were assigned.

        Raises FileError if the file was changed meanwhile, or the result cannot be written.
        """
        options = self.options
        result = self.output
        if options.in_place:
            result = self.path.resolve().parent / STAGE / self.path.name
        make_folder(result)
        remarks = self.write(result, codes, marked, options.marks)
        if options.in_place:
            # Known before it is there: killed in between, either is a version that is known.
            self.journal.append({"do": SAVED, "digest": digest_of(result)})
            self._source = put_in_place(result, self.path, again=self._source != self.path)
            with suppress(OSError):
                result.parent.rmdir()
        return remarks

    def write(
        self, to: Path, codes: NDArray[np.int32], marked: NDArray[np.bool_], marks: str | None
    ) -> list[str]:
        """Write a copy with these classes and marks; see `save`."""
        if digest_of(self._source) != self.journal.about["digest"]:
            raise FileError(self.path, "was changed while it was edited: bring it back to save")
        used = {*np.unique(codes).tolist()}
        names = {code: text for code, text in self.options.classes.items() if code in used}
        with readable(self._source, self.path) as source:
            return write_corrected(source, to, codes, names, marks, marked, self.options.columns)

    def _checked_output(self) -> Path:
        if not self.options.in_place:
            return plan_outputs([self.path], self.options.output, MARK)[0]
        if self.options.output is not None:
            raise ConfigError("--in-place has no other output")
        if not self.path.is_file():
            raise FileError(self.path, "no such file")
        require_writable(self.path, self.path)
        check_writable(backup_of(self.path))
        return self.path

    def _begun(self) -> Path:
        """The file whose points the edits are of: the backup, if they were saved in place."""
        about, digest, backup = self.journal.about, digest_of(self.path), backup_of(self.path)
        saved = [entry.get("digest") for entry in self.journal.entries if entry["do"] == SAVED]
        kept = digest_of(backup) if backup.is_file() else None
        if digest in saved and kept == about.get("digest"):
            return backup
        if self.options.in_place and kept not in (None, digest):
            raise FileError(
                self.path,
                f"was labelled in place before: {backup} has the former file; restore that, or "
                "move it away",
            ).about("backup-there")
        if about and digest != about.get("digest"):
            if self.journal.entries:
                raise self._foreign()
            self.journal.about = {}  # nothing was done to that version
        return self.path

    def _foreign(self) -> FileError:
        return FileError(
            self.path,
            f"{self.journal.path.name} holds {len(self.entries):,} edits of another version of "
            "this file: bring that back, or move the edits away",
        )
