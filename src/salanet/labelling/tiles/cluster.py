"""Thousands of tiles on the workers of a Dask cluster: exactly one result each, whatever dies.

A worker that dies takes no result with it: results appear whole, under their final name, and its
tile goes to another worker. Tiles that fail are reported, and stop no other.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from salanet import geometry
from salanet.engine.opening import as_runner, open_runner
from salanet.engine.runner import Precision, Runner
from salanet.errors import ConfigError, MissingExtraError, SalaNetError
from salanet.extensions import use_all, used
from salanet.io.atomic import private_folder
from salanet.labelling.buffer import UNITS_PER_METRE, header_bounds, reach_of
from salanet.labelling.memory import default_memory
from salanet.labelling.predict import PredictOptions, predict_file
from salanet.labelling.report import Report
from salanet.model_file import Described

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

# A tile that failed for reasons that may pass is tried again so many times. One whose worker died
# is so as well: half of them beside others, half alone.
RETRIES = 3
SECONDS_TO_ANSWER = 15
SECONDS_BETWEEN_LOOKS = 5
SECONDS_WITHOUT_WORKERS = 300
GONE = "the cluster's scheduler is gone; start it again, and begin again with resume"

# In a worker: the models it holds, by their digest.
_models: dict[str, Runner] = {}


@dataclass(frozen=True)
class Tile:
    """One file to label.

    Attributes:
        path, to: the input, and where its result goes; both where every worker sees them.
        options: see `PredictOptions`.
    """

    path: Path
    to: Path
    options: PredictOptions


@contextmanager
def connect(address: str | None, workers: int) -> Iterator[Client]:
    """A client of the scheduler at an address, or of a cluster of processes on this machine.

    On this machine all of them talk over TLS, by a certificate that exists for the run alone: a
    scheduler runs whatever code it is sent, and the ports of a machine are open to all its users.

    Args:
        address: such as tcp://host:8786; None for this machine.
        workers: processes on this machine; an existing cluster has its own.

    Raises:
        MissingExtraError: Dask, or what makes the certificate, is not installed.
        ConfigError: no scheduler answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError("distributed", "cluster") from error

    if address is None:
        with _local_cluster(workers) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(address, timeout=SECONDS_TO_ANSWER)
    except (OSError, ValueError) as error:  # a timeout is an OSError, too
        raise ConfigError(
            f"no Dask scheduler answers at {address} ({error}); start one with "
            "`dask scheduler`, or leave the address out for a cluster on this machine"
        ) from error
    with client:
        yield client


