"""Damaged files of every kind SalaNet reads: a clear error or the content, never anything else.

Files are made, damaged (cut, bits turned, pieces moved, headers that lie, bombs; see
tests/io/fuzzing.py) and read in child processes with bounded memory and time. What counts as a
failure: a signal, an exception that is no SalaNetError, more than SECONDS of computing, more than
MEMORY of memory. Damage number i of a kind is the same in every run with the same seed.

    python benchmarks/fuzz.py --seconds 60               every kind, a minute each
    python benchmarks/fuzz.py --count 20000 --only laz   one kind, so many files
    python benchmarks/fuzz.py --seconds 600 --go-on      more of each, added to the results

writes benchmarks/results/fuzz.{csv,md}; failing files are kept in the folder given by --keep.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
TABLE = RESULTS / "fuzz.csv"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "io"))

SECONDS = 10  # of computing for a file of some kilobytes
PATIENCE = 600  # seconds on the clock, for a machine that has other work
MEMORY = 1 << 30  # more than the process had before
BATCH = 2000  # files per child
SHOWN = 20  # failures that are printed and kept, of each child
OUTCOMES = ("content", "error", "crash", "exception", "hang", "memory")


def child(name: str, seed: int, start: int, folder: Path) -> None:
    """Read damaged files from number `start` on, one line on stdout before and after each."""
    import numpy as np
    from fuzzing import TARGETS, place

    from salanet.errors import SalaNetError

    target = TARGETS[name]
    seeds = [(path.name, path.read_bytes()) for path in sorted((folder / "seeds").iterdir())]
    warm = folder / "warm"
    shutil.copytree(folder / "seeds", warm)
    for path in [warm] if target.folder else sorted(warm.iterdir()):
        try:  # load every library before memory is bounded
            target.read(path)
        except (SalaNetError, MemoryError):
            continue
    shutil.rmtree(warm)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + 3 * MEMORY, resource.RLIM_INFINITY))
    case = folder / "case"
    for number in range(start, start + BATCH):
        shutil.rmtree(case, ignore_errors=True)
        case.mkdir()
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
        path = place(target, seeds, rng, case)
        print(f"@begin {number}", flush=True)
        _forget_peak()
        before, clock = _status("VmRSS"), time.process_time()
        outcome, detail = _attempt(target.read, path, SalaNetError)
        if time.process_time() - clock > SECONDS:
            outcome, detail = "hang", f"{time.process_time() - clock:.0f} s"
        elif _status("VmHWM") - before > MEMORY:
            outcome, detail = "memory", f"{(_status('VmHWM') - before) / 1e9:.1f} GB"
        print(f"@end {number} {outcome} {' '.join(detail.split())[:300]}", flush=True)


def _attempt(read: object, path: Path, expected: type[Exception]) -> tuple[str, str]:
    try:
        read(path)  # type: ignore[operator]
    except expected as error:
        link: BaseException | None = error
        while link is not None:  # memory that was asked for in vain
            if isinstance(link, MemoryError):
                return "memory", repr(link)
            link = link.__cause__ or link.__context__
        if "\n" in str(error):
            return "exception", f"more than one line: {error!r}"
        return "error", ""
    except MemoryError as error:
        return "memory", repr(error)
    except BaseException as error:  # panics of Rust derive from nothing narrower
        return "exception", repr(error)
    return "content", ""


def _status(key: str) -> int:
    """Bytes, from what Linux says of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def campaign(
    name: str, seed: int, seconds: float, number: int, count: int, keep: Path
) -> tuple[Counter[str], list[str]]:
    """Read damaged files of one kind from `number` on until time or `count` is used up."""
    found: Counter[str] = Counter()
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _make_seeds(name, folder)
        start = time.monotonic()
        while time.monotonic() - start < seconds and number < count:
            before, until = len(failures), start + seconds
            number = _run_child(name, seed, number, count, until, folder, found, failures)
            for line in failures[before:][:SHOWN]:
                print(f"  {line}", flush=True)
                case = line.split()[0]
                _keep(name, seed, int(case), folder, keep / f"{name.replace(' ', '-')}-{case}")
    return found, failures


def _make_seeds(name: str, folder: Path) -> None:
    from fuzzing import TARGETS

    (folder / "seeds").mkdir()
    TARGETS[name].make(folder / "seeds")


