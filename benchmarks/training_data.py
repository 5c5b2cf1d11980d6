"""Who makes the batches of a training: waiting for data, steps per second, memory over many steps.

`python benchmarks/training_data.py --data SCENES` trains SALANet C = 18 by the recipe ign-lidar-hd
for some steps, the batches being made

    in the step             by the thread that also takes the step
    thread, all cores       beforehand by one thread that uses as many threads as the step
    N threads               beforehand by N threads, each alone (what `salanet train` does)
    N threads, search later the same, but the neighbour search is left to the step
    N processes             beforehand by N forked processes, each alone, through shared memory

each in a process of its own, in turns, several rounds; all see the same batches. Without --data
the scenes are generated towns. It writes benchmarks/results/training_data.{csv,md}.

`--memory 2000` instead takes so many steps of `salanet train` with two workers on small samples,
and writes the memory of the process every 100 steps: benchmarks/results/training_memory.csv.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tables import write_csv

RESULTS = Path(__file__).parent / "results"
WAYS = (
    "in the step",
    "thread, all cores",
    "1 thread",
    "2 threads",
    "1 thread, search later",
    "1 process",
    "2 processes",
)
WARM_UP = 5  # steps not counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of prepared scenes")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="STEPS")
    parser.add_argument("--one", choices=WAYS)
    parser.add_argument("--dry-run", action="store_true", help="print the rows, write nothing")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.data, options.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or towns(Path(folder) / "scenes")
        if options.memory:
            rows = memory(data, Path(folder) / "run", options.memory)
        else:
            rows = side_by_side(data, options.steps, options.rounds)
    if options.dry_run:
        return
    name = "training_memory" if options.memory else "training_data"
    write_csv(RESULTS / f"{name}.csv", rows)
    if not options.memory:
        (RESULTS / f"{name}.md").write_text(report(rows, options.steps, options.rounds))


def side_by_side(data: Path, steps: int, rounds: int) -> list[dict[str, Any]]:
    """The median of the rounds for each way."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            command = [sys.executable, __file__, "--one", way, "--data", str(data)]
            command += ["--steps", str(steps)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
            print(found[way][-1], flush=True)
    seen = {tuple(row["batches"]) for rows in found.values() for row in rows}
    assert len(seen) == 1, "every way trains on the same batches"
    return [middle(rows) for rows in found.values()]


def middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    figures = ("steps_per_second", "points_per_second", "data_wait", "making_ms")
    values = {name: round(statistics.median(row[name] for row in rows), 3) for name in figures}
    return {"batches": rows[0]["way"], "threads": rows[0]["threads"], **values}


def measure(way: str, data: Path, steps: int) -> dict[str, Any]:
    import torch

    from salanet.scenes import open_scenes
    from salanet.training import load_recipe
    from salanet.training.optimisation import Objective, create_optimiser
    from salanet.training.task import SceneTask
    from salanet.training.workers import Waiting

    recipe = load_recipe("ign-lidar-hd")
    torch.manual_seed(0)
    task = SceneTask(recipe, open_scenes(data, "train"), [])
    model = task.model()
    samples = task.samples(model, 0, 1)
    training = recipe.training
    objective = Objective(model, task.weights(), training.label_smoothing, training.lovasz).train()
    optimiser = create_optimiser(model, training)
    for scene in samples.sampler.indices:
        scene.tree  # noqa: B018  the trees are built once, whoever draws
    making: list[float] = []

    def make(number: int) -> Any:
        begun = time.perf_counter()
        batch = samples.batch(0, number)
        making.append(time.perf_counter() - begun)
        return batch

    if way.endswith("search later"):
        samples.model = Later(model)  # type: ignore[assignment]
    batches = Waiting(source(way, make, WARM_UP + steps))
    points, sizes, begun = 0, [], 0.0
    for step, batch in enumerate(batches):
        if step == WARM_UP:
            begun, batches.seconds, points = time.perf_counter(), 0.0, 0
        if isinstance(samples.model, Later):
            batch.pyramid = model.pyramid(*batch.pyramid.arguments)
        loss, _ = objective(batch)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        points += len(batch)
        sizes.append(len(batch))
    seconds = time.perf_counter() - begun
    return {
        "way": way,
        "threads": torch.get_num_threads(),
        "steps_per_second": steps / seconds,
        "points_per_second": points / seconds,
        "data_wait": batches.seconds / seconds,
        "making_ms": 1e3 * statistics.median(making) if making else float("nan"),
        "batches": sizes,
    }


class Later:
    """A network whose pyramid is a promise."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def pyramid(self, *arguments: Any) -> Any:
        from salanet.pyramid import Level, Pyramid

        promise = Pyramid([Level(*arguments, 0.0, arguments[0])])
        promise.arguments = arguments  # type: ignore[attr-defined]
        return promise


def source(way: str, make: Callable[[int], Any], count: int) -> Generator[Any]:
    """Batches 0 to count - 1, made in one of the ways."""
    from salanet.training.workers import ahead

    jobs = ((lambda n=n: make(n)) for n in range(count))
    if way == "in the step":
        return (job() for job in jobs)
    if way == "thread, all cores":
        return plainly_ahead(jobs)
    workers = int(way.split()[0])
    if "process" in way:
        return from_processes(make, count, workers)
    return ahead(jobs, workers)


def plainly_ahead(jobs: Iterator[Callable[[], Any]]) -> Generator[Any]:
    with ThreadPoolExecutor(1) as pool:
        waiting = []
        for job in jobs:
            waiting.append(pool.submit(job))
            if len(waiting) > 2:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


def from_processes(make: Callable[[int], Any], count: int, workers: int) -> Generator[Any]:
    import torch
    from torch import multiprocessing

    global _make
    _make = make
    with multiprocessing.get_context("fork").Pool(workers, torch.set_num_threads, (1,)) as pool:
        waiting = []
        for number in range(count):
            waiting.append(pool.apply_async(_call, (number,)))
            if len(waiting) > workers + 1:
                yield waiting.pop(0).get()
        for result in waiting:
            yield result.get()


_make: Callable[[int], Any]


def _call(number: int) -> Any:
    return _make(number)


def memory(data: Path, folder: Path, steps: int) -> list[dict[str, Any]]:
    """Resident memory of `salanet train` every 100 steps."""
    from rich.console import Console

    from salanet.scenes import open_scenes
    from salanet.training import Trainer, load_recipe, loggers

    rows: list[dict[str, Any]] = []

    class Memory:
        def __init__(self, *_: Any) -> None:
            pass

        def log(self, row: dict[str, Any]) -> None:
            megabytes = resident_bytes() / 2**20
            rows.append({"step": row["step"], "resident_mb": round(megabytes, 1)})
            print(rows[-1], flush=True)

        def close(self) -> None:
            pass

    loggers.LOGGERS["memory"] = Memory
    recipe = load_recipe("ign-lidar-hd").model_dump()
    recipe["sampling"] |= {"max_points": 2000}
    recipe["training"] |= {"epochs": -(-steps // 100), "samples_per_epoch": 200, "batch_size": 2}
    Trainer(
        type(load_recipe("ign-lidar-hd")).model_validate(recipe),
        open_scenes(data, "train"),
        [],
        folder,
        accelerator="cpu",
        workers=2,
        log=["memory"],
        console=Console(quiet=True),
    ).train()
    return rows


def resident_bytes() -> int:
    """Resident memory of this process and its children (Linux)."""
    total = 0
    for process in (os.getpid(), *children(os.getpid())):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def children(process: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *children(child)]
    return found


def towns(folder: Path) -> Path:
    """Prepared scenes of generated towns."""
    from salanet.datasets import files
    from salanet.datasets.classes import ClassMap
    from salanet.datasets.town import CLASSES, town
    from salanet.io import write

    folder.parent.mkdir(exist_ok=True)
    for seed in range(3):
        write(folder.parent / f"town-{seed}.laz", town(seed, size=100))
    jobs = files.plan(sorted(folder.parent.glob("*.laz")), folder, test=["town-2"])
    files.prepare(jobs, files.Settings(ClassMap.parse(CLASSES), grid=0.2))
    return folder


def report(rows: list[dict[str, Any]], steps: int, rounds: int) -> str:
    lines = [
        "| batches are made by | steps/s | points/s | waiting for data | making one |",
        "|:---|---:|---:|---:|---:|",
    ]
    for row in rows:
        making = "–" if row["making_ms"] != row["making_ms"] else f"{row['making_ms']:.0f} ms"
        lines.append(
            f"| {row['batches']} | {row['steps_per_second']:.2f} | "
            f"{row['points_per_second']:,.0f} | {100 * row['data_wait']:.1f} % | {making} |"
        )
    lines += [
        "",
        f"SALANet C = 18 by ign-lidar-hd, {rows[0]['threads']} PyTorch threads, {steps} steps, "
        f"median of {rounds} rounds in turns.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