@contextmanager
def _local_cluster(workers: int) -> Iterator[LocalCluster]:
    """Processes on this machine that nobody else can talk to; their files go with them."""
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    try:
        security = Security.temporary()
    except ImportError as error:
        raise MissingExtraError("cryptography", "cluster") from error
    settings = {
        "distributed.scheduler.allowed-failures": RETRIES // 2,
        # The pages that these would show have no password.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with (
        _ended_by_sigterm(),
        private_folder("salanet-cluster") as folder,
        dask.config.set(settings | {"temporary-directory": str(folder)}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # prediction has a budget of its own
            security=security,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Inside, SIGTERM unwinds as Ctrl-C does, so that no worker and no folder is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        interrupt = KeyboardInterrupt("stopped by SIGTERM")
        interrupt.exit_code = 128 + number  # type: ignore[attr-defined]
        raise interrupt

    usual = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, usual)


def neighbourhoods(model: Described, files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """The neighbours of each of many files, as `buffer.touching` finds them.

    Every header is read once, and the boxes are compared along sorted edges: 100,000 tiles take
    seconds beside the reading.
    """
    with ThreadPoolExecutor() as pool:
        boxes = list(pool.map(header_bounds, files))
    of_known = {i: box[:, :2] for i, box in enumerate(boxes) if box is not None}
    known = list(of_known)
    found: list[tuple[Path, ...]] = [()] * len(files)
    if not known:
        return found
    reach = UNITS_PER_METRE * reach_of(model)
    low, high = np.stack(list(of_known.values()), axis=1)
    order = np.argsort(low[:, 0], kind="stable")
    low, high = low[order] - reach, high[order]
    widest = (high - low)[:, 0].max()
    starts = np.searchsorted(low[:, 0], low[:, 0] - widest)
    stops = np.searchsorted(low[:, 0], high[:, 0], side="right")
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        part = slice(start, stop)
        close = ((low[part] <= high[i]) & (low[i] <= high[part])).all(axis=1)
        rows = sorted(known[order[j]] for j in start + np.flatnonzero(close) if j != i)
        found[known[order[i]]] = tuple(files[j] for j in rows)
    return found


def predict_tiles(
    client: Client,
    tiles: Sequence[Tile],
    model: str | Path | Runner,
    report: Callable[[int, Report], None],
    *,
    device: str = "auto",
    precision: Precision = "float32",
    threads: int = 1,
) -> None:
    """Label tiles on a cluster, a bounded number of them under way at any time.

    A tile whose worker died goes to another, up to three times; an error of another kind than
    ours, such as of the storage, is tried again as often. Results are the same as by
    `predict_file` in one process.

    Args:
        client: from `connect`.
        tiles: what to label.
        model: a file, the name of a shipped one, or a runner of either; its file is sent to each
            worker once.
        report: called here with the number of each tile that is done and its report, which has
            an error if there is no result.
        device: auto, cpu, cuda; auto is each worker's own choice.
        precision: of the products; float32 on a worker whose processor lacks another.
        threads: of the kernels in each worker.

    Raises:
        ConfigError: the workers cannot load the model, or lost touch with this process.
    """
    runner = as_runner(model)
    if runner.path is None:
        raise ConfigError("workers need the model's file, not a network in memory")
    content = runner.path.read_bytes()
    digest = f"{runner.identity}-{device}-{precision}"  # what a worker holds may be of another run
    try:
        client.register_plugin(
            _opener(content, runner.path.suffix, digest, device, precision, used()),
            name=f"salanet-{digest}",
        )
    except Exception as error:  # whatever went wrong there comes as it is
        raise ConfigError(f"the workers cannot load the model: {error}") from error
    memory = default_memory()

    def submit(i: int) -> Future[Report]:
        # The same on every machine: tiles in memory depend on it, and labels at their seams.
        options = replace(tiles[i].options, memory=tiles[i].options.memory or memory)
        tile = Tile(tiles[i].path.resolve(), tiles[i].to.resolve(), options)
        return client.submit(label, tile, digest, threads, pure=False, retries=RETRIES)

    suspects = []
    for i, future in _finished(client, range(len(tiles)), submit):
        if _killed(future):
            suspects.append(i)
        else:
            report(i, _outcome(tiles[i], future))
    # Dask blames all tiles of a worker that died. Alone, each dies of itself or not at all.
    for i, future in _finished(client, suspects, submit, most=1):
        report(i, _outcome(tiles[i], future))


def _finished(
    client: Client,
    numbers: Iterable[int],
    submit: Callable[[int], Future[Report]],
    most: int | None = None,
) -> Iterator[tuple[int, Future[Report]]]:
    """Submit one tile per thread of the cluster, or at most so many; yields what is done."""
    from distributed import wait

    under_way: dict[Future[Report], int] = {}
    waiting = iter(numbers)
    seen = time.monotonic()
    while True:
        threads = _threads(client)
        seen = time.monotonic() if threads else seen
        for _, i in zip(range((most or max(1, threads)) - len(under_way)), waiting, strict=False):
            under_way[submit(i)] = i
        if not under_way:
            return
        with suppress(TimeoutError):
            wait(list(under_way), timeout=SECONDS_BETWEEN_LOOKS, return_when="FIRST_COMPLETED")
        for future in [future for future in under_way if future.done()]:
            yield under_way.pop(future), future
            future.release()
        if time.monotonic() - seen > SECONDS_WITHOUT_WORKERS:
            raise ConfigError(
                "the cluster has no workers, and none have come for five minutes; start some, "
                "and begin again with resume"
            )


def label(tile: Tile, digest: str, threads: int) -> Report:
    """In a worker: label one tile; the report has an error if our code refused it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    try:
        with geometry.use_threads(threads):
            found = predict_file(_models[digest], tile.path, tile.to, tile.options)
    except SalaNetError as error:  # would fail again
        return Report(tile.path, tile.to, error=" ".join(str(error).split()))
    return replace(found, pid=os.getpid())


def open_model(
    content: bytes,
    suffix: str,
    digest: str,
    device: str,
    precision: Precision = "float32",
    modules: tuple[str, ...] = (),
) -> None:
    """In a worker: open a model, once, with what it needs of these modules."""
    if digest in _models:
        return
    use_all(modules)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(content)
        _models[digest] = open_runner(path, device, precision=precision)


def _opener(*model: Any) -> Any:
    """Has every worker hold the model before its first tile, those that join later, too."""
    from distributed import WorkerPlugin

    class Opener(WorkerPlugin):
        def setup(self, worker: Any) -> None:  # noqa: ARG002
            open_model(*model)

    return Opener()


def _threads(client: Client) -> int:
    """How many tiles the cluster can work on at once, at this moment."""
    try:
        return sum(client.nthreads().values())
    except OSError as error:
        raise ConfigError(GONE) from error


def _killed(future: Future[Report]) -> bool:
    from distributed import KilledWorker

    return future.status == "error" and isinstance(future.exception(), KilledWorker)


def _outcome(tile: Tile, future: Future[Report]) -> Report:
    """The report of a tile; what went wrong for one that has none."""
    if future.status == "finished":
        found: Report = future.result()
        return found
    if _killed(future):
        why = "each worker that had it died; is there enough memory?"
        return Report(tile.path, tile.to, error=why)
    if future.status != "error":  # cancelled or lost
        raise ConfigError(GONE)
    error = future.exception()
    why = " ".join(f"{type(error).__name__}: {error}".split())
    return Report(tile.path, tile.to, error=why)
