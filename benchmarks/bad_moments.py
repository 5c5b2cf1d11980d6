"""Power cuts and kills of every command that writes: resumed or clean, and never another result.

Each command runs once undisturbed, then again and again with a power cut or a signal (SIGKILL,
SIGTERM, SIGINT) at a random moment. What is there under a final name then must be what was there
before, or the result; the same command, with `--resume` where it has that, must end with the same
bytes and leave nothing else behind.

    python benchmarks/bad_moments.py --kills 30               needs no rights
    sudo python benchmarks/bad_moments.py --cuts 30 --kills 30

A power cut is a shutdown of an ext4 file system in a file of its own (EXT4_IOC_SHUTDOWN without
its log): what was not flushed is gone, as when the plug is pulled. Linux and root alone can do
that. Runs are forked from a process that has loaded the libraries, so that moments fall into the
work. Writes benchmarks/results/bad_moments.md.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
SHUTDOWN, NO_LOG = 0x8004587D, 2  # EXT4_IOC_SHUTDOWN and its flag
SIZE = 400 << 20  # bytes of the file system
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 300  # seconds for a run
RECIPE = """
model: {width: 4, features: [one, height_above_ground], neighbours: [8, 8, 8, 8, 8]}
sampling: {shape: cylinder, sphere_radius: 5, max_points: 200, centres: potentials}
training: {epochs: 3, samples_per_epoch: 6, batch_size: 1, optimiser: adamw, validate_every: 1}
"""
# Of a training: they tell times, machines and where it ran.
VARYING = {"run.json", "metrics.csv", "metrics.json", "summary.md", "loss.svg", "curves.svg"}
KEPT = {"checkpoint.pt", "checkpoint.previous.pt"}


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        arguments: `{in}` is the folder of inputs, `{out}` the one results go to.
        resume: what is added to go on.
        before: a result that stood there earlier, and must until the new one does.
    """

    arguments: str
    resume: str = ""
    before: str = ""


CASES = {
    "predict": Case("predict {in}/a.laz -m {in}/m.safetensors -o {out}/a.laz", before="a.laz"),
    "predict --memory": Case(
        "predict {in}/a.laz -m {in}/m.safetensors -o {out}/a.laz --memory 1MB --probabilities",
        "--resume",
    ),
    "prepare": Case(
        "prepare files {in}/tiles {out}/scenes --classes ground=2,tree=5,building=6,other=* "
        "--grid 0.5 --workers 1"
    ),
    "train": Case(
        "train {in}/tiny.yaml --data {in}/scenes -o {out}/run --accelerator cpu", "--resume"
    ),
    "convert": Case("convert {in}/a.laz {out}/a.ply", before="a.ply"),
    "export": Case(
        "export {in}/m.safetensors -o {out}/m.safetensors --precision float16",
        before="m.safetensors",
    ),
    "view": Case("view {in}/a.laz --html {out}/a.html", before="a.html"),
}


@dataclass
class Place:
    """Where results go; a file system of its own where power is cut."""

    folder: Path
    image: Path | None = None
    out: Path = field(init=False)

    def __post_init__(self) -> None:
        self.out = self.folder / "out"

    @contextmanager
    def fresh(self, case: Case) -> Iterator[None]:
        """An empty place, but for what stood there earlier."""
        if self.image:
            _sh("mkfs.ext4", "-q", "-F", self.image)
            self._mount()
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        if case.before:
            (self.out / case.before).write_text("of an earlier run")
        os.sync()
        try:
            yield
        finally:
            if self.image:
                _sh("umount", self.folder)

    def cut(self) -> None:
        """Pull the plug: from here on nothing reaches the disk."""
        handle = os.open(self.folder, os.O_RDONLY)
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_LOG))
        os.close(handle)

    def again(self) -> None:
        """The power is back."""
        _sh("umount", self.folder)
        self._mount()

    def _mount(self) -> None:
        assert self.image is not None
        _sh("mount", "-o", "loop,commit=1", self.image, self.folder)

    def files(self) -> dict[str, str]:
        """Digests of all files, by path; tensors alone of models, whose metadata tell times."""
        found = {}
        for path in sorted(self.out.rglob("*")):
            name = path.relative_to(self.out).as_posix()
            events = "events.out" in path.name
            if path.is_file() and path.name not in VARYING | KEPT and not events:
                found[name] = hashlib.sha256(_content(path)).hexdigest()[:12]
        return found


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".safetensors" and data[:2] != b"of":
        return data[8 + int.from_bytes(data[:8], "little") :]
    return data


