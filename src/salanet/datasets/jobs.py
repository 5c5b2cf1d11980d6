"""Jobs of preparation: each makes one folder, many run at a time, what is complete is skipped."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import salanet
from salanet.datasets.manifest import digest, digests
from salanet.errors import DataError, NoLabelsError
from salanet.extensions import use_all, used
from salanet.scene_header import HEADER
from salanet.scenes import intact

if TYPE_CHECKING:
    from salanet.datasets.blocks import Part

SPLITS = ("train", "val", "test")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Job:
    """What becomes one folder.

    Attributes:
        name: of the result below the destination, split first: ``Area_5/office_19``.
        files: what it is made from; a changed one makes it again.
        folder: where it goes.
        header: JSON file in the folder that says what it was made from.
        part: which part of the file, if not all of it.
    """

    name: str
    files: tuple[Path, ...]
    folder: Path
    header: str = HEADER
    part: Part | None = None

    @classmethod
    def of_file(cls, source: Path, split: str, folder: Path, part: Part | None = None) -> Job:
        """The job that makes the scene of one file, or of its part in one split."""
        return cls(f"{split}/{folder.name}", (source,), folder, part=part)

    @property
    def split(self) -> str:
        return self.name.split("/")[0]

    @property
    def source(self) -> Path:
        """The first file."""
        return self.files[0]


@dataclass(frozen=True)
class Prepared:
    """The outcome of one job.

    Attributes:
        job: what was done.
        meta: what the header of the folder says.
        skipped: the folder was complete already.
        files: SHA-256 of each file written, where they are asked for.
    """

    job: Job
    meta: Mapping[str, Any]
    skipped: bool
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, int]:
        """Counts such as points and cells, or shapes and points."""
        return dict(self.meta["figures"])

    @property
    def counts(self) -> dict[str, int]:
        """Points by class name, ignored ones left out."""
        return dict(self.meta["counts"])

    @property
    def remarks(self) -> list[str]:
        """What was repaired or is odd."""
        return list(self.meta.get("remarks", []))


def header(
    job: Job, origin: Mapping[str, str], settings: Mapping[str, Any], *, hashed: bool = True
) -> dict[str, Any]:
    """What the header of every folder says of its making; `is_current` reads it.

    Call before the files are read: one that changes meanwhile is then made again the next time.
    `hashed` adds the SHA-256 of every file.
    """
    sources = [
        fingerprint(path) | ({"sha256": digest(path)} if hashed else {}) for path in job.files
    ]
    provenance = {**origin, "sources": sources, "salanet": salanet.__version__}
    return {"provenance": provenance, "settings": dict(settings)}


def is_current(job: Job, settings: Mapping[str, Any]) -> bool:
    """Whether the job's folder exists, whole, from the same files and with the same settings."""
    meta = intact(job.folder, job.header)
    if meta is None or "figures" not in meta:
        return False
    provenance = meta.get("provenance", {})
    then = [
        {key: source[key] for key in ("name", "bytes", "mtime_ns")}
        for source in provenance.get("sources", [])
    ]
    return (
        meta.get("settings") == json.loads(json.dumps(dict(settings)))
        and provenance.get("salanet") == salanet.__version__
        and then == [fingerprint(path) for path in job.files]
    )


def fingerprint(source: Path) -> dict[str, Any]:
    """Name, size and time of a file: enough to see that it changed."""
    stat = source.stat()
    return {"name": source.name, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}


def outcome(job: Job, *, skipped: bool = False, hashed: bool = False) -> Prepared:
    """What became of a job, from its folder."""
    meta = json.loads((job.folder / job.header).read_text(encoding="utf-8"))
    return Prepared(job, meta, skipped, digests(job.folder) if hashed else {})


def run(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    processes: bool = False,
    done: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Work on `workers` items at a time, in threads or each in a process of its own.

    `done`, if given, is called with each result. The first error stops the rest. Results are in
    the order of the items.
    """
    tell = done or (lambda _: None)
    if min(workers, len(items)) <= 1:
        results = []
        for item in items:
            results.append(work(item))
            tell(results[-1])
        return results
    context = multiprocessing.get_context("spawn")  # OpenMP does not survive a fork
    workers = min(workers, len(items))
    pool: Executor = (
        ProcessPoolExecutor(workers, context, _one_thread, (used(),))
        if processes
        else ThreadPoolExecutor(workers)
    )
    with pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in as_completed(futures):
                tell(future.result())
        except BrokenProcessPool:
            raise DataError(
                "a process of the preparation died, most likely for lack of memory; use fewer "
                "--workers (what is complete is kept)"
            ) from None
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def run_labelled(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    done: Callable[[Result], None] | None = None,
    skipped: Callable[[NoLabelsError], None] | None = None,
) -> list[Result]:
    """As `run` in threads, but what has no labels is left out, and `skipped` gets to know why.

    Raises NoLabelsError if nothing has labels.
    """

    def or_why_not(item: Item) -> Result | NoLabelsError:
        try:
            return work(item)
        except NoLabelsError as error:
            return error

    def tell(found: Result | NoLabelsError) -> None:
        if isinstance(found, NoLabelsError):
            if skipped:
                skipped(found)
        elif done:
            done(found)

    found = run(or_why_not, items, workers=workers, done=tell)
    results = [one for one in found if not isinstance(one, NoLabelsError)]
    for one in found if not results else ():
        assert isinstance(one, NoLabelsError)
        raise one
    return results


def _one_thread(modules: tuple[str, ...]) -> None:
    """In a process: one thread for each kernel, and what this one has imported."""
    use_all(modules)
    os.environ |= dict.fromkeys(THREADS, "1")
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
