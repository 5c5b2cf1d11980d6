"""Several processes as one training: started, counted together, and watched."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from salanet.errors import ConfigError, MissingExtraError, SalaNetError
from salanet.terminal import visible
from salanet.training.stopping import Stopped

T = TypeVar("T")

# How long processes wait for each other to appear, and at most for each other within a step.
TOGETHER = timedelta(minutes=10)
# Seconds between signs of life, and of silence after which a process counts as gone.
BEAT = 1.0
SILENCE = 30.0
# The same once a connection broke: someone is gone, the question is who.
SILENCE_AFTER_LOSS = 4.0
# Seconds that a process has to end by itself once another is gone.
LAST_WORDS = 5.0
FAILED, DONE = "failed", "done"


def layout(devices: int | None) -> tuple[int, int]:
    """Processes on this machine, and machines, as torchrun or SLURM or else `devices` says.

    Raises:
        ConfigError: `devices` contradicts them, or is no number of processes.
    """
    if devices is not None and devices < 1:
        raise ConfigError(f"--devices {devices}: at least one process is needed")
    env, outside = os.environ, launcher()
    here, machines = devices or 1, 1
    if outside == "torchrun":
        here = int(env["LOCAL_WORLD_SIZE"])
        machines = int(env["WORLD_SIZE"]) // here
    elif outside == "SLURM":
        machines = int(env.get("SLURM_NNODES", "1"))
        here = int(env["SLURM_NTASKS"]) // machines
    if devices not in (None, here):
        raise ConfigError(
            f"--devices {devices}, but {outside} started {here} processes on this machine; "
            "leave --devices out"
        )
    return here, machines


def launcher() -> str:
    """Who started this process as one of several: "torchrun", "SLURM", or "" for neither."""
    if distributed.is_available() and distributed.is_torchelastic_launched():
        return "torchrun"
    several = int(os.environ.get("SLURM_NTASKS", "1")) > 1
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM" if several and not interactive else ""


def start_others(devices: int | None) -> list[subprocess.Popen[bytes]]:
    """Start this command line again for all processes but the first; none if others did so."""
    here, machines = layout(devices)
    if here * machines == 1 or launcher() or "LOCAL_RANK" in os.environ:
        return []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": "0"}
    command = [sys.executable, "-m", "salanet.cli.main", *sys.argv[1:]]
    return [
        subprocess.Popen(command, env=os.environ | {"LOCAL_RANK": str(rank)})
        for rank in range(1, here)
    ]


def launch(accelerator: str, devices: int | None, precision: Any, *, unused: bool) -> Any:
    """A Lightning Fabric on its devices; MissingExtraError if it or TensorBoard is absent.

    Args:
        accelerator, precision: as in Lightning Fabric.
        devices: see `layout`; the processes must have been started, see `start_others`.
        unused: whether some steps use only a part of the network.
    """
    for package, distribution in (
        ("lightning_fabric", "lightning-fabric"),
        ("tensorboard", "tensorboard"),
    ):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtraError(distribution, "train") from error
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment
    from lightning_fabric.strategies import DDPStrategy

    # What it tells about its ranks is ours to say, when something is wrong.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*broadcast_buffers.*is deprecated")
    here, machines = layout(devices)
    several = here * machines > 1
    if several and not launcher() and "LOCAL_RANK" not in os.environ:
        raise ConfigError("several devices: start the processes by salanet train, torchrun or srun")
    # The statistics of batch norms are shared as they arise, not sent around.
    strategy = DDPStrategy(timeout=TOGETHER, find_unused_parameters=unused, broadcast_buffers=False)
    fabric = Fabric(
        accelerator=accelerator,
        devices=here,
        num_nodes=machines,
        strategy=strategy if several else "auto",
        plugins=None if launcher() else LightningEnvironment(),
        precision=precision,
    )
    fabric.launch()
    return fabric


class Processes:
    """What the processes of a training do together; one alone does it by itself.

    Attributes:
        rank: number of this one, from 0.
        count: how many there are.
    """

    def __init__(self, fabric: Any) -> None:
        self.fabric = fabric
        self.rank: int = fabric.global_rank
        self.count: int = fabric.world_size
        self.watch = Watch(self.rank, self.count, fabric.broadcast) if self.count > 1 else None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def check(self, count: int) -> None:
        """Raise ConfigError unless there are so many: steps and samples are counted by it."""
        if count != self.count:
            raise ConfigError(
                f"the run was started with {count} processes and goes on with as many, not "
                f"{self.count}; choose --devices {count}"
            )

    def sum(self, values: Sequence[float]) -> list[float]:
        """Each value summed over all processes; exact for counts."""
        return self._reduce(values, "sum")

    def largest(self, values: Sequence[float]) -> list[float]:
        """The largest of each value over all processes."""
        return self._reduce(values, "max")

    def _reduce(self, values: Sequence[float], how: str) -> list[float]:
        if self.count == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        reduced: list[float] = self.fabric.all_reduce(tensor, reduce_op=how).tolist()
        return reduced

    def gather(self, value: T) -> list[T]:
        """The values of all processes, by rank; they may take any time to come."""
        if self.watch is None:
            return [value]
        self.watch.meet()
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def from_first(self, make: Callable[[], T]) -> T:
        """What the first process makes, on all of them.

        A SalaNetError is raised there alone; the others end without a word.
        """
        made, failure = None, None
        if self.first:
            try:
                made = make()
            except SalaNetError as error:
                failure = error
        if self.watch is not None:
            self.watch.meet()
            made, failed = self.fabric.broadcast((made, failure is not None))
            if failed and failure is None:
                raise SystemExit(2)
        if failure is not None:
            raise failure
        return made  # type: ignore[return-value]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside, a process that is gone ends the others, with a line that names it.

        Raises:
            SalaNetError: another process is gone.
        """
        if self.watch is None:
            yield
            return
        try:
            with self.watch:
                yield
        except RuntimeError as error:
            if not _lost(error):
                raise
            raise SalaNetError(self.watch.blame()) from error