def _sh(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)


def start(case: Case, inputs: Path, place: Place, log: Path, more: str = "") -> int:
    """Fork a process that runs a command; returns its id."""
    text = f"{case.arguments} {more}".replace("{in}", str(inputs)).replace("{out}", str(place.out))
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        from salanet.cli.main import main

        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1), os.dup2(handle, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["salanet", *text.split()]
        code = main(text.split())
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """The exit code of a process; None if it is at work after so many seconds."""
    until = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.002)


def disturb(
    name: str, inputs: Path, place: Place, how: int | None, moment: float, expected: dict[str, str]
) -> str:
    """One bad moment after so many seconds; returns what came of it: "same", or what is wrong."""
    case, log = CASES[name], place.folder.parent / "log"
    with place.fresh(case):
        earlier = place.files()
        child = start(case, inputs, place, log)
        ended = wait(child, moment)
        if how is None:
            place.cut()
        if ended is None:
            os.kill(child, how or signal.SIGKILL)
            if wait(child, PATIENCE) is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return f"did not end after {signal.Signals(how or 9).name}"
        if how is None:
            place.again()
        elif "Traceback" in log.read_text():
            return f"traceback after {signal.Signals(how).name}: {_last(log)}"
        for path, digest in place.files().items():
            shown = not any(part.startswith(".") for part in Path(path).parts)
            if name != "train" and shown and digest not in (earlier.get(path), expected.get(path)):
                return f"{path} is there, and is not whole"
        if how in (signal.SIGTERM, signal.SIGINT) and not case.resume:
            left = [path for path in place.files() if Path(path).name.startswith(".")]
            if left:
                return f"left {left}"
        for more in dict.fromkeys((case.resume, "")):
            code = wait(start(case, inputs, place, log, more), PATIENCE)
            if code == 0 or "has no checkpoint.pt to resume" not in log.read_text():
                break
        if code or "Traceback" in log.read_text():
            return f"then exit {code}: {_last(log)}"
        found = place.files()
        if found != expected:
            differ = {path for path in found | expected if found.get(path) != expected.get(path)}
            return f"other results: {sorted(differ)[:4]}"
    return "same"


def _last(log: Path) -> str:
    return (log.read_text().strip().splitlines() or [""])[-1][:160]


def undisturbed(name: str, inputs: Path, place: Place) -> tuple[dict[str, str], float]:
    """The results of a command and its seconds."""
    case, log = CASES[name], place.folder.parent / "log"
    with place.fresh(case):
        begin = time.monotonic()
        code = wait(start(case, inputs, place, log), PATIENCE)
        if code:
            raise SystemExit(f"{name} fails undisturbed: {_last(log)}")
        return place.files(), time.monotonic() - begin


def make_inputs(folder: Path) -> None:
    """Scans, scenes and a model, in a process of its own: threads would not survive forks."""
    if child := os.fork():
        if os.waitpid(child, 0)[1]:
            raise SystemExit("the inputs cannot be made")
        return
    import torch

    from salanet import save, write
    from salanet.datasets import files
    from salanet.datasets.classes import ClassMap
    from salanet.datasets.town import CLASSES, town
    from salanet.models import create_model
    from salanet.sampling.features import width

    write(folder / "a.laz", town(3, size=60, density=6))
    (folder / "tiles").mkdir()
    for seed in range(4):
        write(folder / "tiles" / f"town-{seed}.laz", town(seed, size=24))
    jobs = files.plan(sorted((folder / "tiles").glob("*")), folder / "scenes", val=["town-2"])
    files.prepare(jobs, files.Settings(ClassMap.parse(CLASSES), grid=0.5))
    (folder / "tiny.yaml").write_text(RECIPE)
    torch.manual_seed(0)
    names = ["one", "height_above_ground"]
    model = create_model(
        in_channels=width(names),
        features=names,
        classes=["ground", "tree", "building"],
        width=8,
        grid=0.5,
        metadata={"intensity_scale": 1.0},
    )
    save(model.eval(), folder / "m.safetensors")
    os._exit(0)


