"""What to type about a remark or an error of the library."""

from __future__ import annotations

from salanet.errors import SalaNetError
from salanet.remark import Remark

ADVICE = {
    "backup": " (--restore brings it back)",
    "backup-there": " (--restore), or go on with what was killed (--resume)",
    "columns": " (--columns)",
    "clash": " (--into keeps them apart)",
    "degrees": " (--units m)",
    "down": ": --up=-z, if so",
    "flagged": " (--noise labels them)",
    "kept": " (--keep none: label them too)",
    "import": " (--import MODULE, or the path of its file)",
    "implausible": " (see --units, --up)",
    "only-flagged": " (--noise labels them all the same)",
    "replaced": " (see --keep, --into)",
    "sparse": "; --grid auto would take these cells",
    "units-doubted": " (--units m, if so)",
    "units-doubtful": ": see --units",
    "units-feet": ": --units ft?",
    "units-guessed": " (--units m if this is wrong)",
    "up-doubtful": ": look at the result, or say --up y or --up z",
    "up-guessed": " (--up z if this is wrong)",
    "up-said": " (--up z if this is wrong)",
    "mesh": " (--vertices: without them)",
    "view-doubtful": ": --up=-y if it does, else --up z",
}

# What else may be done about too little memory, by command.
LESS_MEMORY = {
    "predict": "give --memory a smaller size, or split the file into smaller tiles",
    "prepare": "use fewer --workers or a larger --grid, or split the files into smaller tiles",
    "train": "make the spheres or the batches of the recipe smaller",
}


def code_of(said: str) -> str:
    """What a remark is about."""
    return said.code if isinstance(said, Remark) else ""


def advised(said: str) -> str:
    """A remark, with what may be done about it."""
    return f"{said}{ADVICE.get(code_of(said), '')}"


def advised_error(error: BaseException, message: str) -> str:
    """The message of an error, with what may be done about it."""
    code = error.code if isinstance(error, SalaNetError) else ""
    return message + ADVICE.get(code, "")