def _run_child(
    name: str,
    seed: int,
    first: int,
    count: int,
    until: float,
    folder: Path,
    found: Counter[str],
    failures: list[str],
) -> int:
    """One child until it dies, gets stuck, or has done its share; returns the next number."""
    arguments = [sys.executable, __file__, "--child", name, str(seed), str(first), str(folder)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    number, running = first - 1, False
    try:
        while True:
            if not _answers(process, selector, running):
                found["hang"] += 1
                failures.append(f"{number} hang: no answer")
                return max(number, first) + 1
            words = process.stdout.readline().strip().split(maxsplit=3)
            if not words and process.poll() is not None:
                break
            if not words or not words[0].startswith("@"):  # what a library has to say
                continue
            number, running = int(words[1]), words[0] == "@begin"
            if running:
                continue
            found[words[2]] += 1
            if words[2] not in ("content", "error"):
                failures.append(f"{number} {words[2]}: {' '.join(words[3:])}")
            if time.monotonic() > until or number + 1 >= count:
                return number + 1
        if running or process.wait():
            said = process.stderr.read().strip().splitlines()[-1:]
            if number < first:
                raise SystemExit(f"{name}: the child does not start: {said}")
            found["crash"] += 1
            failures.append(f"{number} crash: exit {process.wait()} {said}")
        return number + 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def _answers(
    process: subprocess.Popen[str], selector: selectors.BaseSelector, running: bool
) -> bool:
    """Whether the child says something before its time is up: of computing, and on the clock."""
    start, spent = time.monotonic(), _computed(process)
    while not selector.select(1):
        stuck = running and _computed(process) - spent > 3 * SECONDS
        if stuck or time.monotonic() - start > PATIENCE:
            return False
    return True


def _computed(process: subprocess.Popen[str]) -> float:
    """Seconds of computing of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _keep(name: str, seed: int, number: int, folder: Path, to: Path) -> None:
    """Make the damaged file again, for whoever repairs the reader."""
    import numpy as np
    from fuzzing import TARGETS, place

    seeds = [(path.name, path.read_bytes()) for path in sorted((folder / "seeds").iterdir())]
    to.mkdir(parents=True)
    place(
        TARGETS[name], seeds, np.random.default_rng([seed, zlib.crc32(name.encode()), number]), to
    )


def read_results() -> dict[str, dict[str, object]]:
    if not TABLE.exists():
        return {}
    with TABLE.open(newline="") as file:
        return {row["reader"]: dict(row) for row in csv.DictReader(file)}


def write_results(rows: list[dict[str, object]], note: str) -> None:
    from fuzzing import TARGETS

    known = read_results() | {str(row["reader"]): row for row in rows}
    known = {name: known[name] for name in TARGETS if name in known}
    columns = list(rows[0])
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(known.values())
    lines = [
        "# Damaged files",
        "",
        "`python benchmarks/fuzz.py` makes valid files, damages them (cut, bits turned, pieces",
        "moved or repeated, absurd integers, floats and words, other bytes; checksums of E57 and",
        "members of NPZ put right again afterwards, mostly) and reads them. *Content*: what was",
        "left could be read, described, brought into cells and written again. *Error*: one line",
        "that names the file. The rest are failures: a signal, another exception, more than",
        f"{SECONDS} s of computing, more than {MEMORY / 2**30:.0f} GiB of memory or a request for",
        "what the system does not have.",
        "",
        "| " + " | ".join(c.replace("_", " ") for c in columns) + " |",
        "|---" + "|---:" * (len(columns) - 1) + "|",
    ]
    for row in known.values():
        cells = [str(row[c]) for c in columns]
        cells = [f"{int(c):,}" if c.isdigit() else c for c in cells]
        lines.append("| " + " | ".join(cells) + " |")
    total = sum(int(str(row["inputs"])) for row in known.values())
    failed = sum(int(str(row[o])) for row in known.values() for o in OUTCOMES[2:])
    lines += ["", f"{total:,} files in all, {failed:,} failures. {note}", ""]
    (RESULTS / "fuzz.md").write_text("\n".join(lines))


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        name, seed, start, folder = sys.argv[2:]
        child(name, int(seed), int(start), Path(folder))
        return 0
    from fuzzing import TARGETS

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1e9, help="for each kind of file")
    parser.add_argument("--count", type=int, default=1 << 62, help="files of each kind")
    parser.add_argument("--only", action="append", choices=list(TARGETS), help="this kind alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "salanet-fuzz")
    parser.add_argument("--go-on", action="store_true", help="after the files of the results")
    parser.add_argument("--no-results", action="store_true", help="print only")
    options = parser.parse_args()
    shutil.rmtree(options.keep, ignore_errors=True)
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = "1"
    failed, rows = 0, []
    for name in options.only or TARGETS:
        start = time.monotonic()
        known = read_results().get(name, {}) if options.go_on else {}
        first = int(str(known.get("inputs", 0)))
        found, failures = campaign(
            name, options.seed, options.seconds, first, first + options.count, options.keep
        )
        row: dict[str, object] = {"reader": name, "inputs": first + sum(found.values())}
        row |= {o: int(str(known.get(o, 0))) + found[o] for o in OUTCOMES}
        rows.append(row | {"seed": options.seed})
        print(name, dict(found), f"{time.monotonic() - start:.0f} s", flush=True)
        failed += len(failures)
        if not options.no_results:
            write_results([rows[-1]], f"Seed {options.seed}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