def load_libraries() -> None:
    """Before forking: what commands load, and nothing that starts threads."""
    from salanet.cli.main import COMMANDS

    for word in {case.arguments.split()[0] for case in CASES.values()}:
        import_module(COMMANDS[word][0])
    for module in (
        "salanet.labelling.stream",
        "salanet.training",
        "salanet.view",
        "salanet.export",
    ):
        import_module(module)
    for module in ("lightning_fabric", "torch.utils.tensorboard"):
        import_module(module)


def campaign(
    names: list[str], cuts: int, kills: int, seed: int, folder: Path
) -> dict[str, Counter[str]]:
    """Spread so many bad moments over the commands; prints and counts what came of each."""
    inputs, rng = folder / "in", random.Random(seed)
    tally = {name: Counter[str]() for name in names}
    inputs.mkdir()
    make_inputs(inputs)
    for kind, count in (("power cut", cuts), ("kill", kills)):
        place = Place(folder / "mnt")
        place.folder.mkdir(exist_ok=True)
        if kind == "power cut" and count:
            place.image = folder / "disk"
            with place.image.open("wb") as file:
                file.truncate(SIZE)
        known = {name: undisturbed(name, inputs, place) for name in names} if count else {}
        for i in range(count):
            name = names[i % len(names)]
            how = None if kind == "power cut" else SIGNALS[i // len(names) % len(SIGNALS)]
            expected, seconds = known[name]
            moment = rng.uniform(0.02, 1.02) * seconds
            found = disturb(name, inputs, place, how, moment, expected)
            word = kind if how is None else signal.Signals(how).name
            print(f"{name}: {word} after {moment:.2f} of {seconds:.2f} s: {found}", flush=True)
            tally[name][f"{kind}: {'same' if found == 'same' else 'WRONG'}"] += 1
    return tally


def write_results(tally: dict[str, Counter[str]], seed: int) -> None:
    columns = [f"{kind}: {how}" for kind in ("power cut", "kill") for how in ("same", "WRONG")]
    lines = [
        "# Power cuts and kills",
        "",
        "`sudo python benchmarks/bad_moments.py --cuts N --kills N`: at a random moment the power",
        "is cut (a file system shut down without its log) or the process killed (SIGKILL, SIGTERM,",
        "SIGINT in turn). *Same*: nothing partial under a final name; the same command, with",
        f"`--resume` where it has that, then gave the undisturbed bytes. Seed {seed}.",
        "",
        "| command | " + " | ".join(columns) + " |",
        "|---" + "|---:" * len(columns) + "|",
        *(
            f"| {name} | " + " | ".join(str(found[column]) for column in columns) + " |"
            for name, found in tally.items()
        ),
        "",
    ]
    (RESULTS / "bad_moments.md").write_text("\n".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=0, help="power cuts (root on Linux)")
    parser.add_argument("--kills", type=int, default=0, help="signals")
    parser.add_argument("--only", action="append", choices=list(CASES), help="this command alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-results", action="store_true", help="print only")
    options = parser.parse_args()
    if options.cuts and (sys.platform != "linux" or os.geteuid() != 0):
        parser.error("power cuts need Linux and root: --kills alone needs neither")
    os.environ["OMP_NUM_THREADS"] = "1"
    load_libraries()
    names = options.only or list(CASES)
    with tempfile.TemporaryDirectory(prefix="bad-moments-") as folder:
        tally = campaign(names, options.cuts, options.kills, options.seed, Path(folder))
    if not options.no_results:
        write_results(tally, options.seed)
    wrong = sum(count for found in tally.values() for how, count in found.items() if "WRONG" in how)
    print(f"{sum(found.total() for found in tally.values())} bad moments, {wrong} went wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