class Watch:
    """Signs of life of all processes, kept by the first.

    A dead process closes its connections and the others' next step fails at once; a dead machine
    says nothing, and they would wait for ever. In both cases silence tells who it was.
    """

    def __init__(self, rank: int, count: int, broadcast: Callable[[Any], Any]) -> None:
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        store = distributed.TCPStore(host, 0, None, True, TOGETHER, False) if rank == 0 else None
        port = broadcast(store.port if store else None)
        self.store = store or distributed.TCPStore(host, port, None, False, TOGETHER, False)
        self.rank, self.count = rank, count
        self.met = self.beats = 0
        self.lost, self.over, self.named = (threading.Event() for _ in range(3))
        self.message = "the connection between the processes broke"
        self.store.set(f"who {rank}", f"process {os.getpid()} on {socket.gethostname()}")
        self.store.set(f"life {rank}", "0")
        broadcast(None)  # all keys are there
        self.names = [self.store.get(f"who {r}").decode() for r in range(count)]

    def __enter__(self) -> Watch:
        self.thread = threading.Thread(target=self._run, name="signs-of-life", daemon=True)
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is RuntimeError and _lost(error):
            return
        self.over.set()
        self.thread.join()
        try:
            if kind is None or issubclass(kind, Stopped):
                self.store.set(f"life {self.rank}", DONE)
                self.meet()
            else:
                self.store.set(f"life {self.rank}", FAILED)
            if self.rank == 0:
                time.sleep(2 * BEAT)  # it keeps the signs of life: the others look a last time
        except RuntimeError:
            pass  # the others have left already

    def meet(self) -> None:
        """Wait until all processes are here, however long; the watch goes on."""
        self.met += 1
        key = f"met {self.met}"
        arrived = self.store.add(key, 1)
        while arrived < self.count and not self.named.is_set():
            time.sleep(0.02)
            arrived = self.store.add(key, 0)
        if self.named.is_set():
            raise SalaNetError(self.message)

    def blame(self) -> str:
        """Which process is gone, after a connection broke."""
        self.lost.set()
        self.named.wait(SILENCE)
        return self.message

    def _run(self) -> None:
        seen: dict[int, tuple[str, float]] = {}
        while not self.over.wait(BEAT):
            message = self._missing(seen)
            if message:
                break
        else:
            return
        self.message = message
        self.named.set()
        # What waits for a dead machine inside a library cannot be woken up.
        if not self.over.wait(LAST_WORDS):
            cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
            print(f"{cursor}salanet train: {visible(self.message)}", file=sys.stderr, flush=True)
            os._exit(2)

    def _missing(self, seen: dict[int, tuple[str, float]]) -> str:
        """What happened to a process that failed or has been silent for too long; or nothing."""
        self.beats += 1
        try:
            self.store.set(f"life {self.rank}", str(self.beats))
            signs = self.store.multi_get([f"life {r}" for r in range(self.count)])
        except RuntimeError:
            return "" if self.over.is_set() else self._gone(0)
        now = time.monotonic()
        for rank, sign in enumerate(sign.decode() for sign in signs):
            if sign == FAILED:
                return f"rank {rank} ({self.names[rank]}) failed, and said why"
            if rank not in seen or seen[rank][0] != sign:
                seen[rank] = sign, now
        patience = SILENCE_AFTER_LOSS if self.lost.is_set() else SILENCE
        for rank, (sign, when) in seen.items():
            if sign != DONE and now - when > patience:
                return self._gone(rank)
        return ""

    def _gone(self, rank: int) -> str:
        return f"rank {rank} ({self.names[rank]}) is gone; --resume goes on"


def _lost(error: object) -> bool:
    """Whether an error says that the connection to another process broke."""
    text = str(error)
    return isinstance(error, distributed.DistError) or "gloo" in text or "NCCL" in text
