"""Results that take the place of their input, the former file kept beside it, and the way back.

All results of a run are made in a folder `.salanet-in-place` beside the inputs first, so that files
that look beyond their edges see their neighbours as they were. Then each in turn

1. gets its former file as a second name, `NAME.backup` (a copy, where the disk has no such links);
2. and takes the place of its input.

Both are one step of the file system. Killed before, between or after them, the former file is
there under one of the names, or both, with every bit as it was.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from salanet.errors import ConfigError, FileError, SalaNetError
from salanet.io import require_writable
from salanet.io.atomic import atomic_path, flush, reason
from salanet.io.find import expand
from salanet.io.unchanged import require_unchanged, states
from salanet.labelling.outputs import check_writable
from salanet.labelling.report import Report
from salanet.labelling.tiles.journal import NAME as JOURNAL
from salanet.labelling.watch import Watch
from salanet.remark import Remark

BACKUP, STAGE = ".backup", ".salanet-in-place"


def backup_of(path: Path) -> Path:
    """Where the former version of a file is kept, which need not be there."""
    path = path.resolve()
    return path.with_name(path.name + BACKUP)


class InPlace(Watch):
    """A run whose results are to take the place of their inputs.

    Args:
        files: the inputs.
        resume: what an earlier run has put in its place is done; else it is an error.
        watch: hears of the work.

    Attributes:
        waiting, staged: inputs that are not done yet, and where the result of each is made.
        done: those that are.

    Raises:
        FileError: an input does not exist, cannot be written, or has a backup.
        ConfigError: two inputs are one file.
    """

    def __init__(self, files: Sequence[Path], resume: bool, watch: Watch) -> None:
        self._watch = watch
        self.waiting, self.staged = list[Path](), list[Path]()
        self.done = list[Path]()
        self._folders = {path.resolve().parent / STAGE for path in files}
        for path in files:
            if not path.is_file():
                raise FileError(path, "no such file")
            require_writable(path, path)
            check_writable(backup_of(path))
            if _kept_by(backup_of(path), path):
                self.waiting.append(path)
                self.staged.append(path.resolve().parent / STAGE / path.resolve().name)
            elif resume:
                self.done.append(path)
            else:
                raise FileError(
                    path,
                    f"was labelled in place before: {backup_of(path)} has the former file; "
                    "restore that, or move it away",
                ).about("backup-there")
        if len({*self.staged}) < len(self.staged):
            raise ConfigError("two of the inputs are the same file")
        self._order, self._before = [*files], states(self.waiting)

    def begins(self, files: int) -> None:
        self._watch.begins(files)

    def progress(self, path: Path, phase: str, done: int, total: int) -> None:
        self._watch.progress(path, phase, done, total)

    def says(self, text: str) -> None:
        self._watch.says(text)

    def ends(self, report: Report) -> None:
        self._watch.ends(self.named(report))

    def named(self, report: Report) -> Report:
        """The report of a result that is in its place, or is to be."""
        if report.error or not (report.seconds or report.skipped):  # a dry run
            return replace(report, output=report.input)
        backup = backup_of(report.input)
        remark = Remark(f"the former file is kept as {backup}", "backup")
        return replace(
            report, output=report.input, backup=backup, remarks=(*report.remarks, remark)
        )

    def finish(self, reports: Iterable[Report]) -> list[Report]:
        """Put every result in its place; returns the reports of all inputs."""
        found = [Report(path, path, skipped=True, backup=backup_of(path)) for path in self.done]
        for told in found:
            self._watch.ends(told)
        staged = dict(zip(self.waiting, self.staged, strict=True))
        for report in reports:
            path, told = report.input, self.named(report)
            if not report.error:
                try:
                    require_unchanged({path: self._before[path]})
                    put_in_place(staged[path], path)
                except SalaNetError as error:
                    told = Report(path, path, error=" ".join(str(error).split()))
                    self._watch.ends(told)
            found.append(told)
        for folder in self._folders:
            (folder / JOURNAL).unlink(missing_ok=True)
        return sorted(found, key=lambda report: self._order.index(report.input))

    def tidy(self) -> None:
        """Remove the folders of results unless some are left there."""
        for folder in self._folders:
            with suppress(OSError):
                folder.rmdir()


def put_in_place(result: Path, path: Path, again: bool = False) -> Path:
    """Let a result take the place of a file, which is kept; returns where.

    Args:
        again: the file is an earlier result of the same work: what is kept already stays.

    Raises FileError if another version of the file is kept already, or the system refuses.
    """
    path, backup = path.resolve(), backup_of(path)
    try:
        shutil.copymode(path, result)
        if again:
            _keep_on(backup)
        else:
            _keep(path, backup)
        flush(path.parent)
        result.replace(path)
        flush(path.parent)
    except OSError as error:
        why = reason(error, path.parent)
        raise FileError(path, f"cannot be replaced: {why}; the result is {result}") from error
    return backup


def restore(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Bring back the files that labels took the place of (`label` with `in_place`), bit for bit.

    Args:
        paths: the labelled files; folders of them and patterns mean those that have a backup.

    Returns:
        The files that were brought back.

    Raises:
        FileError: a file that has no backup, or was changed since it was labelled; then none is
            brought back. None in a folder has one.
    """
    given = [paths] if isinstance(paths, (str, Path)) else [*paths]
    named = {Path(path) for path in given}
    files = [
        path
        for path in expand([Path(path) for path in given])
        if path in named or backup_of(path).is_file()
    ]
    if not files:
        raise FileError(Path(given[0]) if given else Path(), "no file here has a backup")
    for path in files:
        backup = backup_of(path)
        if not backup.is_file():
            raise FileError(path, f"has no backup: there is no {backup}")
        if _changed_since(path, backup):
            raise FileError(
                path,
                "was changed after it was labelled, which would be lost: rename it, and restore "
                "again",
            )
    for path in files:
        target, backup = path.resolve(), backup_of(path)
        if target.exists() and backup.samefile(target):  # killed before the result came
            backup.unlink()
        else:
            backup.replace(target)
        flush(target.parent)
    return files


def _keep(path: Path, backup: Path) -> None:
    """Give a file a second name that stays when the first gets another file."""
    if not _kept_by(backup, path):
        raise FileError(path, f"{backup} has another version of it already")
    if backup.exists():  # by a run that was killed then
        _keep_on(backup)
        return
    try:
        os.link(path, backup)
    except FileExistsError:
        raise
    except OSError:  # not on this disk
        with atomic_path(backup) as copy:
            shutil.copy2(path, copy)


def _keep_on(backup: Path) -> None:
    """Note that a backup is kept now: see `_changed_since`."""
    status = backup.stat()
    os.utime(backup, ns=(status.st_atime_ns, status.st_mtime_ns))


def _kept_by(backup: Path, path: Path) -> bool:
    """Whether a backup holds nothing but the file as it is, or is not there."""
    if not backup.exists():
        return True
    return backup.samefile(path) or filecmp.cmp(backup, path, shallow=False)


def _changed_since(path: Path, backup: Path) -> bool:
    """Whether a file is younger than the moment in which its backup was named."""
    if not path.exists() or backup.samefile(path) or os.name != "posix":
        return False
    return path.stat().st_mtime_ns > backup.stat().st_ctime_ns
