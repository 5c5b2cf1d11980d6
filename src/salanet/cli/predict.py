"""`salanet predict`: the same file out, with classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from salanet.cli.parse import parse

HERE = "local"
ADDRESS = re.compile(r"\w+://.+|[\w.-]+:\d+")
RENAMED = {"--border": "--buffer", "--no-border": "--no-buffer"}  # goes with the next version
EXAMPLES = (
    "predict survey.laz",
    "predict tiles/ -o labelled/ --confidence --resume",
    "predict scan.ply -m rooms -o scan.labelled.ply",
)


def main(argv: list[str]) -> int:
    return parse(run, with_address([RENAMED.get(word, word) for word in argv]), "predict", EXAMPLES)


def run(
    files: tyro.conf.Positional[tuple[Path, ...]],
    model: Annotated[str | None, tyro.conf.arg(aliases=["-m"])] = None,
    output: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    probabilities: bool = False,
    confidence: bool = False,
    entropy: bool = False,
    votes: int = 1,
    regularise: bool = False,
    units: Literal["auto", "m", "ft", "us-ft", "mm", "cm"] = "auto",
    up: Literal["auto", "z", "-z", "y", "-y"] = "auto",
    grid: float | Literal["auto"] | None = None,
    noise: bool = False,
    vertices: bool = False,
    keep: str = "auto",
    only: str | None = None,
    into: str | None = None,
    min_confidence: float = 0.0,
    within: str | None = None,
    in_place: bool = False,
    restore: bool = False,
    columns: str | None = None,
    scan: int | None = None,
    scans: Literal["merged", "separate"] = "merged",
    memory: str | None = None,
    resume: bool = False,
    buffer: bool = True,
    cluster: str | None = None,
    workers: int | None = None,
    json: bool = False,
    dry_run: bool = False,
    device: str = "auto",
    precision: Literal["float32", "bf16"] = "float32",
) -> int:
    """Label point clouds: the same points in the same order, every other attribute untouched.

    Args:
        files: point clouds in any format, folders of them, or patterns such as 'tiles/*.laz'. One
            that fails does not stop the others; the exit code is 2 then.
        model: model file (.safetensors), or the name of one that comes with the package (`salanet
            models`). Default: the one of these that a file looks made for.
        output: file for one input, folder for several. Default: NAME.labelled.SUFFIX beside each
            (.laz for E57, .ply for OBJ and glTF, which are read only).
        probabilities: add the probability of each class as attributes p_CLASS.
        confidence: add the largest of the probabilities.
        entropy: add the entropy of the probabilities, from 0 (certain) to 1 (all as likely).
        votes: passes, each with the cloud turned and scaled otherwise; logits are averaged.
        regularise: put isolated points and small islands of a class right by what is around them,
            as far as the model is not sure of them.
        units: of the coordinates. By default what the file's reference system says, else found out.
        up: the axis that points up (--up=-y, --up=-z: down); auto: z, unless the cloud plainly lies
            on its side or is what a camera sees.
        grid: size in metres of the cells to work with. Default: the model's; auto: larger ones
            where the points are much sparser than in training.
        noise: label points too that the file flags as noise or withholds. By default they keep
            their codes, and nothing rests on them.
        vertices: of a mesh (PLY, OBJ, glTF), see the vertices alone. By default points all over
            its faces are seen too; those labelled are the vertices either way.
        keep: classes whose points keep them: codes, ranges and names such as 7,64-67,water; none:
            every point gets a new one; all: only points without a class do. Default (auto): in
            files with the codes of LAS those that the model cannot give.
        only: classes whose points get a new one, such as 0,1; all others keep theirs.
        into: write to this attribute (in LAS an extra dimension), and leave the classes alone.
        min_confidence: points of whose class the model is less sure become unclassified (1 in LAS,
            -1 elsewhere).
        within: leave everything outside this area as it is: a file of GeoJSON or WKT, or WKT, in
            the reference system of the files.
        in_place: results take the place of the files, whose former versions are kept beside them
            as NAME.backup.
        restore: bring the former versions back, bit for bit, and label nothing.
        columns: what the columns of text files are, such as 'x,y,z,intensity'; _ skips one.
        scan: only the scan of this number, from 0, of an E57 with several.
        scans: those of an E57 merged, or separate: each to a NAME.scanN of its own.
        memory: how much to take, such as 500MB or 2GB; LAS, LAZ and PLY files that need more pass
            through it piece by piece. Default: a quarter of the machine's, at most 1.2 GB.
        resume: continue what a killed run left unfinished.
        buffer: of several files that touch, see the neighbours' points near the edge of each, so
            that results have no seams.
        cluster: spread the files over the workers of a Dask cluster at this address, such as
            tcp://host:8786; without one, over processes on this machine.
        workers: how many processes that is. Default: one per core.
        json: print what was done as JSON.
        dry_run: check inputs, model and outputs, and write nothing.
        device: auto, cpu, cuda.
        precision: of the network's products. bf16 takes a little less time where the processor has
            it (Intel's servers with AMX), and gives a few points in ten thousand another class.
    """
    from salanet.cli.cluster import View as TilesView
    from salanet.cli.predict_view import View
    from salanet.labelling.label import label
    from salanet.labelling.rules import Rules

    if restore:
        return restored(files, output is None and model is None and not in_place, json)
    rules = Rules(keep, only, into, min_confidence, within)
    tiles = cluster is not None and not dry_run
    view = TilesView(json) if tiles else View(json, dry_run)
    try:
        reports = label(
            files,
            output,
            model,
            probabilities=probabilities,
            confidence=confidence,
            entropy=entropy,
            votes=votes,
            regularise=regularise,
            units=units,
            up=up,
            grid=grid,
            noise=noise,
            vertices=vertices,
            rules=rules,
            in_place=in_place,
            columns=columns,
            scan=scan,
            scans=scans,
            memory=memory,
            resume=resume,
            buffer=buffer,
            cluster=cluster,
            workers=workers,
            device=device,
            precision=precision,
            dry_run=dry_run,
            watch=view,
        )
    finally:
        view.close()
    return view.conclude(reports)


def restored(files: Sequence[Path], nothing_else: bool, as_json: bool) -> int:
    """Bring back the files that results took the place of."""
    from salanet.cli.console import print_json, results
    from salanet.errors import ConfigError
    from salanet.labelling.inplace import restore

    if not nothing_else:
        raise ConfigError("--restore brings files back and labels none: it takes no -m, no output")
    back = restore(files)
    if as_json:
        print_json([{"restored": str(path)} for path in back])
        return 0
    for path in back:
        results().print(f"{path}: as it was before", soft_wrap=True, markup=False)
    return 0


def with_address(argv: Sequence[str]) -> list[str]:
    """The arguments, with an address after `--cluster` whether one was given or not."""
    filled = []
    for i, word in enumerate(argv):
        filled.append(word)
        after = argv[i + 1] if i + 1 < len(argv) else ""
        if word == "--cluster" and after != HERE and not ADDRESS.fullmatch(after):
            filled.append(HERE)
    return filled
